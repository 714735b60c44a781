"""Models with another prior, posterior, likelihood or other inputs: trained, resumed, measured and exported.

The expected numbers are computed without the package's estimates: the model's own tensors, run many times, and NumPy.
"""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
import tensorflow_probability as tfp
from other_models import EVALUATION_MODE, OTHER_MODELS
from training_runs import assert_same, seeded_digits

import vae_tf1
from vae_tf1 import binarize, evaluate, export_saved_model, log_likelihood, session_config, train

# XLA cannot compile the gradient of set_diag.
NOT_COMPILED = ("full_covariance",)
each_model = pytest.mark.parametrize("name", OTHER_MODELS)


def models_with(quick):
    names = [pytest.param(name, marks=() if name in quick else pytest.mark.slow) for name in OTHER_MODELS]
    return pytest.mark.parametrize("name", names)


def evaluation_mode(vae):
    """The `feed` for evaluation, for models that have a switch."""
    names = {operation.name for operation in vae.x.graph.get_operations()} & EVALUATION_MODE.keys()
    return {vae.x.graph.get_tensor_by_name(f"{name}:0"): EVALUATION_MODE[name] for name in names}


def inputs_of(vae, data):
    return vae.inputs(data.images, data.labels) if vae.inputs else {vae.x: binarize(data.images)}


def log_weights(session, vae, data, draws):
    """-reconstruction + log p(z) - log q(z|x) of the model's own draws, and the terms of evaluate: [draws, N] each."""
    log_prior, log_posterior = vae.log_prior, vae.log_posterior
    if log_prior is None:
        log_prior = -0.5 * tf.reduce_sum(vae.z**2 + np.log(2 * np.pi), axis=1)
    if log_posterior is None:
        mu, logvar = tf.split(vae.mu_logvar, 2, axis=1)
        log_posterior = -0.5 * tf.reduce_sum((vae.z - mu) ** 2 / tf.exp(logvar) + logvar + np.log(2 * np.pi), axis=1)
    feed = {**inputs_of(vae, data), **evaluation_mode(vae)}
    fetch = -vae.reconstruction + log_prior - log_posterior
    fetches = [fetch, vae.reconstruction + vae.kl_divergence]
    x = session.run(vae.x, feed)  # if x is drawn, it is drawn once for all samples of an image
    drawn = [session.run(fetches, {**feed, vae.x: x}) for _ in range(draws)]
    return np.array(drawn, np.float64).swapaxes(0, 1)


def trained(session, vae, iterations=30, **options):
    data = seeded_digits()
    reports = list(train(session, vae, data, iterations, 50, 10, **options))
    return reports, session.run({v.op.name: v for v in vae_tf1.vae.variables_of(vae)})


@each_model
def test_numbers_are_those_of_the_model_run_by_hand(name, graph, digits):
    vae = OTHER_MODELS[name]()
    with tf.Session(config=session_config()) as session:
        session.run(tf.global_variables_initializer())
        data = digits.test.part(rows=slice(40))
        feed = evaluation_mode(vae)
        operations = len(graph.get_operations())
        measured = evaluate(session, vae, data, batch_size=15, feed=feed)
        estimates = log_likelihood(session, vae, data, 60, feed=feed)
        assert len(graph.get_operations()) == operations
        weights, terms = log_weights(session, vae, data, 180)
    assert terms.mean() == pytest.approx(-weights.mean(), abs=0.4)
    assert measured.negative_elbo == pytest.approx(terms.mean(), abs=5 * terms.std(axis=0).mean() / 40**0.5 + 0.05)
    by_hand = np.logaddexp.reduce(weights.reshape(3, 60, 40), axis=1) - np.log(60)
    noise = 5 * by_hand.std(axis=0).mean() / 40**0.5 + 0.05
    assert estimates.mean() == pytest.approx(by_hand.mean(), abs=noise)
    assert noise < 1


