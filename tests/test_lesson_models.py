"""The functions in the cells of the notebooks, against numbers computed otherwise."""

import ast
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from scipy.special import logsumexp
from scipy.stats import norm

from vae_tf1 import binarize, log_likelihood, read_data_sets, session_config

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


def definitions(name: str, **given) -> dict:
    """The functions, classes and constants of a notebook's cells, without running what they train."""
    namespace = {"seed": 0, **given}
    for cell in nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells:
        if cell.cell_type != "code" or "importlib.util" in cell.source:  # the first cell installs
            continue
        tree = ast.parse(re.sub(r"^%.*$", "", cell.source, flags=re.MULTILINE))
        kept = [node for node in tree.body if _is_definition(node)]
        exec(compile(ast.Module(kept, []), f"{name}.ipynb", "exec"), namespace)
    return namespace | given


def _is_definition(node: ast.stmt) -> bool:
    computed = any(isinstance(part, ast.Call | ast.ListComp | ast.Subscript | ast.BinOp) for part in ast.walk(node))
    definition = isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom)
    return definition or (isinstance(node, ast.Assign) and not computed)


@pytest.fixture
def priors(digits):
    return definitions("priors", mnist=digits)


@pytest.fixture
def session(graph):
    tf.set_random_seed(0)
    with tf.Session(config=session_config()) as session:
        yield session


def perturb(session):
    """Gives all weights values with noise, so that no term is what it is at the start by chance."""
    session.run(tf.global_variables_initializer())
    random_state = np.random.RandomState(0)
    for variable in tf.trainable_variables():
        variable.load(session.run(variable) + 0.1 * random_state.normal(size=variable.shape), session)


def log_mixture(z, log_weights, means, scales):
    """log sum_k w_k N(z; m_k, s_k^2), in float64."""
    each = norm.logpdf(z[:, None].astype(np.float64), means, scales).sum(axis=2)
    return logsumexp(log_weights + each, axis=1)


def test_mixture_of_gaussians(priors, session, digits):
    vae, prior = priors["mixture_of_gaussians"]()
    perturb(session)
    logits, means, log_scales = session.run(
        [variable for variable in tf.trainable_variables() if variable.op.name.startswith("prior/")]
    )
    log_weights = logits - logsumexp(logits)
    z, log_prior = session.run([vae.z, vae.log_prior], {vae.x: binarize(digits.test.images[:20])})
    np.testing.assert_allclose(log_prior, log_mixture(z, log_weights, means, np.exp(log_scales)), rtol=1e-4)
    drawn = session.run(prior.sample(5, seed=0))
    assert drawn.shape == (5, 64)


def test_vamp_prior_is_the_mean_of_the_posteriors_of_its_pseudo_images(priors, session, digits):
    vae, prior = priors["vamp_prior"]()
    perturb(session)
    (pseudo,) = (variable for variable in tf.trainable_variables() if "pseudo_images" in variable.op.name)
    mean = np.clip(digits.train.black_and_white.mean(axis=0), 0.01, 0.99)
    images = 1 / (1 + np.exp(-(np.log(mean / (1 - mean)) + session.run(pseudo))))
    mu, logvar = np.split(session.run(vae.mu_logvar, {vae.x: images}), 2, axis=1)
    z, log_prior, again = session.run(
        [vae.z, vae.log_prior, prior.log_prob(vae.z)], {vae.x: binarize(digits.test.images[:20])}
    )
    expected = log_mixture(z, -np.log(len(mu)), mu, np.exp(logvar / 2))
    np.testing.assert_allclose(log_prior, expected, rtol=1e-4)
    np.testing.assert_allclose(again, expected, rtol=1e-4)


def test_the_flows_density_changes_by_the_determinant_of_its_jacobian(priors, session, digits):
    with tf.variable_scope("flow"):
        flow = priors["coupling_flow"]()
        z0 = tf.placeholder(tf.float32, [None, 64])
        z, log_determinant = flow.forward(z0), flow.forward_log_det_jacobian(z0, event_ndims=1)
    perturb(session)
    point = np.random.RandomState(1).normal(size=64)
    steps = 1e-3 * np.concatenate([np.eye(64), -np.eye(64)])
    ends = session.run(z, {z0: point + steps}).astype(np.float64)
    jacobian = (ends[:64] - ends[64:]) / 2e-3
    (measured,) = session.run(log_determinant, {z0: point[None]})
    assert measured == pytest.approx(np.linalg.slogdet(jacobian)[1], abs=0.02)
    assert abs(measured) > 0.1


