"""Training with one run of the graph per iteration."""

from collections.abc import Callable

import numpy as np
import tensorflow.compat.v1 as tf

from vae_tf1.graph.noise import NoiseStreams
from vae_tf1.inputs import Arrays, take_rows
from vae_tf1.training.run import Steps
from vae_tf1.vae import VAE, train_fetches


def plain_steps(sess: tf.Session, vae: VAE, arrays: Arrays | Callable[[np.ndarray], Arrays]) -> Steps:
    """`Steps` that run the graph of `vae` once per iteration.

    Args:
        sess: a session on the graph of `vae`.
        vae: the model to train.
        arrays: the values to feed, by row number; from `training_arrays`.
    """
    noise = NoiseStreams(sess, train_fetches(vae))
    fetches = [*train_fetches(vae), *noise.shapes]

    def train_on(rows: np.ndarray) -> list[np.ndarray]:
        loss, reconstruction, kl_divergence, _, *shapes = sess.run(fetches, take_rows(arrays, rows))
        noise.count(shapes)
        return [loss, reconstruction.mean(), kl_divergence.mean()]

    def steps(rows: np.ndarray, iteration: int) -> np.ndarray:
        return np.array([train_on(batch) for batch in rows])

    return steps
