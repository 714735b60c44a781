"""What a model computes, to be built on in another graph and run in a session of its own.

Measuring and exporting work on such a copy: training goes on as if nothing had happened, and the caller's graph gets
no operation.
"""

import tensorflow.compat.v1 as tf
import tensorflow_probability as tfp

from vae_tf1.graph import Element, Sources, check_vae, recomputed, upstream_of, variables_among
from vae_tf1.model import VAE
from vae_tf1.sessions import check_session, session_of_its_own, values_of


class ModelCopy:
    """Copies parts of a VAE into the default graph, with the weights that a session holds.

    Args:
        sess: holds the weights.
        vae: in the graph of `sess`; it stays as it is.

    Raises:
        ValueError: `sess` is of another graph, or the tensors of `vae` don't belong together.
    """

    def __init__(self, sess: tf.Session, vae: VAE):
        check_vae(vae)
        check_session(sess, vae)
        self._sess = sess
        self._variables: list[tuple[tf.Variable, tf.Variable, tf.Tensor]] = []  # original, copy, value of the copy

    def of(self, elements: list[Element], sources: Sources, name: str) -> list[Element]:
        """`elements` of the VAE, computed from other sources.

        Args:
            elements: tensors or operations.
            sources: pairs of a tensor of the VAE and what to take, from the default graph, in its place.
            name: scope of the new operations.

        Raises:
            ValueError: something upstream of `elements` can't be copied, or is a placeholder.
        """
        operations = upstream_of(elements, [tensor for tensor, _ in sources])
        for operation in operations:
            if operation.type == "Placeholder":
                raise ValueError(
                    f"{elements[0].name} depends on the placeholder {operation.name}, for which nothing is fed here; "
                    "compute it with sess.run and feed_dict."
                )
        self._copy_variables(operations)
        variables = []
        for original, copy, _ in self._variables:
            source = original.op.outputs[0]  # the handle of a resource variable, the reference of another
            variables.append((source, copy.handle if source.dtype == tf.resource else copy.value()))
        try:
            return recomputed(elements, [*sources, *variables], name)
        except ValueError as error:
            raise ValueError(
                f"{elements[0].name} can't be computed in a graph of its own ({error}); "
                "remove the operations that change variables in the forward pass."
            ) from error

    def distribution(self, distribution: tfp.distributions.Distribution, sources: Sources, name: str):
        """A distribution of the VAE whose parameters are computed from other sources; see `of`."""
        parameters = tf.nest.flatten(distribution, expand_composites=True)
        if not all(tf.is_tensor(parameter) for parameter in parameters):
            raise ValueError(
                f"vae.x_dist is a {type(distribution).__name__}, whose parameters can't be copied; "
                "return a distribution of tensorflow_probability from decode."
            )
        return tf.nest.pack_sequence_as(distribution, self.of(parameters, sources, name), expand_composites=True)

    def session(self, threads: int = 1) -> tf.Session:
        """A session on the default graph whose variables have the values that the original ones have now.

        Raises:
            ValueError: these have no values yet.
        """
        values = values_of(self._sess, [original for original, _, _ in self._variables])
        session = session_of_its_own(tf.get_default_graph(), threads)
        feed = {placeholder: value for (_, _, placeholder), value in zip(self._variables, values)}
        session.run([copy.initializer for _, copy, _ in self._variables], feed)
        return session

    def _copy_variables(self, operations: list[tf.Operation]) -> None:
        copied = {original.op.name for original, _, _ in self._variables}
        for original in variables_among(operations):
            name = original.op.name
            if name not in copied:
                value = tf.placeholder(original.dtype.base_dtype, original.shape, f"value_of/{name}")
                copy = tf.Variable(value, trainable=original.trainable, use_resource=True, name=name)
                self._variables.append((original, copy, value))
