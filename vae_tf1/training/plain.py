"""Training by one run of the graph per iteration."""

import numpy as np
import tensorflow.compat.v1 as tf

from vae_tf1.graph.noise import NoiseStreams
from vae_tf1.training.run import Steps
from vae_tf1.vae import VAE, train_fetches


def plain_steps(sess: tf.Session, vae: VAE, images: np.ndarray) -> Steps:
    """Steps that run the graph of `vae` once per iteration.

    Args:
        sess: a session on the graph of `vae`.
        vae: the model to train.
        images: uint8 [N, P] of 0 and 1.
    """
    noise = NoiseStreams(sess, train_fetches(vae))
    fetches = [*train_fetches(vae), *noise.shapes]

    def train_on(batch: np.ndarray) -> list[np.ndarray]:
        loss, reconstruction, kl_divergence, _, *shapes = sess.run(fetches, {vae.x: batch})
        noise.count(shapes)
        return [loss, reconstruction.mean(), kl_divergence.mean()]

    def steps(rows: np.ndarray, iteration: int) -> np.ndarray:
        return np.array([train_on(images[batch_rows].astype(np.float32)) for batch_rows in rows])

    return steps
