"""Sessions: how they are opened, and what they hold."""

import tensorflow.compat.v1 as tf

from vae_tf1._startup import look_for_devices, stderr_held_back
from vae_tf1.model import VAE

# batch_size * hidden_units from which on an operation is shared between threads: eight times the notebook's.
_WORTH_SHARING = 8 * 100 * 128


def session_config(*, compiled: bool = False, batch_size: int = 100, hidden_units: int = 128) -> tf.ConfigProto:
    """The `ConfigProto` to open a session with, on the CPU, for the plain loop or for `train(compiled=True)`.

    An iteration is some hundred small operations, the largest a product of 100x784 by 784x128. To share one of those
    between threads costs more than it saves, and changes how it rounds; so in the plain loop each has one thread, and
    a seeded run has the numbers of TensorFlow 1.15. Two at a time may run. If `batch_size * hidden_units` is at least
    eight times the notebook's, each operation uses all threads. XLA shares operations at less cost: the compiled loop
    takes all threads for each.

    TensorFlow makes the threads of a process once, for its first session: open that one with the configuration that
    you need.

    Args:
        compiled: for `train(compiled=True)`.
        batch_size: as of `train`.
        hidden_units: as of `build_vae`; of a model of your own, the width of its widest hidden layer.
    """
    look_for_devices()
    share = compiled or batch_size * hidden_units >= _WORTH_SHARING
    return tf.ConfigProto(
        intra_op_parallelism_threads=0 if share else 1,
        inter_op_parallelism_threads=1 if compiled else 2,
        device_count={"GPU": 0},
    )


def session_of_its_own(graph: tf.Graph, threads: int = 1) -> tf.Session:
    """A session on the CPU with threads that are not those of the first session of the process.

    Args:
        graph: what it runs.
        threads: how many callers run it at the same time.
    """
    config = tf.ConfigProto(inter_op_parallelism_threads=threads, use_per_session_threads=True, device_count={"GPU": 0})
    return tf.Session(graph=graph, config=config)


def check_session(sess: tf.Session, vae: VAE) -> None:
    """Raises ValueError if `sess` can't run `vae`."""
    if sess.graph is not vae.x.graph:
        raise ValueError(
            "sess runs another graph than the one vae was built in; open it with tf.Session(graph=vae.x.graph)."
        )


def values_of(sess: tf.Session, variables: list[tf.Variable]) -> list:
    """The values of variables, NumPy arrays.

    Raises:
        ValueError: one has no value yet.
    """
    with sess.graph.as_default(), stderr_held_back():  # TensorFlow reports the error there as well
        try:
            return sess.run(variables)
        except tf.errors.FailedPreconditionError as error:
            missing = error
    raise ValueError(
        "The weights of vae have no values in sess yet; iterate over train(sess, vae, ...), "
        "or restore a checkpoint, first."
    ) from missing
