"""The noise of a graph: which operations draw it, where their streams are in a session, and how these are advanced.

What a random operation gives next follows from its seeds and from how many values it has given in the session before:
its generator moves on by the number of values, however they are divided among runs. So a stream is advanced to where
another one was by drawing as many values, in large pieces: 0.1 s for 1000 iterations' worth of the original graph.
"""

import math
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

from vae_tf1.graph.walk import Element, upstream_of

# Operations whose first input is the shape of what they give, and their stateless counterparts.
_SAMPLERS = {
    "RandomStandardNormal": tf.random.stateless_normal,
    "RandomUniform": tf.random.stateless_uniform,
    "RandomUniformInt": tf.random.stateless_uniform,
    "TruncatedNormal": tf.random.stateless_truncated_normal,
}
_PYTHON = ("PyFunc", "EagerPyFunc")  # may draw from a generator that TensorFlow does not know
_DRAWN_AT_ONCE = 2**22  # values; 16 MiB of float32

# How many values each random operation, by its name, has given in a session.
_drawn_in: weakref.WeakKeyDictionary[tf.Session, dict[str, int]] = weakref.WeakKeyDictionary()


def random_operations(elements: Sequence[Element], without: Sequence[tf.Tensor] = ()) -> list[tf.Operation]:
    """The operations that make `elements`, of one graph, come out differently in each run, in order of creation.

    Args:
        elements: tensors or operations of one graph.
        without: tensors taken as given.
    """
    operations = upstream_of(elements, without)
    if not any(_is_random(operation.node_def) or _functions_called(operation.node_def) for operation in operations):
        return []
    library = {function.signature.name: function for function in operations[0].graph.as_graph_def().library.function}
    return [operation for operation in operations if _draws(operation.node_def, library, set())]


def _is_random(node: tf.NodeDef) -> bool:
    return "seed2" in node.attr or node.op in _PYTHON


def _functions_called(node: tf.NodeDef) -> list[str]:
    return [value.func.name for value in node.attr.values() if value.HasField("func")]


def _draws(node: tf.NodeDef, library: dict[str, Any], seen: set[str]) -> bool:
    """Whether a node draws noise, or a function does that it calls."""
    if _is_random(node):
        return True
    functions = [name for name in _functions_called(node) if name in library and name not in seen]
    seen.update(functions)
    return any(_draws(inner, library, seen) for name in functions for inner in library[name].node_def)


def reseed(elements: Sequence[Element], offset: int) -> list[Element]:
    """Imports `elements` and all of their graph into another one, where their noise has other seeds.

    Args:
        elements: tensors and operations of one graph.
        offset: what is added to the seeds of their random operations; unseeded ones stay so.

    Returns:
        The same tensors and operations, in the other graph.
    """
    noisy = {operation.name for operation in random_operations(elements)}
    graph_def = elements[0].graph.as_graph_def()
    for node in graph_def.node:
        if node.name in noisy and (node.attr["seed"].i, node.attr["seed2"].i) != (0, 0):
            node.attr["seed2"].i += offset
    with tf.Graph().as_default():
        return tf.import_graph_def(graph_def, return_elements=[element.name for element in elements], name="")


def _can_be_repeated(operation: tf.Operation) -> bool:
    # Control inputs would run along when values are drawn to move the stream on; what is in a loop can't be run alone.
    alone = not operation.control_inputs and operation.graph.is_fetchable(operation)
    return operation.type in _SAMPLERS and alone


def check_repeatable(elements: Sequence[Element]) -> None:
    """Raises ValueError if a seeded graph draws noise for `elements` that a resumed run could not repeat."""
    if elements[0].graph.seed is None:
        return
    for operation in random_operations(elements):
        if not _can_be_repeated(operation):
            raise ValueError(
                f"A resumed run could not repeat the noise of {operation.name} ({operation.type}); draw it with "
                "tf.random_normal, tf.random_uniform or tf.truncated_normal outside of tf.cond, tf.while_loop and "
                "tf.py_func (give dropout keep_prob=tf.placeholder_with_default(0.8, []) rather than is_training), or "
                "train without checkpoint_dir or without a seed."
            )


class NoiseStreams:
    """The random operations upstream of some tensors, and where their streams are in a session.

    Args:
        sess: the session; streams that another object has counted in it are where that one left them.
        elements: what is run.

    Attributes:
        shapes: to be fetched in every run of `elements`, and given to `count`.
    """

    def __init__(self, sess: tf.Session, elements: Sequence[Element]):
        self._sess = sess
        self._operations = [operation for operation in random_operations(elements) if _can_be_repeated(operation)]
        self._drawn = _drawn_in.setdefault(sess, {})
        self.shapes = [operation.inputs[0] for operation in self._operations]

    def count(self, shapes: Sequence[np.ndarray]) -> None:
        """Notes one run, in which `self.shapes` had these values."""
        for operation, shape in zip(self._operations, shapes):
            self._drawn[operation.name] = self._drawn.get(operation.name, 0) + math.prod(shape.tolist())

    def state(self) -> dict[str, int]:
        """How many values each operation has given."""
        return {operation.name: self._drawn.get(operation.name, 0) for operation in self._operations}

    def advance(self, state: dict[str, int]) -> None:
        """Draws until each operation has given as many values as in `state`; unseeded ones are skipped.

        Raises:
            ValueError: an operation has given more already.
        """
        for operation in self._operations:
            if (operation.get_attr("seed"), operation.get_attr("seed2")) == (0, 0):
                continue
            missing = state.get(operation.name, 0) - self._drawn.get(operation.name, 0)
            if missing < 0:
                raise ValueError(
                    "This session has drawn more noise than the run had at its checkpoint, and cannot go back; "
                    "open a new tf.Session and call train again."
                )
            self._draw(operation, missing)
            self._drawn[operation.name] = self._drawn.get(operation.name, 0) + missing

    def _draw(self, operation: tf.Operation, count: int) -> None:
        (shape,) = operation.inputs[:1]
        rank = shape.shape[0] if shape.shape.rank else None
        at_once = 1 if rank == 0 else _DRAWN_AT_ONCE  # scalars can only be drawn one at a time
        while count:
            some = min(count, at_once)
            self._sess.run(operation, {shape: [] if rank == 0 else [some] + [1] * ((rank or 1) - 1)})
            count -= some


def stateless(operation: tf.Operation, shape: Any, seed: Any) -> tf.Tensor:
    """A stateless replacement for a random operation: values that follow from a seed alone.

    Args:
        operation: one of `random_operations`.
        shape: of its output, integers or a tensor.
        seed: integers [2].

    Raises:
        ValueError: it has no such counterpart.
    """
    sampler = _SAMPLERS.get(operation.type)
    limits: dict[str, Any] = {}
    if operation.type == "RandomUniformInt":
        limits = {name: tf.get_static_value(limit) for name, limit in zip(("minval", "maxval"), operation.inputs[1:])}
    if sampler is None or None in limits.values() or not operation.graph.is_fetchable(operation):
        raise ValueError(
            f"The compiled loop can't repeat the noise of {operation.name} ({operation.type}); draw it with "
            "tf.random_normal, tf.random_uniform or tf.truncated_normal outside of tf.cond and tf.while_loop, or train "
            "without compiled=True."
        )
    return sampler(shape, seed, dtype=operation.outputs[0].dtype, alg="philox", **limits)
