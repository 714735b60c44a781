"""The variational autoencoder as a TensorFlow 1 graph: builders that take tensors and return tensors.

With x one image, z its latent code and N(0, I) the prior of z, the model is (Kingma and Welling 2014,
"Auto-Encoding Variational Bayes"):

    q(z|x) = N(mu(x), diag(exp(logvar(x))))        `encoder`: the approximate posterior
    z      = mu + exp(logvar)^(1/2) * epsilon       `sample_latent`, epsilon ~ N(0, I): eq. 4
    p(x|z) = Bernoulli(logits(z))                   `decode`: the likelihood, pixel by pixel

    log p(x) >= E_q[log p(x|z)] - KL(q(z|x) || p(z))        the evidence lower bound (ELBO), eq. 3

and training minimizes the negative ELBO, estimated with one z per image.

Scope and variable names are those of the original notebook, so checkpoints of its TensorFlow 1 runs fit. Every
builder works in the default graph after `tf.disable_v2_behavior()`, and inside `with tf.Graph().as_default():`.
"""

import functools
from typing import NamedTuple

import tensorflow.compat.v1 as tf
import tensorflow_probability as tfp
import tf_slim as slim

from vae_tf1.tf1_seeds import use_tf1_seeds


class NegativeElbo(NamedTuple):
    """The negative ELBO and its two terms, in nats."""

    loss: tf.Tensor  # []: mean over the batch of reconstruction + kl_divergence
    reconstruction: tf.Tensor  # [N]: -log p(x|z), summed over the pixels
    kl_divergence: tf.Tensor  # [N]: KL(q(z|x) || N(0, I))


class VAE(NamedTuple):
    """The tensors of one model in its graph; all float32, losses in nats. P is the pixels of an image, D those of z.

    `build_vae` makes one; so does anyone who has built such a graph by hand. `train`, `evaluate`, `log_likelihood` and
    `export_saved_model` work on these tensors, whatever computes them.
    """

    x: tf.Tensor  # [N, P]: placeholder for binarized images, 0 or 1
    mu_logvar: tf.Tensor  # [N, 2 D]: mean and log-variance of q(z|x), D each
    z: tf.Tensor  # [N, D]: the latent code; feed it to decode codes of your own
    x_logits: tf.Tensor  # [N, P]: log-odds of a white pixel
    x_dist: tfp.distributions.Distribution  # p(x|z), batch shape [N, P]
    x_hat: tf.Tensor  # [N, P]: reconstruction, a sample of x_dist, 0 or 1
    reconstruction: tf.Tensor  # [N]: -log p(x|z)
    kl_divergence: tf.Tensor  # [N]: KL(q(z|x) || N(0, I))
    loss: tf.Tensor  # []: what training minimizes, mean over the batch of reconstruction + beta * kl_divergence
    train_step: tf.Operation  # one update of the weights


