"""Small models of 28 x 28 digits whose prior, posterior, likelihood or inputs are not the built-in ones."""

import numpy as np
import tensorflow.compat.v1 as tf
import tensorflow_probability as tfp
import tf_slim as slim

import vae_tf1

tfd, tfb = tfp.distributions, tfp.bijectors
D = 4


def network(x, outputs, scope):
    with tf.variable_scope(scope, use_resource=True):
        hidden = slim.fully_connected(x, 16, activation_fn=tf.nn.tanh, scope="fc1")
        return slim.fully_connected(hidden, outputs, activation_fn=None, scope="fc2")


def variable(name, shape, scale=0.5, seed=1):
    value = np.random.RandomState(seed).normal(scale=scale, size=shape).astype(np.float32)
    return tf.get_variable(name, initializer=value, use_resource=True)


def bernoulli(x_logits):
    return tfd.Bernoulli(logits=x_logits, dtype=tf.float32)


def assemble(x, z, x_logits, x_dist, kl_divergence, mu_logvar=None, reconstruction=None, **fields):
    if reconstruction is None:
        log_prob = x_dist.log_prob(x)
        reconstruction = -tf.reduce_sum(log_prob, list(range(1, log_prob.shape.rank)))
    loss = tf.reduce_mean(reconstruction + kl_divergence)
    train_step = tf.train.AdamOptimizer(0.003).minimize(loss)
    x_hat = x_dist.sample()
    return vae_tf1.VAE(
        x, mu_logvar, z, x_logits, x_dist, x_hat, reconstruction, kl_divergence, loss, train_step, **fields
    )


def images_placeholder():
    tf.set_random_seed(0)
    return tf.placeholder(tf.float32, [None, 784], name="x")


def learned_prior():
    """A Gaussian prior that is learned: its KL divergence has a closed form, and only `log_prior` is given."""
    x = images_placeholder()
    mu_logvar = network(x, 2 * D, "encoder")
    mu, logvar = tf.split(mu_logvar, 2, axis=1)
    z = vae_tf1.sample_latent(mu_logvar)
    x_logits = network(z, 784, "decoder")
    prior = tfd.MultivariateNormalDiag(variable("loc", [D]), tf.exp(variable("log_scale", [D])))
    posterior = tfd.MultivariateNormalDiag(mu, tf.exp(logvar / 2))
    return assemble(
        x, z, x_logits, bernoulli(x_logits), tfd.kl_divergence(posterior, prior), mu_logvar, log_prior=prior.log_prob(z)
    )


def mixture_prior():
    def prior():
        components = tfd.MultivariateNormalDiag(variable("loc", [5, D], 2.0), tf.exp(variable("log_scale", [5, D])))
        return tfd.MixtureSameFamily(tfd.Categorical(logits=variable("weights", [5])), components)

    return vae_tf1.build_vae(seed=0, prior=prior, hidden_units=16, latent_dimensions=D)


def vamp_prior():
    """The prior is a uniform mixture of the posteriors of five pseudo-images (Tomczak and Welling 2018)."""

    def prior():
        pseudo_images = tf.sigmoid(variable("pseudo_images", [5, 784], 2.0))
        with tf.variable_scope("encoder", reuse=True):
            mu, logvar = tf.split(vae_tf1.encoder(pseudo_images, hidden_units=16, latent_dimensions=D), 2, axis=1)
        components = tfd.MultivariateNormalDiag(mu, tf.exp(0.5 * logvar))
        return tfd.MixtureSameFamily(tfd.Categorical(logits=tf.zeros([5])), components)

    return vae_tf1.build_vae(seed=0, prior=prior, hidden_units=16, latent_dimensions=D)


