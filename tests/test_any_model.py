"""Any model that a user builds is the one that is trained, evaluated, resumed and exported."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from idx_files import write_idx
from models import MODELS, from_pieces, log_weights_by_hand
from scipy.special import logsumexp
from training_runs import assert_same, build_and_train, seeded_digits

import vae_tf1
from vae_tf1 import Estimate, binarize, build_vae, evaluate, log_likelihood, read_data_sets, session_config, train

SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "compiled"),
    [
        pytest.param(
            name, compiled, marks=() if name in ("tanh decoder", "pieces, Gaussian") and not compiled else SLOW
        )
        for name in MODELS
        for compiled in (False, True)
        if name != "dropout"
    ],
)
def test_numbers_agree_with_a_hand_written_estimate_and_with_the_exported_model(name, compiled, digits, tmp_path):
    images = binarize(digits.test.images[:60])
    with tf.Graph().as_default() as graph, tf.Session(config=session_config(compiled=compiled)) as session:
        tf.set_random_seed(0)
        vae = MODELS[name]()
        first, *_, last = train(session, vae, seeded_digits(), 101, 50, 50, compiled=compiled)
        assert last.loss < first.loss
        operations = len(graph.get_operations())
        evaluation = evaluate(session, vae, images)
        single = Estimate.of(log_likelihood(session, vae, images, 1))
        estimate = log_likelihood(session, vae, images, 130)
        vae_tf1.export_saved_model(session, vae, tmp_path / "model")
        assert len(graph.get_operations()) == operations
        log_weights = log_weights_by_hand(session, vae, images, 200)
        mu = np.split(session.run(vae.mu_logvar, {vae.x: images}), 2, axis=1)[0]
        expected_images = session.run(vae.x_dist.mean(), {vae.z: mu, vae.x: images})
    elbo = log_weights.mean(axis=0)
    one_draw = (
        log_weights.std(axis=0).max() / len(images) ** 0.5
    )  # standard deviation of a mean over images with one draw each
    assert evaluation.negative_elbo == pytest.approx(-elbo.mean(), abs=5 * one_draw)
    assert single == pytest.approx(elbo.mean(), abs=5 * one_draw)
    assert evaluation.negative_elbo == pytest.approx(evaluation.reconstruction + evaluation.kl_divergence)
    by_hand = logsumexp(log_weights[:130], axis=0) - np.log(130)
    assert estimate.mean() == pytest.approx(by_hand.mean(), abs=1.0)
    assert estimate.mean() > single

    signatures = tf.saved_model.load(tf.Session(graph=tf.Graph()), ["serve"], str(tmp_path / "model")).signature_def
    assert set(signatures) == {"encode", "decode", "reconstruct"}
    with tf.Graph().as_default(), tf.Session() as session:
        tf.saved_model.load(session, ["serve"], str(tmp_path / "model"))

        def get(signature, output, value):
            (source,) = signatures[signature].inputs.values()
            return session.run(signatures[signature].outputs[output].name, {source.name: value})

        np.testing.assert_allclose(get("encode", "mean", images), mu, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(get("decode", "probabilities", mu), expected_images, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(get("reconstruct", "probabilities", images), expected_images, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("resource_variables", [True, False], ids=["resource variables", "TensorFlow 1's variables"])
def test_models_assembled_by_hand_may_have_either_kind_of_variables(graph, digits, resource_variables):
    tf.set_random_seed(0)
    vae = from_pieces(resource_variables=resource_variables)
    with tf.Session(config=session_config()) as session:
        list(train(session, vae, seeded_digits(), 3))
        by_hand = log_weights_by_hand(session, vae, binarize(digits.test.images[:40]), 30).mean()
        assert evaluate(session, vae, digits.test.images[:40]).negative_elbo == pytest.approx(-by_hand, abs=2)


@pytest.mark.parametrize(
    ("name", "compiled"),
    [
        pytest.param(name, compiled, marks=() if name in ("dropout", "pieces") and not compiled else SLOW)
        for name in ("dropout", "convolutions", "beta and RMSProp", "pieces")
        for compiled in (False, True)
    ],
)
def test_a_resumed_run_equals_an_uninterrupted_one(name, compiled, tmp_path):
    def build():
        tf.set_random_seed(0)
        return MODELS[name]()

    whole = build_and_train(build, 20, compiled=compiled)
    reports = []
    for iterations in 4, 11, 20:
        some, variables = build_and_train(build, iterations, compiled=compiled, checkpoint_dir=tmp_path)
        reports += some
    assert_same(variables, whole[1])
    for report, expected in zip(reports, whole[0], strict=True):
        assert report[:4] == expected[:4]
        np.testing.assert_array_equal(report.reconstructions, expected.reconstructions)


def write_images(directory, rows, columns):
    """Writes random images and labels to four IDX files."""
    random_state = np.random.RandomState(0)
    for name, count in ("train", 5200), ("t10k", 30):
        images = random_state.randint(0, 256, [count, rows, columns], np.uint8)
        write_idx(directory / f"{name}-images-idx3-ubyte.gz", images)
        write_idx(directory / f"{name}-labels-idx1-ubyte.gz", (np.arange(count) % 10).astype(np.uint8))


@pytest.mark.parametrize(("rows", "columns"), [(8, 8), (28, 20)])
def test_images_of_another_size_work_from_reading_to_drawing(tmp_path, rows, columns):
    write_images(tmp_path, rows, columns)
    data = read_data_sets(tmp_path, seed=0)
    assert data.train.image_shape == (rows, columns)
    pixels = data.train.images.shape[1]
    with tf.Graph().as_default(), tf.Session(config=session_config()) as session:
        vae = build_vae(seed=0, image_pixels=pixels, hidden_units=16, latent_dimensions=2)
        (report,) = train(session, vae, data, 3, checkpoint_dir=tmp_path / "run", log_dir=tmp_path / "logs")
        (picture,) = vae_tf1.visualize_row(report.images, report.reconstructions, img_width=columns).axes[0].images
        assert picture.get_array().shape == (5 * rows, columns)
        assert np.isfinite(evaluate(session, vae, data.test.images).negative_elbo)
        assert np.isfinite(log_likelihood(session, vae, data.test.images, 5)).all()
        vae_tf1.export_saved_model(session, vae, tmp_path / "model")
        list(train(session, vae, data, 3, compiled=True))
