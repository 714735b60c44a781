"""TensorFlow 1.15's `tf` on today's TensorFlow: the one line that an old program changes.

    from vae_tf1 import tensorflow1 as tf  # was: import tensorflow as tf

It is `tensorflow.compat.v1` with TensorFlow 2's behaviour switched off, and has what that has lost: `tf.contrib` and
`tensorflow.examples.tutorials.mnist` (also as modules, for the program's other imports), `tf.layers`, `tf.keras` and
`tf.nn.rnn_cell` (tf-keras), `slim.batch_norm`, and the names that NumPy has dropped. A name of `tf` or `tf.contrib`
without a counterpart raises an `AttributeError` or `ImportError` that says so. notebooks/old_notebooks.md lists what is
covered.

Importing it changes TensorFlow, tf-slim and NumPy for the whole process, so import it before the rest.
"""

import functools
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
import types
import warnings

from vae_tf1.tensorflow1 import _mnist_tutorial

from vae_tf1 import input_data  # first: it is what imports TensorFlow  # isort: skip
import numpy as np
import tensorflow
import tensorflow.compat.v1 as _tf
import tensorflow_probability as _tfp
from tensorflow.python.framework import ops as _ops
from tensorflow.python.framework import random_seed as _random_seed
from tensorflow.python.ops import array_ops as _array_ops
from tensorflow.python.ops import control_flow_ops as _control_flow_ops
from tensorflow.python.ops import variable_scope as _variable_scope

_KERAS = "tf_keras.api._v1.keras"
_OTHERWISE = "rewrite that part, or run it with TensorFlow 1.15 on Python 3.7"
# What to write instead, where there is more to say.
_INSTEAD = {
    "tf.estimator": "write the training loop with a tf.Session, or use TensorFlow 2.15",
    "tf.pywrap_tensorflow": "tf.train.NewCheckpointReader reads checkpoints",
    "tf.contrib.crf": "tensorflow-addons has it, for TensorFlow up to 2.15",
    "tf.contrib.deprecated": "write tf.summary.scalar, tf.summary.histogram and tf.summary.image",
    "tf.contrib.eager": "eager execution is what TensorFlow 2 does: import tensorflow itself instead",
    "tf.contrib.factorization": "scikit-learn has k-means and matrix factorization",
    "tf.contrib.learn": "write the training loop with a tf.Session, or use scikit-learn's estimators",
    "tf.contrib.seq2seq": "tensorflow-addons has it, for TensorFlow up to 2.15",
    "tf.contrib.tensor_forest": "scikit-learn has random forests",
    "tf.contrib.training.HParams": "types.SimpleNamespace(learning_rate=0.1) holds such values",
}

# Of TensorFlow 0.x.
_RENAMED = {
    "tf.mul": "tf.multiply",
    "tf.sub": "tf.subtract",
    "tf.neg": "tf.negative",
    "tf.inv": "tf.reciprocal",
    "tf.pack": "tf.stack",
    "tf.unpack": "tf.unstack",
    "tf.select": "tf.where",
    "tf.batch_matmul": "tf.matmul",
    "tf.scalar_summary": "tf.summary.scalar",
    "tf.histogram_summary": "tf.summary.histogram",
    "tf.image_summary": "tf.summary.image",
    "tf.merge_summary": "tf.summary.merge",
    "tf.merge_all_summaries": "tf.summary.merge_all",
}


def _missing(name: str) -> str:
    """The sentence about a name that is not there; of the longest name that `_INSTEAD` knows."""
    if name in _RENAMED:
        return f"{name} was removed in TensorFlow 1.0; write {_RENAMED[name]}."
    known = [known for known in _INSTEAD if f"{name}.".startswith(f"{known}.")]
    instead = _INSTEAD[max(known, key=len)] if known else _OTHERWISE
    return f"{name} has no counterpart in TensorFlow {tensorflow.__version__}; {instead}."


