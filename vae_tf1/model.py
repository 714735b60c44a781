"""The variational autoencoder as a TensorFlow 1 graph: builders that take tensors and return tensors.

With x one image, z its latent code and N(0, I) the prior of z, the model is (Kingma and Welling 2014,
"Auto-Encoding Variational Bayes"):

    q(z|x) = N(mu(x), diag(exp(logvar(x))))        `encoder`: the approximate posterior
    z      = mu + exp(logvar)^(1/2) * epsilon       `sample_latent`, epsilon ~ N(0, I): eq. 4
    p(x|z) = Bernoulli(logits(z))                   `decode`: the likelihood, pixel by pixel

    log p(x) >= E_q[log p(x|z)] - KL(q(z|x) || p(z))        the evidence lower bound (ELBO), eq. 3

and training minimizes the negative ELBO, estimated with one z per image.

Scope and variable names are those of the original notebook, so checkpoints of its TensorFlow 1 runs load unchanged.
Every builder works in the default graph after `tf.disable_v2_behavior()`, and inside `with tf.Graph().as_default():`.
"""

from typing import NamedTuple

import tensorflow.compat.v1 as tf
import tensorflow_probability as tfp
import tf_slim as slim

from vae_tf1._checks import as_rows, as_sizes

Likelihood = tuple[tf.Tensor, "tfp.distributions.Distribution"]  # x_logits and p(x|z)


class NegativeElbo(NamedTuple):
    """The negative ELBO and its two terms, in nats."""

    loss: tf.Tensor  # []: mean over the batch of reconstruction + kl_divergence
    reconstruction: tf.Tensor  # [N]: -log p(x|z), summed over the pixels
    kl_divergence: tf.Tensor  # [N]: KL(q(z|x) || N(0, I))


def encoder(x: tf.Tensor, *, hidden_units: int = 128, latent_dimensions: int = 64) -> tf.Tensor:
    """The approximate posterior q(z|x): a hidden layer of ReLUs, then means and log-variances side by side.

    Its second half is the logarithm of the variance because a layer's output can be any real number, while a
    variance is positive.

    Args:
        x: float32 [N, P], pixels 0 or 1.
        hidden_units: width of the hidden layer.
        latent_dimensions: D, of z.

    Returns:
        `mu_logvar`, float32 [N, 2 * D]: D means, then D log-variances.

    Raises:
        TypeError: `x` is not a tensor, or a size is not an integer.
        ValueError: `x` is not float32 [N, P], or a size is below 1.
    """
    x = as_rows(x, "x", "pixels")
    hidden_units, latent_dimensions = as_sizes(hidden_units=hidden_units, latent_dimensions=latent_dimensions)
    with slim.arg_scope([slim.fully_connected], weights_initializer=tf.truncated_normal_initializer(0.0, 0.1)):
        hidden = slim.fully_connected(x, hidden_units, activation_fn=tf.nn.relu, scope="fc1")
        return slim.fully_connected(hidden, 2 * latent_dimensions, activation_fn=None, scope="fc2")


def sample_latent(mu_logvar: tf.Tensor) -> tf.Tensor:
    """One z per image from q(z|x), by the reparameterization trick (Kingma and Welling 2014, eq. 4).

    Args:
        mu_logvar: float32 [N, 2 * D], means and log-variances.

    Returns:
        z, float32 [N, D], differentiable with respect to `mu_logvar`.

    Raises:
        TypeError: `mu_logvar` is not a tensor.
        ValueError: it is not float32 [N, 2 * D].
    """
    mu_logvar = as_rows(mu_logvar, "mu_logvar", "2 * D")
    _check_even_width(mu_logvar)
    mu, logvar = tf.split(mu_logvar, num_or_size_splits=2, axis=1)
    # exp(-87) is just above float32's smallest normal number; the derivative of sqrt is infinite at 0.
    stddev = tf.sqrt(tf.exp(tf.maximum(logvar, -87.0)))
    epsilon = tf.random_normal(tf.shape(stddev))
    return mu + stddev * epsilon


def decode(z: tf.Tensor, *, hidden_units: int = 128, image_pixels: int = 784) -> Likelihood:
    """The likelihood p(x|z): a hidden layer of ReLUs, then one Bernoulli distribution per pixel.

    The weights are created in the enclosing variable scope. To decode with existing weights, feed `vae.z`, or call
    `decode` inside `with tf.variable_scope("decoder", reuse=True):`.

    Args:
        z: float32 [N, D], latent codes.
        hidden_units: width of the hidden layer.
        image_pixels: P, the pixels of an image.

    Returns:
        `(x_logits, x_dist)`: the log-odds of a white pixel, float32 [N, P], and the distribution that they
        parameterize, whose samples (0 or 1) and mean (in [0, 1]) are float32 [N, P].

    Raises:
        TypeError: `z` is not a tensor, or a size is not an integer.
        ValueError: `z` is not float32 [N, D], a size is below 1, or the call is outside any scope in a graph that
            already has a decoder, whose weights would not be reused.
    """
    z = as_rows(z, "z", "D")
    _check_not_a_second_decoder()
    hidden_units, image_pixels = as_sizes(hidden_units=hidden_units, image_pixels=image_pixels)
    with slim.arg_scope([slim.fully_connected], weights_initializer=tf.truncated_normal_initializer(0.0, 0.1)):
        hidden = slim.fully_connected(z, hidden_units, activation_fn=tf.nn.relu, scope="fc1")
        x_logits = slim.fully_connected(hidden, image_pixels, activation_fn=None, scope="fc2")
    return x_logits, tfp.distributions.Bernoulli(logits=x_logits, dtype=tf.float32)


