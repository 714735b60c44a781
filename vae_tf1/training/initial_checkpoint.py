"""Weights to start from, in checkpoints of `tf.train.Saver`, including those of TensorFlow 1."""

from pathlib import Path

import tensorflow.compat.v1 as tf

from vae_tf1._files import explain, without_wildcards
from vae_tf1.training.checkpoints import MODEL


def restore_initial(sess: tf.Session, variables: list[tf.Variable], path: str) -> None:
    """Restores all variables of a model, or only its weights if any other is missing or has another shape.

    Raises:
        ValueError: there is no checkpoint at `path`, or a weight is missing there or has another shape.
    """
    path = path.removesuffix(".index")
    if Path(path).is_dir():
        # tf.train.latest_checkpoint would read the directory as a pattern, and not find "run [1]".
        state = tf.train.get_checkpoint_state(path)
        path = state.model_checkpoint_path if state else f"{path}/{MODEL}"
    _check_files(Path(path))
    try:
        with without_wildcards(Path(path)) as prefix:
            there = tf.train.load_checkpoint(prefix).get_variable_to_shape_map()
    except (ValueError, tf.errors.OpError) as error:
        raise ValueError(_unreadable(path, explain(error))) from error
    trainable = {variable.op.name for variable in sess.graph.get_collection("trainable_variables")}
    weights = [variable for variable in variables if variable.op.name in trainable]
    fitting = {variable.op.name for variable in variables if there.get(variable.op.name) == variable.shape.as_list()}
    for variable in weights:
        if variable.op.name not in fitting:
            raise ValueError(
                f"The checkpoint {path} does not fit: {variable.op.name} is {variable.shape.as_list()} here "
                f"but {there.get(variable.op.name, 'missing')} there; pass one of the same model and scopes."
            )
    try:
        with sess.graph.as_default(), without_wildcards(Path(path)) as prefix:
            tf.train.Saver(variables if len(fitting) == len(variables) else weights).restore(sess, prefix)
    except (ValueError, tf.errors.OpError) as error:
        raise ValueError(_unreadable(path, explain(error))) from error


def _check_files(prefix: Path) -> None:
    """Raises ValueError for a pipe in the place of a file, because TensorFlow would block while reading it."""
    for path in prefix.parent.iterdir() if prefix.parent.is_dir() else ():
        if path.name.startswith(prefix.name) and path.exists() and not path.is_file() and not path.is_dir():
            raise ValueError(_unreadable(str(prefix), f"{path.name} is not a file"))


def _unreadable(path: str, reason: str) -> str:
    return f"There is no readable checkpoint at {path} ({reason}); pass its path without .index or .data."
