"""What `tf.contrib.framework` had under the name of something else of today."""

import tensorflow.compat.v1 as tf
from tensorflow.python.util import nest

# These names come before tf-slim's and TensorFlow's own.
BEFORE_TF_SLIM = (
    "experimental",
    "init_from_checkpoint",
    "list_variables",
    "load_checkpoint",
    "load_variable",
    "py_func",
    "zero_initializer",
)


def experimental(function):
    """Marks what could change; by now it cannot."""
    return function


def zero_initializer(ref, use_locking: bool = True, name: str = "zero_initializer"):
    """An operation that sets the variable to 0, whether it was initialized or not; it returns the variable."""
    del use_locking  # a plain assignment takes the lock
    with tf.name_scope(name):
        return tf.assign(ref, tf.zeros(ref.shape, ref.dtype.base_dtype), validate_shape=False)


def py_func(func, args=(), kwargs=None, output_types=None, output_shapes=None, stateful=True, name=None):
    """The operation that calls `func(*args, **kwargs)`; all three, and the types, may be nested.

    Args:
        func: takes arrays and returns arrays in the structure of `output_types`.
        args, kwargs: tensors, in any structure.
        output_types: dtypes; their structure is the result's.
        output_shapes: in the same structure, where they are known.

    Returns:
        Tensors in the structure of `output_types`.
    """
    if not isinstance(args, list | tuple):
        raise TypeError(f"args is a {type(args).__name__}; pass a list or tuple of tensors.")
    given = (list(args), dict(kwargs or {}))

    def call(*arrays):
        arguments, named = nest.pack_sequence_as(given, arrays)
        return nest.flatten(func(*arguments, **named))

    results = tf.py_func(call, nest.flatten(given), nest.flatten(output_types), stateful, name)
    if output_shapes is not None:
        for result, shape in zip(results, nest.flatten_up_to(output_types, output_shapes)):
            result.set_shape(shape)
    return nest.pack_sequence_as(output_types, results)


def load_checkpoint(filepattern):
    """A reader of the checkpoint file, or of the last one in a directory."""
    return tf.train.load_checkpoint(filepattern)


def load_variable(checkpoint_dir, name):
    return tf.train.load_variable(checkpoint_dir, name)


def list_variables(checkpoint_dir):
    """Names and shapes of the variables in a checkpoint."""
    return tf.train.list_variables(checkpoint_dir)


def init_from_checkpoint(checkpoint_dir, assignment_map):
    """Makes the initializers of variables read a checkpoint: name there → variable, its name, or a scope."""
    return tf.train.init_from_checkpoint(checkpoint_dir, assignment_map)


def get_placeholders(graph):
    return [operation.values()[0] for operation in graph.get_operations() if operation.type == "Placeholder"]