class _Module(types.ModuleType):
    """A module of TensorFlow 1.15: some attributes, and modules of today that have the others."""

    def __init__(self, name: str, *sources: str | types.ModuleType, **attributes):
        super().__init__(f"tensorflow.{name}")
        self.__path__: list[str] = []
        self._sources = sources
        vars(self).update(attributes)

    def __getattr__(self, name: str):
        if name in ("python", "ops", self.__name__.rpartition(".")[2]):  # of contrib.learn.python.learn, for one
            return self
        if not name.startswith("__"):
            for source in self._sources:
                module = importlib.import_module(source) if isinstance(source, str) else source
                if hasattr(module, name):
                    return getattr(module, name)
                if hasattr(module, "__path__") and importlib.util.find_spec(f"{module.__name__}.{name}"):
                    return importlib.import_module(f"{module.__name__}.{name}")
        raise AttributeError(_missing(f"{self.__name__.replace('tensorflow', 'tf', 1)}.{name}"))

    def __setattr__(self, name: str, value):
        # Importing contrib.framework.python.ops.arg_scope would put that module in place of the function arg_scope.
        if not (isinstance(value, types.ModuleType) and hasattr(self, name)):
            super().__setattr__(name, value)


keras = importlib.import_module(_KERAS)
layers = importlib.import_module(f"{_KERAS}.__internal__.legacy.layers")
_rnn_cell = importlib.import_module(f"{_KERAS}.__internal__.legacy.rnn_cell")
contrib = _Module(
    "contrib",
    data=_Module("contrib.data", _tf.data, _tf.data.experimental),
    distributions=_Module("contrib.distributions", _tfp.distributions, bijectors=_tfp.bijectors),
    framework=_Module(
        "contrib.framework",
        *("tf_slim.ops.arg_scope", "tf_slim.ops.variables", "tf_slim.ops.framework_ops", "tf_slim.ops"),
        *(_tf, _tf.train),
        zero_initializer=_tf.zeros_initializer,
    ),
    keras=keras,
    layers=_Module("contrib.layers", "tf_slim.layers"),
    learn=_Module(
        "contrib.learn",
        datasets=_Module(
            "contrib.learn.datasets", mnist=input_data, base=input_data.base, load_dataset=input_data.load_dataset
        ),
    ),
    losses=_Module("contrib.losses", "tf_slim.losses"),
    metrics=_Module("contrib.metrics", "tf_slim.metrics", _tf.sets, confusion_matrix=_tf.math.confusion_matrix),
    rnn=_Module(
        "contrib.rnn",
        _rnn_cell,
        rnn_cell=_rnn_cell,
        core_rnn_cell=_rnn_cell,
        static_rnn=_tf.nn.static_rnn,
        static_state_saving_rnn=_tf.nn.static_state_saving_rnn,
        static_bidirectional_rnn=_tf.nn.static_bidirectional_rnn,
    ),
    signal=_tf.signal,
    slim=_Module("contrib.slim", "tf_slim"),
    tensorboard=_Module("contrib.tensorboard", plugins=_Module("contrib.tensorboard.plugins", "tensorboard.plugins")),
    training=_Module("contrib.training", "tf_slim.training.training", "tf_slim.training.evaluation"),
    util=_Module("contrib.util", _tf, constant_value=_tf.get_static_value),
)
examples = _Module(
    "examples",
    tutorials=_Module(
        "examples.tutorials",
        mnist=_Module("examples.tutorials.mnist", input_data=input_data, mnist=_mnist_tutorial),
    ),
)

