"""`log_likelihood` against cases with known solutions, and against tfp."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
import tensorflow_probability as tfp
from numpy_vae import decode, encode, kl_divergence, reconstruction

import vae_tf1
from vae_tf1 import binarize, build_vae, evaluate, log_likelihood, session_config


@pytest.fixture
def vae(graph):
    return build_vae(seed=0)


@pytest.fixture
def session(vae):
    with tf.Session(config=session_config()) as session:
        session.run(tf.global_variables_initializer())
        yield session


@pytest.fixture
def images(digits):
    return binarize(digits.test.images[:30])


def assign(session, **values):
    for name, value in values.items():
        (variable,) = (v for v in tf.trainable_variables() if v.op.name == name.replace("__", "/"))
        session.run(variable.initializer, {variable.initializer.inputs[1]: np.broadcast_to(value, variable.shape)})


def weights_of(session) -> dict:
    return {v.op.name: session.run(v).astype(np.float64) for v in tf.trainable_variables()}


def log_mean_exp(values, axis):
    largest = values.max(axis=axis, keepdims=True)
    return np.squeeze(largest, axis) + np.log(np.exp(values - largest).mean(axis=axis))


def test_one_sample_is_the_elbo(session, vae, digits):
    images = digits.test.images
    estimates = log_likelihood(session, vae, images, num_samples=1)
    negative_elbo = evaluate(session, vae, images).negative_elbo
    difference = estimates.mean() + negative_elbo
    assert abs(difference) < 4 * 2**0.5 * negative_elbo.standard_error


def test_more_samples_never_lower_the_mean(session, vae, digits):
    means = [log_likelihood(session, vae, digits.test.images[:300], k).mean() for k in (1, 5, 25, 125, 625)]
    assert means == sorted(means)


def test_exact_where_the_code_does_not_matter(session, vae, images):
    """With decoder weights of zero, p(x) is a product of coin flips, for any posterior."""
    biases = np.random.RandomState(0).normal(size=784).astype(np.float32)
    assign(session, decoder__fc2__weights=0, decoder__fc2__biases=biases, encoder__fc2__weights=0)
    p = 1 / (1 + np.exp(-biases.astype(np.float64)))
    estimates = log_likelihood(session, vae, images, 3)
    np.testing.assert_allclose(estimates, -reconstruction(p, images.astype(np.float64)), rtol=1e-5)


def test_converges_where_one_dimension_of_the_code_matters(session, vae, images):
    """Only z[0] reaches the decoder, so p(x) is a one-dimensional integral, computed here as a fine sum."""
    fc1 = np.zeros([64, 128], np.float32)
    fc1[0, :64], fc1[0, 64:] = 1, -1
    fc2 = np.random.RandomState(0).normal(size=[128, 784], scale=0.03).astype(np.float32)
    assign(session, decoder__fc1__weights=fc1, decoder__fc2__weights=fc2, encoder__fc2__weights=0)
    z = np.zeros([4001, 64])
    z[:, 0] = np.linspace(-10, 10, 4001)
    p = decode(weights_of(session), z)
    log_joint = -np.stack([reconstruction(p, x[None].astype(np.float64)) for x in images], axis=1)
    log_joint += (-0.5 * z[:, :1] ** 2) - 0.5 * np.log(2 * np.pi) + np.log(20)
    exact = log_mean_exp(log_joint, axis=0)
    errors = [np.abs(log_likelihood(session, vae, images, k) - exact).mean() for k in (10, 1000, 20_000)]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.02


def test_the_weights_are_those_of_tfp(session, vae, images):
    """One-sample estimates have the mean and the spread of log-weights that tfp draws and computes."""
    images = images[:3]
    weights = weights_of(session)
    mu, logvar = encode(weights, images.astype(np.float64))
    samples = 4000
    posterior = tfp.distributions.MultivariateNormalDiag(mu, np.exp(logvar / 2))
    prior = tfp.distributions.MultivariateNormalDiag(np.zeros(64), np.ones(64))
    z = posterior.sample(samples, seed=1)
    logits = tf.placeholder(tf.float64, [samples, 3, 784])
    likelihood = tf.reduce_sum(tfp.distributions.Bernoulli(logits=logits).log_prob(images.astype(np.float64)), axis=2)
    z, prior_minus_posterior = session.run([z, prior.log_prob(z) - posterior.log_prob(z)])
    p = decode(weights, z.reshape(-1, 64)).reshape(samples, 3, 784)
    log_weights = session.run(likelihood, {logits: np.log(p) - np.log1p(-p)}) + prior_minus_posterior
    ones = np.stack([log_likelihood(session, vae, np.repeat(images, 500, axis=0), 1, seed=s) for s in range(4)])
    ours = ones.reshape(4, 3, 500).transpose(1, 0, 2).reshape(3, 2000)
    np.testing.assert_allclose(ours.mean(axis=1), log_weights.mean(axis=0), atol=2.0)  # 10 standard errors
    np.testing.assert_allclose(ours.std(axis=1), log_weights.std(axis=0), rtol=0.15)


def test_same_seed_same_numbers_and_any_number_of_images(session, vae, images):
    first = log_likelihood(session, vae, images, 60, seed=3)
    assert first.dtype == np.float64
    assert first.shape == (30,)
    np.testing.assert_array_equal(first, log_likelihood(session, vae, images, 60, seed=3))
    assert (first != log_likelihood(session, vae, images, 60, seed=4)).all()
    assert log_likelihood(session, vae, images[:0], 60).shape == (0,)


def test_a_vae_in_a_scope_is_measured_without_changing_its_graph(graph, images):
    with tf.variable_scope("some/scope"):
        vae = build_vae(seed=0)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        before = len(graph.get_operations())
        log_likelihood(session, vae, images, 2)
        assert len(graph.get_operations()) == before


def test_far_log_variances_and_logits_stay_finite(session, vae, images):
    assign(session, decoder__fc2__biases=100, encoder__fc2__weights=0, encoder__fc2__biases=-30)
    assert np.isfinite(log_likelihood(session, vae, images, 10)).all()


def test_an_interrupt_does_not_wait_for_the_rest(session, vae, digits, monkeypatch):
    """The interrupt reaches the main thread in the progress bar; the remaining work would take hours."""

    def interrupt(self, count):
        raise KeyboardInterrupt

    monkeypatch.setattr(vae_tf1.likelihood.tqdm, "update", interrupt)
    with pytest.raises(KeyboardInterrupt):
        log_likelihood(session, vae, np.tile(digits.test.images[:1000], [100, 1]), 2_000)


def test_bad_arguments(session, vae, images):
    with pytest.raises(ValueError, match="num_samples is 0"):
        log_likelihood(session, vae, images, 0)
    with pytest.raises(ValueError, match=r"images \[N, pixels\]"):
        log_likelihood(session, vae, images[0])


def test_numpy_oracle_agrees_with_itself(session, vae, images):
    """The closed-form KL divergence is the mean of log q - log p, which the estimates rely on."""
    mu, logvar = np.array([[0.5, -1.0]]), np.array([[0.3, -0.7]])
    epsilon = np.random.RandomState(0).normal(size=(200_000, 2))
    z = mu + np.exp(logvar / 2) * epsilon
    log_ratio = 0.5 * (z**2 - epsilon**2 - logvar).sum(axis=1)
    assert log_ratio.mean() == pytest.approx(kl_divergence(mu, logvar)[0], abs=0.02)