def decoder(mu_logvar: tf.Tensor, *, hidden_units: int = 128, image_pixels: int = 784) -> Likelihood:
    """`decode(sample_latent(mu_logvar))`: from the parameters of q(z|x) to p(x|z).

    Args:
        mu_logvar: float32 [N, 2 * D], from `encoder`.
        hidden_units, image_pixels: as for `decode`.

    Returns:
        `(x_logits, x_dist)`, like `decode`.

    Raises:
        TypeError, ValueError: as `sample_latent` and `decode`.
    """
    return decode(sample_latent(mu_logvar), hidden_units=hidden_units, image_pixels=image_pixels)


def negative_elbo(x_logits: tf.Tensor, x: tf.Tensor, mu_logvar: tf.Tensor) -> NegativeElbo:
    """The negative evidence lower bound (Kingma and Welling 2014, eq. 3 and appendix B).

    Args:
        x_logits: float32 [N, P], from `decoder`.
        x: float32 [N, P], the images, 0 or 1.
        mu_logvar: float32 [N, 2 * D], from `encoder`.

    Returns:
        `NegativeElbo(loss [], reconstruction [N], kl_divergence [N])`, in nats.

    Raises:
        TypeError: an argument is not a tensor.
        ValueError: an argument has another dtype or shape, or `x_logits` and `x` differ in shape.
    """
    x_logits, x = as_rows(x_logits, "x_logits", "pixels"), as_rows(x, "x", "pixels")
    mu_logvar = as_rows(mu_logvar, "mu_logvar", "2 * D")
    _check_even_width(mu_logvar)
    _check_rows(x_logits, x, mu_logvar)
    reconstruction, kl_divergence = cross_entropy(x_logits, x), kl_to_standard_gaussian(mu_logvar)
    return NegativeElbo(tf.reduce_mean(reconstruction + kl_divergence), reconstruction, kl_divergence)


def cross_entropy(x_logits: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """-log p(x|z) of black-and-white pixels, [N] in nats: -sum_i [x_i log p_i + (1 - x_i) log(1 - p_i)]."""
    return tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=x_logits), 1)


def kl_to_standard_gaussian(mu_logvar: tf.Tensor) -> tf.Tensor:
    """KL(q(z|x) || N(0, I)), [N] in nats: -1/2 sum_d [1 + logvar_d - mu_d^2 - exp(logvar_d)]."""
    mu, logvar = tf.split(mu_logvar, num_or_size_splits=2, axis=1)
    return -0.5 * tf.reduce_sum(1.0 + logvar - tf.square(mu) - tf.exp(logvar), 1)


def optimizer(x_logits: tf.Tensor, x: tf.Tensor, mu_logvar: tf.Tensor) -> tf.Operation:
    """The operation that makes one step of Adam (with its defaults: learning rate 0.001) down the negative ELBO.

    Args:
        x_logits, x, mu_logvar: as for `negative_elbo`.

    Returns:
        `train_step`, a `tf.Operation`.

    Raises:
        TypeError, ValueError: as `negative_elbo`.
    """
    with tf.variable_scope("optimizer"):
        return minimize(negative_elbo(x_logits, x, mu_logvar).loss)


def minimize(
    loss: tf.Tensor, optimizer: tf.train.Optimizer | None = None, global_step: tf.Variable | None = None
) -> tf.Operation:
    """The operation that makes one step down `loss`, after all gradients have been computed from the same weights.

    Args:
        loss: float32 [].
        optimizer: a `tf.train.Optimizer`; None is `tf.train.AdamOptimizer()`.
        global_step: the variable that counts the steps, or None.
    """
    gate = tf.train.Optimizer.GATE_GRAPH  # otherwise a weight may change before the gradient of another has read it
    return (optimizer or tf.train.AdamOptimizer()).minimize(loss, global_step=global_step, gate_gradients=gate)


def _check_even_width(mu_logvar: tf.Tensor) -> None:
    width = mu_logvar.shape.as_list()[1] if mu_logvar.shape.rank else None
    if width is not None and width % 2:
        raise ValueError(
            f"mu_logvar has {width} columns, but needs an even number: D means and D log-variances; "
            "give the last layer of the encoder 2 * D outputs."
        )


def _check_not_a_second_decoder() -> None:
    if not tf.get_variable_scope().name and tf.trainable_variables(".*decoder/fc1/weights"):
        raise ValueError(
            "decode would create new, untrained weights, because this graph has a decoder but no variable scope is "
            'open; feed vae.z instead, or call decode inside `with tf.variable_scope("decoder", reuse=True):`.'
        )


def _check_rows(x_logits: tf.Tensor, x: tf.Tensor, mu_logvar: tf.Tensor) -> None:
    if not x_logits.shape.is_compatible_with(x.shape):
        raise ValueError(
            f"x_logits is {x_logits.shape} but x is {x.shape}; the decoder needs one logit for each pixel of an image."
        )
    if not mu_logvar.shape[:1].is_compatible_with(x.shape[:1]):
        raise ValueError(
            f"mu_logvar is {mu_logvar.shape} but x is {x.shape}; pass one row of mu_logvar for each image."
        )