def planar_flow():
    """z = z0 + u tanh(w z0 + b), log q(z|x) = log q(z0|x) - log |1 + u w (1 - tanh^2)| (Rezende and Mohamed 2015)."""
    x = images_placeholder()
    mu, logvar = tf.split(network(x, 2 * D, "encoder"), 2, axis=1)
    base = tfd.MultivariateNormalDiag(mu, tf.exp(logvar / 2))
    z0 = mu + tf.exp(logvar / 2) * tf.random_normal(tf.shape(mu))
    w = variable("w", [D])
    u = variable("u", [D], seed=2)
    u = u + (tf.nn.softplus(tf.reduce_sum(u * w)) - 1 - tf.reduce_sum(u * w)) * w / tf.reduce_sum(w**2)
    bend = tf.tanh(tf.reduce_sum(z0 * w, axis=1, keepdims=True) + 0.3)
    z = z0 + u * bend
    log_posterior = base.log_prob(z0) - tf.log(1 + tf.reduce_sum(u * w) * (1 - bend[:, 0] ** 2))
    log_prior = tfd.MultivariateNormalDiag(tf.zeros([D])).log_prob(z)
    x_logits = network(z, 784, "decoder")
    return assemble(x, z, x_logits, bernoulli(x_logits), log_posterior - log_prior, log_posterior=log_posterior)


def autoregressive_flow():
    """An inverse autoregressive flow of one step: z_d = z0_d exp(s_d(z0_<d)) + m_d(z0_<d)."""
    x = images_placeholder()
    mu, logvar = tf.split(network(x, 2 * D, "encoder"), 2, axis=1)
    z0 = mu + tf.exp(logvar / 2) * tf.random_normal(tf.shape(mu))
    below = tf.constant(np.triu(np.ones([D, D], np.float32), 1))
    shift, log_scale = (
        tf.matmul(z0, variable("m", [D, D]) * below),
        tf.tanh(tf.matmul(z0, variable("s", [D, D]) * below)),
    )
    z = z0 * tf.exp(log_scale) + shift
    log_posterior = tfd.MultivariateNormalDiag(mu, tf.exp(logvar / 2)).log_prob(z0) - tf.reduce_sum(log_scale, 1)
    log_prior = tfd.MultivariateNormalDiag(tf.zeros([D])).log_prob(z)
    x_logits = network(z, 784, "decoder")
    return assemble(x, z, x_logits, bernoulli(x_logits), log_posterior - log_prior, log_posterior=log_posterior)


