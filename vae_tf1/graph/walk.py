"""Walks over a graph: which operations and variables its tensors are computed from."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import tensorflow.compat.v1 as tf

Element: TypeAlias = Any  # a tf.Tensor or a tf.Operation


def upstream_of(elements: Sequence[Element], without: Sequence[tf.Tensor] = ()) -> list[tf.Operation]:
    """The operations that compute `elements`, themselves included, in order of creation.

    Args:
        elements: tensors or operations of one graph.
        without: tensors taken as given; what only they depend on is left out.
    """
    given = {tensor.name for tensor in without}
    pending = [e if isinstance(e, tf.Operation) else e.op for e in elements if e.name not in given]
    found = set()
    while pending:
        operation = pending.pop()
        if operation not in found:
            found.add(operation)
            pending += [tensor.op for tensor in operation.inputs if tensor.name not in given]
            pending += operation.control_inputs
    return [operation for operation in elements[0].graph.get_operations() if operation in found] if found else []


def functions_in(attribute: tf.AttrValue) -> Sequence[Any]:
    """The functions that an attribute of a node names; `tf.switch_case` has a list of them, its branches."""
    return [attribute.func] if attribute.HasField("func") else attribute.list.func


def variables_among(operations: Sequence[tf.Operation]) -> list[tf.Variable]:
    """The global and local variables whose operations are among these."""
    if not operations:
        return []
    with operations[0].graph.as_default():
        variables = {variable.op.name: variable for variable in tf.global_variables() + tf.local_variables()}
    names = {operation.name for operation in operations}
    return [variable for name, variable in variables.items() if name in names]
