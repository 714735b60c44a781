"""The assumptions of the estimates about a model are checked; a violation raises an error of one sentence."""

import re

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
import tensorflow_probability as tfp
import tf_slim as slim
from other_models import (
    D,
    assemble,
    bernoulli,
    full_covariance,
    images_placeholder,
    learned_prior,
    network,
    vamp_prior,
    variable,
)

import vae_tf1
from vae_tf1 import binarize, build_vae, evaluate, log_likelihood, sample_latent
from vae_tf1.model import kl_to_standard_gaussian

tfd = tfp.distributions


def initialized():
    session = tf.Session()
    session.run(tf.global_variables_initializer())
    return session


def refused(vae, data, says, **options):
    with initialized() as session:
        for measure in evaluate, log_likelihood:
            with pytest.raises(ValueError, match=says):
                measure(session, vae, data, 5, **options)


def standard(kl_divergence_of=None, likelihood=bernoulli, rows_per_image=1, **fields):
    x = images_placeholder()
    mu_logvar = network(x, 2 * D, "encoder")
    mu, logvar = tf.split(tf.repeat(mu_logvar, rows_per_image, axis=0), 2, axis=1)
    posterior = tfd.MultivariateNormalDiag(mu, tf.exp(logvar / 2))
    prior = tfd.MultivariateNormalDiag(tf.zeros([D]), tf.ones([D]))
    z = sample_latent(tf.concat([mu, logvar], 1))
    x_logits = network(z, 784, "decoder")
    x_dist = likelihood(x_logits)
    kl_divergence = (kl_divergence_of or tfd.kl_divergence)(posterior, prior)
    reconstruction = -tf.reduce_sum(x_dist.log_prob(tf.repeat(x, rows_per_image, axis=0)), 1)
    kl_divergence, reconstruction = (
        tf.reduce_mean(tf.reshape(term, [-1, rows_per_image]), 1) for term in (kl_divergence, reconstruction)
    )
    return assemble(x, z, x_logits, x_dist, kl_divergence, mu_logvar, reconstruction, **fields)


def drawn_from(draw, log_density):
    """A model whose kl_divergence is log q - log p itself, so that a wrong log q cancels in their comparison."""
    x = images_placeholder()
    loc, scale = tf.split(network(x, 2 * D, "encoder"), 2, axis=1)
    scale = tf.nn.softplus(scale)
    z = draw(loc, scale)
    log_posterior = log_density(loc, scale, z)
    log_prior = tfd.MultivariateNormalDiag(tf.zeros([D]), tf.ones([D])).log_prob(z)
    x_logits = network(z, 784, "decoder")
    return assemble(x, z, x_logits, bernoulli(x_logits), log_posterior - log_prior, log_posterior=log_posterior)


def gaussian(loc, scale):
    return tfd.MultivariateNormalDiag(loc, scale)


@pytest.mark.parametrize(
    "log_density",
    [
        lambda loc, scale, z: gaussian(loc, 2 * scale).log_prob(z),
        lambda loc, scale, z: gaussian(loc + 1, scale).log_prob(z),
        lambda loc, scale, z: gaussian(loc, scale).log_prob(z) + 0.5,
    ],
    ids=["scale", "mean", "constant"],
)
def test_a_log_posterior_that_is_not_the_density_of_z(graph, digits, log_density):
    vae = drawn_from(lambda loc, scale: gaussian(loc, scale).sample(), log_density)
    says = r"vae\.log_posterior is \S+ nats for a draw of vae\.z whose log-density is \S+; set it to log q\(z\|x\)"
    refused(vae, digits.test.images[:30], says)


def posterior_density(distribution):
    """Draws and log-densities of `distribution(loc, scale)`, whose dimensions are independent."""

    def draw(loc, scale):
        return distribution(loc, scale).sample()

    def log_density(loc, scale, z):
        return tf.reduce_sum(distribution(loc, scale).log_prob(z), 1)

    return draw, log_density