@models_with(quick=["conditional"])
def test_a_resumed_run_ends_like_an_uninterrupted_one_and_the_compiled_loop_trains_the_same_model(name, tmp_path):
    def run(iterations, **options):
        with tf.Graph().as_default(), tf.Session(config=session_config()) as session:
            return trained(session, OTHER_MODELS[name](), iterations, **options)

    reports, whole = run(25, checkpoint_dir=tmp_path / "whole")
    run(12, checkpoint_dir=tmp_path / "stopped")
    _, resumed = run(25, checkpoint_dir=tmp_path / "stopped")
    assert_same(resumed, whole)
    if name in NOT_COMPILED:
        with pytest.raises(ValueError, match=r"XLA cannot compile this model \(.+\); train without compiled=True"):
            run(25, compiled=True)
        return
    compiled, _ = run(25, compiled=True)
    scale = max(abs(reports[0].loss), 100)
    for report, expected in zip(compiled, reports, strict=True):
        assert report.loss == pytest.approx(expected.loss, abs=0.06 * scale)


@models_with(quick=["vamp_prior", "two_layers", "gaussian_pixels", "conditional"])
def test_an_exported_model_decodes_like_the_model(name, graph, digits, tmp_path):
    vae = OTHER_MODELS[name]()
    with tf.Session(config=session_config()) as session:
        session.run(tf.global_variables_initializer())
        feed = evaluation_mode(vae)
        export_saved_model(session, vae, tmp_path / "model", feed=feed)
        z = np.random.RandomState(0).normal(size=[3, int(vae.z.shape[1])]).astype(np.float32)
        labels = {tensor: array[:3] for tensor, array in inputs_of(vae, digits.test).items() if tensor.op.name == "y"}
        expected = session.run(vae.x_dist.mean(), {vae.z: z, **labels, **feed, **fill(vae, digits)})
    with tf.Graph().as_default(), tf.Session() as session:
        signature = tf.saved_model.load(session, ["serve"], str(tmp_path / "model")).signature_def["decode"]
        fed = {signature.inputs["z"].name: z}
        for array in labels.values():
            fed[signature.inputs["y"].name] = array
        decoded = session.run(signature.outputs["probabilities"].name, fed)
    np.testing.assert_allclose(decoded, expected, rtol=1e-5, atol=1e-6)


def fill(vae, digits):
    """Images for models whose tensors need one row per image, although decoding does not depend on them."""
    return {tensor: array[:3] for tensor, array in inputs_of(vae, digits.test).items() if tensor.op.name != "y"}


def test_an_export_in_training_mode_is_announced(graph, tmp_path):
    vae = OTHER_MODELS["batch_norm"]()
    with tf.Session(config=session_config()) as session:
        session.run(tf.global_variables_initializer())
        with pytest.warns(UserWarning, match=r"^is_training keeps its default in the exported model; pass its value"):
            export_saved_model(session, vae, tmp_path / "model")


def test_inputs_of_the_signatures_may_have_defaults(graph, tmp_path):
    x = tf.placeholder_with_default(tf.zeros([1, 784]), [None, 784])
    with tf.variable_scope("encoder", use_resource=True):
        mu_logvar = vae_tf1.encoder(x)
    with tf.variable_scope("decoder", use_resource=True):
        z = tf.placeholder_with_default(vae_tf1.sample_latent(mu_logvar), [None, 64])
        x_logits, x_dist = vae_tf1.decode(z)
    loss, *terms = vae_tf1.negative_elbo(x_logits, x, mu_logvar)
    step = tf.train.AdamOptimizer().minimize(loss)
    vae = vae_tf1.VAE(x, mu_logvar, z, x_logits, x_dist, x_dist.sample(), *terms, loss, step)
    with tf.Session(config=session_config()) as session:
        session.run(tf.global_variables_initializer())
        export_saved_model(session, vae, tmp_path / "model")  # a warning would be an error here


@pytest.mark.parametrize("of", ["other logits", "probabilities"])
def test_the_likelihood_is_that_of_x_dist(graph, digits, of):
    def decode(z):
        x_logits, _ = vae_tf1.decode(z)
        parameters = {"logits": 0.3 * x_logits} if of == "other logits" else {"probs": tf.sigmoid(x_logits)}
        return x_logits, tfp.distributions.Bernoulli(**parameters, dtype=tf.float32)

    vae = vae_tf1.build_vae(seed=0, decode=decode)
    with tf.Session(config=session_config()) as session:
        session.run(tf.global_variables_initializer())
        images = vae_tf1.binarize(digits.test.images[:5])
        log_prob = tf.reduce_sum(vae.x_dist.log_prob(vae.x), 1)
        reconstruction, expected = session.run([vae.reconstruction, -log_prob], {vae.x: images})
        np.testing.assert_allclose(reconstruction, expected, rtol=1e-5)
