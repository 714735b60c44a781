"""Functions of `tf.contrib.framework` whose names mean something else in TensorFlow today."""

import importlib
import inspect

import numpy as np
import tensorflow.compat.v1 as tf
import tf_slim
from tensorflow.python.util import nest

_variables = importlib.import_module("tf_slim.ops.variables")
# These names come before tf-slim's and TensorFlow's own.
BEFORE_TF_SLIM = (
    "assign_from_checkpoint",
    "experimental",
    "init_from_checkpoint",
    "list_variables",
    "load_checkpoint",
    "load_variable",
    "py_func",
    "zero_initializer",
)


def experimental(function):
    """Returns the function as it is; in 1.15, this decorator marked what could still change."""
    return function


def zero_initializer(ref, use_locking: bool = True, name: str = "zero_initializer"):
    """Returns an operation that sets the variable to 0, initialized or not, and whose value is the variable."""
    del use_locking  # a plain assignment takes the lock
    with tf.name_scope(name):
        return tf.assign(ref, tf.zeros(ref.shape, ref.dtype.base_dtype), validate_shape=False)


def py_func(func, args=(), kwargs=None, output_types=None, output_shapes=None, stateful=True, name=None):
    """Returns the results of `func(*args, **kwargs)`, called when the graph runs; arguments and results may be nested.

    Args:
        func: takes arrays and returns arrays in the structure of `output_types`.
        args, kwargs: tensors, in any structure.
        output_types: dtypes, in the result's structure, or a function of the arguments that returns them.
        output_shapes: in the same structure, where they are known, or a function of the arguments.

    Returns:
        Tensors in the structure of `output_types`.
    """
    if not isinstance(args, list | tuple):
        raise TypeError(f"args is a {type(args).__name__}; pass a list or tuple of tensors.")
    given = (list(args), kwargs or {})
    output_types, output_shapes = (
        of(*given[0], **given[1]) if inspect.isfunction(of) else of for of in (output_types, output_shapes)
    )

    def call(*arrays):
        arguments, named = nest.pack_sequence_as(given, arrays)
        values = func(*arguments, **named)
        nest.assert_shallow_structure(output_types, values)
        return nest.flatten(values)

    results = tf.py_func(call, nest.flatten(given), nest.flatten(output_types), stateful, name)
    if output_shapes is not None:
        for result, shape in zip(results, nest.flatten_up_to(output_types, output_shapes)):
            result.set_shape(shape)
    return nest.pack_sequence_as(output_types, results)


def assign_from_checkpoint(model_path, var_list, ignore_missing_vars: bool = False):
    """Returns an operation that sets variables to a checkpoint's values, and the feed that it needs.

    Args:
        model_path: the checkpoint.
        var_list: variables, or a dictionary from names in the checkpoint to variables (a partitioned one as a list).
        ignore_missing_vars: whether to skip a variable that the checkpoint lacks, with a warning.

    Raises:
        ValueError: the checkpoint lacks a variable or has it in another shape.
    """
    if not isinstance(var_list, dict):
        names = [_variables.get_variable_full_name(variable) for variable in var_list]
        var_list = {name: [var for var, of in zip(var_list, names) if of == name] for name in names}
    reader = tf.train.NewCheckpointReader(model_path)
    assignments, feed = [], {}
    for name, variables in var_list.items():
        if not reader.has_tensor(name):
            if not ignore_missing_vars:
                raise ValueError(f"{model_path} lacks the variable {name}; skip it with ignore_missing_vars=True.")
            tf.logging.warning("Checkpoint is missing variable [%s]", name)
            continue
        saved = reader.get_tensor(name)
        for variable in variables if isinstance(variables, list | tuple) else [variables]:
            part, value = variable._save_slice_info, saved
            if part:
                value = saved[tuple(slice(at, at + length) for at, length in zip(part.var_offset, part.var_shape))]
            if variable.shape != np.shape(value):
                raise ValueError(
                    f"{name} has shape {np.shape(value)} in {model_path}; the variable has {variable.shape}."
                )
            placeholder = tf.placeholder(variable.dtype.base_dtype, variable.shape, f"placeholder/{variable.op.name}")
            assignments.append(variable.assign(placeholder))
            feed[placeholder] = value
    return tf.group(*assignments), feed


def load_checkpoint(filepattern):
    """Opens a checkpoint, or the latest one in a directory."""
    return tf.train.load_checkpoint(filepattern)


def load_variable(checkpoint_dir, name):
    return tf.train.load_variable(checkpoint_dir, name)


def list_variables(checkpoint_dir):
    """Returns the names and shapes of the variables in a checkpoint."""
    return tf.train.list_variables(checkpoint_dir)


def init_from_checkpoint(checkpoint_dir, assignment_map):
    """Makes the initializers of variables read a checkpoint: name there → variable, its name, or a scope."""
    return tf.train.init_from_checkpoint(checkpoint_dir, assignment_map)


def get_placeholders(graph):
    return [operation.values()[0] for operation in graph.get_operations() if operation.type == "Placeholder"]


tf_slim.assign_from_checkpoint = _variables.assign_from_checkpoint = assign_from_checkpoint  # type: ignore[attr-defined]
