"""Trained weights, taken out of one session and put into another, whatever scope they were trained in."""

import numpy as np
import tensorflow.compat.v1 as tf

from vae_tf1.model import VAE, check_session, needing_weights, variables_of


def weights_of(sess: tf.Session, vae: VAE) -> dict[str, np.ndarray]:
    """The weights and biases by their names within the model, such as "encoder/fc1/weights".

    Raises:
        ValueError: `sess` is of another graph, or has no weights yet.
    """
    check_session(sess, vae)
    trainable = sess.graph.get_collection("trainable_variables")
    with sess.graph.as_default():  # where the values of variables are looked up
        weights = {"/".join(v.op.name.split("/")[-3:]): v for v in variables_of(vae) if v in trainable}
        with needing_weights():
            return sess.run(weights)


def load_weights(sess: tf.Session, weights: dict[str, np.ndarray]) -> None:
    """Gives the trainable variables of the session's graph, which are in no outer scope, their values."""
    for variable in sess.graph.get_collection("trainable_variables"):
        sess.run(variable.initializer, {variable.initializer.inputs[1]: weights[variable.op.name]})
