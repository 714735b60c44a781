"""How good a trained model is, in nats per image."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf
import tensorflow_probability as tfp
from tqdm.auto import tqdm

from vae_tf1.graph.clone import GraphClone
from vae_tf1.graph.noise import random_operations
from vae_tf1.input_data import binarize
from vae_tf1.vae import VAE, check_images, clone_model

# Images, and samples of each, that are decoded at once: 2000 rows of logits are 6 MB, measured to be a fast size.
_IMAGES, _SAMPLES = 20, 100
_CHECKED = 40_000  # draws at least, whose mean and standard deviation are then within 0.01 of 0 and 1
_FACTORS = 98  # of a product in place of as many logarithms, at most; 2^-98 is within float32


class Estimate(float):
    """A mean over images: a float that carries its standard error.

    Attributes:
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
    def of(cls, values) -> "Estimate":
        """From one value per image, [N], such as `log_likelihood` gives; of a single one the standard error is NaN."""
        values = np.asarray(values)
        if not values.size:
            raise ValueError("There is no value to estimate a mean from; evaluate at least one image.")
        standard_error = values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else float("nan")
        return cls(float(values.mean()), float(standard_error))

    def __repr__(self) -> str:
        return f"{float(self):.3f} ± {self.standard_error:.3f}"


class Evaluation(NamedTuple):
    """Means over the images, in nats per image."""

    negative_elbo: Estimate  # reconstruction + kl_divergence, whatever weight the latter had in training
    reconstruction: Estimate  # -log p(x|z), one z per image
    kl_divergence: Estimate  # KL(q(z|x) || N(0, I))


