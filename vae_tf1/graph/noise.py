"""The noise of a graph: which operations draw it, the positions of their streams in a session, and how to advance them.

The next values of a random operation depend on its seeds and on the number of values that it has drawn in the session,
however they were divided among runs. So a stream is advanced to a position by drawing as many values, in large pieces:
0.1 s for 1000 iterations of the original graph.
"""

import math
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

from vae_tf1.graph.walk import Element, functions_in, upstream_of

# Operations whose first input is the shape of their output, and their stateless counterparts.
_SAMPLERS = {
    "RandomStandardNormal": tf.random.stateless_normal,
    "RandomUniform": tf.random.stateless_uniform,
    "RandomUniformInt": tf.random.stateless_uniform,
    "TruncatedNormal": tf.random.stateless_truncated_normal,
}
_PYTHON = ("PyFunc", "EagerPyFunc")  # may draw from a generator that TensorFlow does not know
_ITERATORS = ("IteratorGetNext", "QueueDequeue")  # data that the graph reads itself
_DRAWN_AT_ONCE = 2**22  # values; 16 MiB of float32

# How many values each random operation, by name, has drawn in a session.
_drawn_in: weakref.WeakKeyDictionary[tf.Session, dict[str, int]] = weakref.WeakKeyDictionary()


def random_operations(elements: Sequence[Element], without: Sequence[tf.Tensor] = ()) -> list[tf.Operation]:
    """The operations upstream of `elements` that draw noise, in order of creation.

    Args:
        elements: tensors or operations of one graph.
        without: tensors taken as given; what only they depend on is left out.
    """
    operations = upstream_of(elements, without)
    if not any(_is_random(operation.node_def) or _functions_called(operation.node_def) for operation in operations):
        return []
    library = {function.signature.name: function for function in operations[0].graph.as_graph_def().library.function}
    return [operation for operation in operations if _draws(operation.node_def, library, set())]


def _is_random(node: tf.NodeDef) -> bool:
    return "seed2" in node.attr or node.op in _PYTHON


def _functions_called(node: tf.NodeDef) -> list[str]:
    return [function.name for value in node.attr.values() for function in functions_in(value)]


def _draws(node: tf.NodeDef, library: dict[str, Any], seen: set[str]) -> bool:
    """Whether a node, or a function that it calls, draws noise."""
    if _is_random(node):
        return True
    functions = [name for name in _functions_called(node) if name in library and name not in seen]
    seen.update(functions)
    return any(_draws(inner, library, seen) for name in functions for inner in library[name].node_def)


def reseed(elements: Sequence[Element], offset: int) -> list[Element]:
    """Copies the whole graph of `elements` into a new graph, in which their noise has other seeds.

    Args:
        elements: tensors and operations of one graph.
        offset: added to the second seeds of their random operations; unseeded ones stay unseeded.

    Returns:
        The same tensors and operations, in the new graph.
    """
    noisy = {operation.name for operation in random_operations(elements)}
    graph_def = elements[0].graph.as_graph_def()
    for node in graph_def.node:
        if node.name in noisy and (node.attr["seed"].i, node.attr["seed2"].i) != (0, 0):
            node.attr["seed2"].i += offset
    with tf.Graph().as_default():
        return tf.import_graph_def(graph_def, return_elements=[element.name for element in elements], name="")


def _can_be_repeated(operation: tf.Operation) -> bool:
    # Control inputs would also run when values are drawn to advance the stream; an operation in a loop can't run alone.
    alone = not operation.control_inputs and operation.graph.is_fetchable(operation)
    return operation.type in _SAMPLERS and alone


def check_repeatable(elements: Sequence[Element], fed: Sequence[tf.Tensor]) -> None:
    """Raises ValueError if `elements` of a seeded graph take noise or data that a resumed run could not repeat."""
    if elements[0].graph.seed is None:
        return
    for operation in upstream_of(elements, fed):
        if operation.type.startswith(_ITERATORS):
            raise ValueError(
                f"A resumed run could not continue {operation.name} ({operation.type}) where the run stopped; feed the "
                "data through placeholders (see vae.inputs), or train without checkpoint_dir or without a seed."
            )
    for operation in random_operations(elements, fed):
        if not _can_be_repeated(operation):
            raise ValueError(
                f"A resumed run could not repeat the noise of {operation.name} ({operation.type}); draw it with "
                "tf.random_normal, tf.random_uniform or tf.truncated_normal outside of tf.cond, tf.while_loop and "
                "tf.py_func (give dropout keep_prob=tf.placeholder_with_default(0.8, []) rather than is_training), or "
                "train without checkpoint_dir or without a seed."
            )


class NoiseStreams:
    """The random operations upstream of some tensors, and the positions of their streams in a session.

    Args:
        sess: the session; all objects of this class share its positions.
        elements: the tensors and operations that are run.

    Attributes:
        shapes: tensors to fetch in every run of `elements`, and to pass to `count`.
    """

    def __init__(self, sess: tf.Session, elements: Sequence[Element]):
        self._sess = sess
        self._operations = [operation for operation in random_operations(elements) if _can_be_repeated(operation)]
        self._drawn = _drawn_in.setdefault(sess, {})
        self.shapes = [operation.inputs[0] for operation in self._operations]

    def count(self, shapes: Sequence[np.ndarray]) -> None:
        """Counts one run, in which `self.shapes` had these values."""
        for operation, shape in zip(self._operations, shapes):
            self._drawn[operation.name] = self._drawn.get(operation.name, 0) + math.prod(shape.tolist())

    def state(self) -> dict[str, int]:
        """How many values each operation has drawn, by name."""
        return {operation.name: self._drawn.get(operation.name, 0) for operation in self._operations}

    def advance(self, state: dict[str, int]) -> None:
        """Draws until each operation has drawn as many values as in `state`; unseeded ones are skipped.

        Raises:
            ValueError: an operation has drawn more already.
        """
        for operation in self._operations:
            if (operation.get_attr("seed"), operation.get_attr("seed2")) == (0, 0):
                continue
            missing = state.get(operation.name, 0) - self._drawn.get(operation.name, 0)
            if missing < 0:
                raise ValueError(
                    "This session has drawn more noise than the run had at its checkpoint, and can't go back; "
                    "open a new tf.Session and call train again."
                )
            self._draw(operation, missing)
            self._drawn[operation.name] = self._drawn.get(operation.name, 0) + missing

    def _draw(self, operation: tf.Operation, count: int) -> None:
        (shape,) = operation.inputs[:1]
        rank = shape.shape.as_list()[0] if shape.shape.rank else None
        at_once = 1 if rank == 0 else _DRAWN_AT_ONCE  # scalars can only be drawn one at a time
        while count:
            some = min(count, at_once)
            self._sess.run(operation, {shape: [] if rank == 0 else [some] + [1] * ((rank or 1) - 1)})
            count -= some


def stateless(operation: tf.Operation, shape: Any, seed: Any) -> tf.Tensor:
    """A stateless replacement for a random operation: values that depend on a seed alone.

    Args:
        operation: one of `random_operations`.
        shape: of its output, integers or a tensor.
        seed: integers [2].

    Raises:
        ValueError: the operation has no stateless counterpart.
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
