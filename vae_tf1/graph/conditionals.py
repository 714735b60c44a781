"""Conditionals whose predicate is constant, such as the default of an `is_training` placeholder.

TensorFlow passes values from a branch to its gradient in Optionals, which XLA cannot compile. If the branch that is
taken is known, it replaces the conditional, and no Optional is needed.
"""

from collections.abc import Collection

import tensorflow.compat.v1 as tf
from tensorflow.core.framework.function_pb2 import FunctionDef
from tensorflow.core.framework.node_def_pb2 import NodeDef
from tensorflow.python.framework import op_def_registry

_CONDITIONALS = ("If", "StatelessIf")


def static_predicates(operations: Collection[tf.Operation], fed: Collection[str]) -> dict[str, bool]:
    """The names of the conditionals among `operations` whose predicate is constant, and the value of the predicate.

    Args:
        operations: operations of one graph.
        fed: names of the tensors whose values are replaced.
    """
    values = {each.name: _static_value(each.inputs[0], fed) for each in operations if each.type in _CONDITIONALS}
    return {name: value for name, value in values.items() if value is not None}


def _static_value(tensor: tf.Tensor, fed: Collection[str]) -> bool | None:
    if tensor.name in fed:
        return None
    if tensor.op.type in ("Identity", "PlaceholderWithDefault"):
        return _static_value(tensor.op.inputs[0], fed)
    if tensor.op.type == "LogicalNot":
        value = _static_value(tensor.op.inputs[0], fed)
        return None if value is None else not value
    value = tf.get_static_value(tensor)
    return None if value is None or value.shape else bool(value)


def take_branches(graph_def: tf.GraphDef, predicates: dict[str, bool]) -> dict[str, str]:
    """Replaces conditionals of `graph_def` by the operations of the branch that is taken.

    Args:
        graph_def: changed in place.
        predicates: from `static_predicates`.

    Returns:
        For each output of the conditionals, by name, the name of the tensor that replaces it.
    """
    functions = {function.signature.name: function for function in graph_def.library.function}
    nodes: list[NodeDef] = []
    replaced: dict[str, str] = {}
    for node in graph_def.node:
        if node.name not in predicates:
            nodes.append(node)
            continue
        branch = node.attr["then_branch" if predicates[node.name] else "else_branch"].func.name
        inlined, results = _inline(node, functions[branch])
        replaced |= {f"{node.name}:{k}": result for k, result in enumerate(results)}
        # Operations that waited for the conditional wait for the whole branch.
        awaited = [f"^{each.name}" for each in inlined if not each.op.startswith("Optional")]
        nodes += [*inlined, NodeDef(name=node.name, op="NoOp", input=awaited)]
    nodes = _without_optionals(nodes, replaced)
    for node in nodes:
        inputs = [name if name.startswith("^") else _follow(name, replaced) for name in node.input]
        del node.input[:]
        node.input.extend(inputs)
    kept = [NodeDef.FromString(node.SerializeToString()) for node in nodes]
    del graph_def.node[:]
    graph_def.node.extend(kept)
    return {name: _follow(name, replaced) for name in replaced}


def _inline(conditional: NodeDef, branch: FunctionDef) -> tuple[list[NodeDef], list[str]]:
    """The operations of a branch as nodes of the graph, and the names of the branch's results."""
    inputs = [name for name in conditional.input if not name.startswith("^")]
    controls = [name for name in conditional.input if name.startswith("^")]
    arguments = dict(zip((argument.name for argument in branch.signature.input_arg), inputs[1:]))
    positions = {node.name: _output_positions(node) for node in branch.node_def}

    def name_outside(name: str) -> str:
        if name.startswith("^"):
            return f"^{conditional.name}/{name[1:]}"
        if name in arguments:
            return arguments[name]
        node, output, number = name.split(":")
        return f"{conditional.name}/{node}:{positions[node][output] + int(number)}"

    nodes = []
    for inner in branch.node_def:
        node = NodeDef(name=f"{conditional.name}/{inner.name}", op=inner.op, attr=inner.attr)
        node.attr.pop("_class", None)
        node.input.extend([*map(name_outside, inner.input), *controls])
        nodes.append(node)
    return nodes, [name_outside(branch.ret[result.name]) for result in branch.signature.output_arg]


def _output_positions(node: NodeDef) -> dict[str, int]:
    """The position of the first tensor of each named output of an operation."""
    positions, position = {}, 0
    for output in op_def_registry.get(node.op).output_arg:
        positions[output.name] = position
        if output.number_attr:
            position += node.attr[output.number_attr].i
        elif output.type_list_attr:
            position += len(node.attr[output.type_list_attr].list.type)
        else:
            position += 1
    return positions


def _without_optionals(nodes: list[NodeDef], replaced: dict[str, str]) -> list[NodeDef]:
    """Removes Optionals: operations that unpack one take the packed values directly."""
    packed = {f"{node.name}:0": node for node in nodes if node.op == "OptionalFromValue"}
    unpacked = set()
    for node in nodes:
        if node.op == "OptionalGetValue" and (source := _follow(node.input[0], replaced)) in packed:
            replaced |= {f"{node.name}:{k}": name for k, name in enumerate(packed[source].input) if name[0] != "^"}
            unpacked.add(node.name)
    nodes = [node for node in nodes if node.name not in unpacked]
    used = {_follow(name, replaced) for node in nodes for name in node.input if name[0] != "^"}
    return [node for node in nodes if not node.op.startswith("Optional") or f"{node.name}:0" in used]


def _follow(name: str, replaced: dict[str, str]) -> str:
    name = name if ":" in name else f"{name}:0"
    while name in replaced:
        name = replaced[name] if ":" in replaced[name] else f"{replaced[name]}:0"
    return name