def evaluate(sess: tf.Session, vae: VAE, images: np.ndarray, batch_size: int = 1_000, seed: int = 0) -> Evaluation:
    """The negative ELBO of images and its two terms, estimated with one draw of z from q(z|x) for each image.

    A copy of the model is run with noise of its own, so training continues as if nothing had been evaluated.

    Args:
        sess: a session that holds the trained weights.
        vae: from `build_vae` or made by hand, in the graph of `sess`.
        images: [N, P], pixels in [0, 1]; binarized here as in training. Each is counted once.
        batch_size: images per run of the graph; the last batch may be smaller.
        seed: of the noise: the same weights, images and seed give the same numbers, whatever the batch size.

    Returns:
        `Evaluation(negative_elbo, reconstruction, kl_divergence)`, each a mean with its standard error.

    Raises:
        TypeError: `images` is not an array.
        ValueError: `sess` is of another graph or has no weights yet, `images` has no row or is not [N, P] in [0, 1],
            `batch_size` is below 1, or `vae.z` is not drawn from the Gaussian of `vae.mu_logvar`.
    """
    with tf.Graph().as_default():
        clone = clone_model(sess, vae)
        images = binarize(check_images(vae, images))
        if not len(images):
            raise ValueError("images has no row; pass at least one image to evaluate.")
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; pass 1 or more.")
        _check_posterior(clone, vae, images)
        x, epsilon = (tf.placeholder(tf.float32, [None, tensor.shape[1]]) for tensor in (vae.x, vae.z))
        (mu_logvar,) = clone.copy([vae.mu_logvar], [(vae.x, x)], "encode")
        mu, logvar = tf.split(mu_logvar, 2, axis=1)
        sources = [(vae.x, x), (vae.mu_logvar, mu_logvar), (vae.z, mu + tf.exp(0.5 * logvar) * epsilon)]
        terms = clone.copy([vae.reconstruction, vae.kl_divergence], sources, "decode")
        noise = np.random.default_rng(seed).standard_normal([len(images), epsilon.shape[1]], dtype=np.float32)
        parts = [slice(i, i + batch_size) for i in range(0, len(images), batch_size)]
        with clone.session() as session:
            run = session.make_callable(terms, feed_list=[x, epsilon])
            batches = [run(images[part], noise[part]) for part in parts]
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

    With one sample it is an estimate of the ELBO; its mean grows with `num_samples` towards log p(x).
    `Estimate.of(log_likelihood(...))` is the mean over the images with its standard error.

    A copy of the model is run, on all cores: training continues as if nothing had been evaluated, and memory does not
    grow with `num_samples`. log p(x|z) is `-vae.reconstruction`, whatever the decoder.

    Args:
        sess: a session that holds the trained weights.
        vae: from `build_vae` or made by hand, in the graph of `sess`; q(z|x) is the Gaussian of `vae.mu_logvar`, and
            the prior N(0, I).
        images: [N, P], pixels in [0, 1]; binarized here as in training.
        num_samples: K, 1 or more.
        seed: of the samples: the same weights, images, `num_samples` and seed give the same numbers.

    Returns:
        float64 [N], one estimate per image.

    Raises:
        TypeError: `images` is not an array.
        ValueError: `sess` is of another graph or has no weights yet, `images` is not [N, P] in [0, 1], `num_samples`
            is below 1, or `vae.z` is not drawn from the Gaussian of `vae.mu_logvar`.
    """
    with tf.Graph().as_default():
        clone = clone_model(sess, vae)
        images = binarize(check_images(vae, images))
        if num_samples < 1:
            raise ValueError(f"num_samples is {num_samples}; pass 1 or more.")
        _check_posterior(clone, vae, images)
        x, mu_logvar = (tf.placeholder(tf.float32, [None, tensor.shape[1]]) for tensor in (vae.x, vae.mu_logvar))
        count, stream = tf.placeholder(tf.int32, []), tf.placeholder(tf.int32, [2])
        (encoded,) = clone.copy([vae.mu_logvar], [(vae.x, x)], "encode")
        bernoulli = _has_bernoulli_pixels(clone, vae, images)
        log_sum = tf.reduce_logsumexp(_log_weights(clone, vae, x, mu_logvar, count, stream, bernoulli), axis=1)
        # Noise of the model's own depends on the order of the runs.
        threads = 1 if random_operations([encoded, log_sum]) else _processors()
        with clone.session(threads) as session:
            encode = session.make_callable(encoded, feed_list=[x])
            log_sum_of = session.make_callable(log_sum, feed_list=[x, mu_logvar, count, stream])

            def estimate(first: int) -> np.ndarray:
                batch = images[first : first + _IMAGES]
                posterior, sums = encode(batch), np.full(len(batch), -np.inf)
                run = first // _IMAGES * -(-num_samples // _SAMPLES)
                for done in range(0, num_samples, _SAMPLES):
                    part = log_sum_of(batch, posterior, min(_SAMPLES, num_samples - done), [seed, run])
                    np.logaddexp(sums, part, out=sums)
                    run += 1
                return sums

            return _in_threads(estimate, len(images), threads) - np.log(num_samples)


def _check_posterior(clone: GraphClone, vae: VAE, images: np.ndarray) -> None:
    """Raises ValueError if `vae.z` is not drawn from the Gaussian of `vae.mu_logvar`, as the estimates assume."""
    if not len(images):
        return
    x = tf.placeholder(tf.float32, [None, vae.x.shape[1]])
    fetches = clone.copy([vae.z, vae.mu_logvar], [(vae.x, x)], "posterior")
    feed = {x: np.repeat(images[:1], 1_000, axis=0)}
    epsilon: list[float] = []  # (z - mu) / sigma, where rounding leaves enough of it
    with clone.session() as session:
        for _ in range(-(-_CHECKED // (1_000 * int(vae.z.shape[1])))):
            z, mu_logvar = (value.astype(np.float64) for value in session.run(fetches, feed))
            mu, logvar = np.split(mu_logvar, 2, axis=1)
            sigma = np.exp(logvar / 2)
            kept = sigma > 1e-4 * np.maximum(np.abs(mu), 1)
            epsilon += ((z - mu) / sigma)[kept].tolist()
    mean, deviation = (float(np.mean(epsilon)), float(np.std(epsilon))) if epsilon else (0.0, 1.0)
    if abs(mean) > 0.05 or abs(deviation - 1) > 0.05:
        raise ValueError(
            f"vae.z is not drawn from the Gaussian of vae.mu_logvar: (z - mu) / sigma has mean {mean:.2f} and standard "
            f"deviation {deviation:.2f}, not 0 and 1; draw z with sample_latent(mu_logvar), or measure with sess.run."
        )


def _in_threads(estimate, count: int, threads: int) -> np.ndarray:
    """`estimate(first)` of each `_IMAGES` images, [count]; TensorFlow computes without Python's lock."""
    estimates = np.empty(count)
    disable = bool(os.environ.get("TQDM_DISABLE"))  # tqdm's own switch, which its notebook bar overlooks
    firsts = range(0, count, _IMAGES)
    executor = ThreadPoolExecutor(threads)
    try:
        with tqdm(total=count, unit="image", desc="Log-likelihood", disable=disable) as progress:
            for first, part in zip(firsts, executor.map(estimate, firsts)):
                estimates[first : first + len(part)] = part
                progress.update(len(part))
    finally:
        executor.shutdown(cancel_futures=True)  # an interrupt does not wait for the images that are left
    return estimates


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _log_weights(clone: GraphClone, vae: VAE, x, mu_logvar, num_samples, stream, bernoulli):
    """log p(x|z) + log p(z) - log q(z|x) of `num_samples` draws of z for each of N images: [N, num_samples]."""
    mu, logvar = (part[:, tf.newaxis] for part in tf.split(mu_logvar, num_or_size_splits=2, axis=1))
    shape = tf.stack([tf.shape(x)[0], num_samples, mu.shape[2]])
    epsilon = tf.random.stateless_normal(shape, seed=stream)
    z = mu + tf.exp(0.5 * logvar) * epsilon
    sources = [(vae.z, tf.reshape(z, [-1, mu.shape[2]])), (vae.x, tf.repeat(x, num_samples, axis=0))]
    if bernoulli:
        (x_logits,) = clone.copy([vae.x_logits], sources, "decode")
        log_likelihood = _bernoulli_log_likelihood(x_logits, x, num_samples)
    else:
        (reconstruction,) = clone.copy([vae.reconstruction], sources, "decode")
        log_likelihood = -tf.reshape(reconstruction, [-1, num_samples])
    # log p(z) - log q(z|x) = 1/2 sum_d epsilon_d^2 + logvar_d - z_d^2
    return log_likelihood + 0.5 * tf.reduce_sum(tf.square(epsilon) + logvar - tf.square(z), axis=2)


