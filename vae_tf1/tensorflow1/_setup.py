"""Everything that importing vae_tf1.tensorflow1 changes, once in a process."""

import sys

import tensorflow
import tensorflow.compat.v1 as tf

from vae_tf1.tensorflow1 import _estimator, _imports, _keras, _missing, _tensorflow

_keras.warn_if_keras_3_was_first()
_tensorflow.warn_about_eager_tensors()
_tensorflow.hide_deprecations()

from vae_tf1.tensorflow1 import _numpy, _scipy_misc, _seeds  # noqa: E402

_seeds.count_seeds_by_operations()
tf.disable_v2_behavior()
_tensorflow.restore()
_numpy.restore()
_keras.restore()

from vae_tf1.tensorflow1._contrib import contrib, examples  # noqa: E402

keras, layers = _keras.keras, _keras.layers
python = _imports.Module("python", "tensorflow.python", **_keras.private_modules())


def get(name: str):
    """A name of TensorFlow 1.15's `tf`."""
    if name == "estimator" and _estimator.is_installed():
        return _estimator.load()
    if not name.startswith("__") and hasattr(tf, name):
        return getattr(tf, name)
    raise AttributeError(name if name.startswith("__") else _missing.describe(f"tf.{name}"))


tensorflow.contrib, tensorflow.examples = contrib, examples
vars(tensorflow).setdefault("__getattr__", get)  # for `import tensorflow as tf` before this
for name, module in {
    "tensorflow.contrib": contrib,
    "tensorflow.examples": examples,
    "tensorflow.keras": keras,
    "tensorflow.layers": layers,
    "tensorflow.nn.rnn_cell": _keras.rnn_cell,
    "tensorflow.python": python,
    "tensorflow.python.training.training_ops": sys.modules["tensorflow.python.ops.gen_training_ops"],
    "scipy.misc": _scipy_misc,
    "tf_keras.legacy_tf_layers": sys.modules["tf_keras.src.legacy_tf_layers"],
}.items():
    _imports.provide(name, module)
if _estimator.is_installed():
    _estimator.prepare()
    _imports.provide("tensorflow.python.estimator", _imports.Module("python.estimator", _estimator.PACKAGE))
_imports.install()
