"""A checkpoint of a different model is refused, and the error names the difference."""

import json
import re

import pytest
import tensorflow.compat.v1 as tf
from models import dropout_encoder, tanh_decode
from training_runs import build_and_train, seeded_digits

import vae_tf1
from vae_tf1 import build_vae, session_config, train
from vae_tf1.graph.fingerprint import describe_computation, describe_difference


def built(**options):
    return lambda: build_vae(seed=0, **options)


def square_relu_encoder(x):
    return vae_tf1.encoder(tf.square(x))


CHANGES = {
    "activation": (built(), built(decode=tanh_decode), "decoder/fc1 has Tanh here, Relu there"),
    "beta": (built(beta=2.0), built(beta=4.0), r"unlabeled/optimizer/beta is 4\. here, 2\. there"),
    "beta of 1": (built(), built(beta=4.0), r"unlabeled/optimizer has beta = 4\. here, which is missing there"),
    "learning rate": (
        built(),
        lambda: build_vae(seed=0, optimizer=tf.train.AdamOptimizer(0.01)),
        r"unlabeled/optimizer/Adam/learning_rate is 0\.01 here, 0\.001 there",
    ),
    "optimizer": (
        built(),
        lambda: build_vae(seed=0, optimizer=tf.train.GradientDescentOptimizer(0.001)),
        "the optimizer is GradientDescent here, Adam there",
    ),
    "beta back to 1": (built(beta=4.0), built(), r"unlabeled/optimizer has beta = 4\. there, which is missing here"),
    "width": (
        built(),
        built(hidden_units=64),
        r"shape of encoder/fc1/weights is \(784, 64\) here, \(784, 128\) there",
    ),
    "a layer more": (built(), built(encoder=square_relu_encoder), "encoder has Square here, which is missing there"),
    "dropout left out": (
        built(encoder=dropout_encoder),
        built(encoder=lambda x: vae_tf1.encoder(x, hidden_units=32, latent_dimensions=8)),
        "encoder/dropout1/dropout is there but not here",
    ),
}


@pytest.mark.parametrize("change", ["activation", "beta", "optimizer"])
def test_a_changed_model_is_refused(change, tmp_path):
    before, after, said = CHANGES[change]
    build_and_train(before, 3, checkpoint_dir=tmp_path)
    with pytest.raises(ValueError, match=f"belongs to another model: {said}; undo that change, or pass"):
        build_and_train(after, 6, checkpoint_dir=tmp_path)
    assert len(build_and_train(before, 8, checkpoint_dir=tmp_path)[0]) == 1


def computed_by(build):
    with tf.Graph().as_default():
        vae = build()
        computation = describe_computation(vae.loss, vae.train_step)
        return json.loads(json.dumps(computation))  # as a checkpoint stores it


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_described_in_words(change):
    before, after, said = CHANGES[change]
    there = computed_by(before)
    assert describe_difference(there, computed_by(before)) is None
    assert re.fullmatch(said, describe_difference(there, computed_by(after)))
    assert describe_difference(computed_by(after), there) is not None


def test_the_other_loop_and_other_reports_are_not_refused(tmp_path):
    build_and_train(built(), 3, checkpoint_dir=tmp_path)
    build_and_train(built(), 6, checkpoint_dir=tmp_path, compiled=True, report_every=2, log_dir=tmp_path / "logs")
    assert len(build_and_train(built(), 9, checkpoint_dir=tmp_path)[0]) == 1


def test_a_graph_of_another_tensorflow_is_resumed_with_a_warning(tmp_path, monkeypatch):
    monkeypatch.setattr(vae_tf1.training.run, "version", lambda name: "2.20.0")
    build_and_train(built(), 3, checkpoint_dir=tmp_path)
    monkeypatch.undo()
    build_and_train(built(), 4, checkpoint_dir=tmp_path)  # no warning: another version, the same graph
    monkeypatch.setattr(vae_tf1.training.run, "version", lambda name: "2.20.0")
    build_and_train(built(), 5, checkpoint_dir=tmp_path)
    monkeypatch.undo()
    with pytest.warns(
        UserWarning,
        match=r"written with tensorflow 2\..*tf-keras 2\.20\.0.* has changed since: decoder/fc1 has Tanh here",
    ):
        build_and_train(built(decode=tanh_decode), 6, checkpoint_dir=tmp_path)


def test_checkpoints_of_an_earlier_version_are_refused_with_advice(tmp_path, monkeypatch):
    monkeypatch.setattr(vae_tf1.training.checkpoints, "_FORMAT", None)
    build_and_train(built(), 3, checkpoint_dir=tmp_path)
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"another version of vae_tf1, .*initial_checkpoint='\S+/model\.ckpt'"):
        build_and_train(built(), 6, checkpoint_dir=tmp_path)
    path = tmp_path / "iterations-3" / "model.ckpt"
    assert len(build_and_train(built(), 1, checkpoint_dir=tmp_path / "new", initial_checkpoint=path)[0]) == 1


def call_python(x):
    doubled = tf.py_func(lambda array: 2 * array, [x], tf.float32)
    doubled.set_shape(x.shape)
    return vae_tf1.encoder(doubled)


def switch(x):
    def choose():
        return tf.switch_case(tf.shape(x)[1] - 784, [lambda: x, lambda: 2 * x])

    return vae_tf1.encoder(tf.reshape(tf.cond(tf.shape(x)[0] > 0, choose, lambda: x), [-1, 784]))


@pytest.mark.parametrize("encoder", [call_python, switch])
def test_names_that_tensorflow_counts_in_a_process_are_no_difference(tmp_path, encoder):
    for iterations in 1, 2:
        with tf.Graph().as_default(), tf.Session(config=session_config()) as session:
            vae = build_vae(encoder=encoder)
            (report,) = list(train(session, vae, seeded_digits(), iterations, 20, 1, checkpoint_dir=tmp_path))
    assert report.iteration == 1