def full_covariance():
    x = images_placeholder()
    loc, log_scale = tf.split(network(x, 2 * D, "encoder"), 2, axis=1)
    tril = tf.linalg.set_diag(
        tf.tile(tfp.math.fill_triangular(variable("l", [D * (D + 1) // 2]))[None], [tf.shape(x)[0], 1, 1]),
        tf.exp(log_scale),
    )
    posterior = tfd.MultivariateNormalTriL(loc, tril)
    z = loc + tf.linalg.matvec(tril, tf.random_normal(tf.shape(loc)))
    prior = tfd.MultivariateNormalTriL(tf.zeros([D]), tf.eye(D))
    x_logits = network(z, 784, "decoder")
    kl_divergence = tfd.kl_divergence(posterior, prior)
    return assemble(x, z, x_logits, bernoulli(x_logits), kl_divergence, log_posterior=posterior.log_prob(z))


def two_layers():
    """q(z1|x) q(z2|z1) and p(z2) p(z1|z2) p(x|z1)."""
    x = images_placeholder()

    def gaussian(inputs, size, scope):
        mu, logvar = tf.split(network(inputs, 2 * size, scope), 2, axis=1)
        return mu + tf.exp(logvar / 2) * tf.random_normal(tf.shape(mu)), tfd.MultivariateNormalDiag(
            mu, tf.exp(logvar / 2)
        )

    z1, q1 = gaussian(x, D, "encoder1")
    z2, q2 = gaussian(z1, 2, "encoder2")
    mu, logvar = tf.split(network(z2, 2 * D, "prior1"), 2, axis=1)
    p1 = tfd.MultivariateNormalDiag(mu, tf.exp(logvar / 2))
    log_posterior = q1.log_prob(z1) + q2.log_prob(z2)
    log_prior = p1.log_prob(z1) + tfd.MultivariateNormalDiag(tf.zeros([2])).log_prob(z2)
    x_logits = network(z1, 784, "decoder")
    return assemble(
        x,
        z1,
        x_logits,
        bernoulli(x_logits),
        log_posterior - log_prior,
        log_prior=log_prior,
        log_posterior=log_posterior,
    )


def _grey(decode):
    return vae_tf1.build_vae(seed=0, decode=decode, hidden_units=16, latent_dimensions=D)


def gaussian_pixels():
    def decode(z):
        mean_and_scale = network(z, 2 * 784, "d")  # x_logits is wider than x
        mean, scale = tf.split(mean_and_scale, 2, axis=1)
        return mean_and_scale, tfd.Normal(mean, tf.nn.softplus(scale) + 0.1)

    return _grey(decode)


def beta_pixels():
    def decode(z):
        parameters = network(z, 2 * 784, "d")
        a, b = tf.split(1 + tf.nn.softplus(parameters), 2, axis=1)
        squeeze = tfb.Chain([tfb.Shift(-0.05), tfb.Scale(1.1)])  # support [-0.05, 1.05], so that 0 and 1 have a density
        return parameters, tfd.TransformedDistribution(tfd.Beta(a, b), squeeze)

    return _grey(decode)


def continuous_bernoulli_pixels():
    def decode(z):
        x_logits = network(z, 784, "d")
        return x_logits, tfd.Independent(tfd.ContinuousBernoulli(logits=x_logits), 1)

    return _grey(decode)


def conditional():
    """The encoder and the decoder also take the label."""
    x = images_placeholder()
    y = tf.placeholder(tf.float32, [None, 10], name="y")
    mu_logvar = network(tf.concat([x, y], 1), 2 * D, "encoder")
    z = vae_tf1.sample_latent(mu_logvar)
    x_logits = network(tf.concat([z, y], 1), 784, "decoder")
    _, reconstruction, kl_divergence = vae_tf1.negative_elbo(x_logits, x, mu_logvar)

    def inputs(images, labels):
        return {x: vae_tf1.binarize(images), y: np.eye(10)[labels]}

    return assemble(x, z, x_logits, bernoulli(x_logits), kl_divergence, mu_logvar, reconstruction, inputs=inputs)


def drawn_binarization():
    """Each pixel is white with its grey value as the probability, drawn anew in each iteration."""
    tf.set_random_seed(0)
    grey = tf.placeholder(tf.float32, [None, 784], name="grey")
    x = tf.cast(tf.random_uniform(tf.shape(grey)) < grey, tf.float32)
    mu_logvar = network(x, 2 * D, "encoder")
    z = vae_tf1.sample_latent(mu_logvar)
    x_logits = network(z, 784, "decoder")
    _, reconstruction, kl_divergence = vae_tf1.negative_elbo(x_logits, x, mu_logvar)
    return assemble(
        x,
        z,
        x_logits,
        bernoulli(x_logits),
        kl_divergence,
        mu_logvar,
        reconstruction,
        inputs=lambda images, _: {grey: images},
    )


def _with_layer(layer):
    def encoder(x):
        hidden = layer(slim.fully_connected(x, 16, scope="fc1"))
        return slim.fully_connected(hidden, 2 * D, activation_fn=None, scope="fc2")

    def decode(z):
        hidden = layer(slim.fully_connected(z, 16, scope="fc1"))
        x_logits = slim.fully_connected(hidden, 784, activation_fn=None, scope="fc2")
        return x_logits, bernoulli(x_logits)

    return vae_tf1.build_vae(seed=0, encoder=encoder, decode=decode)


def batch_norm():
    is_training = tf.placeholder_with_default(True, [], name="is_training")
    return _with_layer(lambda hidden: slim.batch_norm(hidden, is_training=is_training, decay=0.9))


def dropout():
    keep_prob = tf.placeholder_with_default(0.8, [], name="keep_prob")
    return _with_layer(lambda hidden: slim.dropout(hidden, keep_prob))


# The values of the switches for evaluation.
EVALUATION_MODE = {"is_training": False, "keep_prob": 1.0}

OTHER_MODELS = {
    model.__name__: model
    for model in (
        *(learned_prior, mixture_prior, vamp_prior, planar_flow, autoregressive_flow, full_covariance, two_layers),
        *(gaussian_pixels, beta_pixels, continuous_bernoulli_pixels, conditional, drawn_binarization),
        *(batch_norm, dropout),
    )
}
