import math

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
import tf_keras
import tf_slim as slim
from training_runs import seeded_digits

import vae_tf1
from vae_tf1 import Report, build_vae, read_data_sets, session_config, train
from vae_tf1.training.plain import plain_steps


@pytest.fixture
def vae(graph):
    return build_vae(seed=0)


@pytest.fixture
def session(vae):
    with tf.Session(config=session_config()) as session:
        yield session


@pytest.fixture
def data():
    return seeded_digits()


def test_reports_come_at_multiples_of_report_every(session, vae, data):
    reports = list(train(session, vae, data, iterations=25, report_every=10))
    assert [report.iteration for report in reports] == [0, 10, 20]
    for report in reports:
        assert isinstance(report, Report)
        assert report.images.shape == report.reconstructions.shape == (5, 784)
        assert set(np.unique(report.reconstructions)) <= {0, 1}
        assert math.isclose(report.loss, report.reconstruction + report.kl_divergence, rel_tol=1e-5)


def test_reports_hold_means_since_the_last_one(session, vae, data):
    reports = list(train(session, vae, data, iterations=11, report_every=5))
    with tf.Session(config=session_config()) as plain:
        plain.run(tf.global_variables_initializer())
        again = seeded_digits()
        losses = []
        for i in range(11):
            x = vae_tf1.binarize(again.train.next_batch(100)[0])
            losses.append(plain.run([vae.loss, vae.train_step], {vae.x: x})[0])
            if i % 5 == 0:
                images = again.validation.next_batch(5)[0]
                np.testing.assert_array_equal(reports[i // 5].images, images)
                x_hat = plain.run(vae.x_hat, {vae.x: vae_tf1.binarize(images)})
                np.testing.assert_array_equal(reports[i // 5].reconstructions, x_hat)
    expected = [losses[0], np.mean(losses[1:6]), np.mean(losses[6:11])]
    np.testing.assert_allclose([report.loss for report in reports], expected, rtol=1e-6)


def test_plain_steps_train_on_every_batch(session, vae, data):
    images = data.train.black_and_white
    rows = np.arange(60).reshape(3, 20)
    session.run(tf.global_variables_initializer())
    losses = plain_steps(session, vae, {vae.x: images})(rows, 0)
    with tf.Session(config=session_config()) as by_hand:
        by_hand.run(tf.global_variables_initializer())
        for batch, terms in zip(rows, losses, strict=True):
            loss, reconstruction, _ = by_hand.run(
                [vae.loss, vae.reconstruction, vae.train_step], {vae.x: images[batch]}
            )
            assert (loss, reconstruction.mean()) == tuple(terms[:2])
        for variable in tf.global_variables():
            np.testing.assert_array_equal(session.run(variable), by_hand.run(variable))


def test_two_seeded_runs_are_bit_identical(vae):
    ends = []
    for _ in range(2):
        with tf.Session(config=session_config()) as session:
            list(train(session, vae, seeded_digits(1), iterations=30))
            ends.append(session.run(tf.global_variables()))
    for first, second in zip(*ends):
        np.testing.assert_array_equal(first, second)


def test_training_lowers_the_loss_of_built_in_digits(session, vae, data):
    reports = list(train(session, vae, data, iterations=1001, report_every=500))
    assert reports[0].loss > 500
    assert reports[-1].loss < 180
    assert vae_tf1.evaluate(session, vae, data.test.images).negative_elbo < 180


def test_trained_variables_are_trained_further(session, vae, data):
    list(train(session, vae, data, iterations=3))
    before = session.run(tf.trainable_variables())
    list(train(session, vae, data, iterations=0))
    for value, expected in zip(session.run(tf.trainable_variables()), before):
        np.testing.assert_array_equal(value, expected)


def test_zero_iterations_initialize_and_report_nothing(session, vae, data):
    assert list(train(session, vae, data, iterations=0)) == []
    assert session.run(tf.report_uninitialized_variables()).size == 0


def test_loss_that_is_not_finite_names_the_iteration(session, vae, data):
    reports = train(session, vae, data, iterations=10, report_every=3)
    next(reports)
    next(reports)
    tf.trainable_variables()[-1].load(np.full([784], np.nan, np.float32), session)
    with pytest.raises(FloatingPointError, match="The loss is nan at iteration 4"):
        next(reports)


@pytest.mark.parametrize(
    "wrong",
    [{"iterations": -1}, {"batch_size": 0}, {"batch_size": 15001}, {"report_every": 0}, {"checkpoint_every": 0}],
    ids=lambda wrong: "{}={}".format(*next(iter(wrong.items()))),
)
def test_arguments_out_of_range(session, vae, data, wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"{name} is {value}; pass"):
        train(session, vae, data, **wrong)


def test_checkpoint_every_needs_a_directory(session, vae, data):
    with pytest.raises(ValueError, match="checkpoint_every is 10, but checkpoint_dir is None; pass a directory"):
        train(session, vae, data, checkpoint_every=10)


def test_too_few_validation_images(session, vae):
    data = read_data_sets("unused", source="builtin", validation_size=0)
    with pytest.raises(ValueError, match="has 0 images, but a report shows 5"):
        train(session, vae, data)


def test_session_of_another_graph(vae, data):
    with tf.Session(graph=tf.Graph()) as session, pytest.raises(ValueError, match="another graph"):
        train(session, vae, data)


def test_images_of_bytes_are_refused(session, vae):
    data = read_data_sets("unused", source="builtin", dtype=np.uint8)
    with pytest.raises(ValueError, match=r"images of data are uint8 \[784\], not float32"):
        list(train(session, vae, data, iterations=1))


def test_progress_is_shown_on_stderr_and_stdout_is_the_callers(session, vae, data, capsys, monkeypatch):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    for report in train(session, vae, data, iterations=12, report_every=10):
        print(f"Iteration {report.iteration}:")
    shown = capsys.readouterr()
    assert shown.out == "Iteration 0:\nIteration 10:\n"
    assert "12/12" in shown.err


def test_initial_weights_that_ignore_the_seed_are_warned_about(graph):
    """Layers of tf_keras draw their initial weights with a seed of their own."""
    tf.set_random_seed(0)

    def encoder(x):
        return slim.fully_connected(tf_keras.layers.Dense(8)(x), 8, activation_fn=None, scope="fc")

    vae = build_vae(seed=0, encoder=encoder, hidden_units=16)
    with tf.Session() as session, pytest.warns(UserWarning, match="has a seed of its own, as in Keras layers"):
        list(train(session, vae, seeded_digits(), 1))


MISTAKES = {
    "iterations of a float": ({"iterations": 1e4}, TypeError, "iterations is 10000.0; pass an integer"),
    "iterations of text": ({"iterations": "100"}, TypeError, "iterations is '100'; pass an integer"),
    "batches of None": ({"batch_size": None}, TypeError, "batch_size is None; pass an integer"),
    "a truth value": ({"report_every": True}, TypeError, "report_every is True; pass an integer"),
    "a cadence of a float": ({"checkpoint_every": 2.5, "checkpoint_dir": "x"}, TypeError, "checkpoint_every is 2.5"),
    "a directory of bytes": ({"checkpoint_dir": b"x"}, TypeError, "checkpoint_dir is b'x'; pass a path"),
    "a directory of a number": ({"checkpoint_dir": 3}, TypeError, "checkpoint_dir is 3; pass a path"),
    "a bucket": (
        {"checkpoint_dir": "gs://bucket/run"},
        ValueError,
        "checkpoint_dir is 'gs://bucket/run', but only local",
    ),
    "a bucket of logs": ({"log_dir": "gs://bucket/run"}, ValueError, "log_dir is 'gs://bucket/run', but only local"),
    "a start from a bucket": (
        {"initial_checkpoint": "s3://a/b"},
        ValueError,
        "initial_checkpoint is 's3://a/b', but only",
    ),
    "no data": ({"data": None}, TypeError, "data is a NoneType; pass the Datasets"),
    "no sets": ({"data": vae_tf1.Datasets(*np.zeros(3))}, TypeError, "data.train is a float64"),
    "no session": ({"sess": None}, TypeError, r"sess is None; pass an open tf\.Session"),
    "no model": ({"vae": None}, TypeError, "vae is a NoneType; pass the VAE"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_one_sentence_when_train_is_called(session, vae, data, mistake):
    changed, error, said = MISTAKES[mistake]
    with pytest.raises(error, match=f"^{said}.*[.]$"):
        train(**{"sess": session, "vae": vae, "data": data, **changed})


def test_paths_are_expanded_alike(session, vae, data, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    list(train(session, vae, data, 1, checkpoint_dir="~/run", log_dir="~/logs"))
    assert vae_tf1.past_reports("~/run")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs", "run"]
    list(train(session, vae, data, 0, initial_checkpoint="~/run"))
    for path in None, 3, "gs://bucket/run":
        with pytest.raises((TypeError, ValueError), match="checkpoint_dir is"):
            vae_tf1.past_reports(path)


def test_a_session_that_is_closed_too_early_is_named(vae, data, tmp_path):
    with tf.Session() as session:
        reports = train(session, vae, data, 3)
    with pytest.raises(ValueError, match="sess is closed; stay inside its `with` block"):
        next(reports)
    with tf.Session() as session:
        reports = train(session, vae, data, 30, report_every=2, checkpoint_dir=tmp_path, checkpoint_every=20)
        next(reports)
    with pytest.raises(RuntimeError, match="sess was closed before the checkpoint after 1 iterations was written"):
        reports.close()
    with tf.Session() as session:
        reports = train(session, vae, data, 30, report_every=2)
        next(reports)
    with pytest.raises(ValueError, match="sess is closed"):
        next(reports)


def test_images_mapped_from_a_file_train_like_those_in_memory(tmp_path):
    images = np.random.RandomState(0).randint(0, 256, [60, 28, 28]).astype(np.uint8)
    np.save(tmp_path / "images.npy", images)
    weights = []
    for array in images, np.load(tmp_path / "images.npy", mmap_mode="r"):
        sets = [vae_tf1.DataSet(array, None, seed=0) for _ in range(3)]
        with tf.Graph().as_default(), tf.Session(config=session_config()) as session:
            vae = build_vae(seed=0, hidden_units=16)
            list(train(session, vae, vae_tf1.Datasets(*sets), 9, 20))
            assert [data_set.mapped for data_set in sets] == 3 * [array is not images]
            weights.append(session.run(tf.trainable_variables()))
            if array is not images:
                with pytest.raises(ValueError, match="mapped from a file; train without compiled=True"):
                    train(session, vae, vae_tf1.Datasets(*sets), 9, 20, compiled=True)
    for ours, expected in zip(*weights, strict=True):
        np.testing.assert_array_equal(ours, expected)