def on_the_sphere(loc, scale):
    return tf.nn.l2_normalize(loc + scale * tf.random_normal(tf.shape(loc)), axis=1)


@pytest.mark.parametrize(
    ("draw", "log_density"),
    [
        (on_the_sphere, lambda loc, scale, z: tf.reduce_sum(loc * z, 1)),  # no density on R^D to compare with
        posterior_density(lambda loc, scale: tfd.Beta(1 + scale, 2.0)),  # noise of unknown density
        posterior_density(lambda loc, scale: tfd.Laplace(loc, scale)),
        posterior_density(lambda loc, scale: tfd.Uniform(loc, loc + scale)),
        posterior_density(lambda loc, scale: tfd.Normal(10 + loc, 1e-3)),
        posterior_density(lambda loc, scale: tfd.HalfNormal(scale)),  # two values of the noise for each z
    ],
    ids=["sphere", "beta", "laplace", "uniform", "narrow", "half-normal"],
)
def test_the_right_log_posterior_raises_no_false_alarm(graph, digits, draw, log_density):
    vae = drawn_from(draw, log_density)
    with initialized() as session:
        assert np.isfinite(evaluate(session, vae, digits.test.images[:30]).negative_elbo)


def test_the_kl_divergence_the_wrong_way_round(graph, digits):
    vae = standard(lambda posterior, prior: 3 * tfd.kl_divergence(prior, posterior))
    refused(
        vae, digits.test.images[:30], r"vae\.kl_divergence is \S+ nats, but log q\(z\|x\) - log p\(z\) has mean \S+"
    )


@pytest.mark.parametrize("model", [learned_prior, vamp_prior, full_covariance])
def test_densities_that_are_left_out(graph, digits, model):
    vae = model()._replace(log_prior=None, log_posterior=None)
    if vae.mu_logvar is None:
        refused(vae, digits.test.images[:30], r"vae\.mu_logvar and vae\.log_posterior are None; set vae\.log_posterior")
    else:
        refused(vae, digits.test.images[:30], r"set vae\.log_prior and vae\.log_posterior to the log-densities")


