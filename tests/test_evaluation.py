import copy
import io
import pickle

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from models import from_pieces

from vae_tf1 import Estimate, binarize, build_vae, evaluate, export_saved_model, log_likelihood, session_config, train


@pytest.fixture
def vae(graph):
    return build_vae(seed=0)


@pytest.fixture
def session(vae):
    with tf.Session(config=session_config()) as session:
        session.run(tf.global_variables_initializer())
        yield session


def test_kl_divergence_is_the_mean_over_all_images_whatever_the_batch(session, vae, digits):
    images = digits.test.images[:103]
    expected = session.run(vae.kl_divergence, {vae.x: binarize(images)}).astype(np.float64)
    for batch_size in 1, 10, 103, 1000:
        kl_divergence = evaluate(session, vae, images, batch_size=batch_size).kl_divergence
        assert kl_divergence == pytest.approx(expected.mean(), rel=1e-6)
        assert kl_divergence.standard_error == pytest.approx(expected.std(ddof=1) / 103**0.5, rel=1e-5)


def test_negative_elbo_is_the_sum_of_its_terms(session, vae, digits):
    negative_elbo, reconstruction, kl_divergence = evaluate(session, vae, digits.test.images[:50])
    assert negative_elbo == pytest.approx(reconstruction + kl_divergence)
    assert 400 < negative_elbo < 800  # untrained: 784 ln 2 = 543 nats, and the KL divergence


def test_estimate_is_a_number_with_a_standard_error():
    estimate = Estimate.of(np.array([1.0, 2.0, 3.0, 6.0]))
    assert estimate == 3.0
    assert estimate.standard_error == pytest.approx((14 / 3) ** 0.5 / 2)
    assert f"{estimate:.1f}" == "3.0"
    assert repr(estimate) == "3.000 ± 1.080"
    assert copy.deepcopy(estimate).standard_error == estimate.standard_error


def test_bad_arguments(session, vae, digits):
    with pytest.raises(ValueError, match="has no row"):
        evaluate(session, vae, digits.test.images[:0])
    with pytest.raises(ValueError, match="batch_size is 0"):
        evaluate(session, vae, digits.test.images[:5], batch_size=0)
    with pytest.raises(ValueError, match=r"images \[N, pixels\]"):
        evaluate(session, vae, digits.test.images[0])


@pytest.mark.parametrize(
    "use",
    [
        evaluate,
        lambda session, vae, images: log_likelihood(session, vae, images, 2),
        lambda session, vae, images: export_saved_model(session, vae, "unused"),
    ],
    ids=["evaluate", "log_likelihood", "export_saved_model"],
)
def test_before_training_the_error_says_what_to_do(graph, digits, use):
    vae = build_vae()
    with tf.Session() as session, pytest.raises(ValueError, match=r"no values in sess yet; iterate over train"):
        use(session, vae, digits.test.images[:2])


def test_with_beta_the_loss_is_weighted_and_the_evaluation_is_not(graph, digits):
    images = binarize(digits.test.images[:30])
    vae = build_vae(seed=0, beta=4.0)
    with tf.Session(config=session_config()) as session:
        report = next(train(session, vae, digits))
        assert report.loss == pytest.approx(report.reconstruction + 4 * report.kl_divergence, rel=1e-5)
        loss, reconstruction, kl = session.run([vae.loss, vae.reconstruction, vae.kl_divergence], {vae.x: images})
        evaluation = evaluate(session, vae, images)
    assert loss == pytest.approx((reconstruction + 4 * kl).mean(), rel=1e-5)
    assert evaluation.negative_elbo == pytest.approx(evaluation.reconstruction + evaluation.kl_divergence)
    assert evaluation.kl_divergence == pytest.approx(kl.mean(), rel=1e-5)


def test_estimates_are_numbers():
    estimate = Estimate.of([1.0, 2.0, 3.0, 6.0])
    assert np.mean([estimate, 5.0]) == 4.0
    assert np.mean(estimate) == np.asarray(estimate) == estimate == 3.0
    assert np.sqrt(estimate) == 3**0.5
    assert f"{estimate:.1f}" == "3.0"
    assert f"{estimate!r}" == str(estimate) == "3.000 ± 1.080"
    for other in copy.deepcopy(estimate), pickle.loads(pickle.dumps(estimate)):
        assert (other, other.standard_error) == (3.0, estimate.standard_error)


def test_a_latent_code_of_another_distribution_is_refused(graph, digits):
    tf.set_random_seed(0)
    vae = from_pieces(bounded=True)
    with tf.Session(config=session_config()) as session:
        list(train(session, vae, digits, iterations=1))
        for measure in evaluate, log_likelihood:
            with pytest.raises(ValueError, match=r"/ sigma has mean \S+ and standard deviation 1\.[4-9]"):
                measure(session, vae, digits.test.images[:3])


@pytest.mark.parametrize(("encoding", "sign"), [("ascii", "+/-"), ("utf-8", "±")])
def test_an_estimate_can_be_printed_on_any_terminal(monkeypatch, encoding, sign):
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding))
    print(Estimate.of(np.array([1.0, 3.0])))
    assert repr(Estimate.of(np.array([1.0, 3.0]))) == f"2.000 {sign} 1.000"


def test_estimates_are_of_one_value_per_image():
    with pytest.raises(ValueError, match=r"^values is \[10, 5\]; pass one value per image, \[N\]\.$"):
        Estimate.of(np.zeros([10, 5]))
