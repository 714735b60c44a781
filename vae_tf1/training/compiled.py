"""Many training iterations in one run of the session, as one program that XLA compiles.

The program is a loop (a single iteration, if the model has convolutions) around the graph of the VAE itself:
`train_step` and the losses are imported into its body. There, batches gathered from arrays held in variables replace
the placeholders, and noise that depends on the seeds and the iteration alone replaces all noise. The weights stay in
the variables of the graph, where everything else finds them.
"""

import re
import weakref
from typing import Any, NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from vae_tf1.graph.clone import GraphClone, rebuild
from vae_tf1.graph.noise import random_operations, stateless
from vae_tf1.graph.walk import upstream_of
from vae_tf1.inputs import Arrays
from vae_tf1.training.run import Steps
from vae_tf1.vae import VAE, train_fetches, variables_of

# Maximum number of iterations per run: enough to amortize its start, few enough to interrupt promptly.
CHUNK = 100
# Inside a loop, XLA runs convolutions on one CPU thread, which is twelve times slower; a program with one has no loop.
_CONVOLUTIONS = {"Conv2D", "Conv2DBackpropInput", "Conv2DBackpropFilter", "Conv3D", "DepthwiseConv2dNative"}


class _Program(NamedTuple):
    """The names of a program's feeds and fetches in its graph."""

    new_arrays: list[str]  # [N, ...] each: the data that `load` assigns to variables
    load: str  # operation
    chunk: int  # iterations, at most
    rows: str  # int32 [chunk, batch size]: row numbers in the data, one batch per row
    batches: str  # int32 []: number of these batches to train on
    first: str  # int64 []: iteration of the first batch
    seeds: str  # int64 [number of random operations]
    losses: str  # float32 [chunk, 3]


# The programs of each graph, by fetches, shapes of the arrays and batch size, so that a second call reuses one.
_programs_of: weakref.WeakKeyDictionary[tf.Graph, dict[tuple, _Program]] = weakref.WeakKeyDictionary()


def compiled_steps(sess: tf.Session, vae: VAE, arrays: Arrays, batch_size: int) -> Steps:
    """Compiles the training step of `vae` for batches of `arrays`.

    Args:
        sess: a session on the graph of `vae`.
        vae: a model with resource variables, as `build_vae` makes it.
        arrays: what the model is fed, by row number, from `training_arrays`; the session keeps a copy.
        batch_size: images per step.

    Returns:
        `Steps`, for at most `CHUNK` batches per call.

    Raises:
        ValueError: a variable of `vae` is not a resource variable, its noise can't be repeated, or it uses control flow
            of TensorFlow 1. The steps raise ValueError if XLA cannot compile the model.
    """
    programs = _programs_of.setdefault(sess.graph, {})
    fed = tuple((tensor.name, array.shape, array.dtype.name) for tensor, array in arrays.items())
    key = (fed, *(element.name for element in train_fetches(vae)), batch_size)
    if key not in programs:
        with sess.graph.as_default():
            programs[key] = _build(sess, vae, arrays, batch_size)
    program = programs[key]
    sess.run(program.load, dict(zip(program.new_arrays, arrays.values())))
    seeds = np.array([_seed_of(operation) for operation in random_operations(train_fetches(vae))], np.int64)

    def steps(rows: np.ndarray, iteration: int) -> np.ndarray:
        losses = []
        for start in range(0, len(rows), program.chunk):
            some = rows[start : start + program.chunk]
            padded = np.zeros([program.chunk, batch_size], np.int32)
            padded[: len(some)] = some
            feed = {program.rows: padded, program.batches: len(some), program.first: iteration + start}
            losses.append(_run(sess, program, {**feed, program.seeds: seeds})[: len(some)])
        return np.concatenate(losses)

    return steps


def _run(sess: tf.Session, program: _Program, feed: dict[str, Any]) -> np.ndarray:
    try:
        return sess.run(program.losses, feed)
    except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError) as error:
        lines = [line.strip() for line in error.message.splitlines() if line.strip()]
        reason = next(line for line in [*lines, "no reason given"] if line != "Graph execution error:")
        node = re.search(r"\{\{node ([^}]+)\}\}", error.message)
        where = f"{node[1]}: " if node else ""
        if "Optional" in error.message:  # TensorFlow passes values from a branch to its gradient this way
            reason = "gradients pass through values inside a tf.cond; use tf.where instead"
        elif "TensorList" in error.message:
            reason = (
                "gradients pass through a loop of unknown length; give it maximum_iterations, or use tf.nn.static_rnn"
            )
        raise ValueError(f"XLA cannot compile this model ({where}{reason}); train without compiled=True.") from error


