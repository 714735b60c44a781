"""The variational autoencoder as a TensorFlow 1 graph: builders that take tensors and return tensors.

With x one image, z its latent code and N(0, I) the prior of z, the model is (Kingma and Welling 2014,
"Auto-Encoding Variational Bayes"):

    q(z|x) = N(mu(x), diag(exp(logvar(x))))        `encoder`: the approximate posterior
    z      = mu + exp(logvar)^(1/2) * epsilon       `sample_latent`, epsilon ~ N(0, I): eq. 4
    p(x|z) = Bernoulli(logits(z))                   `decode`: the likelihood, pixel by pixel

    log p(x) >= E_q[log p(x|z)] - KL(q(z|x) || p(z))        the evidence lower bound (ELBO), eq. 3

and training minimises the negative ELBO, estimated with one z per image.

Scope and variable names are those of the original notebook, so checkpoints of its TensorFlow 1 runs fit. Every
builder works in the default graph after `tf.disable_v2_behavior()`, and inside `with tf.Graph().as_default():`.

Seeds. Where the graph has a seed (`tf.set_random_seed`), the random operations draw the numbers that they drew
under TensorFlow 1.15, which numbered an unseeded operation by the size of the graph; see `_op_seed`. Where it has
none, nothing is pinned.
"""

import contextlib
import warnings
from typing import NamedTuple

import tensorflow.compat.v1 as tf
import tensorflow_probability as tfp
import tf_slim as slim

IMAGE_PIXELS = 784
HIDDEN_UNITS = 128
LATENT_DIMENSIONS = 64

# What TensorFlow 1.15 gave each random operation of the original graph: the number of operations before it.
_ENCODER_FC1, _ENCODER_FC2 = 4, 20
_EPSILON, _DECODER_FC1, _DECODER_FC2, _X_HAT = 40, 48, 64, 84


class NegativeElbo(NamedTuple):
    """The negative ELBO and its two terms, in nats."""

    loss: tf.Tensor  # []: mean over the batch of reconstruction + kl_divergence
    reconstruction: tf.Tensor  # [N]: -log p(x|z), summed over the pixels
    kl_divergence: tf.Tensor  # [N]: KL(q(z|x) || N(0, I))


class VAE(NamedTuple):
    """The tensors of one graph; all float32, losses in nats."""

    x: tf.Tensor  # [N, 784]: placeholder for binarized images, 0 or 1
    mu_logvar: tf.Tensor  # [N, 128]: mean and log-variance of q(z|x), 64 each
    x_logits: tf.Tensor  # [N, 784]: log-odds of a white pixel
    x_dist: tfp.distributions.Bernoulli  # p(x|z), batch shape [N, 784]
    x_hat: tf.Tensor  # [N, 784]: reconstruction, a sample of x_dist, 0 or 1
    reconstruction: tf.Tensor  # [N]: -log p(x|z)
    kl_divergence: tf.Tensor  # [N]: KL(q(z|x) || N(0, I))
    loss: tf.Tensor  # []: the negative ELBO, mean over the batch
    train_step: tf.Operation  # one Adam update


def _op_seed(op_seed: int) -> int | None:
    """The op-level seed for a random operation that TensorFlow 1.15 gave `op_seed` in the original graph.

    Without a graph-level seed it is None, which leaves the operation unseeded. A second operation that asks for the
    same one (another encoder, say) gets the next that is free, so that no two of a graph draw the same numbers.
    """
    graph = tf.get_default_graph()
    if graph.seed is None:
        return None
    taken = {
        (op.get_attr("seed"), op.get_attr("seed2")) for op in graph.get_operations() if "seed2" in op.node_def.attr
    }
    while tf.get_seed(op_seed) in taken:
        op_seed += 1000
    return op_seed


def _initial_weights(op_seed: int):
    return tf.truncated_normal_initializer(stddev=0.1, seed=_op_seed(op_seed))


