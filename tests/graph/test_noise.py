"""A model's noise is repeated if possible, and otherwise named in an error."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from models import MODELS, tanh_decode
from training_runs import assert_same, build_and_train, seeded_digits

from vae_tf1 import build_vae, evaluate, log_likelihood, session_config, train


def test_measuring_a_model_with_noise_of_its_own_repeats_and_leaves_training_alone(digits):
    images = digits.test.images[:50]
    whole = build_and_train(MODELS["dropout"], 15)[1]
    with tf.Graph().as_default(), tf.Session(config=session_config()) as session:
        vae = MODELS["dropout"]()
        for _ in train(session, vae, seeded_digits(), 15, 20, 7):
            measured = [[evaluate(session, vae, images), *log_likelihood(session, vae, images, 3)] for _ in range(2)]
            assert measured[0] == measured[1]
        assert_same(session.run({variable.op.name: variable for variable in tf.global_variables()}), whole)


def noise_in_a_condition(z):
    x_logits, x_dist = tanh_decode(z + tf.cond(tf.reduce_sum(z) > 0, lambda: tf.random_normal([64]), lambda: z[0]))
    return x_logits, x_dist


def noise_in_a_case(z):
    return tanh_decode(z + tf.switch_case(tf.shape(z)[1] - 64, [lambda: tf.random_normal([64]), lambda: z[0]]))


def noise_of_another_kind(z):
    return tanh_decode(z + tf.random_gamma([64], 1.0))


def noise_of_python(z):
    return tanh_decode(z + tf.ensure_shape(tf.py_func(lambda: np.float32(1), [], tf.float32), []))


@pytest.mark.parametrize(
    ("decode", "named"),
    [
        (noise_in_a_condition, "(random_normal/RandomStandardNormal|decoder/cond)"),
        (noise_of_another_kind, r"random_gamma/RandomGamma \(RandomGamma\)"),
        (noise_in_a_case, "switch_case/indexed_case"),
        (noise_of_python, r"PyFunc \((Eager)?PyFunc\)"),
    ],
)
def test_noise_that_cannot_be_repeated_is_named(decode, named, tmp_path, digits):
    with tf.Graph().as_default(), tf.Session() as session:
        vae = build_vae(seed=0, decode=decode)
        with pytest.raises(ValueError, match=f"A resumed run could not repeat the noise of .*{named}"):
            train(session, vae, digits, checkpoint_dir=tmp_path)
    with tf.Graph().as_default(), tf.Session() as session:
        assert len(list(train(session, build_vae(decode=decode), digits, 1, checkpoint_dir=tmp_path))) == 1


def test_the_compiled_loop_names_noise_that_it_cannot_repeat(graph, digits):
    vae = build_vae(seed=0, decode=noise_of_another_kind)
    with tf.Session() as session, pytest.raises(ValueError, match=r"can't repeat the noise of .* \(RandomGamma\)"):
        train(session, vae, digits, compiled=True)


def test_data_that_the_graph_reads_itself_cannot_be_resumed(graph, tmp_path, digits):
    tf.set_random_seed(0)
    noise = tf.data.make_one_shot_iterator(tf.data.Dataset.from_tensors(np.ones([10, 2], np.float32)).repeat())
    vae = build_vae(decode=lambda z: tanh_decode(z + noise.get_next()[0, 0]))
    with tf.Session() as session, pytest.raises(ValueError, match=r"could not continue .*IteratorGetNext"):
        train(session, vae, digits, checkpoint_dir=tmp_path)
