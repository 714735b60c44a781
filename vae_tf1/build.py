"""`build_vae`: the whole graph of the original notebook, assembled from the functions of `model`."""

from __future__ import annotations  # which load tensorflow-probability otherwise

import functools
import math
import numbers
import sys
from collections.abc import Callable
from typing import Any, TypeAlias

import tensorflow.compat.v1 as tf
import tensorflow_probability as tfp

from vae_tf1 import model
from vae_tf1._checks import as_count, as_sizes, shown
from vae_tf1.graph.walk import upstream_of, variables_among
from vae_tf1.inputs import bernoulli_of
from vae_tf1.tf1_seeds import use_tf1_seeds
from vae_tf1.vae import VAE

Distribution: TypeAlias = "tfp.distributions.Distribution"
HIDDEN_UNITS, LATENT_DIMENSIONS = 128, 64


def build_vae(
    *,
    seed: int | None = None,
    encoder: Callable[..., tf.Tensor] = model.encoder,
    decode: Callable[..., model.Likelihood] = model.decode,
    prior: Distribution | Callable[[], Distribution] | None = None,
    beta: float | tf.Tensor = 1.0,
    optimizer: tf.train.Optimizer | None = None,
    hidden_units: int = HIDDEN_UNITS,
    latent_dimensions: int = LATENT_DIMENSIONS,
    image_pixels: int = 784,
) -> VAE:
    """Builds the whole graph of the original notebook, in its scopes, in the current default graph.

    Args:
        seed: graph-level seed; weights and noise are then those of TensorFlow 1.15 with
            `tf.set_random_seed(seed)`. None keeps the graph's seed, if it has one.
        encoder: from images, float32 [N, P], to `mu_logvar`, float32 [N, 2 * D].
        decode: from z, float32 [N, D], to `(x_logits, x_dist)`: a float32 tensor [N, ...], and the distribution over
            the pixels that it parameterizes, of tensorflow-probability, batch shape [N, P] or [N]. Images are binarized
            if it is a Bernoulli distribution, and fed unchanged otherwise.
        prior: p(z), a distribution of tensorflow-probability over [D] or, with batch shape [D], over each dimension; or
            a function that returns one. The function is called after the encoder has been built, and may use its
            weights (`with tf.variable_scope("encoder", reuse=True):`). Trainable parameters of the prior are trained.
            None is N(0, I).
        beta: weight of the KL divergence in `loss` (Higgins et al. 2017, "beta-VAE", eq. 4); a number, or a scalar
            tensor, such as a schedule.
        optimizer: any `tf.train.Optimizer`; None is `tf.train.AdamOptimizer()`. It counts its steps in the graph's
            global step (`tf.train.get_or_create_global_step()`) if there is one, for a learning rate that decays.
        hidden_units: width of the hidden layers of the built-in `encoder` and `decode`.
        latent_dimensions: D, for the built-in `encoder`; a custom encoder decides for itself.
        image_pixels: P, such as `data.train.images.shape[1]`.

    Regularization losses that `encoder` or `decode` adds to the graph (slim's `weights_regularizer`) are added to
    `loss`, and their update operations (batch normalization) run with `train_step`.

    Returns:
        The `VAE`.

    Raises:
        RuntimeError: TensorFlow executes eagerly, so there is no graph to build in.
        TypeError: a size or `seed` is not an integer, `optimizer` is not a `tf.train.Optimizer`, `prior` or
            `x_dist` is not a distribution, `x_dist` is one of integers, or `encoder` or `decode` does not return
            tensors.
        ValueError: a size is below 1, `beta` is negative or not a finite number, the graph already has such a model in
            this scope, a width is given that no built-in network takes, `decode` returns a distribution over another
            number of pixels, or `prior` or `x_dist` cannot evaluate float32 values of this width in this graph.
    """
    _check_arguments(encoder, decode, beta, optimizer)
    hidden_units, latent_dimensions, image_pixels = as_sizes(
        hidden_units=hidden_units, latent_dimensions=latent_dimensions, image_pixels=image_pixels
    )
    _check_widths_are_used(encoder, decode, hidden_units, latent_dimensions)
    _check_no_model_yet()
    if encoder is model.encoder:
        encoder = functools.partial(encoder, hidden_units=hidden_units, latent_dimensions=latent_dimensions)
    if decode is model.decode:
        decode = functools.partial(decode, hidden_units=hidden_units, image_pixels=image_pixels)
    if seed is not None:
        tf.set_random_seed(as_count(seed, "seed", -sys.maxsize))

    operations_before = len(tf.get_default_graph().get_operations())
    updates_before = len(tf.get_collection(tf.GraphKeys.UPDATE_OPS))
    penalties_before = len(tf.losses.get_regularization_losses())
    x = tf.placeholder(tf.float32, [None, image_pixels], name="x")
    # XLA needs resource variables, which `tf.disable_v2_behavior()` turns off by default.
    with tf.variable_scope("encoder", use_resource=True):
        mu_logvar = _checked_posterior(encoder(x))
    prior = _checked_prior(prior() if callable(prior) else prior)
    with tf.variable_scope("decoder", use_resource=True):
        z = model.sample_latent(mu_logvar)
        x_logits, x_dist = _checked_likelihood(decode(z), image_pixels)
        x_hat = _sample_image(x_logits, x_dist)
    with tf.variable_scope("unlabeled"), tf.variable_scope("optimizer"):
        terms, densities = _negative_elbo(x, mu_logvar, z, x_logits, x_dist, prior)
        loss = _weighted_loss(terms, beta)
        for penalty in _penalties(terms.loss, penalties_before):
            loss += penalty
        with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)[updates_before:]):
            train_step = model.minimize(loss, optimizer, tf.train.get_global_step())
    use_tf1_seeds(tf.get_default_graph().get_operations()[operations_before:])
    fields = x, mu_logvar, z, x_logits, x_dist, x_hat, terms.reconstruction, terms.kl_divergence, loss, train_step
    inputs = None if bernoulli_of(x_dist) is not None else lambda images, labels: {x: images}
    return VAE(*fields, **densities, inputs=inputs)


