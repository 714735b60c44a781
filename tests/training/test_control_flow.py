"""Conditionals and loops in a model, and graphs that training leaves unchanged."""

import warnings

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
import tf_slim as slim
from tf_keras.api._v1.keras.__internal__.legacy import rnn_cell
from training_runs import seeded_digits

from vae_tf1 import build_vae, decode, session_config, train


def flip(z):
    return tf.cond(tf.reduce_sum(z) > 0, lambda: z, lambda: -z)


def nested(z):
    return tf.cond(tf.reduce_sum(z) > 0, lambda: tf.cond(tf.reduce_max(z) > 1, lambda: 2 * z, lambda: z), lambda: -z)


def chosen(z):
    total = tf.reduce_sum(z)
    return tf.case([(total > 1, lambda: z), (total < -1, lambda: -z)], default=lambda: 0.5 * z)


def repeated(z):
    return tf.while_loop(lambda i, _: i < 3, lambda i, z: (i + 1, 0.9 * z), [0, z], maximum_iterations=3)[1]


@pytest.mark.parametrize("change", [flip, chosen, repeated])
def test_control_flow_compiles_and_trains_like_the_plain_loop(change):
    losses = []
    for compiled in False, True:
        with tf.Graph().as_default(), tf.Session(config=session_config()) as session:
            vae = build_vae(seed=0, decode=lambda z: decode(change(z)), hidden_units=16, latent_dimensions=4)
            losses.append(
                [r.loss for r in train(session, vae, seeded_digits(), 21, report_every=10, compiled=compiled)]
            )
    assert losses[1] == pytest.approx(losses[0], rel=0.03)


def test_a_conditional_that_xla_cannot_differentiate_raises_one_sentence(graph):
    vae = build_vae(decode=lambda z: decode(nested(z)), hidden_units=16)
    with tf.Session(config=session_config()) as session:
        with pytest.raises(ValueError, match=r"XLA cannot compile this model .*use tf\.where instead"):
            list(train(session, vae, seeded_digits(), 1, compiled=True))
        list(train(session, vae, seeded_digits(), 1))


def test_a_learning_rate_in_pieces_compiles():
    with tf.Graph().as_default(), tf.Session(config=session_config()) as session:
        step = tf.train.get_or_create_global_step()
        rate = tf.train.piecewise_constant(step, [5, 10], [1e-2, 1e-3, 0.0])
        vae = build_vae(seed=0, optimizer=tf.train.GradientDescentOptimizer(rate), hidden_units=16)
        list(train(session, vae, seeded_digits(), 11, compiled=True))
        before = session.run(tf.trainable_variables())
        list(train(session, vae, seeded_digits(), 5, compiled=True))
        assert session.run(step) == 16
        for weights, expected in zip(session.run(tf.trainable_variables()), before):
            np.testing.assert_array_equal(weights, expected)


@pytest.mark.filterwarnings("ignore:The initial value of .* has a seed of its own")
def test_a_dynamic_rnn_that_xla_cannot_compile_raises_one_sentence():
    def encoder(x):
        rows = tf.reshape(x, [-1, 28, 28])
        cell = basic_cell(8)
        _, state = tf.nn.dynamic_rnn(cell, rows, dtype=tf.float32)
        return slim.fully_connected(state, 8, activation_fn=None, scope="fc")

    with tf.Graph().as_default(), tf.Session(config=session_config()) as session:
        vae = build_vae(seed=0, encoder=encoder, hidden_units=16)
        with pytest.raises(ValueError, match=r"gradients pass through a loop .* use tf\.nn\.static_rnn"):
            list(train(session, vae, seeded_digits(), 3, compiled=True))
        list(train(session, vae, seeded_digits(), 3))


def basic_cell(units):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated
        return rnn_cell.BasicRNNCell(units)


@pytest.mark.parametrize("compiled", [False, True])
def test_a_second_call_adds_nothing_to_the_graph_which_may_be_finalized(graph, tmp_path, compiled):
    vae = build_vae(seed=0, hidden_units=16)
    with tf.Session(config=session_config()) as session:
        sizes = []
        for call in range(1, 4):
            options = {"checkpoint_dir": tmp_path / "run", "compiled": compiled}
            list(train(session, vae, seeded_digits(), 2 * call, 50, **options))
            sizes.append(len(graph.get_operations()))
        assert sizes[0] == sizes[1] == sizes[2]
        graph.finalize()
        list(train(session, vae, seeded_digits(), 8, 50, **options))


def test_a_loss_that_is_not_finite_names_the_learning_rate(graph):
    vae = build_vae(seed=0, optimizer=tf.train.GradientDescentOptimizer(1e6), hidden_units=16)
    with tf.Session() as session, pytest.raises(FloatingPointError, match=r"at iteration .*; lower the learning rate"):
        list(train(session, vae, seeded_digits(), 50))


@pytest.mark.parametrize("predicate", ["a default", "not a default", "a condition in the branch"])
def test_a_switch_that_keeps_its_default_compiles_as_the_branch_it_takes(predicate):
    """Compares moving averages of the encoder's batch normalization, which no noise reaches in the first iteration."""

    def encoder(x):
        is_training = tf.placeholder_with_default(predicate != "not a default", [])
        if predicate == "not a default":
            is_training = tf.logical_not(is_training)
        hidden = slim.fully_connected(x, 8, activation_fn=None, scope="fc1")
        hidden = slim.batch_norm(hidden, is_training=is_training, decay=0.5)
        if predicate == "a condition in the branch":
            bent = lambda: tf.cond(tf.reduce_mean(hidden) > 0, lambda: tf.square(hidden), lambda: hidden)  # noqa: E731
            hidden = tf.stop_gradient(tf.cond(is_training, bent, lambda: hidden)) + hidden
        return slim.fully_connected(hidden, 8, activation_fn=None, scope="fc2")

    def moving_averages(compiled):
        with tf.Graph().as_default(), tf.Session(config=session_config(compiled=compiled)) as session:
            vae = build_vae(seed=0, encoder=encoder, hidden_units=16)
            (report,) = train(session, vae, seeded_digits(), 1, 50, compiled=compiled)
            return report.loss, session.run([each for each in tf.global_variables() if "moving" in each.name])

    (loss, plain), (compiled_loss, compiled) = moving_averages(False), moving_averages(True)
    assert compiled_loss == pytest.approx(loss, rel=0.02)
    assert len(plain) == 2
    for average, expected in zip(compiled, plain):
        np.testing.assert_allclose(average, expected, rtol=1e-5, atol=1e-6)
        assert not np.allclose(expected, expected[0])


def test_batch_normalization_needs_no_other_import(graph):
    build_vae(encoder=lambda x: slim.fully_connected(x, 8, normalizer_fn=slim.batch_norm, activation_fn=None))