def test_the_flow_posterior_is_the_density_of_its_code(priors, session, digits):
    vae, _ = priors["flow_posterior"]()
    perturb(session)
    z0 = tf.get_default_graph().get_tensor_by_name("decoder/add:0")
    mu_logvar = tf.get_default_graph().get_tensor_by_name("encoder/fc2/BiasAdd:0")
    with tf.variable_scope("flow", reuse=True):
        log_determinant = priors["coupling_flow"]().forward_log_det_jacobian(z0, event_ndims=1)
    fetches = [z0, mu_logvar, log_determinant, vae.log_posterior, vae.log_prior, vae.z]
    values = session.run(fetches, {vae.x: binarize(digits.test.images[:20])})
    code, parameters, determinant, log_posterior, log_prior, z = values
    mu, logvar = np.split(parameters, 2, axis=1)
    expected = norm.logpdf(code, mu, np.exp(logvar / 2)).sum(axis=1) - determinant
    np.testing.assert_allclose(log_posterior, expected, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(log_prior, norm.logpdf(z).sum(axis=1), rtol=1e-4)


@pytest.mark.parametrize("num_samples", [1, 5])
def test_the_importance_weighted_loss_is_minus_the_estimate(priors, session, digits, num_samples):
    vae, _ = priors["importance_weighted"](num_samples)
    session.run(tf.global_variables_initializer())
    (biases,) = tf.trainable_variables("encoder/fc2/biases")
    biases.load(np.repeat([0.5, -5.0], 64), session)  # a narrow posterior, so that the estimates vary little
    images = binarize(digits.test.images[:40])
    losses = [session.run(vae.loss, {vae.x: images}) for _ in range(40)]
    estimates = log_likelihood(session, vae, np.tile(images, [40, 1]), num_samples).reshape(40, 40).mean(axis=1)
    noise = 4 * np.hypot(np.std(losses), np.std(estimates)) / 40**0.5
    assert -np.mean(losses) == pytest.approx(np.mean(estimates), abs=noise)
    assert noise < 1


def test_the_bound_of_m2_is_the_sum_over_the_labels(session, digits):
    few_labels = definitions("few_labels", mnist=digits)
    tf.set_random_seed(0)
    vae, q, dropped = few_labels["build_m2"](few_labels["iterations"])
    perturb(session)
    images = binarize(digits.test.images[:6])
    y = np.eye(10)[digits.test.labels[:6]]
    y[3:] = 0  # unknown
    graph = tf.get_default_graph()
    mu_logvar = graph.get_tensor_by_name("encoder/fc2/BiasAdd:0")
    fed = {vae.x: images, graph.get_tensor_by_name("y:0"): y, dropped: 0}
    q, parameters, x_logits, terms, loss = session.run(
        [q, mu_logvar, vae.x_logits, [vae.reconstruction, vae.kl_divergence], vae.loss], fed
    )
    expected = []
    for n, image in enumerate(images):
        bounds = []
        for label in range(10):
            logits = x_logits[10 * n + label].astype(np.float64)
            mu, logvar = np.split(parameters[10 * n + label], 2)
            log_likelihood_of_image = (image * logits - np.logaddexp(0, logits)).sum()
            kl = 0.5 * (mu**2 + np.exp(logvar) - logvar - 1).sum()
            bounds.append(log_likelihood_of_image - kl + np.log(1 / 10))
        if y[n].any():
            expected.append(-bounds[y[n].argmax()])
        else:
            expected.append(-sum(q[n, k] * (bounds[k] - np.log(q[n, k])) for k in range(10)))
    np.testing.assert_allclose(np.sum(terms, axis=0), expected, rtol=1e-4)
    cross_entropy = -np.log(q[np.arange(3), digits.test.labels[:3]]).sum() / 6
    assert loss == pytest.approx(np.mean(expected) + few_labels["alpha"] * cross_entropy, rel=1e-4)


def test_pixels_are_drawn_with_their_grey_level_as_probability(session, digits):
    few_labels = definitions("few_labels", mnist=digits)
    vae, *_ = few_labels["build_m2"](few_labels["iterations"])
    images, random = digits.test.images[:5], np.random.default_rng(0)
    inputs = vae.inputs(images, np.zeros([5, 10]))
    of_m2 = [session.run(vae.x, inputs) for _ in range(1000)]
    of_the_network_alone = [few_labels["draw_pixels"](images, random, np.arange(5)) for _ in range(1000)]
    for drawn in of_m2, of_the_network_alone:
        assert set(np.unique(drawn)) == {0, 1}
        np.testing.assert_allclose(np.mean(drawn, axis=0), images, atol=0.08)  # five standard errors


def test_few_labels_are_balanced_and_the_others_are_hidden(digits):
    mnist = read_data_sets("unused", source="builtin", one_hot=True, seed=0)
    few_labels = definitions("few_labels", mnist=mnist)
    data = few_labels["with_few_labels"](100)
    images, labels = few_labels["labelled_part"](data)
    assert images.shape == (100, 784)
    assert labels.sum(axis=0).tolist() == [10] * 10
    known = data.train.labels.sum(axis=1)
    assert known.mean() == pytest.approx(0.2, abs=0.01)
    assert set(known) == {0, 1}


def test_a_slider_changes_the_digit(graph):
    explore = definitions("explore_latent_space")
    codes = np.random.RandomState(0).normal(size=(3, 4))

    def decode(code):
        return np.broadcast_to(np.clip(code[:, :1] / 8 + 0.5, 0, 1), [1, 784])

    sliders = explore["DigitSliders"](codes, [0, 2], decode)
    before = sliders.picture.value
    assert sliders.own_values[1].value.endswith(f"{codes[0, 2]:+.2f}")
    sliders.sliders[0].value = 3.0
    assert sliders.picture.value != before
    sliders.button.click()
    assert sliders.sliders[0].value == pytest.approx(codes[1, 0])
    assert sliders.box()