_RENAMED_BY_NUMPY = {
    "alltrue": "all",
    "complex_": "complex128",
    "bool8": "bool_",
    "cumproduct": "cumprod",
    "float_": "float64",
    "in1d": "isin",
    "mat": "asmatrix",
    "product": "prod",
    "round_": "round",
    "sometrue": "any",
    "string_": "bytes_",
    "trapz": "trapezoid",
    "unicode_": "str_",
}
# Modules of TensorFlow 1.15, and of the tf-keras that tf-slim was written for, that have another name today.
_MOVED = {
    "tensorflow.keras": _KERAS,
    "tensorflow.layers": layers.__name__,
    "tensorflow.nn.rnn_cell": _rnn_cell.__name__,
    "tensorflow.python.ops.rnn_cell": _rnn_cell.__name__,
    "tensorflow.python.ops.rnn_cell_impl": _rnn_cell.__name__,
    "tf_keras.legacy_tf_layers": "tf_keras.src.legacy_tf_layers",
}


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Makes `import tensorflow.contrib.slim` and similar imports return the modules above."""

    def find_spec(self, fullname, path=None, target=None):
        if self._find(fullname) is not None:
            return importlib.machinery.ModuleSpec(fullname, self)
        return None

    def exec_module(self, module):
        sys.modules[module.__name__] = self._find(module.__name__)

    def _find(self, fullname: str) -> types.ModuleType | None:
        for old, new in _MOVED.items():
            if f"{fullname}.".startswith(f"{old}."):
                return importlib.import_module(new + fullname[len(old) :])
        root, *names = fullname.split(".")
        if root != "tensorflow" or names[:1] not in (["contrib"], ["examples"]):
            return None
        found: types.ModuleType = contrib if names[0] == "contrib" else examples
        try:
            for name in names[1:]:
                attribute = getattr(found, name)
                # A module that has a function's name, such as arg_scope: its package has what is in it.
                found = attribute if isinstance(attribute, types.ModuleType) else found
        except AttributeError as error:
            raise ImportError(str(error)) from None
        return found


__version__ = _tf.__version__


def __getattr__(name: str):
    if not name.startswith("__") and hasattr(_tf, name):
        return getattr(_tf, name)
    raise AttributeError(name if name.startswith("__") else _missing(f"tf.{name}"))


def __dir__() -> list[str]:
    return sorted({*dir(_tf), "contrib"})


@functools.wraps(np.reshape)
def _reshape_with_newshape(a, *arguments, newshape=None, _reshape=np.reshape, **named):
    return _reshape(a, *arguments, **named) if newshape is None else _reshape(a, newshape, *arguments, **named)


def _restore_what_is_gone() -> None:
    """What old programs, and tf-slim, take for granted of TensorFlow, Keras and NumPy."""
    if "tensorflow.keras" in sys.modules and sys.modules["tensorflow.keras"].__name__ != _KERAS:
        warnings.warn(
            "tensorflow.keras was imported before vae_tf1.tensorflow1 and stays Keras 3, whose layers can't be used in "
            "a TensorFlow 1 graph; restart Python and import vae_tf1.tensorflow1 first.",
            stacklevel=3,
        )
    os.environ["TF_USE_LEGACY_KERAS"] = "1"  # for processes started from here
    _tf.keras, _tf.layers, _tf.nn.rnn_cell = keras, layers, _rnn_cell
    tensorflow.contrib, tensorflow.examples, tensorflow.nn.rnn_cell = contrib, examples, _rnn_cell
    vars(tensorflow).setdefault("__getattr__", __getattr__)  # for `from tensorflow import placeholder`
    for module, name, value in [
        *((_ops, name, getattr(_tf, name)) for name in ("Tensor", "IndexedSlices")),
        *((_control_flow_ops, name, getattr(_tf, name)) for name in ("cond", "case", "while_loop", "Assert")),
        *((_array_ops, name, getattr(_tf, name)) for name in ("stack", "unstack")),
        (_variable_scope, "variable", _tf.Variable),
        *((np, builtin.__name__, builtin) for builtin in (int, float, bool, object, str, complex)),
        (np, "unicode", str),
        (np, "asscalar", lambda a: a.item()),
        (np, "asfarray", lambda a, dtype=np.float64: np.asarray(a, dtype)),
        (np, "msort", lambda a: np.sort(a, axis=0)),
        *((np, name, np.inf) for name in ("Inf", "Infinity", "PINF", "infty")),
        (np, "NINF", -np.inf),
        (np.lib, "pad", np.pad),
        *((np, name, np.nan) for name in ("NaN", "NAN")),
        *((np, old, getattr(np, new)) for old, new in _RENAMED_BY_NUMPY.items() if hasattr(np, new)),
    ]:
        if name not in vars(module):
            setattr(module, name, value)
    np.reshape = _reshape_with_newshape
    sys.meta_path.insert(0, _Finder())


def _keep_quiet() -> None:
    """Hides deprecation warnings: using TensorFlow 1 is the point here."""
    warnings.filterwarnings("ignore", message=r"`tf\.nn\.rnn_cell\.\w+` is deprecated")
    _tf.get_logger().addFilter(lambda record: "deprecated" not in record.getMessage())


def _count_seeds_by_operations() -> None:
    """Where only the graph has a seed, TensorFlow 1 took the number of operations in it for the operation's own."""
    get_seed = _random_seed.get_seed

    def get_seed_of_tensorflow_1(op_seed):
        graph = _tf.get_default_graph()
        if op_seed is None and graph.seed is not None and not _tf.executing_eagerly():
            op_seed = graph.version
        return get_seed(op_seed)

    _random_seed.get_seed = get_seed_of_tensorflow_1


_keep_quiet()
_count_seeds_by_operations()
_tf.disable_v2_behavior()
_restore_what_is_gone()