def encoder(x, *, hidden_units=128, latent_dimensions=64):
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
        ValueError: `x` is not float32 [N, P], or `latent_dimensions` is below 1.
    """
    x = tf.convert_to_tensor(x)
    if x.dtype != tf.float32 or x.shape.rank not in (2, None):
        raise ValueError(
            f"encoder takes float32 [N, pixels], but x is {x.dtype.name} {x.shape}; "
            "cast it with tf.cast(x, tf.float32), and reshape it to one row per image."
        )
    if latent_dimensions < 1:
        raise ValueError(f"latent_dimensions is {latent_dimensions}; pass 1 or more.")
    with slim.arg_scope([slim.fully_connected], weights_initializer=tf.truncated_normal_initializer(0.0, 0.1)):
        hidden = slim.fully_connected(x, hidden_units, activation_fn=tf.nn.relu, scope="fc1")
        return slim.fully_connected(hidden, 2 * latent_dimensions, activation_fn=None, scope="fc2")


def sample_latent(mu_logvar):
    """One z per image from q(z|x), by the reparameterization trick (Kingma and Welling 2014, eq. 4).

    Args:
        mu_logvar: float32 [N, 2 * D], means and log-variances.

    Returns:
        z, float32 [N, D], differentiable with respect to `mu_logvar`.

    Raises:
        ValueError: the width of `mu_logvar` is odd.
    """
    width = mu_logvar.shape[1]
    if width is not None and int(width) % 2:
        raise ValueError(
            f"mu_logvar has {width} columns, but needs an even number, D means and D log-variances; "
            "give the last layer of the encoder 2 * D outputs."
        )
    mu, logvar = tf.split(mu_logvar, num_or_size_splits=2, axis=1)
    # exp(-87) is the least that float32 holds in full; the root of a zero would have no derivative.
    stddev = tf.sqrt(tf.exp(tf.maximum(logvar, -87.0)))
    epsilon = tf.random_normal(tf.shape(stddev))
    return mu + stddev * epsilon


def decode(z, *, hidden_units=128, image_pixels=784):
    """The likelihood p(x|z): a hidden layer of ReLUs, then one Bernoulli distribution per pixel.

    It makes its weights in the variable scope that it is called in. To decode with weights that are there already,
    feed `vae.z`, or call it inside `with tf.variable_scope("decoder", reuse=True):`.

    Args:
        z: float32 [N, D], latent codes.
        hidden_units: width of the hidden layer.
        image_pixels: P, of an image.

    Returns:
        `(x_logits, x_dist)`: the log-odds of a white pixel, float32 [N, P], and the distribution they parameterize,
        whose samples and mean are float32 [N, P] in [0, 1].

    Raises:
        ValueError: it is called outside of any scope in a graph that has a decoder, whose weights would not be reused.
    """
    if not tf.get_variable_scope().name and tf.trainable_variables(".*decoder/fc1/weights"):
        raise ValueError(
            "decode would make new, untrained weights here, because no variable scope is open, though this graph has a "
            'decoder; feed vae.z instead, or call decode inside `with tf.variable_scope("decoder", reuse=True):`.'
        )
    with slim.arg_scope([slim.fully_connected], weights_initializer=tf.truncated_normal_initializer(0.0, 0.1)):
        hidden = slim.fully_connected(z, hidden_units, activation_fn=tf.nn.relu, scope="fc1")
        x_logits = slim.fully_connected(hidden, image_pixels, activation_fn=None, scope="fc2")
    return x_logits, tfp.distributions.Bernoulli(logits=x_logits, dtype=tf.float32)


def decoder(mu_logvar, *, hidden_units=128, image_pixels=784):
    """`decode(sample_latent(mu_logvar))`: from the parameters of q(z|x) to p(x|z).

    Args:
        mu_logvar: float32 [N, 2 * D], from `encoder`.
        hidden_units, image_pixels: as for `decode`.

    Returns:
        `(x_logits, x_dist)`, as `decode` does.
    """
    return decode(sample_latent(mu_logvar), hidden_units=hidden_units, image_pixels=image_pixels)


def negative_elbo(x_logits, x, mu_logvar):
    """The negative evidence lower bound (Kingma and Welling 2014, eq. 3 and appendix B).

    Args:
        x_logits: float32 [N, P], from `decoder`.
        x: float32 [N, P], the images, 0 or 1.
        mu_logvar: float32 [N, 2 * D], from `encoder`.

    Returns:
        `NegativeElbo(loss [], reconstruction [N], kl_divergence [N])`, in nats.

    Raises:
        ValueError: `x_logits` and `x` differ in shape.
    """
    if not x_logits.shape.is_compatible_with(x.shape):
        raise ValueError(
            f"x_logits is {x_logits.shape} but x {x.shape}; the decoder needs one logit for each pixel of an image."
        )
    # -log p(x|z) = -sum_i x_i log p_i + (1 - x_i) log(1 - p_i)
    reconstruction = tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=x_logits), 1)
    mu, logvar = tf.split(mu_logvar, num_or_size_splits=2, axis=1)
    # KL = -1/2 sum_d 1 + logvar_d - mu_d^2 - exp(logvar_d)
    kl_divergence = -0.5 * tf.reduce_sum(1.0 + logvar - tf.square(mu) - tf.exp(logvar), 1)
    return NegativeElbo(tf.reduce_mean(reconstruction + kl_divergence), reconstruction, kl_divergence)


def optimizer(x_logits, x, mu_logvar):
    """The operation that makes one Adam step (with its defaults: learning rate 0.001) down the negative ELBO.

    Args:
        x_logits, x, mu_logvar: as for `negative_elbo`.

    Returns:
        `train_step`, a `tf.Operation`.
    """
    with tf.variable_scope("optimizer"):
        loss = negative_elbo(x_logits, x, mu_logvar).loss
        # Gated: no weight changes before all gradients are there, even where operations run side by side.
        return tf.train.AdamOptimizer().minimize(loss, gate_gradients=tf.train.Optimizer.GATE_GRAPH)


_ENCODER, _DECODE = encoder, decode  # `build_vae` has arguments of these names


def build_vae(
    *,
    seed=None,
    encoder=encoder,
    decode=decode,
    beta=1.0,
    optimizer=None,
    hidden_units=128,
    latent_dimensions=64,
    image_pixels=784,
) -> VAE:
    """Builds the whole graph of the original notebook, in its scopes, in the current default graph.

    Args:
        seed: graph-level seed; weights and noise are then those of TensorFlow 1.15 with
            `tf.set_random_seed(seed)`. None leaves the graph's seed as it is, which is none by default.
        encoder: from images, float32 [N, P], to `mu_logvar`, float32 [N, 2 * D].
        decode: from z, float32 [N, D], to `(x_logits, x_dist)`, logits float32 [N, P] and the Bernoulli distribution
            they parameterize. (For another likelihood, put a `VAE` together by hand.)
        beta: weight of the KL divergence in `loss` (Higgins et al. 2017, "beta-VAE", eq. 4); a number, or a scalar
            tensor, such as a schedule.
        optimizer: any `tf.train.Optimizer`; None is `tf.train.AdamOptimizer()`. It counts its steps in the graph's
            global step (`tf.train.get_or_create_global_step()`) where there is one, for a learning rate that decays.
        hidden_units: width of the hidden layers of the built-in `encoder` and `decode`.
        latent_dimensions: D, of the built-in `encoder`; a custom one sets its own.
        image_pixels: P, such as `data.train.images.shape[1]`.

    Regularization losses that `encoder` or `decode` adds to the graph (slim's `weights_regularizer`) are added to
    `loss`, and their update operations (batch normalization) run with `train_step`.

    Returns:
        The `VAE`.

    Raises:
        RuntimeError: there is no graph to build in, because TensorFlow executes eagerly.
        TypeError: `optimizer` is no `tf.train.Optimizer`, or `encoder` or `decode` does not return tensors.
        ValueError: the graph has such a model already, or what `encoder` or `decode` returns does not fit.
    """
    _check_arguments(beta, optimizer, hidden_units, image_pixels)
    prefix = _check_no_model_yet()
    if encoder is _ENCODER:
        encoder = functools.partial(encoder, hidden_units=hidden_units, latent_dimensions=latent_dimensions)
    if decode is _DECODE:
        decode = functools.partial(decode, hidden_units=hidden_units, image_pixels=image_pixels)
    if seed is not None:
        tf.set_random_seed(seed)

    operations_before = len(tf.get_default_graph().get_operations())
    x = tf.placeholder(tf.float32, [None, image_pixels], name="x")
    # Resource variables, which XLA compiles, even where `tf.disable_v2_behavior()` has turned them off.
    with tf.variable_scope("encoder", use_resource=True):
        mu_logvar = _checked_posterior(encoder(x))
    with tf.variable_scope("decoder", use_resource=True):
        z = sample_latent(mu_logvar)
        x_logits, x_dist = _checked_likelihood(decode(z))
        x_hat = _sample_image(x_logits, x_dist)
    with tf.variable_scope("unlabeled"), tf.variable_scope("optimizer"):
        loss, reconstruction, kl_divergence = negative_elbo(x_logits, x, mu_logvar)
        if tf.is_tensor(beta) or beta != 1:
            weight = tf.convert_to_tensor(beta, tf.float32, name="beta")
            loss = tf.reduce_mean(reconstruction + weight * kl_divergence)
        inside = rf"{prefix}(encoder|decoder)(_\d+)?/"
        for penalty in tf.losses.get_regularization_losses(inside):
            loss += penalty
        with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS, inside)):
            # Gated: no weight changes before all gradients are there, even where operations run side by side.
            train_step = (optimizer or tf.train.AdamOptimizer()).minimize(
                loss, global_step=tf.train.get_global_step(), gate_gradients=tf.train.Optimizer.GATE_GRAPH
            )
    use_tf1_seeds(tf.get_default_graph().get_operations()[operations_before:])
    return VAE(
        x=x,
        mu_logvar=mu_logvar,
        z=z,
        x_logits=x_logits,
        x_dist=x_dist,
        x_hat=x_hat,
        reconstruction=reconstruction,
        kl_divergence=kl_divergence,
        loss=loss,
        train_step=train_step,
    )


def _check_arguments(beta, optimizer, hidden_units, image_pixels) -> None:
    if tf.executing_eagerly():
        raise RuntimeError(
            "build_vae builds a graph, but TensorFlow is executing eagerly here; "
            "call it inside `with tf.Graph().as_default():`, or call tf.disable_v2_behavior() first."
        )
    for name, size in ("hidden_units", hidden_units), ("image_pixels", image_pixels):
        if size is None or size < 1:
            raise ValueError(f"{name} is {size}; pass 1 or more.")
    if not tf.is_tensor(beta) and beta < 0:
        raise ValueError(f"beta is {beta}; pass 0 or more.")
    if optimizer is not None and not isinstance(optimizer, tf.train.Optimizer):
        raise TypeError(
            f"optimizer is a {type(optimizer).__name__}; pass a tf.train.Optimizer of tensorflow.compat.v1."
        )


def _check_no_model_yet() -> str:
    """Returns what the names of variables begin with here."""
    scope = tf.get_variable_scope()
    prefix = f"{scope.name}/" if scope.name else ""
    if not scope.reuse and tf.global_variables(f"{prefix}(encoder|decoder)/"):
        raise ValueError(
            f"This graph has the variables of {prefix}encoder and {prefix}decoder already; call "
            "tf.reset_default_graph() before you build the model again, or build a second one inside "
            '`with tf.variable_scope("another"):`.'
        )
    return prefix


def _checked_posterior(mu_logvar):
    if not tf.is_tensor(mu_logvar) or mu_logvar.shape.rank != 2:
        returned = mu_logvar.shape if tf.is_tensor(mu_logvar) else type(mu_logvar).__name__
        raise TypeError(f"encoder returned {returned}; return one tensor, mu_logvar [N, 2 * D].")
    return mu_logvar


def _checked_likelihood(decoded):
    if not isinstance(decoded, tuple | list) or len(decoded) != 2 or not tf.is_tensor(decoded[0]):
        raise TypeError("decode returned something other than the pair (x_logits, x_dist); return both.")
    x_logits, x_dist = decoded
    base = x_dist
    while isinstance(base, tfp.distributions.Independent):
        base = base.distribution
    if not isinstance(base, tfp.distributions.Bernoulli | tf.distributions.Bernoulli):
        raise TypeError(
            f"decode returned a {type(x_dist).__name__}, but build_vae trains the likelihood of Bernoulli pixels; "
            "return tfp.distributions.Bernoulli(logits=x_logits), or put a VAE together by hand."
        )
    return x_logits, x_dist


def _sample_image(x_logits, x_dist):
    if not isinstance(x_dist, tfp.distributions.Bernoulli):
        return x_dist.sample()
    # x_dist.sample(), but tfp's would not take its noise from the seed as TensorFlow 1 did: white where noise < p.
    noise = tf.random_uniform(tf.shape(x_logits))
    return tf.cast(noise < x_dist.probs_parameter(), tf.float32)