@contextlib.contextmanager
def _quiet_slim():
    """Holds back a deprecation that TensorFlow announces to tf-slim, about which a caller can do nothing."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`layer.apply` is deprecated")
        yield


@_quiet_slim()
def encoder(x, *, hidden_units: int = HIDDEN_UNITS, latent_dimensions: int = LATENT_DIMENSIONS):
    """The approximate posterior q(z|x): a hidden layer of ReLUs, then means and log-variances side by side.

    Its second half is the logarithm of the variance because a layer's output can be any real number, while a
    variance is positive.

    Args:
        x: float32 [N, 784], pixels 0 or 1.
        hidden_units: width of the hidden layer.
        latent_dimensions: D, of z.

    Returns:
        `mu_logvar`, float32 [N, 2 * D]: D means, then D log-variances.
    """
    with slim.arg_scope([slim.fully_connected], activation_fn=tf.nn.relu):
        hidden = slim.fully_connected(x, hidden_units, weights_initializer=_initial_weights(_ENCODER_FC1), scope="fc1")
        return slim.fully_connected(
            hidden,
            2 * latent_dimensions,
            activation_fn=None,
            weights_initializer=_initial_weights(_ENCODER_FC2),
            scope="fc2",
        )


def sample_latent(mu_logvar):
    """One z per image from q(z|x), by the reparameterization trick (Kingma and Welling 2014, eq. 4).

    Args:
        mu_logvar: float32 [N, 2 * D], means and log-variances.

    Returns:
        z, float32 [N, D], differentiable with respect to `mu_logvar`.
    """
    mu, logvar = tf.split(mu_logvar, num_or_size_splits=2, axis=1)
    # exp(-87) is the least that float32 holds in full; the root of a zero would have no derivative.
    stddev = tf.sqrt(tf.exp(tf.maximum(logvar, -87.0)))
    epsilon = tf.random_normal(tf.shape(stddev), seed=_op_seed(_EPSILON))
    return mu + stddev * epsilon


@_quiet_slim()
def decode(z, *, hidden_units: int = HIDDEN_UNITS):
    """The likelihood p(x|z): a hidden layer of ReLUs, then one Bernoulli distribution per pixel.

    Args:
        z: float32 [N, D], latent codes.
        hidden_units: width of the hidden layer.

    Returns:
        `(x_logits, x_dist)`: the log-odds of a white pixel, float32 [N, 784], and the distribution that they make,
        whose samples and mean are float32 [N, 784] in [0, 1].
    """
    with slim.arg_scope([slim.fully_connected], activation_fn=tf.nn.relu):
        hidden = slim.fully_connected(z, hidden_units, weights_initializer=_initial_weights(_DECODER_FC1), scope="fc1")
        x_logits = slim.fully_connected(
            hidden,
            IMAGE_PIXELS,
            activation_fn=None,
            weights_initializer=_initial_weights(_DECODER_FC2),
            scope="fc2",
        )
    return x_logits, tfp.distributions.Bernoulli(logits=x_logits, dtype=tf.float32)


def decoder(mu_logvar, *, hidden_units: int = HIDDEN_UNITS):
    """`decode(sample_latent(mu_logvar))`: from the parameters of q(z|x) to p(x|z).

    Args:
        mu_logvar: float32 [N, 2 * D], from `encoder`.
        hidden_units: width of the hidden layer.

    Returns:
        `(x_logits, x_dist)` as of `decode`.
    """
    return decode(sample_latent(mu_logvar), hidden_units=hidden_units)


def negative_elbo(x_logits, x, mu_logvar):
    """The negative evidence lower bound (Kingma and Welling 2014, eq. 3 and appendix B).

    Args:
        x_logits: float32 [N, 784], from `decoder`.
        x: float32 [N, 784], the images, 0 or 1.
        mu_logvar: float32 [N, 2 * D], from `encoder`.

    Returns:
        `NegativeElbo(loss [], reconstruction [N], kl_divergence [N])`, in nats.
    """
    # -log p(x|z) = -sum_i x_i log p_i + (1 - x_i) log(1 - p_i)
    reconstruction = tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=x_logits), 1)
    mu, logvar = tf.split(mu_logvar, num_or_size_splits=2, axis=1)
    # KL = -1/2 sum_d 1 + logvar_d - mu_d^2 - exp(logvar_d)
    kl_divergence = -0.5 * tf.reduce_sum(1.0 + logvar - tf.square(mu) - tf.exp(logvar), 1)
    return NegativeElbo(tf.reduce_mean(reconstruction + kl_divergence), reconstruction, kl_divergence)


def optimizer(x_logits, x, mu_logvar):
    """The operation that makes one Adam step (its defaults: rate 0.001) down the negative ELBO.

    Args:
        x_logits, x, mu_logvar: as of `negative_elbo`.

    Returns:
        `train_step`, a `tf.Operation`.
    """
    return _negative_elbo_and_step(x_logits, x, mu_logvar)[1]


def _negative_elbo_and_step(x_logits, x, mu_logvar):
    with tf.variable_scope("optimizer"):
        elbo = negative_elbo(x_logits, x, mu_logvar)
        # Gated: no weight changes before all gradients are there, also where operations run side by side.
        return elbo, tf.train.AdamOptimizer().minimize(elbo.loss, gate_gradients=tf.train.Optimizer.GATE_GRAPH)


def build_vae(
    *, seed: int | None = None, hidden_units: int = HIDDEN_UNITS, latent_dimensions: int = LATENT_DIMENSIONS
) -> VAE:
    """Builds the whole graph of the original notebook, in its scopes, in the current default graph.

    Args:
        seed: graph-level seed; weights and noise are then those of TensorFlow 1.15 with
            `tf.set_random_seed(seed)`. None leaves the graph's seed as it is, which is none by default.
        hidden_units: width of the hidden layers of encoder and decoder.
        latent_dimensions: D, of z.

    Returns:
        The `VAE`.

    Raises:
        RuntimeError: there is no graph to build in, because TensorFlow executes eagerly.
    """
    if tf.executing_eagerly():
        raise RuntimeError(
            "build_vae builds a graph, but TensorFlow is executing eagerly here; "
            "call it inside `with tf.Graph().as_default():`, or call tf.disable_v2_behavior() first."
        )
    if seed is not None:
        tf.set_random_seed(seed)
    x = tf.placeholder(tf.float32, [None, IMAGE_PIXELS], name="x")
    # Resource variables, which XLA compiles, also where `tf.disable_v2_behavior()` has turned them off.
    with tf.variable_scope("encoder", use_resource=True):
        mu_logvar = encoder(x, hidden_units=hidden_units, latent_dimensions=latent_dimensions)
    with tf.variable_scope("decoder", use_resource=True):
        x_logits, x_dist = decoder(mu_logvar, hidden_units=hidden_units)
        # x_dist.sample(), but tfp's would first turn the seed into another one: white where uniform noise < p.
        noise = tf.random_uniform(tf.shape(x_logits), seed=_op_seed(_X_HAT))
        x_hat = tf.cast(noise < x_dist.probs_parameter(), tf.float32)
    with tf.variable_scope("unlabeled"):
        elbo, train_step = _negative_elbo_and_step(x_logits, x, mu_logvar)
    return VAE(
        x=x,
        mu_logvar=mu_logvar,
        x_logits=x_logits,
        x_dist=x_dist,
        x_hat=x_hat,
        reconstruction=elbo.reconstruction,
        kl_divergence=elbo.kl_divergence,
        loss=elbo.loss,
        train_step=train_step,
    )


def check_session(sess: tf.Session, vae: VAE) -> None:
    """Raises ValueError if `sess` can't run `vae`."""
    if sess.graph is not vae.x.graph:
        raise ValueError(
            "sess runs another graph than the one vae was built in; open it with tf.Session(graph=vae.x.graph)."
        )


