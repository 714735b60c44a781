"""Extreme values, compared with what TensorFlow 1.15.5 did with them: `tf1_reference/numerics.json`."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from training_runs import seeded_digits

from vae_tf1 import build_vae, session_config, train

RECORD = json.loads((Path(__file__).parent.parent / "tf1_reference" / "numerics.json").read_text())
BLACK, WHITE = np.zeros([2, 784], np.float32), np.ones([2, 784], np.float32)
NOISE = np.tile([-1.0, 1.0], 64).reshape(2, 64)


def feed_of(case, vae):
    """The values that `record.py` feeds in a case."""
    feed = {vae.x: WHITE if "white" in case else BLACK}
    if match := re.fullmatch(r"log-variances of (\S+)", case):
        feed[vae.mu_logvar] = np.concatenate([np.zeros([2, 64]), np.full([2, 64], float(match[1]))], axis=1)
    if match := re.match(r"logits of (\S+),", case):
        feed[vae.x_logits] = np.full([2, 784], float(match[1]))
    return feed


@pytest.fixture(scope="module")
def compute():
    """The loss and its gradients in a case, by name."""
    with tf.Graph().as_default() as graph, tf.Session(config=session_config()) as session:
        vae = build_vae(seed=0)
        session.run(tf.global_variables_initializer())
        sources = {"mu_logvar": vae.mu_logvar, "x_logits": vae.x_logits}
        sources |= {variable.op.name: variable for variable in tf.trainable_variables()}
        fetches = [vae.loss, dict(zip(sources, tf.gradients(vae.loss, [*sources.values()])))]
        epsilon = graph.get_tensor_by_name("decoder/random_normal:0")
        yield lambda case: session.run(fetches, {**feed_of(case, vae), epsilon: NOISE})


@pytest.mark.parametrize("case", RECORD)
def test_losses_and_finite_gradients_are_those_of_tensorflow_1(compute, case):
    loss, gradients = compute(case)
    np.testing.assert_allclose(loss, float(RECORD[case]["loss"]), rtol=1e-5)
    not_finite = sorted(name for name, gradient in gradients.items() if not np.isfinite(gradient).all())
    assert not_finite == RECORD[case]["not finite"]


@pytest.mark.parametrize("compiled", [False, True], ids=["plain", "compiled"])
@pytest.mark.parametrize(
    "logvar",
    [88, *(pytest.param(logvar, marks=pytest.mark.slow) for logvar in (-120, -104, -88, -50, 50, 80, 1000, np.inf))],
)
def test_training_stays_finite_or_stops_and_says_where(tmp_path, logvar, compiled):
    """Continues from a checkpoint of three good iterations, with an encoder that returns such log-variances."""
    data = seeded_digits()
    options = {"checkpoint_dir": tmp_path, "report_every": 2, "compiled": compiled}
    with tf.Graph().as_default(), tf.Session(config=session_config(compiled=compiled)) as session:
        vae = build_vae(seed=0)
        list(train(session, vae, data, iterations=3, **options))
        reports = train(session, vae, data, iterations=9, **options)
        weights, biases = tf.trainable_variables("encoder/fc2")

        def spoil(report):
            weights.load(np.zeros(weights.shape), session)
            biases.load(np.repeat(np.float32([0, logvar]), 64), session)

        spoil(next(reports))
        try:
            for _ in reports:
                pass
            finite = True
        except FloatingPointError as error:
            finite = False
            said = str(error)
        values = session.run(tf.global_variables())
    assert finite == (abs(logvar) <= 120 and logvar < 0)
    if finite:
        assert all(np.isfinite(value).all() for value in values)
    else:
        assert re.search(r"(at|after) iteration [5-8]", said)
    for path in tmp_path.glob("iterations-*"):
        reader = tf.train.load_checkpoint(str(path / "model.ckpt"))
        for name in reader.get_variable_to_shape_map():
            assert np.isfinite(reader.get_tensor(name)).all(), (path, name)
