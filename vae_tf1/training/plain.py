"""Training by one run of the graph per iteration."""

import numpy as np
import tensorflow.compat.v1 as tf

from vae_tf1.graph.noise import NoiseStreams
from vae_tf1.training.run import Steps
from vae_tf1.vae import VAE, train_fetches


def plain_steps(sess: tf.Session, vae: VAE, images: np.ndarray) -> Steps:
    """Steps of one iteration each, by one run of the graph.

    Args:
        sess: a session on the graph of `vae`.
        images: uint8 [N, P] of 0 and 1.
    """
    noise = NoiseStreams(sess, train_fetches(vae))
    # Made once: a callable spares the look-up of feeds and fetches that `sess.run` repeats each time.
    run = sess.make_callable([*train_fetches(vae), *noise.shapes], feed_list=[vae.x])

    def steps(rows: np.ndarray, iteration: int) -> np.ndarray:
        loss, reconstruction, kl_divergence, _, *shapes = run(images[rows[0]].astype(np.float32))
        noise.count(shapes)
        return np.array([[loss, reconstruction.mean(), kl_divergence.mean()]])

    return steps
