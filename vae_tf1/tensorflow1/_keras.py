"""tf-keras in TensorFlow 1's place: `tf.keras`, `tf.layers` and `tf.nn.rnn_cell`."""

import importlib
import importlib.util
import os
import sys
import types
import warnings

from vae_tf1.tensorflow1._imports import Module

_V1 = "tf_keras.api._v1.keras"

os.environ["TF_USE_LEGACY_KERAS"] = "1"  # for processes started from here
keras = importlib.import_module(_V1)
layers = importlib.import_module(f"{_V1}.__internal__.legacy.layers")
rnn_cell = importlib.import_module(f"{_V1}.__internal__.legacy.rnn_cell")


def warn_if_keras_3_was_first() -> None:
    if "tensorflow.keras" in sys.modules and sys.modules["tensorflow.keras"].__name__ != _V1:
        warnings.warn(
            "tensorflow.keras was imported before vae_tf1.tensorflow1 and stays Keras 3, whose layers can't be used in "
            "a TensorFlow 1 graph; restart Python and import vae_tf1.tensorflow1 first.",
            stacklevel=4,
        )


def private_modules() -> dict[str, types.ModuleType]:
    """tensorflow.python.layers and tensorflow.python.keras, in 1.15 the same as tf.layers and tf.keras."""
    public = {
        name: Module(f"python.keras.{name}", f"{_V1}.{name}", f"tf_keras.src.{name}")
        for name in dir(keras)
        if isinstance(getattr(keras, name), types.ModuleType) and importlib.util.find_spec(f"tf_keras.src.{name}")
    }
    old_layers = Module("python.layers", "tf_keras.src.legacy_tf_layers", "tensorflow.python.layers", layers=layers)
    return {"keras": Module("python.keras", _V1, "tf_keras.src", **public), "layers": old_layers}
