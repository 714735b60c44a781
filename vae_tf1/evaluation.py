"""How good a trained model is, in nats per image."""

from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from vae_tf1.input_data import binarize
from vae_tf1.model import VAE, random_operations


class Estimate(float):
    """A mean over images that is a number, and also knows how far off it may be.

    Attributes:
        mean: the number itself.
        standard_error: the standard deviation over the images, divided by the root of their number.
    """

    standard_error: float

    def __new__(cls, values: np.ndarray):
        self = super().__new__(cls, values.mean())
        self.standard_error = float(values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else float("nan")
        return self

    @property
    def mean(self) -> float:
        return float(self)

    def __repr__(self) -> str:
        return f"{float(self):.3f} ± {self.standard_error:.3f}"


class Evaluation(NamedTuple):
    """Means over the images, in nats per image."""

    negative_elbo: Estimate  # reconstruction + kl_divergence
    reconstruction: Estimate  # -log p(x|z), one z per image
    kl_divergence: Estimate  # KL(q(z|x) || N(0, I))


def evaluate(sess: tf.Session, vae: VAE, images: np.ndarray, batch_size: int = 1_000, seed: int = 0) -> Evaluation:
    """The negative ELBO of images and its two terms, with one draw of z for each image.

    The noise of the draw comes from a generator of its own, so training goes on as if nothing had been evaluated.

    Args:
        sess: a session that holds the trained weights.
        vae: from `build_vae`, in the graph of `sess`.
        images: [N, 784], pixels in [0, 1]; binarized here as in training. Each is counted once.
        batch_size: images per run of the graph; the last batch takes what is left.
        seed: of the noise: the same weights, images and seed give the same numbers, whatever the batch size.

    Returns:
        `Evaluation(negative_elbo, reconstruction, kl_divergence)`, each a mean with its standard error.

    Raises:
        ValueError: `images` has no row or is not [N, 784] in [0, 1], or `batch_size` is below 1.
    """
    images = binarize(images)
    if not len(images):
        raise ValueError("images has no row; give at least one image to evaluate.")
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; give 1 or more.")
    epsilon = random_operations(vae)[0].outputs[0]
    noise = np.random.default_rng(seed).standard_normal([len(images), epsilon.shape[1]], dtype=np.float32)
    terms = sess.make_callable([vae.reconstruction, vae.kl_divergence], feed_list=[vae.x, epsilon])
    batches = [terms(images[i : i + batch_size], noise[i : i + batch_size]) for i in range(0, len(images), batch_size)]
    reconstruction, kl_divergence = (np.concatenate(term).astype(np.float64) for term in zip(*batches))
    return Evaluation(Estimate(reconstruction + kl_divergence), Estimate(reconstruction), Estimate(kl_divergence))