def _negative_elbo(
    x: tf.Tensor,
    mu_logvar: tf.Tensor,
    z: tf.Tensor,
    x_logits: tf.Tensor,
    x_dist: Distribution,
    prior: Distribution | None,
) -> tuple[model.NegativeElbo, dict[str, tf.Tensor]]:
    """The negative ELBO, and the log-densities of a prior that is not N(0, I)."""
    of_x_logits = getattr(bernoulli_of(x_dist), "logits", None) is x_logits
    if prior is None and of_x_logits:
        return model.negative_elbo(x_logits, x, mu_logvar), {}
    reconstruction = model.cross_entropy(x_logits, x) if of_x_logits else -_log_density(x_dist, x, "x_dist")
    if prior is None:
        kl_divergence, densities = model.kl_to_standard_gaussian(mu_logvar), {}
    else:
        mu, logvar = tf.split(mu_logvar, num_or_size_splits=2, axis=1)
        posterior = tfp.distributions.MultivariateNormalDiag(mu, tf.exp(0.5 * logvar))
        densities = {"log_prior": _log_density(prior, z, "prior"), "log_posterior": posterior.log_prob(z)}
        try:
            kl_divergence = tfp.distributions.kl_divergence(posterior, prior)
        except NotImplementedError:  # no closed form: an unbiased estimate from the one z of each image
            kl_divergence = densities["log_posterior"] - densities["log_prior"]
    return model.NegativeElbo(tf.reduce_mean(reconstruction + kl_divergence), reconstruction, kl_divergence), densities


def _log_density(distribution: Distribution, value: tf.Tensor, name: str) -> tf.Tensor:
    """The log-density of each row of `value` [N, ...], summed over all axes but the first: [N], in nats per image."""
    try:
        log_prob = distribution.log_prob(value)
    except (TypeError, ValueError, tf.errors.InvalidArgumentError) as error:
        raise ValueError(
            f"{name}, a {type(distribution).__name__}, has no log_prob of float32 [N, {value.shape[1]}] "
            f"({str(error).splitlines()[0]}); give it float32 parameters of this width, in the graph of the model (a "
            "function that returns the prior is called there)."
        ) from error
    return tf.reduce_sum(log_prob, axis=list(range(1, log_prob.shape.rank)))


def _weighted_loss(terms: model.NegativeElbo, beta: float | tf.Tensor) -> tf.Tensor:
    """The negative ELBO with its KL divergence weighted by `beta`."""
    if not tf.is_tensor(beta) and beta == 1:
        return terms.loss
    weight = tf.convert_to_tensor(beta, tf.float32, name="beta")
    return tf.reduce_mean(terms.reconstruction + weight * terms.kl_divergence)


def _penalties(loss: tf.Tensor, before: int) -> list[tf.Tensor]:
    """The regularization losses of the model: all but the first `before`, and those of weights that it shares."""
    penalties = tf.losses.get_regularization_losses()
    names = {variable.op.name for variable in variables_among(upstream_of([loss]))}

    def of_shared_weights(penalty: tf.Tensor) -> bool:
        operations = upstream_of([penalty])
        used = {variable.op.name for variable in variables_among(operations)}
        return bool(used) and used <= names and not any(each.type == "Placeholder" for each in operations)

    return [*filter(of_shared_weights, penalties[:before]), *penalties[before:]]


