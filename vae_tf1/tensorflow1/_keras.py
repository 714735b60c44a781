"""tf-keras in TensorFlow 1's place: `tf.keras`, `tf.layers` and `tf.nn.rnn_cell`."""

import functools
import importlib
import importlib.util
import os
import sys
import types
import warnings

import numpy as np
from tf_keras.src.engine.training import Model as _Model
from tf_keras.src.layers.rnn.base_rnn import RNN as _RNN
from tf_keras.src.optimizers.legacy.adagrad import Adagrad as _Adagrad
from tf_keras.src.preprocessing import image as _image
from tf_keras.src.saving.legacy import hdf5_format as _hdf5_format

from vae_tf1 import input_data
from vae_tf1.tensorflow1 import _missing
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


def restore() -> None:
    """Gives tf-keras the names, file formats and variable names of `tf.keras` 1.15."""
    keras.__version__ = "2.2.4-tf"  # type: ignore[attr-defined]
    keras.Sequential.predict_classes, _Model.predict_proba = _predict_classes, _predict_proba
    _Model.save, keras.models.save_model, keras.models.load_model = _save, _save, _load_model
    _RNN.build = _build_cell_without_scope
    keras.datasets.mnist.load_data = _load_mnist
    _Adagrad.from_config = classmethod(_make_adagrad)
    _image.transform_matrix_offset_center = _move_to_center
    keras.preprocessing.image.apply_affine_transform = functools.partial(
        _image.apply_affine_transform, row_axis=0, col_axis=1, channel_axis=2
    )
    for name, module in list(sys.modules.items()):
        if name.startswith(_V1) and "__internal__" not in name:
            describe = functools.partial(_describe_missing, f"tf.keras{name.removeprefix(_V1)}")
            vars(getattr(module, "_tfmw_wrapped_module", module)).setdefault("__getattr__", describe)
    for usual in (
        r"`[mM]odel\.(fit|evaluate|predict)_generator` is deprecated",
        r"`[mM]odel\.state_updates` will be removed",
        r"`tf\.keras\.backend\.set_learning_phase` is deprecated",
        r"The `lr` argument is deprecated",
        r"You are saving your model as an HDF5 file",
    ):
        warnings.filterwarnings("ignore", message=usual)


def _describe_missing(prefix: str, name: str):
    raise AttributeError(name if name.startswith("__") else _missing.describe(f"{prefix}.{name}"))


def _predict_proba(model, x, batch_size=32, verbose=0):
    """The same as `predict`."""
    return model.predict(x, batch_size, verbose)


def _predict_classes(model, x, batch_size=32, verbose=0) -> np.ndarray:
    """Returns the likeliest class; for a single output, whether it exceeds 0.5."""
    probabilities = model.predict(x, batch_size, verbose)
    return probabilities.argmax(-1) if probabilities.shape[-1] > 1 else (probabilities > 0.5).astype("int32")


def _save(
    model,
    filepath,
    overwrite=True,
    include_optimizer=True,
    save_format=None,
    signatures=None,
    options=None,
    _save=_Model.save,
) -> None:
    """Writes HDF5 unless `save_format` is "tf" and the suffix is not one of HDF5's."""
    is_path = isinstance(filepath, str | os.PathLike)
    if save_format == "tf" and is_path and not os.fspath(filepath).endswith((".h5", ".hdf5", ".keras")):
        named = {"include_optimizer": include_optimizer, "signatures": signatures, "options": options}
        _save(model, filepath, overwrite=overwrite, save_format="tf", **named)
    else:
        target = os.fspath(filepath) if is_path else filepath
        _hdf5_format.save_model_to_hdf5(model, target, overwrite, include_optimizer)


def _load_model(filepath, custom_objects=None, compile=True, _load_model=keras.models.load_model, **named):
    """Reads HDF5 whatever the suffix, and SavedModel directories."""
    h5py = importlib.import_module("h5py")
    if isinstance(filepath, h5py.File) or (os.path.isfile(filepath) and h5py.is_hdf5(filepath)):
        target = filepath if isinstance(filepath, h5py.File) else os.fspath(filepath)
        return _hdf5_format.load_model_from_hdf5(target, custom_objects, compile)
    return _load_model(filepath, custom_objects, compile, **named)


def _build_cell_without_scope(layer, input_shape, _build=_RNN.build) -> None:
    """Names variables `lstm/kernel`, as 1.15's checkpoints do; tf-keras inserts the cell's name."""
    shape = tuple(input_shape[0] if isinstance(input_shape, list) else input_shape)
    if isinstance(layer.cell, keras.layers.Layer) and not layer.cell.built and not isinstance(shape[0], tuple | list):
        layer.cell.build(shape[1:] if layer.time_major else (shape[0], *shape[2:]))
        layer.cell.built = True
    _build(layer, input_shape)


def _make_adagrad(cls, config, custom_objects=None, _from_config=_Adagrad.from_config.__func__):
    """`compile("adagrad")` started its accumulators at 0, `Adagrad()` at 0.1."""
    return _from_config(cls, {"initial_accumulator_value": 0.0, **config}, custom_objects)


def _move_to_center(matrix, rows, columns) -> np.ndarray:
    """Applies the matrix about 1.15's centre, to rows and columns in 1.15's order; tf-keras swaps them afterwards.

    Without this, `ImageDataGenerator(height_shift_range=...)` moves pictures sideways.
    """
    center = np.array([[1, 0, rows / 2 + 0.5], [0, 1, columns / 2 + 0.5], [0, 0, 1]])
    return (center @ matrix @ np.linalg.inv(center))[[1, 0, 2]][:, [1, 0, 2]]


def _load_mnist(path="mnist.npz", _load_data=keras.datasets.mnist.load_data):
    """Returns uint8 images [N, 28, 28] and labels [N], from VAE_TF1_DATA_DIR if that is set."""
    if not (directory := os.environ.get("VAE_TF1_DATA_DIR")):
        return _load_data(path)
    data = input_data.read_data_sets(directory, dtype=np.uint8, reshape=False, validation_size=0)
    return tuple((part.images[..., 0], part.labels) for part in (data.train, data.test))