def _seed_of(operation: tf.Operation) -> int:
    """Combines both seeds of a random operation into one number; a random number if it is unseeded."""
    seed, seed2 = operation.get_attr("seed"), operation.get_attr("seed2")
    return seed + (seed2 << 32) if (seed, seed2) != (0, 0) else int(np.random.SeedSequence().generate_state(1)[0])


def _build(sess: tf.Session, vae: VAE, arrays: Arrays, batch_size: int) -> _Program:
    for operation in upstream_of(train_fetches(vae)):
        if operation.type in ("Switch", "Enter"):
            raise ValueError(
                f"The compiled loop can't take TensorFlow 1's control flow ({operation.name}); call "
                "tf.enable_control_flow_v2() before you build the model, or train without compiled=True."
            )
    random = random_operations(train_fetches(vae))
    noise_shapes = _noise_shapes(sess, arrays, random, batch_size)
    handles = [_handle_of(variable) for variable in variables_of(vae)]
    types = {operation.type for operation in upstream_of(train_fetches(vae))}
    chunk = 1 if types & _CONVOLUTIONS else CHUNK

    @tf.function(jit_compile=True, autograph=False)
    def train(rows: tf.Tensor, count: tf.Tensor, first: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
        def iterate(i: tf.Tensor, losses: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            iteration = first + tf.cast(i, tf.int64)
            sources = [
                *((tensor, tf.cast(tf.gather(held[tensor], rows[i]), tensor.dtype)) for tensor in arrays),
                *((handle, tf.raw_ops.Identity(input=handle)) for handle in handles),
            ]
            for k, (operation, noise_shape) in enumerate(zip(random, noise_shapes)):
                sources.append((operation.outputs[0], stateless(operation, noise_shape, [seeds[k], iteration])))
            *terms, train_step = rebuild(train_fetches(vae), sources, name="", for_xla=True)
            with tf.control_dependencies([train_step]):
                means = tf.stack([tf.reduce_mean(term) for term in terms])
                return i + 1, tf.tensor_scatter_nd_update(losses, [[i]], [means])

        start = [0, tf.zeros([chunk, 3])]
        return iterate(*start)[1] if chunk == 1 else tf.while_loop(lambda i, _: i < count, iterate, start)[1]

    with tf.name_scope(f"{vae.train_step.name.partition(':')[0]}_compiled"):
        new = {tensor: tf.placeholder(array.dtype, array.shape) for tensor, array in arrays.items()}
        options: dict[str, Any] = {"trainable": False, "collections": [], "use_resource": True}
        held = {tensor: tf.Variable(value, name="data", **options) for tensor, value in new.items()}
        rows = tf.placeholder(tf.int32, [chunk, batch_size])
        count, first = tf.placeholder(tf.int32, []), tf.placeholder(tf.int64, [])
        seeds = tf.placeholder(tf.int64, [len(random)])
        losses = train(rows, count, first, seeds)
        load = tf.group(*(variable.initializer for variable in held.values()))
        names = [element.name for element in (rows, count, first, seeds, losses)]
        return _Program([value.name for value in new.values()], load.name, chunk, *names)


def _noise_shapes(sess: tf.Session, arrays: Arrays, random: list[tf.Operation], batch_size: int) -> list[list[int]]:
    """The shape of each random operation's output for one batch, which XLA must know before it compiles."""
    if not random:
        return []
    with tf.Graph().as_default():
        batch = [(tensor, tf.placeholder(tensor.dtype, [batch_size, *arrays[tensor].shape[1:]])) for tensor in arrays]
        clone = GraphClone(sess)
        copies = clone.copy([operation.outputs[0] for operation in random], batch, "shapes")
        if all(copy.shape.is_fully_defined() for copy in copies):
            return [copy.shape.as_list() for copy in copies]
        feed = {placeholder: np.zeros(placeholder.shape, placeholder.dtype.as_numpy_dtype) for _, placeholder in batch}
        with clone.session(blank=True) as session:  # after a conditional, a shape is known only once it has run
            return [list(values.shape) for values in session.run(copies, feed)]


def _handle_of(variable: tf.Variable) -> tf.Tensor:
    if not hasattr(variable, "handle"):
        raise ValueError(
            f"{variable.op.name} is not a resource variable, which train(compiled=True) needs; "
            "make the VAE with build_vae, or call tf.enable_resource_variables() before you build it."
        )
    return variable.handle
