"""The port reproduces the numbers of TensorFlow 1.15.5 that `tf1_reference/` records.

They are not identical in every bit: TensorFlow's `exp`, `log1p` and square root round differently today, and where
rounding flips the sign of a gradient close to zero, Adam takes a whole step in the other direction. That happens within
100 iterations for one seed in ten, but in none of the runs that are recorded in full. TensorFlow 1.15.5 agrees no
better with itself: with two threads instead of one, it happens for a quarter of the seeds.
"""

import base64
import functools
import hashlib
import json
from pathlib import Path

import numpy as np
import numpy_vae
import programs
import pytest
import tensorflow.compat.v1 as tf
from training_runs import seeded_digits

import vae_tf1
from vae_tf1 import binarize, build_vae, read_data_sets, session_config, train
from vae_tf1.data.mnist import BUILTIN_DIR
from vae_tf1.input_data import DataSet

RECORDS = Path(__file__).parent / "tf1_reference"
RUNS = sorted(path.stem for path in RECORDS.glob("*_seed*.json"))


@functools.cache
def record(name: str):
    return json.loads((RECORDS / f"{name}.json").read_text())


def data_of(name: str, request) -> vae_tf1.Datasets:
    directory = request.getfixturevalue("mnist_dir") if name.startswith("mnist") else BUILTIN_DIR
    return read_data_sets(directory, one_hot=True, seed=record(name)["seed"])


def repeat(name: str, request) -> dict:
    """Repeats the first 1000 iterations of the recorded run, and draws all of its batches."""
    data, expected = data_of(name, request), record(name)
    batches, validation_batches, losses = hashlib.sha256(), hashlib.sha256(), []
    with tf.Graph().as_default() as graph, tf.Session(config=session_config()) as session:
        vae = build_vae(seed=expected["seed"])
        session.run(tf.global_variables_initializer())
        weights = b"".join(value.tobytes() for value in session.run(tf.trainable_variables()))
        step = session.make_callable([vae.loss, vae.train_step], feed_list=[vae.x])
        for i in range(expected["iterations"]):
            images, labels = data.train.next_batch(100)
            if i < 1200:
                batches.update(images.tobytes() + labels.tobytes())
            if i < 1000:
                losses.append(step(binarize(images))[0])
            if i % 1000 == 0:
                images, labels = data.validation.next_batch(5)
                validation_batches.update(images.tobytes() + labels.tobytes())
                x_hat = session.run(vae.x_hat, {vae.x: binarize(images)})
                if i == 0:
                    first_x_hat = x_hat
        op_seeds = [op.get_attr("seed2") for op in graph.get_operations() if "seed2" in op.node_def.attr]
        variables = {variable.op.name: variable.shape.as_list() for variable in tf.global_variables()}
    return {
        "op_seeds": op_seeds,
        "variables": variables,
        "initial_weights_sha256": hashlib.sha256(weights).hexdigest(),
        "train_batches_sha256": batches.hexdigest(),
        "validation_batches_sha256": validation_batches.hexdigest(),
        "losses": np.array(losses, np.float64),
        "first_x_hat": first_x_hat,
    }


@pytest.fixture(
    scope="module",
    params=[
        name if name in ("digits_seed1", "mnist_seed0") else pytest.param(name, marks=pytest.mark.slow) for name in RUNS
    ],
)
def run(request):
    """Returns a recorded run and its repetition."""
    return record(request.param), repeat(request.param, request)


@pytest.mark.parametrize(
    "what", ["variables", "initial_weights_sha256", "train_batches_sha256", "validation_batches_sha256"]
)
def test_is_identical(run, what):
    expected, got = run
    assert got[what] == expected[what]


def test_op_seeds_are_identical(run):
    expected, got = run
    assert got["op_seeds"] == list(expected["op_seeds"].values())


@pytest.mark.parametrize(("first", "tolerance"), [(50, 1e-6), (100, 1e-5), (1000, 1e-2)])
def test_losses(run, first, tolerance):
    expected, got = run
    np.testing.assert_allclose(got["losses"][:first], expected["losses"][:first], rtol=tolerance)


