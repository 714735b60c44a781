"""A description of what a graph computes, which can be stored in a checkpoint and compared."""

import hashlib
import re
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

from vae_tf1.graph.walk import functions_in, upstream_of

# An operation's type, its inputs by name, and its attributes.
Description = list  # [str, list[str], dict[str, str]]
Computation = dict[str, dict[str, Description]]  # "loss" and "train_step": operations by name, in order of creation

# Attributes that say where a value or a Python function is kept, not what is computed.
_STORAGE_ATTRIBUTES = ("container", "shared_name", "token")
_OLD_SIZE = re.compile(r"(?<=[(, ])\?(?=[,)])")
_SHOWN_VALUES = 8  # the largest constants that are shown; larger ones are represented by a checksum


def describe_computation(loss: tf.Tensor, train_step: tf.Operation) -> Computation:
    """Describes the operations that compute the loss, and those that the training step adds."""
    loss = {operation.name: _describe(operation) for operation in upstream_of([loss])}
    step = {operation.name: _describe(operation) for operation in upstream_of([train_step])}
    return {"loss": loss, "train_step": {name: step[name] for name in step if name not in loss}}


def describe_difference(there: Computation, here: Computation) -> str | None:
    """Says in words how the computation `here` differs from the one `there`; None if they are equal."""
    there, here = _normalize(there), _normalize(here)
    for part in "loss", "train_step":
        if there[part] == here[part]:
            continue
        if part == "train_step" and (difference := _describe_optimizers(there[part], here[part])):
            return difference
        return _describe_first_difference(there[part], here[part])
    return None


def _normalize(computation: Computation) -> Computation:
    """Writes unknown sizes as None, for which checkpoints of earlier versions may have a "?", and leaves tokens out."""
    return {
        part: {
            name: [
                type_,
                inputs,
                {key: _OLD_SIZE.sub("None", value) for key, value in attributes.items() if key != "token"},
            ]
            for name, (type_, inputs, attributes) in operations.items()
        }
        for part, operations in computation.items()
    }


def _describe_optimizers(there: dict[str, Description], here: dict[str, Description]) -> str | None:
    optimizers = []
    for operations in here, there:
        types = {type_.removeprefix("Resource") for type_, _, _ in operations.values()}
        optimizers.append(sorted(type_.removeprefix("Apply") for type_ in types if type_.startswith("Apply")))
    if optimizers[0] == optimizers[1]:
        return None
    return "the optimizer is {} here, {} there".format(*(" and ".join(names) or "another" for names in optimizers))


def _describe_first_difference(there: dict[str, Description], here: dict[str, Description]) -> str:
    new = [name for name in here if name not in there]
    gone = [name for name in there if name not in here]
    for names, others, where in ((new, there, "here but not there"), (gone, here, "there but not here")):
        scope = _scope(names[0]) if names else ""
        if "/" in scope and not any(name.startswith(f"{scope}/") for name in others):
            return f"{scope} is {where}"
    common = [name for name in here if name in there and here[name] != there[name]]
    # A new or missing operation changes the inputs and seeds of others, which are not the difference to report.
    changed = [name for name in common if _own(here[name]) != _own(there[name])]
    order = list(here)
    if changed and not (new and order.index(new[0]) < order.index(changed[0])):
        return _describe_change(changed[0], there[changed[0]], here[changed[0]])
    if not new and not gone:
        return _describe_change(common[0], there[common[0]], here[common[0]])
    if not new:
        return f"{_scope(gone[0])} has {_named(gone[0], there)} there, which is missing here"
    if not gone:
        return f"{_scope(new[0])} has {_named(new[0], here)} here, which is missing there"
    constants = here[new[0]][0] == "Const", there[gone[0]][0] == "Const"
    if _scope(gone[0]) == _scope(new[0]) and constants == (False, False):
        return f"{_scope(new[0])} has {_named(new[0], here)} here, {_named(gone[0], there)} there"
    if constants == (False, True):  # a number says more than the operation that replaces it
        return f"{_scope(gone[0])} has {_named(gone[0], there)} there, which is missing here"
    return f"{_scope(new[0])} has {_named(new[0], here)} here, which is missing there"


def _own(description: Description) -> tuple:
    type_, _, attributes = description
    return type_, {name: value for name, value in attributes.items() if name not in ("seed", "seed2")}


def _describe_change(name: str, there: Description, here: Description) -> str:
    if there[0] != here[0]:
        return f"{name} is {here[0]} here, {there[0]} there"
    for attribute in sorted(there[2].keys() | here[2].keys()):
        values = here[2].get(attribute), there[2].get(attribute)
        if values[0] != values[1]:
            what = name if attribute == "value" else f"{attribute} of {name}"
            return f"{what} is {values[0]} here, {values[1]} there"
    return f"{name} takes {', '.join(here[1])} here, {', '.join(there[1])} there"


def _scope(name: str) -> str:
    return name.rpartition("/")[0] or "the graph"


def _named(name: str, operations: dict[str, Description]) -> str:
    type_, _, attributes = operations[name]
    return f"{name.rpartition('/')[2]} = {attributes['value']}" if type_ == "Const" else type_


def _describe(operation: tf.Operation) -> Description:
    inputs = [tensor.name for tensor in operation.inputs]
    inputs += sorted(f"^{control.name}" for control in operation.control_inputs)
    return [operation.type, inputs, _attributes(operation)]


def _attributes(operation: tf.Operation) -> dict[str, str]:
    names = sorted(set(operation.node_def.attr).difference(_STORAGE_ATTRIBUTES))
    return {name: _text(operation.get_attr(name), operation.graph) for name in names if not name.startswith("_")}


def _text(value: Any, graph: tf.Graph) -> str:
    """The value of an attribute as text; a checksum if it is long."""
    if hasattr(value, "tensor_shape"):  # a tensor
        array = tf.make_ndarray(value)
        if array.size > _SHOWN_VALUES:
            return _sha256(value.SerializeToString())
        return np.array2string(array, separator=", ") if array.dtype.kind == "f" else str(array.tolist())
    if hasattr(value, "unknown_rank"):  # a shape
        return _shape_text(value)
    if hasattr(value, "name") and hasattr(value, "attr"):  # a function, whose name ends in a counter
        functions = {function.signature.name: function for function in graph.as_graph_def().library.function}
        return _function_sha256(value.name, functions)
    if isinstance(value, list):
        return f"[{', '.join(_text(item, graph) for item in value)}]"
    if isinstance(value, tf.DType):
        return value.name
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _shape_text(shape: Any) -> str:
    """Like `str(tf.TensorShape(...))`, but always None for unknown sizes, not "?" after `tf.disable_v2_behavior()`."""
    if shape.unknown_rank:
        return "<unknown>"
    return str(tuple(None if dimension.size < 0 else dimension.size for dimension in shape.dim))


def _function_sha256(name: str, functions: dict[str, Any]) -> str:
    parts = []
    for node in functions[name].node_def:
        parts += [node.name, node.op, *node.input]
        for key, value in sorted(node.attr.items()):
            if called := functions_in(value):
                parts += [_function_sha256(function.name, functions) for function in called]
            elif not key.startswith("_"):
                parts.append(str(value))
    return _sha256("\n".join(parts).encode())


def _sha256(content: bytes) -> str:
    return f"SHA-256 {hashlib.sha256(content).hexdigest()[:16]}"