@contextlib.contextmanager
def needing_weights():
    """Inside, a run of the session that finds a variable without a value raises ValueError."""
    try:
        yield
    except tf.errors.FailedPreconditionError as error:
        raise ValueError(
            "The weights of vae have no values in sess yet; iterate over train(sess, vae, ...), "
            "or restore a checkpoint, first."
        ) from error


def variables_of(vae: VAE) -> list[tf.Variable]:
    """The variables that `vae.train_step` reads or writes: weights, Adam's slots and powers; not another VAE's."""
    upstream = upstream_of([vae.train_step])
    with vae.x.graph.as_default():
        return [variable for variable in tf.global_variables() if variable.op in upstream]


def upstream_of(operations: list[tf.Operation]) -> set[tf.Operation]:
    """These operations, and all that they depend on."""
    found, waiting = set(), list(operations)
    while waiting:
        operation = waiting.pop()
        if operation not in found:
            found.add(operation)
            waiting += [tensor.op for tensor in operation.inputs] + list(operation.control_inputs)
    return found


def random_operations(vae: VAE) -> tuple[tf.Operation, tf.Operation]:
    """The operations that draw epsilon for z, and the noise for `x_hat`."""
    random = {op.type: op for op in upstream_of([vae.x_hat.op]) if op.type in ("RandomStandardNormal", "RandomUniform")}
    return random["RandomStandardNormal"], random["RandomUniform"]
