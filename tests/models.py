"""Models other than the built-in one, for tests of the functions that take any model."""

import numpy as np
import tensorflow.compat.v1 as tf
import tensorflow_probability as tfp
import tf_slim as slim

import vae_tf1


def tanh_decode(z):
    hidden = slim.fully_connected(z, 128, activation_fn=tf.nn.tanh, scope="fc1")
    x_logits = slim.fully_connected(hidden, 784, activation_fn=None, scope="fc2")
    return x_logits, tfp.distributions.Bernoulli(logits=x_logits, dtype=tf.float32)


def conv_encoder(x):
    hidden = slim.conv2d(tf.reshape(x, [-1, 28, 28, 1]), 4, 5, stride=4, scope="conv1")
    return slim.fully_connected(slim.flatten(hidden), 20, activation_fn=None, scope="fc1")


def conv_decode(z):
    hidden = tf.reshape(slim.fully_connected(z, 7 * 7 * 4, scope="fc1"), [-1, 7, 7, 4])
    x_logits = slim.flatten(slim.conv2d_transpose(hidden, 1, 5, stride=4, activation_fn=None, scope="conv1"))
    return x_logits, tfp.distributions.Independent(tfp.distributions.Bernoulli(logits=x_logits, dtype=tf.float32), 0)


def dropout_encoder(x):
    hidden = slim.dropout(slim.fully_connected(x, 32, scope="fc1"), 0.8, scope="dropout1")
    return slim.fully_connected(hidden, 16, activation_fn=None, scope="fc2")


def dropout_decode(z):
    hidden = slim.dropout(slim.fully_connected(z, 32, scope="fc1"), 0.9)
    x_logits = slim.fully_connected(hidden + 0.01 * tf.truncated_normal([32]), 784, activation_fn=None, scope="fc2")
    return x_logits, tfp.distributions.Bernoulli(logits=x_logits, dtype=tf.float32)


def from_pieces(*, resource_variables=True, gaussian=False, bounded=False) -> vae_tf1.VAE:
    """Assembles a `VAE` by hand, from the pieces that the README uses.

    Args:
        resource_variables: False creates the reference variables of TensorFlow 1.
        gaussian: True gives a Gaussian likelihood, which `negative_elbo` does not compute.
        bounded: True gives a latent code that is not drawn from the Gaussian of `mu_logvar`.
    """
    x = tf.placeholder(tf.float32, [None, 784])
    with tf.variable_scope("my/encoder", use_resource=resource_variables):
        mu_logvar = vae_tf1.encoder(x, hidden_units=20, latent_dimensions=5)
    with tf.variable_scope("my/decoder", use_resource=resource_variables):
        z = vae_tf1.sample_latent(mu_logvar)
        z = 3 * tf.tanh(z) if bounded else z
        x_logits, x_dist = vae_tf1.decode(z, hidden_units=20)
        if gaussian:
            x_dist = tfp.distributions.Normal(tf.sigmoid(x_logits), 0.4)
        x_hat = x_dist.sample()
    loss, reconstruction, kl_divergence = vae_tf1.negative_elbo(x_logits, x, mu_logvar)
    if gaussian:
        reconstruction = -tf.reduce_sum(x_dist.log_prob(x), axis=1)
        loss = tf.reduce_mean(reconstruction + kl_divergence)
    train_step = tf.train.AdamOptimizer(0.003).minimize(loss)
    return vae_tf1.VAE(
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
        inputs=(lambda images, labels: {x: vae_tf1.binarize(images)}) if gaussian else None,
    )


MODELS = {
    "tanh decoder": lambda: vae_tf1.build_vae(seed=0, decode=tanh_decode),
    "convolutions": lambda: vae_tf1.build_vae(seed=0, encoder=conv_encoder, decode=conv_decode),
    "dropout": lambda: vae_tf1.build_vae(seed=0, encoder=dropout_encoder, decode=dropout_decode),
    "beta and RMSProp": lambda: vae_tf1.build_vae(seed=0, beta=4.0, optimizer=tf.train.RMSPropOptimizer(0.001)),
    "pieces": from_pieces,
    "pieces, Gaussian": lambda: from_pieces(gaussian=True),
}


def log_weights_by_hand(session, vae, images, num_samples, seed=0) -> np.ndarray:
    """Computes log p(x|z) + log p(z) - log q(z|x), [num_samples, N], by feeding `vae.z`, and otherwise in NumPy."""
    mu, logvar = np.split(session.run(vae.mu_logvar, {vae.x: images}).astype(np.float64), 2, axis=1)
    random_state = np.random.RandomState(seed)
    log_weights = []
    for _ in range(num_samples):
        epsilon = random_state.normal(size=mu.shape)
        z = mu + np.exp(logvar / 2) * epsilon
        log_likelihood = -session.run(vae.reconstruction, {vae.x: images, vae.z: z}).astype(np.float64)
        log_weights.append(log_likelihood + 0.5 * (epsilon**2 + logvar - z**2).sum(axis=1))
    return np.array(log_weights)
