"""Questions about a graph: what a model's tensors depend on, whether they fit together; and parts of it, recomputed."""

from typing import Any, TypeAlias

import numpy as np
import tensorflow.compat.v1 as tf

from vae_tf1.model import VAE

Element: TypeAlias = Any  # a tf.Tensor or a tf.Operation
Sources = list[tuple[tf.Tensor, tf.Tensor]]  # a tensor, and what to take in its place


def upstream_of(elements: list[Element], without: list[tf.Tensor] | None = None) -> list[tf.Operation]:
    """The operations that `elements` are computed by, themselves included, in the order of their creation.

    Args:
        elements: tensors or operations of one graph.
        without: tensors that are taken as given; what only they depend on is left out.
    """
    given = {tensor.name for tensor in without or ()}
    waiting = [e if isinstance(e, tf.Operation) else e.op for e in elements if e.name not in given]
    found = set()
    while waiting:
        operation = waiting.pop()
        if operation not in found:
            found.add(operation)
            waiting += [tensor.op for tensor in operation.inputs if tensor.name not in given]
            waiting += operation.control_inputs
    return [operation for operation in elements[0].graph.get_operations() if operation in found] if found else []


def tensors_of(vae: VAE) -> list[Element]:
    """The tensors and operations among the fields of a VAE; x_dist is no tensor, but x_hat is a sample of it."""
    return [field for field in vae if isinstance(field, tf.Tensor | tf.Operation)]


def trained_of(vae: VAE) -> list[Element]:
    """What an iteration of training runs: the loss, its two terms, and the step."""
    return [vae.loss, vae.reconstruction, vae.kl_divergence, vae.train_step]


def variables_of(vae: VAE) -> list[tf.Variable]:
    """The variables that `vae` reads or writes: weights, Adam's slots and powers; not those of another VAE."""
    return variables_among(upstream_of(tensors_of(vae)))


def variables_among(operations: list[tf.Operation]) -> list[tf.Variable]:
    """The variables, global or local, whose operations are among these."""
    if not operations:
        return []
    with operations[0].graph.as_default():
        variables = {variable.op.name: variable for variable in tf.global_variables() + tf.local_variables()}
    names = {operation.name for operation in operations}
    return [variable for name, variable in variables.items() if name in names]


def recomputed(elements: list[Element], sources: Sources, name: str) -> list[Element]:
    """`elements` computed once more, in the default graph, from other sources.

    Args:
        elements: tensors or operations of one graph.
        sources: what to take, from the default graph, in place of tensors upstream of `elements`.
        name: scope of the new operations.

    Returns:
        The same tensors and operations, of the default graph.
    """
    needed = upstream_of(elements, [tensor for tensor, _ in sources])
    names = {operation.name for operation in needed}
    inputs = {tensor.name for operation in needed for tensor in operation.inputs}
    graph_def = elements[0].graph.as_graph_def()
    nodes = [node for node in graph_def.node if node.name in names]
    for node in nodes:
        node.attr.pop("_class", None)  # says to be placed with another operation, which may not be among them
        node.device = ""
    del graph_def.node[:]
    graph_def.node.extend(nodes)
    input_map = {tensor.name: source for tensor, source in sources if tensor.name in inputs}
    return tf.import_graph_def(graph_def, input_map, [element.name for element in elements], name=name)


def check_vae(vae: VAE) -> None:
    """Checks that the tensors of `vae` belong together.

    Raises:
        TypeError: `vae` is not a `VAE`.
        ValueError: they are of several graphs or of other shapes, a variable is in no collection, or `vae.z` or
            `vae.x` is not what the reconstruction is computed from.
    """
    if not isinstance(vae, VAE):
        raise TypeError(f"vae is a {type(vae).__name__}; pass the VAE that build_vae returns, or one made by hand.")
    if any(element.graph is not vae.x.graph for element in tensors_of(vae)):
        raise ValueError("The tensors of vae are of several graphs; build all of them in one.")
    if vae.x.shape.rank != 2 or vae.x.shape[1] is None:
        raise ValueError(f"vae.x is {vae.x.shape}; make it tf.placeholder(tf.float32, [None, pixels]).")
    if vae.mu_logvar.shape.rank != 2 or vae.z.shape.rank != 2 or vae.mu_logvar.shape[1] != 2 * (vae.z.shape[1] or 0):
        raise ValueError(
            f"vae.mu_logvar is {vae.mu_logvar.shape} and vae.z {vae.z.shape}; they need [N, 2 * D] and [N, D]."
        )
    for name, rank in ("reconstruction", 1), ("kl_divergence", 1), ("loss", 0):
        tensor = getattr(vae, name)
        if tensor.shape.rank not in (rank, None):
            needed = "a number for each image, [N]" if rank else "one number, []"
            raise ValueError(f"vae.{name} is {tensor.shape}, but must be {needed}; sum or average it accordingly.")
    operations = upstream_of(tensors_of(vae))
    known = {variable.op.name for variable in variables_among(operations)}
    for operation in operations:
        if operation.type in ("VarHandleOp", "VariableV2") and operation.name not in known:
            raise ValueError(
                f"The variable {operation.name} is in no collection of the graph, so it would not be initialized or "
                "saved; make it without collections=[], and keep what tf.Variable returns."
            )
    reconstructing = upstream_of([vae.reconstruction])
    for name in "x", "z":
        if getattr(vae, name).op not in reconstructing:
            raise ValueError(
                f"vae.reconstruction does not depend on vae.{name}; set it to the tensor that it is computed from."
            )


def check_only_x_is_fed(vae: VAE) -> None:
    """Raises ValueError if training or reconstructing needs another placeholder than `vae.x`."""
    for operation in upstream_of([vae.train_step, vae.x_hat]):
        if operation.type == "Placeholder" and operation is not vae.x.op:
            raise ValueError(
                f"Training needs a value for the placeholder {operation.name}, but train feeds vae.x alone; make it "
                "a tf.placeholder_with_default, or write a loop with sess.run and feed_dict."
            )


def check_images(vae: VAE, images) -> np.ndarray:
    """`images` as an array; raises an error if they are no array, or not of the size that `vae` takes."""
    if tf.is_tensor(images) or np.asarray(images).dtype.kind not in "fiub":
        raise TypeError(
            f"images is a {type(images).__name__}; pass a NumPy array [N, pixels], such as mnist.test.images."
        )
    images = np.asarray(images)
    if images.ndim == 2 and images.shape[1] != vae.x.shape[1]:
        raise ValueError(
            f"images has {images.shape[1]} pixels per image but vae.x {vae.x.shape[1]}; "
            "pass images of the size that the model was built for."
        )
    return images
