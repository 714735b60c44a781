"""Sessions: how to open them, and how to read, save and initialize their variables."""

import contextlib
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import tensorflow.compat.v1 as tf

from vae_tf1._checks import as_sizes
from vae_tf1.graph.noise import random_operations

# batch_size * hidden_units from which an operation is split across threads: eight times the notebook's.
_WORTH_SPLITTING = 8 * 100 * 128


def session_config(*, compiled: bool = False, batch_size: int = 100, hidden_units: int = 128) -> tf.ConfigProto:
    """The `ConfigProto` of a session on the CPU, for the plain loop or for `train(compiled=True)`.

    An iteration is about a hundred small operations, the largest a product of 100x784 by 784x128. Splitting one of
    these across threads costs more than it saves, and changes the rounding. So in the plain loop each operation has one
    thread, two operations may run at a time, and a seeded run repeats the numbers of TensorFlow 1.15. From eight times
    the notebook's `batch_size * hidden_units` upwards, each operation uses all threads. XLA splits work at less cost:
    the compiled loop always uses all threads.

    TensorFlow creates the threads of a process once, for its first session, so open that one with the configuration
    that you need.

    Args:
        compiled: for `train(compiled=True)`.
        batch_size: as for `train`.
        hidden_units: as for `build_vae`; for a model of your own, the width of its widest hidden layer.

    Raises:
        TypeError, ValueError: a number is not an integer, or is below 1.
    """
    batch_size, hidden_units = as_sizes(batch_size=batch_size, hidden_units=hidden_units)
    split = compiled or batch_size * hidden_units >= _WORTH_SPLITTING
    return tf.ConfigProto(
        intra_op_parallelism_threads=0 if split else 1,
        inter_op_parallelism_threads=1 if compiled else 2,
        device_count={"GPU": 0},
    )


def private_session(graph: tf.Graph) -> tf.Session:
    """Opens a session on the CPU with its own threads, so that it does not affect the shared ones of the process."""
    config = tf.ConfigProto(
        inter_op_parallelism_threads=_processors(), use_per_session_threads=True, device_count={"GPU": 0}
    )
    # Each kind of run happens a few times only, and rewriting its graph would take longer than it saves.
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    return tf.Session(graph=graph, config=config)


@contextlib.contextmanager
def thread_pool(fetches: Sequence[tf.Tensor]) -> Iterator[tuple[ThreadPoolExecutor, threading.Event]]:
    """A pool of threads to run `fetches` on all processors, since TensorFlow releases Python's lock.

    Where `fetches` draw noise, there is one thread, because the values depend on the order of the runs. An interrupt
    cancels the tasks that have not begun, and sets the event, at which a task of several runs should end.
    """
    executor, interrupted = ThreadPoolExecutor(1 if random_operations(fetches) else _processors()), threading.Event()
    try:
        yield executor, interrupted
    finally:
        interrupted.set()
        executor.shutdown(cancel_futures=True)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def read_variables(sess: tf.Session, variables: list[tf.Variable]) -> list:
    """The values of variables, as NumPy arrays.

    Raises:
        ValueError: a variable has no value yet.
    """
    try:
        return sess.run(variables)
    except tf.errors.FailedPreconditionError as error:
        raise ValueError(
            "The weights of vae have no values in sess yet; iterate over train(sess, vae, ...), "
            "or restore a checkpoint, first."
        ) from error


# The results of `_add_once` for each graph; they hold no reference to the graph, which would keep it alive.
_added_to: weakref.WeakKeyDictionary[tf.Graph, dict[tuple, Any]] = weakref.WeakKeyDictionary()


def _add_once(graph: tf.Graph, what: str, variables: Sequence[tf.Variable], add: Callable[[], Any]) -> Any:
    """Calls `add` once per graph, purpose and variables, and returns its result, so that repeated calls add nothing."""
    added = _added_to.setdefault(graph, {})
    key = (what, *(variable.op.name for variable in variables))
    if key not in added:
        with graph.as_default():
            added[key] = add()
    return added[key]


def saver_of(graph: tf.Graph, variables: Sequence[tf.Variable]) -> tf.train.Saver:
    """A saver of these variables that deletes no checkpoints; its operations are added to the graph once."""

    def add() -> Any:
        return tf.train.Saver(list(variables), max_to_keep=None).as_saver_def()

    definition = _add_once(graph, "saver", variables, add)
    with graph.as_default():
        return tf.train.Saver(saver_def=definition)


def uninitialized_variables(sess: tf.Session, variables: Sequence[tf.Variable]) -> list[tf.Variable]:
    """Those of the variables that have no value in `sess`."""

    def add() -> str:
        return tf.report_uninitialized_variables(list(variables)).name

    missing = set(sess.run(_add_once(sess.graph, "uninitialized", variables, add)))
    return [variable for variable in variables if variable.op.name.encode() in missing]
