"""The log-likelihood of images, estimated with importance weights."""

import os
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf
from tqdm.auto import tqdm

from vae_tf1._checks import as_count, as_noise_seed
from vae_tf1.graph.noise import random_operations
from vae_tf1.graph.sessions import thread_pool
from vae_tf1.graph.walk import upstream_of
from vae_tf1.inputs import bernoulli_of
from vae_tf1.measuring import MeasuredModel, is_standard
from vae_tf1.vae import VAE

# Images, and samples of each, to decode at once: 2000 rows of logits are 6 MB, which was measured to be fast.
_IMAGES, _SAMPLES = 20, 100
_VALUES = 2_000 * 4_096  # pixels to decode at once, at most
_ENCODER = 2**30  # distinguishes the noise of the encoder from that of z and of the decoder
_FACTORS = 98  # at most, of a product that replaces as many logarithms; 2^-98 is a normal number in float32


def log_likelihood(
    sess: tf.Session, vae: VAE, images: Any, num_samples: int = 500, *, seed: int = 0, feed: dict | None = None
) -> np.ndarray:
    """The importance-weighted estimate of log p(x), in nats (Burda, Grosse and Salakhutdinov 2016, eq. 8).

        log p(x) ~ log 1/K sum_k p(x|z_k) p(z_k) / q(z_k|x),    z_k ~ q(z|x)

    With one sample, it estimates the ELBO; its mean grows with `num_samples` towards log p(x).
    `Estimate.of(log_likelihood(...))` is the mean over the images with its standard error.

    A copy of the model runs on all cores: training continues as if nothing had been evaluated, and memory does not grow
    with `num_samples`. log p(x|z) is `-vae.reconstruction`, whatever the decoder. If the model has a `log_prior` or a
    `log_posterior`, these are log p(z) and log q(z|x) of the model's own draws of all its latent variables.

    Args:
        sess: a session that holds the trained weights.
        vae: from `build_vae` or made by hand, in the graph of `sess`.
        images: [N, P], pixels in [0, 1], or a `DataSet` if `vae.inputs` takes labels. They are fed as in training:
            binarized, or as `vae.inputs` says. Noise that the model adds to `vae.x` is drawn once per image.
        num_samples: K, 1 or more.
        seed: of the samples. The same weights, images, `num_samples` and seed give the same numbers.
        feed: values of other placeholders, the same for all images, such as {is_training: False}.

    Returns:
        float64 [N], one estimate per image.

    Raises:
        RuntimeError, TypeError, ValueError: as `evaluate`, but no images give an empty result; or `num_samples` is
            below 1.

    Warns:
        UserWarning: `vae.x_dist` is not Bernoulli, and `vae.reconstruction` is not its -log p(x|z).
    """
    num_samples, seed = as_count(num_samples, "num_samples", 1), as_noise_seed(seed)
    with tf.Graph().as_default():
        model = MeasuredModel(sess, vae, images, feed)
        if not len(model):
            return np.empty(0)
        count, stream = tf.placeholder(tf.int32, []), model.stream
        with model.open_session() as session:
            bernoulli = _has_bernoulli_pixels(model, session)
            per_image = _standard_frontier(vae, model) if is_standard(vae) else _frontier(model, session)
            stream_of_encoder = tf.random.experimental.stateless_fold_in(stream, _ENCODER)
            encoded = model.copy(per_image, model.replace_noise(per_image, stream_of_encoder), "encode")
            given = [tf.placeholder(tensor.dtype, tensor.shape) for tensor in encoded]
            log_weights = _standard_log_weights if is_standard(vae) else _any_log_weights
            weights = log_weights(model, dict(zip(per_image, given)), count, stream, bernoulli)
            log_sum = tf.reduce_logsumexp(weights, axis=1)
            at_once = max(1, min(_SAMPLES, _VALUES // (_IMAGES * int(vae.x.shape[1]))))

            def estimate(first: int) -> np.ndarray:
                rows = slice(first, min(first + _IMAGES, len(model)))
                run = first // _IMAGES * -(-num_samples // at_once)
                values = session.run(encoded, {**model.feed(rows), stream: [seed, run]})
                sums = np.full(rows.stop - rows.start, -np.inf)
                for done in range(0, num_samples, at_once):
                    feed = {**dict(zip(given, values)), count: min(at_once, num_samples - done), stream: [seed, run]}
                    np.logaddexp(sums, session.run(log_sum, feed), out=sums)
                    run += 1
                    if interrupted.is_set():
                        break
                return sums

            disable = bool(os.environ.get("TQDM_DISABLE"))  # tqdm's own switch, which its notebook bar ignores
            progress = tqdm(total=len(model), unit="image", desc="Log-likelihood", disable=disable)
            estimates = []
            with thread_pool([*encoded, log_sum]) as (pool, interrupted), progress:
                for part in pool.map(estimate, range(0, len(model), _IMAGES)):
                    estimates.append(part)
                    progress.update(len(part))
            return np.concatenate(estimates) - np.log(num_samples)


Tiled = dict[tf.Tensor, tf.Tensor]  # tensors of the model with one row per image, and placeholders for their values


def _standard_frontier(vae: VAE, model: MeasuredModel) -> list[tf.Tensor]:
    others = [tensor for tensor, _ in model.inputs if tensor is not vae.x]
    return [vae.mu_logvar, vae.x, *others]


def _standard_log_weights(
    model: MeasuredModel, given: Tiled, num_samples: tf.Tensor, stream: tf.Tensor, bernoulli: bool
) -> tf.Tensor:
    """log p(x|z) + log p(z) - log q(z|x) of `num_samples` draws of z for each of N images: [N, num_samples]."""
    vae = model.vae
    mu, logvar = (part[:, tf.newaxis] for part in tf.split(given[vae.mu_logvar], num_or_size_splits=2, axis=1))
    shape = tf.stack([tf.shape(given[vae.x])[0], num_samples, mu.shape[2]])
    epsilon = tf.random.stateless_normal(shape, seed=stream, dtype=mu.dtype)
    z = mu + tf.exp(0.5 * logvar) * epsilon
    sources = [(vae.z, tf.reshape(z, [-1, mu.shape[2]]))]
    sources += [
        (tensor, tf.repeat(rows, num_samples, axis=0)) for tensor, rows in given.items() if tensor is not vae.mu_logvar
    ]
    (decoded,) = model.copy([vae.x_logits if bernoulli else vae.reconstruction], sources, "decode")
    log_likelihood = _log_likelihood_of(decoded, given[vae.x], num_samples, bernoulli)
    # log p(z) - log q(z|x) = 1/2 sum_d epsilon_d^2 + logvar_d - z_d^2
    return log_likelihood + 0.5 * tf.reduce_sum(tf.square(epsilon) + logvar - tf.square(z), axis=2)


def _any_log_weights(
    model: MeasuredModel, given: Tiled, num_samples: tf.Tensor, stream: tf.Tensor, bernoulli: bool
) -> tf.Tensor:
    """Like `_standard_log_weights`, for any prior and posterior; the model draws its latent variables itself."""
    vae = model.vae
    sources = [(tensor, tf.repeat(rows, num_samples, axis=0)) for tensor, rows in given.items()]
    targets = [vae.x_logits if bernoulli else vae.reconstruction, vae.log_prior, vae.log_posterior, vae.z]
    if vae.log_posterior is None:
        targets.append(vae.mu_logvar)
    targets = [target for target in targets if target is not None]
    built = dict(zip(targets, model.copy(targets, model.replace_noise(targets, stream, sources), "decode")))
    log_likelihood = _log_likelihood_of(built[targets[0]], given[vae.x], num_samples, bernoulli)
    z = built[vae.z]
    zero = z.dtype.as_numpy_dtype(0)
    log_prior = _log_normal(z, zero, zero) if vae.log_prior is None else built[vae.log_prior]
    if vae.log_posterior is None:
        log_posterior = _log_normal(z, *tf.split(built[vae.mu_logvar], 2, axis=1))
    else:
        log_posterior = built[vae.log_posterior]
    return log_likelihood + tf.reshape(log_prior - log_posterior, [-1, num_samples])


def _log_normal(z: tf.Tensor, mu: Any, logvar: Any) -> tf.Tensor:
    """log N(z; mu, diag(exp(logvar))), [N]."""
    terms = tf.square(z - mu) * tf.exp(-logvar) + logvar + np.log(2 * np.pi)
    return -0.5 * tf.reduce_sum(terms, axis=list(range(1, z.shape.rank)))


def _frontier(model: MeasuredModel, session: tf.Session) -> list[tf.Tensor]:
    """The tensors to compute once per image and repeat for its samples: the last ones that no noise reaches.

    If repeated images do not give repeated rows of these, the images themselves are repeated instead.
    """
    vae = model.vae
    roots = [vae.x, *(tensor for tensor, _ in model.inputs if tensor is not vae.x)]
    names = ("x_logits", "reconstruction", "log_prior", "log_posterior", "z", "mu_logvar")
    targets = [getattr(vae, name) for name in names if getattr(vae, name) is not None]
    frontier = _rows_before_noise(targets, roots)
    stream = tf.constant([0, 0])
    once = model.copy(frontier, model.replace_noise(frontier, stream), "once")
    repeated = [
        (tensor, tf.repeat(copy, 3, axis=0))
        for tensor, copy in zip(roots, model.copy(roots, model.replace_noise(roots, stream), "roots"))
    ]
    again = model.copy(frontier, repeated, "again")
    pairs = session.run([once, again], model.feed(slice(0, 2)))
    for a, b in zip(*pairs):
        rows_of_images = len(a) == min(2, len(model)) and len(b) == 3 * len(a)
        if not rows_of_images or not np.allclose(np.repeat(a, 3, axis=0), b, rtol=1e-4, atol=1e-4):
            return roots
    return frontier


def _rows_before_noise(targets: list[tf.Tensor], roots: list[tf.Tensor]) -> list[tf.Tensor]:
    operations = upstream_of(targets, roots)
    random, rows, noisy = set(random_operations(targets, roots)), {tensor.name: tensor for tensor in roots}, set()
    carrying = set()  # operations whose outputs have one row per image
    for operation in operations:
        if operation.type in ("Enter", "Switch"):
            return roots
        if operation in random or any(t.op in noisy and t.name not in rows for t in operation.inputs):
            noisy.add(operation)
        elif any(tensor.name in rows for tensor in operation.inputs) and all(map(_has_rows, operation.outputs)):
            carrying.add(operation)
            rows |= {tensor.name: tensor for tensor in operation.outputs}
    used = {tensor.name for operation in operations if operation not in carrying for tensor in operation.inputs}
    used |= {tensor.name for tensor in [*targets, roots[0]]}
    return [tensor for name, tensor in rows.items() if name in used]


def _has_rows(tensor: tf.Tensor) -> bool:
    return tensor.dtype.is_floating and bool(tensor.shape.rank) and tensor.shape.as_list()[0] is None


def _has_bernoulli_pixels(model: MeasuredModel, session: tf.Session) -> bool:
    """Whether -vae.reconstruction is the log-probability of Bernoulli pixels with `vae.x_logits`, for every image."""
    vae = model.vae
    bernoulli = bernoulli_of(vae.x_dist)
    if (
        bernoulli is None
        or bernoulli.logits is not vae.x_logits
        or not vae.x_logits.shape.is_compatible_with(vae.x.shape)
    ):
        return False
    drawn = model.drawn
    excess = _bernoulli_log_likelihood(drawn["x_logits"], drawn["x"], 1)[:, 0] + drawn["reconstruction"]
    parts = (slice(i, i + _IMAGES * _SAMPLES) for i in range(0, len(model), _IMAGES * _SAMPLES))
    return all((np.abs(session.run(excess, {**model.feed(part), model.stream: [0, 0]})) < 0.01).all() for part in parts)


def _log_likelihood_of(decoded: tf.Tensor, x: tf.Tensor, num_samples: tf.Tensor, bernoulli: bool) -> tf.Tensor:
    """log p(x|z), [N, num_samples], from logits or from the reconstruction term."""
    if bernoulli:
        return _bernoulli_log_likelihood(decoded, x, num_samples)
    return -tf.reshape(decoded, [-1, num_samples])


def _bernoulli_log_likelihood(x_logits: tf.Tensor, x: tf.Tensor, num_samples: tf.Tensor | int) -> tf.Tensor:
    """log p(x|z), [N, num_samples], of [N * num_samples, P] logits and [N, P] images.

    With l for the logits, log p(x|z) = sum_i [x_i l_i - log(1 + exp(l_i))]
    = sum_i [(x_i - 1/2) l_i - 1/2 |l_i| + log sigmoid(|l_i|)]. The last terms of up to 98 pixels are summed as the
    logarithm of one product, whose factors are between 1/2 and 1. This costs half as much as a cross-entropy.
    """
    pixels = int(x.shape[1])
    factors_each = max(count for count in range(1, _FACTORS + 1) if pixels % count == 0)
    size = tf.abs(x_logits)
    factors = tf.reshape(tf.sigmoid(size), [-1, pixels // factors_each, factors_each])
    halves = tf.fill([pixels, 1], size.dtype.as_numpy_dtype(0.5))
    without_x = tf.reduce_sum(tf.log(tf.reduce_prod(factors, 2)), 1, keepdims=True) - tf.matmul(size, halves)
    with_x = tf.matmul(tf.reshape(x_logits, [-1, num_samples, pixels]), (x - 0.5)[:, :, tf.newaxis])
    return tf.squeeze(with_x + tf.reshape(without_x, [-1, num_samples, 1]), 2)
