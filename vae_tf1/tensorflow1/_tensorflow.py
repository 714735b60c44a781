"""Changes TensorFlow and tf-slim back to what TensorFlow 1.15 did."""

import functools
import importlib
import os
import sys
import types
import warnings

import numpy as np
import tensorflow
import tensorflow.compat.v1 as tf
from tensorflow.python.eager import context
from tensorflow.python.framework import graph_util, tensor_shape
from tensorflow.python.ops import (
    array_ops,
    gen_array_ops,
    rnn_cell_impl,
    shape_util,
    variable_scope,
)
from tensorflow.python.util import nest

from vae_tf1.tensorflow1 import _imports, _keras, _missing

_PUBLIC = "tensorflow._api.v2.compat.v1."


def warn_about_eager_tensors() -> None:
    if context._context is not None and context._context._context_handle is not None and tf.executing_eagerly():
        warnings.warn(
            "TensorFlow 2 has run operations eagerly before vae_tf1.tensorflow1 was imported, so their tensors can no "
            "longer be read; import vae_tf1.tensorflow1 first, or call .numpy() on them beforehand.",
            stacklevel=4,
        )


def restore() -> None:
    """Restores what old programs and tf-slim expect of TensorFlow."""
    tf.keras, tf.layers, tf.nn.rnn_cell = _keras.keras, _keras.layers, _keras.rnn_cell
    tensorflow.nn.rnn_cell = _keras.rnn_cell
    _refuse_positional_arguments()
    _restore_private_modules()
    variable_scope._LazyEvalTensor = _compute_now
    shape_util.shape_tensor = _shape_of_ints
    for module in _public_modules():
        describe = functools.partial(_describe_missing, f"tf.{module.__name__.removeprefix(_PUBLIC)}")
        # Behind most of them is another that warns of deprecated names.
        vars(getattr(module, "_tfmw_wrapped_module", module)).setdefault("__getattr__", describe)


def _refuse_positional_arguments() -> None:
    """In TensorFlow 0.x the logits came first, in 1.x it was an error, and today the labels come first."""
    for name in (
        "softmax_cross_entropy_with_logits",
        "sparse_softmax_cross_entropy_with_logits",
        "sigmoid_cross_entropy_with_logits",
    ):
        setattr(tf.nn, name, _with_named_arguments(getattr(tf.nn, name)))


def _with_named_arguments(cross_entropy):
    @functools.wraps(cross_entropy)
    def checked(*by_position, labels=None, logits=None, **named):
        if by_position or labels is None or logits is None:
            name = cross_entropy.__name__
            raise ValueError(
                f"Only call `{name}` with named arguments: tf.nn.{name}(labels=..., logits=...), because "
                "TensorFlow 0.x took the logits first."
            )
        return cross_entropy(labels=labels, logits=logits, **named)

    return checked


def _shape_of_ints(shape, _today=shape_util.shape_tensor):
    """A shape as a tensor; in NumPy 2, a size such as `max(labels) + 1` is as narrow as uint8 labels."""
    if isinstance(shape, list | tuple):
        shape = [int(size) if isinstance(size, np.integer) and size.itemsize < 4 else size for size in shape]
    return _today(shape)


def _compute_now(thunk):
    """Evaluates the regularization losses of `tf.get_variable` at once, as 1.15 did; today's are evaluated lazily."""
    return thunk()


def _restore_private_modules() -> None:
    """Restores private names of `tensorflow.python` that programs imported nevertheless."""
    cells = _imports.Module("python.ops.rnn_cell_impl", _keras.rnn_cell, f"{__package__}._rnn", rnn_cell_impl)
    for name in ("rnn_cell", "rnn_cell_impl"):
        setattr(sys.modules["tensorflow.python.ops"], name, cells)
        sys.modules[f"tensorflow.python.ops.{name}"] = cells
    pywrap_tensorflow = importlib.import_module("tensorflow.python.pywrap_tensorflow")
    for module, name, value in [
        *((graph_util, name, getattr(tf.graph_util, name)) for name in dir(tf.graph_util)),
        (pywrap_tensorflow, "NewCheckpointReader", tf.train.NewCheckpointReader),
        *((module, "is_sequence", nest.is_nested) for module in (nest, tf.nest)),
        (tensor_shape, "scalar", lambda: tf.TensorShape([])),
        (tensor_shape, "vector", lambda length: tf.TensorShape([length])),
        (tensor_shape, "matrix", lambda rows, columns: tf.TensorShape([rows, columns])),
        *((array_ops, name, getattr(gen_array_ops, name)) for name in dir(gen_array_ops)),
    ]:
        if name not in vars(module) and not name.startswith("_"):
            setattr(module, name, value)


def _public_modules() -> list[types.ModuleType]:
    """Returns the imported modules below `tf`, such as `tf.train`."""
    return [
        module
        for name, module in list(sys.modules.items())
        if name.startswith(_PUBLIC) and not name.startswith(f"{_PUBLIC}compat.")
    ]


def _describe_missing(prefix: str, name: str):
    raise AttributeError(name if name.startswith("__") else _missing.describe(f"{prefix}.{name}"))


def hide_deprecations() -> None:
    """Hides warnings that TensorFlow 1 is deprecated, which it is here on purpose."""
    warnings.filterwarnings("ignore", message=r"`tf\.nn\.rnn_cell\.\w+` is deprecated")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    second_session = "An interactive session is already active"  # a warning of Python's, or of the logger's since 2.16
    warnings.filterwarnings("ignore", message=second_session)
    usual = ("deprecated", second_session)
    tf.get_logger().addFilter(lambda record: not any(message in record.getMessage() for message in usual))
