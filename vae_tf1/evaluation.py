"""How good a trained model is, in nats per image."""

import itertools
import os
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf
from tqdm.auto import tqdm

from vae_tf1.input_data import binarize
from vae_tf1.model import VAE, check_session, decode, needing_weights, random_operations
from vae_tf1.weights import load_weights, weights_of

# Images, and samples of each, that are decoded at once: 2000 rows of logits are 6 MB, measured to be a fast size.
_IMAGES, _SAMPLES = 20, 100
_FACTORS = 98  # of a product in place of as many logarithms; 2^-98 is within float32, and 784 = 8 * 98


class Estimate(float):
    """A mean over images that is a number, and also knows how far off it may be.

    Attributes:
        mean: the number itself.
        standard_error: the standard deviation over the images, divided by the root of their number.
    """

    standard_error: float

    def __new__(cls, mean: float, standard_error: float):
        self = super().__new__(cls, mean)
        self.standard_error = standard_error
        return self

    def __getnewargs__(self):
        return float(self), self.standard_error

    @classmethod
    def of(cls, values: np.ndarray) -> "Estimate":
        """From one value per image, [N]; with a single one the standard error is not a number."""
        standard_error = values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else float("nan")
        return cls(float(values.mean()), float(standard_error))

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
        ValueError: `sess` is of another graph or has no weights yet, `images` has no row or is not [N, 784] in [0, 1],
            or `batch_size` is below 1.
    """
    check_session(sess, vae)
    images = binarize(images)
    if not len(images):
        raise ValueError("images has no row; give at least one image to evaluate.")
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; give 1 or more.")
    epsilon = random_operations(vae)[0].outputs[0]
    noise = np.random.default_rng(seed).standard_normal([len(images), epsilon.shape[1]], dtype=np.float32)
    terms = sess.make_callable([vae.reconstruction, vae.kl_divergence], feed_list=[vae.x, epsilon])
    parts = [slice(i, i + batch_size) for i in range(0, len(images), batch_size)]
    with needing_weights():
        batches = [terms(images[part], noise[part]) for part in parts]
    reconstruction, kl_divergence = (np.concatenate(term).astype(np.float64) for term in zip(*batches))
    return Evaluation(*map(Estimate.of, (reconstruction + kl_divergence, reconstruction, kl_divergence)))


def kl_per_dimension(mu_logvar) -> np.ndarray:
    """KL(q(z_d|x) || N(0, 1)) for each dimension d, mean over images (Kingma and Welling 2014, appendix B).

    Args:
        mu_logvar: [N, 2 * D], from `encoder`.

    Returns:
        float64 [D], in nats; its sum is the KL divergence of the negative ELBO.
    """
    mu, logvar = np.split(np.asarray(mu_logvar, np.float64), 2, axis=1)
    return 0.5 * (mu**2 + np.exp(logvar) - 1 - logvar).mean(axis=0)


def log_likelihood(
    sess: tf.Session, vae: VAE, images: np.ndarray, num_samples: int = 500, *, seed: int = 0
) -> np.ndarray:
    """The importance-weighted estimate of log p(x), in nats (Burda, Grosse and Salakhutdinov 2016, eq. 8).

        log p(x) ~ log 1/K sum_k p(x|z_k) p(z_k) / q(z_k|x),    z_k ~ q(z|x)

    With one sample it is an estimate of the ELBO; its mean grows with `num_samples` towards log p(x). Decoding works
    on a copy of the weights in a graph of its own: training goes on as if nothing had been evaluated, and memory does
    not grow with `num_samples`. It uses all cores, unless the first session of the process was opened with one thread.

    Args:
        sess: a session that holds the trained weights.
        vae: from `build_vae`, in the graph of `sess`.
        images: [N, 784], pixels in [0, 1]; binarized here as in training.
        num_samples: K, 1 or more.
        seed: of the samples: the same weights, images, `num_samples` and seed give the same numbers.

    Returns:
        float64 [N], one estimate an image.

    Raises:
        ValueError: `sess` is of another graph or has no weights yet, `images` is not [N, 784] in [0, 1], or
            `num_samples` is below 1.
    """
    check_session(sess, vae)
    images = binarize(images)
    if num_samples < 1:
        raise ValueError(f"num_samples is {num_samples}; give 1 or more.")
    encode = sess.make_callable(vae.mu_logvar, feed_list=[vae.x])
    with tf.Graph().as_default() as graph:
        # log of a sum of K weights, for some of the samples: [_IMAGES, 784] and [_IMAGES, 2 D] to [_IMAGES]
        x = tf.placeholder(tf.float32, [None, images.shape[1]])
        mu_logvar = tf.placeholder(tf.float32, [None, vae.mu_logvar.shape[1]])
        count, stream = tf.placeholder(tf.int32, []), tf.placeholder(tf.int32, [2])
        weights = weights_of(sess, vae)
        _, hidden_units = weights["decoder/fc1/weights"].shape
        log_sum = tf.reduce_logsumexp(_log_weights(x, mu_logvar, count, stream, hidden_units), axis=1)
        with tf.Session(graph=graph, config=tf.ConfigProto(device_count={"GPU": 0})) as session:
            load_weights(session, weights)
            log_sum_of = session.make_callable(log_sum, feed_list=[x, mu_logvar, count, stream])
            estimates = np.full(len(images), -np.inf)
            disable = bool(os.environ.get("TQDM_DISABLE"))
            runs = itertools.count()
            with tqdm(total=len(images), unit="image", desc="Log-likelihood", disable=disable) as progress:
                for first in range(0, len(images), _IMAGES):
                    batch, estimate = images[first : first + _IMAGES], estimates[first : first + _IMAGES]
                    posterior = encode(batch)
                    for done in range(0, num_samples, _SAMPLES):
                        samples = min(_SAMPLES, num_samples - done)
                        part = log_sum_of(batch, posterior, samples, [seed, next(runs)])
                        np.logaddexp(estimate, part, out=estimate)
                    progress.update(len(batch))
    return estimates - np.log(num_samples)


def _log_weights(x, mu_logvar, num_samples, stream, hidden_units):
    """log p(x|z) + log p(z) - log q(z|x) of `num_samples` draws of z for each of N images: [N, num_samples]."""
    mu, logvar = (part[:, tf.newaxis] for part in tf.split(mu_logvar, num_or_size_splits=2, axis=1))
    shape = tf.stack([tf.shape(x)[0], num_samples, mu.shape[2]])
    epsilon = tf.random.stateless_normal(shape, seed=stream)
    z = mu + tf.exp(0.5 * logvar) * epsilon
    with tf.variable_scope("decoder"):
        x_logits, _ = decode(tf.reshape(z, [-1, mu.shape[2]]), hidden_units=hidden_units)
    # log p(x|z) = sum_i x_i l_i - log(1 + exp(l_i)) = sum_i (x_i - 1/2) l_i - 1/2 |l_i| + log sigmoid(|l_i|). The last
    # terms of 98 pixels are the logarithm of one product, whose factors are from 1/2 to 1.
    size = tf.abs(x_logits)
    factors = tf.reshape(tf.sigmoid(size), [-1, x.shape[1] // _FACTORS, _FACTORS])
    halves = tf.fill([x.shape[1], 1], 0.5)
    without_x = tf.reduce_sum(tf.log(tf.reduce_prod(factors, 2)), 1, keepdims=True) - tf.matmul(size, halves)
    with_x = tf.matmul(tf.reshape(x_logits, [-1, num_samples, x.shape[1]]), (x - 0.5)[:, :, tf.newaxis])
    log_likelihood = tf.squeeze(with_x + tf.reshape(without_x, [-1, num_samples, 1]), 2)
    # log p(z) - log q(z|x) = 1/2 sum_d epsilon_d^2 + logvar_d - z_d^2
    return log_likelihood + 0.5 * tf.reduce_sum(tf.square(epsilon) + logvar - tf.square(z), axis=2)
