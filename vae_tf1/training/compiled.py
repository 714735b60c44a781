"""Many training iterations in one run of the session, as one program that XLA compiles.

The program is a loop (of a model with convolutions, a single iteration) around the graph of the VAE itself:
`train_step` and the losses are imported into its body, with the placeholder replaced by a batch that is gathered from
images held in a variable, and all noise by noise that follows from the seeds and the iteration alone. The variables
are those of the graph, so everything else sees the weights.
"""

import weakref
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from vae_tf1.graph.clone import GraphClone, rebuild
from vae_tf1.graph.noise import random_operations, stateless
from vae_tf1.graph.walk import upstream_of
from vae_tf1.vae import VAE, train_fetches, variables_of

# Of one run, at most: enough that starting it costs nothing, few enough that training can be interrupted promptly.
AT_ONCE = 100
# In a loop, XLA's convolutions on a CPU have one thread and take twelve times as long; such a program has no loop.
_NOT_IN_A_LOOP = {"Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter", "Conv3D", "DepthwiseConv2dNative"}


class _Program(NamedTuple):
    """The names of what is fed to the program in a graph, and of what it gives."""

    new_images: str  # uint8 [N, P], which `load` puts into the variable
    load: str
    at_once: int  # how many iterations
    rows: str  # int32 [at_once, batch size]: of the variable, one batch a line
    how_many: str  # int32 []: how many of the batches to train on
    first: str  # int64 []: the iteration of the first
    seeds: str  # int64 [number of random operations]
    losses: str  # float32 [at_once, 3]


# The programs of each graph, by what they train, number of images and batch size, so that a second call reuses one.
_programs_of: weakref.WeakKeyDictionary[tf.Graph, dict[tuple, _Program]] = weakref.WeakKeyDictionary()


def compiled_steps(
    sess: tf.Session, vae: VAE, images: np.ndarray, batch_size: int
) -> Callable[[np.ndarray, int], np.ndarray]:
    """Compiles the training step of `vae` for batches of `images`.

    Args:
        sess: a session on the graph of `vae`.
        vae: of resource variables, as `build_vae` makes them.
        images: uint8 [N, P] of 0 and 1; a copy is kept in the session.
        batch_size: images per step.

    Returns:
        `steps(rows, iteration)`: trains on the batches `rows`, int [n, batch_size] with n up to `AT_ONCE`, the first
        being that of `iteration`, and gives their losses, float32 [n, 3]: the loss and its reconstruction and KL
        divergence terms, means over the batch in nats.

    Raises:
        ValueError: a variable of `vae` is not a resource variable, noise is drawn that can't be repeated, or there is
            control flow of TensorFlow 1.
    """
    programs = _programs_of.setdefault(sess.graph, {})
    key = (vae.x.name, *(element.name for element in train_fetches(vae)), images.shape, batch_size)
    if key not in programs:
        with sess.graph.as_default():
            programs[key] = _build(sess, vae, images.shape, batch_size)
    program = programs[key]
    sess.run(program.load, {program.new_images: images})
    run = sess.make_callable(program.losses, feed_list=[program.rows, program.how_many, program.first, program.seeds])
    seeds = np.array([_seed_of(operation) for operation in random_operations(train_fetches(vae))], np.int64)

    def steps(rows: np.ndarray, iteration: int) -> np.ndarray:
        if program.at_once == 1:
            return np.concatenate([run(rows[i : i + 1], 1, iteration + i, seeds) for i in range(len(rows))])
        filled = np.zeros([program.at_once, batch_size], np.int32)
        filled[: len(rows)] = rows
        return run(filled, len(rows), iteration, seeds)[: len(rows)]

    return steps


def _seed_of(operation: tf.Operation) -> int:
    """Both seeds of a random operation in one number; a fresh number each time for an unseeded one."""
    seed, seed2 = operation.get_attr("seed"), operation.get_attr("seed2")
    return seed + (seed2 << 32) if (seed, seed2) != (0, 0) else int(np.random.SeedSequence().generate_state(1)[0])


def _build(sess: tf.Session, vae: VAE, shape: tuple[int, ...], batch_size: int) -> _Program:
    for operation in upstream_of(train_fetches(vae)):
        if operation.type in ("Switch", "Enter"):
            raise ValueError(
                f"The compiled loop can't take TensorFlow 1's control flow ({operation.name}); call "
                "tf.enable_control_flow_v2() before you build the model, or train without compiled=True."
            )
    random = random_operations(train_fetches(vae))
    shapes = _shapes(sess, vae, random, batch_size)
    handles = [_handle(variable) for variable in variables_of(vae)]
    at_once = 1 if {operation.type for operation in upstream_of(train_fetches(vae))} & _NOT_IN_A_LOOP else AT_ONCE

    @tf.function(jit_compile=True, autograph=False)
    def train(rows, count, first, seeds):
        def iterate(i, losses):
            iteration = first + tf.cast(i, tf.int64)
            sources = [
                (vae.x, tf.cast(tf.gather(images, rows[i]), tf.float32)),
                *((handle, tf.raw_ops.Identity(input=handle)) for handle in handles),
            ]
            for k, (operation, shape) in enumerate(zip(random, shapes)):
                sources.append((operation.outputs[0], stateless(operation, shape, [seeds[k], iteration])))
            *terms, train_step = rebuild(train_fetches(vae), sources, name="")
            with tf.control_dependencies([train_step]):
                means = tf.stack([tf.reduce_mean(term) for term in terms])
                return i + 1, tf.tensor_scatter_nd_update(losses, [[i]], [means])

        start = [0, tf.zeros([at_once, 3])]
        return iterate(*start)[1] if at_once == 1 else tf.while_loop(lambda i, _: i < count, iterate, start)[1]

    with tf.name_scope(f"{vae.train_step.name}_compiled"):
        new_images = tf.placeholder(tf.uint8, shape)
        images = tf.Variable(new_images, trainable=False, collections=[], use_resource=True, name="images")
        rows = tf.placeholder(tf.int32, [at_once, batch_size])
        count, first = tf.placeholder(tf.int32, []), tf.placeholder(tf.int64, [])
        seeds = tf.placeholder(tf.int64, [len(random)])
        losses = train(rows, count, first, seeds)
        load, rest = images.initializer, (rows, count, first, seeds, losses)
        return _Program(new_images.name, load.name, at_once, *(element.name for element in rest))


def _shapes(sess: tf.Session, vae: VAE, random: list[tf.Operation], batch_size: int) -> list[list[int]]:
    """The shape of what each random operation gives for one batch, which XLA must know before it compiles."""
    if not random:
        return []
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [batch_size, vae.x.shape[1]])
        copies = GraphClone(sess).copy([operation.outputs[0] for operation in random], [(vae.x, x)], "shapes")
    for operation, copy in zip(random, copies):
        if not copy.shape.is_fully_defined():
            raise ValueError(
                f"The compiled loop can't tell the shape of {operation.name} ({copy.shape}) before it runs; "
                "make it depend on the shape of x alone, or train without compiled=True."
            )
    return [copy.shape.as_list() for copy in copies]


def _handle(variable: tf.Variable) -> tf.Tensor:
    if not hasattr(variable, "handle"):
        raise ValueError(
            f"{variable.op.name} is not a resource variable, which train(compiled=True) needs; "
            "make the VAE with build_vae, or call tf.enable_resource_variables() before you build it."
        )
    return variable.handle
