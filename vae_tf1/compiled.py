"""Many training iterations in one run of the session, as one program that XLA compiles.

The program is a loop around the graph of the VAE itself: `train_step` and the losses are imported into its body, with
the placeholder replaced by a batch that is gathered from images held in a variable, and epsilon by noise that follows
from the seeds and the iteration alone. The variables are those of the graph, so everything else sees the weights.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from vae_tf1._startup import stderr_held_back
from vae_tf1.model import VAE, random_operations, upstream_of, variables_of

AT_ONCE = 100  # of one run, at most: enough that starting it costs nothing, few enough to interrupt it between two


class _Program(NamedTuple):
    """What is fed to the program in a graph, and what it gives."""

    new_images: tf.Tensor  # uint8 [N, 784], which `load` puts into the variable
    load: tf.Operation
    rows: tf.Tensor  # int32 [AT_ONCE, batch size]: of the variable, one batch a line
    count: tf.Tensor  # int32 []: how many of the batches to train on
    first: tf.Tensor  # int64 []: the iteration of the first
    seed: tf.Tensor  # int64 []: of all noise
    losses: tf.Tensor  # float32 [AT_ONCE, 3]


def compiled_steps(
    sess: tf.Session, vae: VAE, images: np.ndarray, batch_size: int
) -> Callable[[np.ndarray, int], np.ndarray]:
    """Compiles the training step of `vae` for batches of `images`.

    Args:
        sess: a session on the graph of `vae`.
        vae: of resource variables, as `build_vae` makes them.
        images: uint8 [N, 784] of 0 and 1; a copy is kept in the session.
        batch_size: images per step.

    Returns:
        `steps(rows, iteration)`: trains on the batches `rows`, int [n, batch_size] with n up to `AT_ONCE`, the first
        being that of `iteration`, and gives their losses, float32 [n, 3]: the negative ELBO, its reconstruction and KL
        divergence terms, means over the batch in nats.

    Raises:
        ValueError: a variable of `vae` is not a resource variable.
    """
    scope = f"{vae.train_step.name}_compiled/{batch_size}_of_{len(images)}"
    with sess.graph.as_default(), stderr_held_back():  # TensorFlow looks for a GPU here, and says that there is none
        program = _find(scope) or _build(vae, images.shape, batch_size, scope)
    sess.run(program.load, {program.new_images: images})
    run = sess.make_callable(program.losses, feed_list=[program.rows, program.count, program.first, program.seed])
    epsilon, _ = random_operations(vae)
    seed = epsilon.get_attr("seed") + (epsilon.get_attr("seed2") << 32)
    if sess.graph.seed is None:
        seed = int(np.random.SeedSequence().generate_state(1)[0])

    def steps(rows: np.ndarray, iteration: int) -> np.ndarray:
        filled = np.zeros([AT_ONCE, batch_size], np.int32)
        filled[: len(rows)] = rows
        return run(filled, len(rows), iteration, seed)[: len(rows)]

    return steps


def _find(scope: str) -> _Program | None:
    """The program that an earlier call has built in the default graph."""
    graph = tf.get_default_graph()
    try:
        elements = [graph.as_graph_element(f"{scope}/{name}") for name in _Program._fields]
    except KeyError:
        return None
    return _Program._make(e if e.type == "NoOp" else e.outputs[0] for e in elements)


def _build(vae: VAE, shape: tuple[int, ...], batch_size: int, scope: str) -> _Program:
    epsilon = random_operations(vae)[0].outputs[0]
    handles = [_handle(variable) for variable in variables_of(vae)]
    body = _graph_without(vae, [vae.x.op, epsilon.op, *(handle.op for handle in handles)])

    @tf.function(jit_compile=True, autograph=False)
    def train(rows, count, first, seed):
        def iterate(i, losses):
            sources = {
                vae.x.name: tf.cast(tf.gather(images, rows[i]), tf.float32),
                epsilon.name: tf.random.stateless_normal(
                    [batch_size, epsilon.shape[1]], [seed, first + tf.cast(i, tf.int64)], alg="philox"
                ),
                **{handle.name: tf.raw_ops.Identity(input=handle) for handle in handles},
            }
            fetched = [tensor.name for tensor in (vae.loss, vae.reconstruction, vae.kl_divergence, vae.train_step)]
            *terms, train_step = tf.import_graph_def(body, sources, fetched, name="")
            with tf.control_dependencies([train_step]):
                means = tf.stack([tf.reduce_mean(term) for term in terms])
                return i + 1, tf.tensor_scatter_nd_update(losses, [[i]], [means])

        return tf.while_loop(lambda i, _: i < count, iterate, [0, tf.zeros([AT_ONCE, 3])])[1]

    with tf.name_scope(f"{scope}/"):
        new_images = tf.placeholder(tf.uint8, shape, "new_images")
        images = tf.Variable(new_images, trainable=False, collections=[], use_resource=True, name="images")
        rows = tf.placeholder(tf.int32, [AT_ONCE, batch_size], "rows")
        count, first = tf.placeholder(tf.int32, [], "count"), tf.placeholder(tf.int64, [], "first")
        seed = tf.placeholder(tf.int64, [], "seed")
        return _Program(
            new_images,
            tf.group(images.initializer, name="load"),
            *(rows, count, first, seed),
            losses=tf.identity(train(rows, count, first, seed), "losses"),
        )


def _handle(variable: tf.Variable) -> tf.Tensor:
    if not hasattr(variable, "handle"):
        raise ValueError(
            f"{variable.op.name} is not a resource variable, which train(compiled=True) needs; "
            "make the VAE with build_vae, or call tf.enable_resource_variables() before."
        )
    return variable.handle


def _graph_without(vae: VAE, sources: list[tf.Operation]) -> tf.GraphDef:
    """What the training step and the losses are computed by, without the operations that something else replaces."""
    needed = upstream_of([vae.train_step, vae.loss.op]) - set(sources)
    names = {operation.name for operation in needed}
    graph_def = vae.x.graph.as_graph_def()
    nodes = [node for node in graph_def.node if node.name in names]
    for node in nodes:
        node.attr.pop("_class", None)  # says to be placed where a variable is that is not imported
    del graph_def.node[:]
    graph_def.node.extend(nodes)
    return graph_def