def _check_arguments(encoder: Any, decode: Any, beta: Any, optimizer: Any) -> None:
    if tf.executing_eagerly():
        raise RuntimeError(
            "build_vae builds a graph, but TensorFlow is executing eagerly here; "
            "call it inside `with tf.Graph().as_default():`, or call tf.disable_v2_behavior() first."
        )
    if not tf.is_tensor(beta) and not (isinstance(beta, numbers.Real) and 0 <= float(beta) < math.inf):
        raise ValueError(f"beta is {shown(beta)}; pass a finite number, 0 or more, or a scalar tensor.")
    for name, function in ("encoder", encoder), ("decode", decode):
        if not callable(function):
            raise TypeError(f"{name} is {shown(function)}; pass a function from tensors to tensors.")
    if decode is model.decoder:
        raise TypeError(
            "decode is vae_tf1.decoder, which draws z itself; pass a function of z, such as vae_tf1.decode."
        )
    if optimizer is not None and not isinstance(optimizer, tf.train.Optimizer):
        raise TypeError(
            f"optimizer is a {type(optimizer).__name__}; pass a tf.train.Optimizer of tensorflow.compat.v1."
        )


def _check_widths_are_used(encoder: Any, decode: Any, hidden_units: int, latent_dimensions: int) -> None:
    if encoder is not model.encoder and decode is not model.decode and hidden_units != HIDDEN_UNITS:
        raise ValueError(
            f"hidden_units is {hidden_units}, but only the built-in encoder and decode take it; set the widths of your "
            "own layers instead."
        )
    if encoder is not model.encoder and latent_dimensions != LATENT_DIMENSIONS:
        raise ValueError(
            f"latent_dimensions is {latent_dimensions}, but only the built-in encoder takes it; "
            f"make your own encoder return 2 * {latent_dimensions} columns instead."
        )


def _check_no_model_yet() -> None:
    """Raises ValueError if a model has been built in the current scope."""
    scope = tf.get_variable_scope()
    prefix = f"{scope.name}/" if scope.name else ""
    if not scope.reuse and tf.global_variables(f"{prefix}(encoder|decoder)/"):
        raise ValueError(
            f"This graph already has the variables of {prefix}encoder and {prefix}decoder; call "
            "tf.reset_default_graph() before you build the model again, or build a second one inside "
            '`with tf.variable_scope("another"):`.'
        )


def _checked_posterior(mu_logvar: Any) -> tf.Tensor:
    if not tf.is_tensor(mu_logvar) or mu_logvar.shape.rank != 2:
        returned = mu_logvar.shape if tf.is_tensor(mu_logvar) else type(mu_logvar).__name__
        raise TypeError(f"encoder returned {returned}; return one tensor, mu_logvar [N, 2 * D].")
    return mu_logvar


def _checked_prior(prior: Any) -> Distribution | None:
    if prior is not None and not isinstance(prior, tfp.distributions.Distribution):
        raise TypeError(
            f"prior is a {type(prior).__name__}; pass a distribution of tensorflow_probability, or a function that "
            "returns one."
        )
    return prior


def _checked_likelihood(decoded: Any, image_pixels: int) -> model.Likelihood:
    if not isinstance(decoded, tuple | list) or len(decoded) != 2 or not tf.is_tensor(decoded[0]):
        raise TypeError("decode returned something other than the pair (x_logits, x_dist); return both.")
    x_logits, x_dist = decoded
    if bernoulli_of(x_dist) is None and not isinstance(x_dist, tfp.distributions.Distribution):
        raise TypeError(
            f"decode returned a {type(x_dist).__name__} for x_dist; return a distribution of tensorflow_probability, "
            "such as tfp.distributions.Bernoulli(logits=x_logits, dtype=tf.float32)."
        )
    if bernoulli_of(x_dist) is None and x_dist.dtype.is_integer:
        raise TypeError(
            f"decode returned a {type(x_dist).__name__} of integers for x_dist, but x holds pixels in [0, 1]; return a "
            "distribution of float32, or assemble a VAE by hand whose inputs scales the pixels to integers."
        )
    shape = x_dist.batch_shape.concatenate(x_dist.event_shape)
    if shape.rank and shape.as_list()[-1] not in (None, image_pixels):
        raise ValueError(
            f"decode returned a {type(x_dist).__name__} over {shape[-1]} pixels, but image_pixels is {image_pixels}; "
            "return a distribution with one value for each pixel."
        )
    return x_logits, x_dist


def _sample_image(x_logits: tf.Tensor, x_dist: Distribution) -> tf.Tensor:
    if not isinstance(x_dist, tfp.distributions.Bernoulli):
        return x_dist.sample()
    # TensorFlow 1's sampling: white where noise < p. tfp's x_dist.sample() derives its noise from the seed differently.
    noise = tf.random_uniform(tf.shape(x_logits))
    return tf.cast(noise < x_dist.probs_parameter(), tf.float32)
