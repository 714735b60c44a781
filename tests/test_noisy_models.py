"""Models with noise besides that of z, in the images, the encoder or the decoder, against means of their tensors."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
import tensorflow_probability as tfp
from other_models import assemble, bernoulli, network

from vae_tf1 import VAE, Estimate, evaluate, log_likelihood, sample_latent, session_config
from vae_tf1.model import kl_to_standard_gaussian

P = 4


def vae_of(x, mu, logvar, decode, densities, **fields) -> VAE:
    mu_logvar = tf.concat([mu, logvar], axis=1)
    z = sample_latent(mu_logvar)
    x_logits = decode(z) * tf.get_variable("scale", initializer=1.0, use_resource=True)
    if densities:
        posterior = tfp.distributions.MultivariateNormalDiag(mu, tf.exp(logvar / 2))
        prior = tfp.distributions.MultivariateNormalDiag(tf.zeros_like(mu))
        fields |= {"log_prior": prior.log_prob(z), "log_posterior": posterior.log_prob(z)}
    return assemble(x, z, x_logits, bernoulli(x_logits), kl_to_standard_gaussian(mu_logvar), mu_logvar, **fields)


def noisy_encoder(densities):
    x = tf.placeholder(tf.float32, [None, P])
    mu = x + tf.random_normal(tf.shape(x))
    return vae_of(x, mu, tf.zeros_like(mu), lambda z: z, densities)


def drawn_images(densities):
    grey = tf.placeholder(tf.float32, [None, P])
    x = tf.cast(tf.random_uniform(tf.shape(grey)) < grey, tf.float32)
    inputs = {"inputs": lambda images, labels: {grey: images}}
    return vae_of(x, 4 * x - 2, tf.zeros_like(x), lambda z: z, densities, **inputs)


def inpainting(densities):
    """The encoder and the decoder see the same part of the image."""
    x = tf.placeholder(tf.float32, [None, P])
    seen = x * tf.cast(tf.random_uniform(tf.shape(x)) < 0.5, tf.float32)
    return vae_of(x, seen, tf.zeros_like(x) - 6, lambda z: 3 * (2 * z - seen), densities)


@pytest.mark.parametrize("densities", [False, True])
@pytest.mark.parametrize("build", [noisy_encoder, drawn_images, inpainting])
def test_numbers_are_means_over_all_noise(graph, build, densities):
    tf.set_random_seed(0)
    vae = build(densities)
    images = np.tile(np.float32([[0.5, 0.25, 1, 0]] if build is drawn_images else [[1, 0, 1, 1]]), [2000, 1])
    with tf.Session(config=session_config()) as session:
        session.run(tf.global_variables_initializer())
        fed = {vae.x: images} if vae.inputs is None else vae.inputs(images, None)
        by_hand = Estimate.of(sum(session.run([vae.reconstruction, vae.kl_divergence], fed)))
        negative_elbo = evaluate(session, vae, images).negative_elbo
        one_sample = Estimate.of(-log_likelihood(session, vae, images, 1))
        assert evaluate(session, vae, images).negative_elbo == negative_elbo
    for estimate in negative_elbo, one_sample:
        assert abs(estimate - by_hand) < 4 * np.hypot(estimate.standard_error, by_hand.standard_error)


def test_rows_that_are_not_images_are_not_repeated_as_such(graph):
    """An encoder of the rows of an image, after blank images, whose rows are all alike."""
    tf.set_random_seed(0)
    x = tf.placeholder(tf.float32, [None, 784])
    rows = network(tf.reshape(x, [-1, 28]), 4, "rows")
    rows += 0.001 * tf.random_normal(tf.shape(rows))
    mu = 20 * network(tf.reshape(rows, [-1, 112]), 4, "encoder")
    vae = vae_of(x, mu, tf.zeros_like(mu) - 6, lambda z: network(z, 784, "decoder"), densities=True)
    images = np.float32(np.random.RandomState(0).uniform(size=[6, 784]) < np.linspace(0.1, 0.9, 6)[:, None])
    with tf.Session(config=session_config()) as session:
        session.run(tf.global_variables_initializer())
        alone = log_likelihood(session, vae, images, 200)
        assert alone.std() > 5  # the images differ
        after_blank = log_likelihood(session, vae, np.concatenate([np.zeros([2, 784], np.float32), images]), 200)[2:]
    np.testing.assert_allclose(after_blank, alone, atol=20)