def test_a_full_covariance_that_passes_for_a_diagonal_one(graph, digits):
    """Each (z_d - mu_d) / sigma_d is N(0, 1), but they are correlated."""
    x = images_placeholder()
    mu, logvar = tf.split(network(x, 2 * D, "encoder"), 2, axis=1)
    rows = np.ones([D, D], np.float32) + np.eye(D, dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    z = mu + tf.exp(logvar / 2) * tf.matmul(tf.random_normal(tf.shape(mu)), rows, transpose_b=True)
    posterior = tfd.MultivariateNormalTriL(mu, tf.exp(logvar / 2)[..., None] * np.linalg.cholesky(rows @ rows.T))
    kl_divergence = tfd.kl_divergence(posterior, tfd.MultivariateNormalTriL(tf.zeros([D]), tf.eye(D)))
    x_logits = network(z, 784, "decoder")
    fields = x, z, x_logits, bernoulli(x_logits), kl_divergence, tf.concat([mu, logvar], 1)
    refused(assemble(*fields), digits.test.images[:30], "has mean")
    vae = assemble(*fields, log_posterior=posterior.log_prob(z))
    with initialized() as session:
        assert abs(evaluate(session, vae, digits.test.images[:30]).negative_elbo - 545) < 20


def test_several_codes_for_an_image(graph, digits):
    refused(standard(rows_per_image=5), digits.test.images[:30], r"vae\.z has 5 rows for each image; give one code")


def test_images_that_change_each_others_numbers(graph, digits):
    def encoder(x):
        hidden = slim.batch_norm(slim.fully_connected(x, 16), is_training=True, decay=0.9)
        return slim.fully_connected(hidden, 2 * D, activation_fn=None)

    vae = build_vae(encoder=encoder)
    refused(vae, digits.test.images[:30], r"An image's \w+ depends on the others in its batch \(\S+ nats among copies")
    refused(vae, digits.test.images[:1], r"pass feed=\{is_training: False\}")


def test_grey_images_are_not_thresholded_in_silence(graph, digits):
    grey = digits.test.images[:30]

    def likelihood(mean):
        return tfd.Normal(mean, 0.3)

    vae = standard(likelihood=likelihood)
    refused(vae, grey, r"vae\.x_dist is a Normal, but vae\.inputs is None, which thresholds images at 0\.5")
    as_they_are = vae._replace(inputs=lambda images, labels: {vae.x: images})
    with initialized() as session:
        assert evaluate(session, vae, binarize(grey)).negative_elbo > 0
        draws = session.run(vae.reconstruction + vae.kl_divergence, {vae.x: np.tile(grey, [200, 1])})
        by_hand = draws.reshape(200, len(grey))
        assert evaluate(session, as_they_are, grey).negative_elbo == pytest.approx(
            np.mean(by_hand), abs=float(5 * np.std(np.mean(by_hand, axis=1)))
        )


def test_inputs_are_checked(graph, digits):
    vae = standard()
    labels_needed = vae._replace(inputs=lambda images, labels: {vae.x: binarize(images) * (labels[:, None] < 10)})
    refused(labels_needed, digits.test.images[:5], r"vae\.inputs failed without labels \(TypeError.*pass a DataSet")
    with initialized() as session:
        evaluate(session, labels_needed, digits.test)
        for inputs, says in [
            (lambda images, labels: [images], "vae.inputs returned a list; return a dict"),
            (lambda images, labels: {vae.z: images}, "which is not a placeholder of the model"),
            (lambda images, labels: {vae.x: images[:1]}, "return one row for each of the 5 images"),
        ]:
            with pytest.raises((TypeError, ValueError), match=re.escape(says)):
                evaluate(session, vae._replace(inputs=inputs), digits.test.images[:5])
        with pytest.raises(TypeError, match="feed has the key 'is_training', which is not a tensor of the model"):
            evaluate(session, vae, digits.test.images[:5], feed={"is_training": False})


def test_a_right_model_raises_no_false_alarm_for_any_images(graph, digits):
    """The checks draw noise, so many draws of right models are tried."""
    vae = build_vae(seed=0, hidden_units=16, latent_dimensions=2)
    with initialized() as session:
        for seed in range(20):
            evaluate(session, vae, digits.test.images[seed : seed + 3], seed=seed)
        assert np.isfinite(log_likelihood(session, vae, digits.test.images[:1], 3)).all()
    assert vae_tf1.VAE._fields[-3:] == ("log_prior", "log_posterior", "inputs")


def test_labels_that_start_at_one(graph):
    images, y = images_placeholder(), tf.placeholder(tf.int32, [None])
    vectors = tf.nn.embedding_lookup(variable("vectors", [10, D]), y - 1)
    mu_logvar = network(tf.concat([images, vectors], 1), 2 * D, "encoder")
    z = sample_latent(mu_logvar)
    x_logits = network(tf.concat([z, vectors], 1), 784, "decoder")
    _, reconstruction, kl_divergence = vae_tf1.negative_elbo(x_logits, images, mu_logvar)
    fields = {"inputs": lambda given, labels: {images: binarize(given), y: labels + 1}}
    vae = assemble(images, z, x_logits, bernoulli(x_logits), kl_divergence, mu_logvar, reconstruction, **fields)
    data = vae_tf1.read_data_sets("unused", source="builtin")
    with initialized() as session:
        assert np.isfinite(evaluate(session, vae, data.test.part(rows=slice(20))).negative_elbo)


def test_reference_variables_that_the_forward_pass_updates(graph, digits):
    is_training = tf.placeholder_with_default(True, [])
    x = images_placeholder()
    hidden = slim.fully_connected(x, 16)
    hidden = slim.batch_norm(hidden, is_training=is_training, updates_collections=None)
    mu_logvar = slim.fully_connected(hidden, 2 * D, activation_fn=None)
    z = sample_latent(mu_logvar)
    x_logits = slim.fully_connected(z, 784, activation_fn=None)
    _, reconstruction, kl_divergence = vae_tf1.negative_elbo(x_logits, x, mu_logvar)
    vae = assemble(x, z, x_logits, bernoulli(x_logits), kl_divergence, mu_logvar, reconstruction)
    images = digits.test.images[:20]
    with initialized() as session:
        expected = session.run(kl_divergence, {x: binarize(images), is_training: False}).mean()
        measured = evaluate(session, vae, images, feed={is_training: False}).kl_divergence
        assert measured == pytest.approx(expected, rel=1e-5)


def test_a_model_of_float64(graph, digits):
    x = tf.placeholder(tf.float64, [None, 784])
    mu_logvar = slim.fully_connected(x, 2 * D, activation_fn=None)
    mu, logvar = tf.split(mu_logvar, 2, axis=1)
    z = mu + tf.exp(logvar / 2) * tf.random_normal(tf.shape(mu), dtype=tf.float64)
    x_logits = slim.fully_connected(z, 784, activation_fn=None)
    x_dist = tfd.Bernoulli(logits=x_logits, dtype=tf.float64)
    kl_divergence = 0.5 * tf.reduce_sum(mu**2 + tf.exp(logvar) - 1 - logvar, axis=1)
    vae = assemble(x, z, x_logits, x_dist, kl_divergence, mu_logvar)
    with initialized() as session:
        bound = -evaluate(session, vae, digits.test.images[:50]).negative_elbo
        assert bound < log_likelihood(session, vae, digits.test.images[:50], 20).mean() < bound + 10


def test_a_reconstruction_that_is_not_the_likelihoods(graph, digits):
    x = images_placeholder()
    mu_logvar = network(x, 2 * D, "encoder")
    z = sample_latent(mu_logvar)
    means = network(z, 784, "decoder")
    _, cross_entropy, kl_divergence = vae_tf1.negative_elbo(means, x, mu_logvar)  # of Bernoulli pixels
    fields = {"inputs": lambda images, labels: {x: images}}
    vae = assemble(x, z, means, tfd.Normal(means, 0.3), kl_divergence, mu_logvar, cross_entropy, **fields)
    with initialized() as session:
        for measure in evaluate, log_likelihood:
            with pytest.warns(UserWarning, match=r"^vae\.reconstruction, .* but -log p\(x\|z\) of vae\.x_dist is"):
                measure(session, vae, digits.test.images[:20])


@pytest.mark.filterwarnings("error:vae.reconstruction:UserWarning")
@pytest.mark.parametrize("validate", [False, True])
@pytest.mark.parametrize("shape", [[784], [28, 28]])
def test_a_likelihood_of_images_or_of_clipped_pixels_raises_no_false_alarm(graph, digits, shape, validate):
    x = images_placeholder()
    mu_logvar = network(x, 2 * D, "encoder")
    z = sample_latent(mu_logvar)
    concentration = tf.reshape(1 + tf.nn.softplus(network(z, 784, "decoder")), [-1, *shape])
    x_dist = tfd.Beta(concentration, 2.0, validate_args=validate)
    inside = tf.reshape(tf.clip_by_value(x, 0.01, 0.99), [-1, *shape])
    reconstruction = -tf.reduce_sum(x_dist.log_prob(inside), axis=list(range(1, 1 + len(shape))))
    kl_divergence = kl_to_standard_gaussian(mu_logvar)
    fields = {"inputs": lambda images, labels: {x: images}}
    vae = assemble(x, z, concentration, x_dist, kl_divergence, mu_logvar, reconstruction, **fields)
    with initialized() as session:
        assert np.isfinite(evaluate(session, vae, digits.test.images[:20]).negative_elbo)