def _has_bernoulli_pixels(clone: GraphClone, vae: VAE, images: np.ndarray) -> bool:
    """Whether -vae.reconstruction is the log-density of Bernoulli pixels of `vae.x_logits`, for each of the images."""
    x_dist = vae.x_dist
    while isinstance(x_dist, tfp.distributions.Independent):
        x_dist = x_dist.distribution
    same_shape = vae.x_logits.shape.is_compatible_with(vae.x.shape)
    if not isinstance(x_dist, tfp.distributions.Bernoulli) or x_dist.logits is not vae.x_logits or not same_shape:
        return False
    x = tf.placeholder(tf.float32, [None, vae.x.shape[1]])
    x_logits, reconstruction = clone.copy([vae.x_logits, vae.reconstruction], [(vae.x, x)], "likelihood")
    excess = _bernoulli_log_likelihood(x_logits, x, 1)[:, 0] + reconstruction
    with clone.session() as session:
        batches = (images[i : i + _IMAGES * _SAMPLES] for i in range(0, len(images), _IMAGES * _SAMPLES))
        return all((np.abs(session.run(excess, {x: batch})) < 0.01).all() for batch in batches)


def _bernoulli_log_likelihood(x_logits, x, num_samples):
    """log p(x|z) of [N * num_samples, P] logits and [N, P] images, at half the cost of a cross-entropy.

    log p(x|z) = sum_i x_i l_i - log(1 + exp(l_i)) = sum_i (x_i - 1/2) l_i - 1/2 |l_i| + log sigmoid(|l_i|), where the
    last terms of up to 98 pixels are the logarithm of one product, whose factors are from 1/2 to 1.
    """
    pixels = int(x.shape[1])
    factors_each = max(count for count in range(1, _FACTORS + 1) if pixels % count == 0)
    size = tf.abs(x_logits)
    factors = tf.reshape(tf.sigmoid(size), [-1, pixels // factors_each, factors_each])
    halves = tf.fill([pixels, 1], 0.5)
    without_x = tf.reduce_sum(tf.log(tf.reduce_prod(factors, 2)), 1, keepdims=True) - tf.matmul(size, halves)
    with_x = tf.matmul(tf.reshape(x_logits, [-1, num_samples, pixels]), (x - 0.5)[:, :, tf.newaxis])
    return tf.squeeze(with_x + tf.reshape(without_x, [-1, num_samples, 1]), 2)
