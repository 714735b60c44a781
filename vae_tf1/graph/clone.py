"""Copies of parts of a graph, built in another graph and run in another session.

Measuring and exporting use such copies, so they draw no noise in the original session and add no operations to the
original graph.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow.compat.v1 as tf
import tensorflow_probability as tfp

from vae_tf1.graph.conditionals import static_predicates, take_branches
from vae_tf1.graph.sessions import private_session, read_variables
from vae_tf1.graph.walk import Element, functions_in, upstream_of, variables_among

Sources = Sequence[tuple[tf.Tensor, tf.Tensor]]  # a tensor of the original, and the tensor that replaces it in the copy

_CONTENTS = ("HashTableV2", "MutableHashTableV2", "MutableDenseHashTableV2", "IteratorV2")  # held by no variable


def rebuild(elements: Sequence[Element], sources: Sources, name: str, *, for_xla: bool = False) -> list[Element]:
    """Builds `elements` again in the default graph, from other sources.

    Args:
        elements: tensors or operations of one graph.
        sources: pairs of a tensor upstream of `elements` and the tensor of the default graph that replaces it.
        name: scope of the new operations.
        for_xla: keep conditionals and loops whole, as XLA requires; otherwise TensorFlow lowers them to switches.
            If the predicate of a conditional is constant, only the branch that is taken is built.

    Returns:
        The same tensors and operations, in the default graph.
    """
    required = upstream_of(elements, [tensor for tensor, _ in sources])
    names = {operation.name for operation in required}
    inputs = {tensor.name for operation in required for tensor in operation.inputs}
    graph_def = elements[0].graph.as_graph_def()
    nodes = [node for node in graph_def.node if node.name in names]
    for node in nodes:
        node.attr.pop("_class", None)  # colocates with another operation, which may be missing from the copy
        node.device = ""
    del graph_def.node[:]
    graph_def.node.extend(nodes)
    wanted = [element.name for element in elements]
    if for_xla:
        fed = {tensor.name for tensor, _ in sources}
        replaced = take_branches(graph_def, static_predicates(required, fed))
        wanted = [replaced.get(name, name) for name in wanted]
        _keep_control_flow_whole(graph_def)
    input_map = {tensor.name: source for tensor, source in sources if tensor.name in inputs}
    return tf.import_graph_def(graph_def, input_map, wanted, name=name)


def _keep_control_flow_whole(graph_def: tf.GraphDef) -> None:
    """Changes nodes and functions. The functions get new names, because the graph has them under the old names."""
    functions = graph_def.library.function
    new_names = {function.signature.name: f"{function.signature.name}_whole" for function in functions}
    for function in functions:
        function.signature.name = new_names[function.signature.name]
    del graph_def.library.gradient[:]
    for node in [*graph_def.node, *(node for function in functions for node in function.node_def)]:
        node.attr.pop("_lower_using_switch_merge", None)
        for value in node.attr.values():
            for function in functions_in(value):
                function.name = new_names.get(function.name, function.name)


def check_sources(name: str, operations: Sequence[tf.Operation]) -> None:
    """Raises ValueError if a placeholder, a table or an iterator is among the operations that compute `name`."""
    for operation in operations:
        if operation.type == "Placeholder":
            raise ValueError(
                f"{name} depends on the placeholder {operation.name}, to which nothing is fed here; return an "
                "array for it from vae.inputs, or pass its value in feed."
            )
        if operation.type in _CONTENTS:
            raise ValueError(
                f"{name} depends on {operation.name} ({operation.type}), whose contents cannot be copied; feed what is "
                "read from it through a placeholder (see vae.inputs)."
            )


class GraphClone:
    """Copies parts of a session's graph into the default graph, with the values of their variables.

    Args:
        sess: holds the values; its graph stays as it is.
    """

    def __init__(self, sess: tf.Session):
        self._sess = sess
        self._variables: list[tuple[tf.Variable, tf.Variable, tf.Tensor]] = []  # original, copy, value of the copy

    def copy(self, elements: Sequence[Element], sources: Sources, name: str) -> list[Element]:
        """Builds `elements` again in the default graph; see `rebuild`.

        Raises:
            ValueError: something upstream of `elements` is a placeholder that no source replaces, or cannot be copied.
        """
        operations = upstream_of(elements, [tensor for tensor, _ in sources])
        check_sources(elements[0].name, operations)
        self.copy_variables(operations)
        variables = []
        for original, copy, _ in self._variables:
            # The handle of a resource variable, the reference of another.
            variables.append((original.op.outputs[0], copy.op.outputs[0]))
        try:
            return rebuild(elements, [*sources, *variables], name)
        except ValueError as error:
            raise ValueError(
                f"{elements[0].name} cannot be copied into another graph ({error}); "
                "remove the operations that change variables in the forward pass."
            ) from error

    def copy_distribution(
        self, distribution: "tfp.distributions.Distribution", sources: Sources, name: str
    ) -> "tfp.distributions.Distribution":
        """A distribution whose parameters are rebuilt from other sources; see `copy`.

        Raises:
            ValueError: it is not a distribution of tensorflow-probability.
        """
        parameters = tf.nest.flatten(distribution, expand_composites=True)
        if not all(tf.is_tensor(parameter) for parameter in parameters):
            raise ValueError(
                f"The parameters of a {type(distribution).__name__} cannot be copied; "
                "return a distribution of tensorflow_probability from decode."
            )
        return tf.nest.pack_sequence_as(distribution, self.copy(parameters, sources, name), expand_composites=True)

    def session(self, *, blank: bool = False) -> tf.Session:
        """Opens a session on the default graph, in which the variables have the current values of the originals.

        Args:
            blank: set all variables to 0 instead, for results that do not depend on their values.

        Raises:
            ValueError: the originals have no values yet.
        """
        originals = [original for original, _, _ in self._variables]
        if blank:
            values = [np.zeros(each.shape, each.dtype.base_dtype.as_numpy_dtype) for each in originals]
        else:
            values = read_variables(self._sess, originals)
        session = private_session(tf.get_default_graph())
        feed = {placeholder: value for (_, _, placeholder), value in zip(self._variables, values)}
        session.run([copy.initializer for _, copy, _ in self._variables], feed)
        return session

    def copy_variables(self, operations: Sequence[tf.Operation]) -> None:
        """Copies the variables among these operations; a session that is open already has no values for them."""
        copied = {original.op.name for original, _, _ in self._variables}
        for original in variables_among(operations):
            name = original.op.name
            if name not in copied:
                value = tf.placeholder(original.dtype.base_dtype, original.shape, f"value_of/{name}")
                resource = original.op.type == "VarHandleOp"
                copy = tf.Variable(value, trainable=original.trainable, use_resource=resource, name=name)
                self._variables.append((original, copy, value))