def test_first_reconstructions(run):
    expected, got = run
    x_hat = np.unpackbits(np.frombuffer(base64.b64decode(expected["first_x_hat"]), np.uint8)).reshape(5, 784)
    # Rounding of a probability changes a pixel only if the noise falls between the two values.
    assert (got["first_x_hat"] != x_hat).sum() <= 1


def keeps_bounds(losses, expected) -> bool:
    error = np.abs(losses / expected - 1)
    return error[:50].max() <= 1e-6 and error.max() <= 1e-5


@pytest.mark.slow
def test_runs_are_as_close_to_the_original_as_the_original_is_to_itself(request):
    here, itself = [], []
    for run in record("seeds"):
        directory = request.getfixturevalue("mnist_dir") if run["data"] == "mnist" else BUILTIN_DIR
        data = read_data_sets(directory, seed=run["seed"])
        with tf.Graph().as_default(), tf.Session(config=session_config()) as session:
            vae = build_vae(seed=run["seed"])
            session.run(tf.global_variables_initializer())
            feeds = ({vae.x: binarize(data.train.next_batch(100)[0])} for _ in range(100))
            losses = np.array([session.run([vae.loss, vae.train_step], feed)[0] for feed in feeds], np.float64)
        one, two = (
            np.frombuffer(base64.b64decode(run[key]), np.float32) for key in ("losses", "losses_with_two_threads")
        )
        here.append(keeps_bounds(losses, one))
        itself.append(keeps_bounds(two.astype(np.float64), one))
    assert sum(here) >= sum(itself)
    assert sum(here) >= 0.85 * len(here)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in RUNS if "test" in record(name)])
def test_negative_elbo_of_the_test_images_at_the_end(name, request):
    data, expected = data_of(name, request), record(name)
    with tf.Graph().as_default(), tf.Session(config=session_config()) as session:
        vae = build_vae(seed=expected["seed"])
        for _ in train(session, vae, data, iterations=expected["iterations"]):
            pass
        test = vae_tf1.evaluate(session, vae, data.test.images)
    assert test.negative_elbo == pytest.approx(expected["test"]["negative_elbo"], abs=0.5)
    assert test.kl_divergence == pytest.approx(expected["test"]["kl_divergence"], abs=1.0)


@pytest.mark.parametrize("case", record("next_batch"), ids=lambda case: f"{case['rows']} rows")
def test_next_batch(case):
    rows = np.arange(case["rows"])
    data_set = DataSet(rows[:, None, None].astype(np.uint8), rows, dtype=np.uint8, seed=case["seed"])
    for size, shuffle, drawn in zip(case["sizes"], case["shuffle"], case["drawn"]):
        images, labels = data_set.next_batch(size, shuffle=shuffle)
        assert labels.tolist() == images[:, 0].tolist() == drawn
    assert data_set.epochs_completed == case["epochs"]


@pytest.mark.parametrize("i", range(40))
def test_programs_that_use_the_attributes_of_a_data_set(i):
    """In-place edits, assigned attributes, and seeds of the graph and of NumPy act as in TensorFlow 1.15.5."""

    def new_data_set(images, labels, program):
        with tf.Graph().as_default():
            tf.set_random_seed(program["graph_seed"])
            return DataSet(images, labels, seed=program["seed"])

    seen = programs.run(programs.programs()[i], new_data_set)
    digests = [hashlib.sha256(json.dumps(step).encode()).hexdigest()[:4] for step in seen]
    assert digests == record("programs")[i]


# Checkpoints


def on_ten_images(session, vae, images) -> dict:
    """Computes the same as `record.py`: values for ten images with epsilon = 0, then five steps on a hundred."""
    epsilon = tf.get_default_graph().get_tensor_by_name("decoder/random_normal:0")
    ten, hundred = binarize(images[:10]), binarize(images[:100])
    names = ["mu_logvar", "kl_divergence", "reconstruction"]
    values = session.run([getattr(vae, name) for name in names], {vae.x: ten, epsilon: np.zeros([10, 64])})
    got = {name: np.ravel(value) for name, value in zip(names, values)}
    feed = {vae.x: hundred, epsilon: np.zeros([100, 64])}
    got["five_losses"] = np.array([session.run([vae.loss, vae.train_step], feed)[0] for _ in range(5)])
    return got


def assert_same_on_ten_images(got: dict, expected: dict):
    np.testing.assert_allclose(got["mu_logvar"], expected["mu_logvar"], atol=1e-5, rtol=0)
    for name in "kl_divergence", "reconstruction", "five_losses":
        np.testing.assert_allclose(got[name], expected[name], rtol=1e-5)


@pytest.mark.parametrize("resource_variables", [True, False])
def test_checkpoint_of_tensorflow_1_gives_its_numbers(digits, resource_variables):
    with tf.Graph().as_default(), tf.Session(config=session_config()) as session:
        with tf.variable_scope("", use_resource=resource_variables):
            vae = build_vae()
        tf.train.Saver().restore(session, str(RECORDS / "digits_seed1.ckpt"))
        got = on_ten_images(session, vae, digits.test.images)
    assert_same_on_ten_images(got, record("digits_seed1")["on_ten_images"])


def train_a_little(session, vae, path):
    """Writes the checkpoint that TensorFlow 1.15.5 has read: 20 iterations on the built-in digits, seed 1."""
    data = seeded_digits(1)
    for _ in train(session, vae, data, iterations=20):
        pass
    return tf.train.Saver().save(session, str(path))


def test_checkpoint_of_this_project_gave_tensorflow_1_the_same_numbers(digits, tmp_path):
    with tf.Graph().as_default(), tf.Session(config=session_config()) as session:
        vae = build_vae(seed=1)
        path = train_a_little(session, vae, tmp_path / "model.ckpt")
    with tf.Graph().as_default(), tf.Session(config=session_config()) as session:
        vae = build_vae()
        tf.train.Saver().restore(session, path)
        got = on_ten_images(session, vae, digits.test.images)
    assert_same_on_ten_images(got, record("restored")["on_ten_images"])


def test_likelihoods_of_a_tensorflow_1_model_agree_with_numpy(digits):
    """The package's estimates agree with a float64 loop over images, which shares neither code nor noise with them."""
    images = binarize(digits.test.images)
    with tf.Graph().as_default(), tf.Session(config=session_config()) as session:
        vae = build_vae()
        tf.train.Saver().restore(session, str(RECORDS / "digits_seed1.ckpt"))
        negative_elbo = vae_tf1.evaluate(session, vae, images).negative_elbo
        log_likelihood = vae_tf1.log_likelihood(session, vae, images[:150], 500).mean()
        weights = {v.op.name: session.run(v).astype(np.float64) for v in tf.trainable_variables()}
    random_state = np.random.RandomState(0)
    elbo, estimates = [], []
    for i, x in enumerate(images.astype(np.float64)):
        mu, logvar = numpy_vae.encode(weights, x[None])
        epsilon = random_state.normal(size=(500 if i < 150 else 4, 64))
        z = mu + np.exp(logvar / 2) * epsilon
        log_weights = -numpy_vae.reconstruction(numpy_vae.decode(weights, z), x)
        log_weights += 0.5 * (epsilon**2 + logvar - z**2).sum(axis=1)
        elbo.append(log_weights.mean())
        if i < 150:
            estimates.append(np.log(np.exp(log_weights - log_weights.max()).mean()) + log_weights.max())
    assert negative_elbo == pytest.approx(-np.mean(elbo), abs=0.15)
    assert log_likelihood == pytest.approx(np.mean(estimates), abs=0.15)


def test_record_is_small():
    assert sum(path.stat().st_size for path in RECORDS.iterdir() if path.is_file()) < 3.1e6
