import functools

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from models import from_pieces, tanh_decode
from training_runs import assert_same, seeded_digits, train_vae

import vae_tf1
from vae_tf1 import build_vae, read_data_sets, session_config, train
from vae_tf1.graph.noise import random_operations
from vae_tf1.training.compiled import CHUNK, compiled_steps

train_compiled = functools.partial(train_vae, batch_size=100, report_every=1000, compiled=True)


@pytest.fixture
def vae(graph):
    return build_vae(seed=0)


def test_reports_have_the_iterations_and_images_of_the_plain_loop(vae):
    options = {"iterations": 2 * CHUNK + 5, "report_every": CHUNK // 2 + 1}
    compiled, _ = train_compiled(vae, **options)
    plain, _ = train_compiled(vae, **options, compiled=False)
    assert [report.iteration for report in compiled] == [report.iteration for report in plain] == [0, 51, 102, 153, 204]
    for report, expected in zip(compiled, plain):
        np.testing.assert_array_equal(report.images, expected.images)
        assert report.loss == pytest.approx(expected.loss, rel=0.03)
        assert report.loss == pytest.approx(report.reconstruction + report.kl_divergence, rel=1e-5)


def test_steps_equal_those_of_the_graph_fed_with_the_same_noise(vae, digits):
    """Compares three steps of the compiled program with `train_step`, fed with the program's noise as epsilon."""
    images = digits.train.black_and_white
    rows = np.arange(300).reshape(3, 100)
    epsilon = random_operations([vae.loss])[0].outputs[0]
    seed = epsilon.op.get_attr("seed") + (epsilon.op.get_attr("seed2") << 32)
    # The noise is fed, because outside XLA, where constants are folded, the same seeds give other noise.
    seeds = tf.placeholder(tf.int64, [2])
    noise = tf.function(tf.random.stateless_normal, jit_compile=True, autograph=False)([100, 64], seeds, alg="philox")
    with tf.Session(config=session_config()) as session:
        session.run(tf.global_variables_initializer())
        losses = compiled_steps(session, vae, {vae.x: images}, 100)(rows, 7)
        got = session.run(tf.trainable_variables())
    with tf.Session(config=session_config()) as session:
        session.run(tf.global_variables_initializer())
        for i in range(3):
            eps = session.run(noise, {seeds: [seed, 7 + i]})
            fetches = [vae.loss, vae.reconstruction, vae.kl_divergence, vae.train_step]
            *terms, _ = session.run(fetches, {vae.x: images[rows[i]], epsilon: eps})
            np.testing.assert_allclose(losses[i], [term.mean() for term in terms], rtol=1e-5)
        for value, expected in zip(got, session.run(tf.trainable_variables())):
            # Adam's first steps have the size of the learning rate, 1e-3, even where a gradient is mere rounding.
            assert np.mean(np.abs(value - expected) > 1e-5) < 0.01


@pytest.mark.slow
def test_runs_are_bit_identical_however_they_are_divided(vae):
    _, expected = train_compiled(vae, iterations=250)
    _, again = train_compiled(vae, iterations=250)
    _, cut_otherwise = train_compiled(vae, iterations=250, report_every=70)
    assert_same(again, expected)
    assert_same(cut_otherwise, expected)


def test_stopped_runs_end_like_uninterrupted_ones(vae, tmp_path):
    _, expected = train_compiled(vae, iterations=250, report_every=100)
    with tf.Session(config=session_config(compiled=True)) as session:
        reports = train(session, vae, seeded_digits(), 250, report_every=100, checkpoint_dir=tmp_path, compiled=True)
        assert [next(reports).iteration for _ in range(2)] == [0, 100]
        reports.close()
    reports, resumed = train_compiled(vae, iterations=250, report_every=100, checkpoint_dir=tmp_path)
    assert [report.iteration for report in reports] == [200]
    assert_same(resumed, expected)


@pytest.mark.slow
@pytest.mark.parametrize("first", [True, False], ids=["compiled first", "plain first"])
def test_each_loop_resumes_where_the_other_stopped(vae, tmp_path, first):
    options = {"report_every": 50, "checkpoint_dir": tmp_path}
    before, _ = train_compiled(vae, iterations=120, compiled=first, **options)
    after, _ = train_compiled(vae, iterations=240, compiled=not first, **options)
    whole, _ = train_compiled(vae, iterations=240, report_every=50)
    assert [report.iteration for report in before + after] == [report.iteration for report in whole]
    for report, expected in zip(before + after, whole):
        np.testing.assert_array_equal(report.images, expected.images)
        assert report.loss == pytest.approx(expected.loss, rel=0.03)


def test_noise_depends_on_the_seed_alone(digits):
    """First losses with equal weights and images, which can differ in their noise only."""
    images = digits.train.black_and_white

    def first_loss(seed):
        with tf.Graph().as_default(), tf.Session(config=session_config(compiled=True)) as session:
            vae = build_vae(seed=seed, hidden_units=8, latent_dimensions=4)
            session.run(tf.global_variables_initializer())
            random_state = np.random.RandomState(0)
            for variable in tf.trainable_variables():
                variable.load(random_state.normal(scale=0.3, size=variable.shape), session)
            return compiled_steps(session, vae, {vae.x: images}, 50)(np.arange(50)[np.newaxis], 0)[0, 0]

    seeded, again, otherwise, unseeded, unseeded_again = map(first_loss, (0, 0, 1, None, None))
    assert seeded == again
    assert len({seeded, otherwise, unseeded, unseeded_again}) == 4


def test_a_second_call_finds_the_program_of_the_first(vae):
    with tf.Session(config=session_config(compiled=True)) as session:
        for _ in range(2):
            list(train(session, vae, seeded_digits(), iterations=2, compiled=True))
    assert sum(op.type == "StatefulPartitionedCall" for op in vae.x.graph.get_operations()) == 1


def test_other_sizes_and_scopes(graph):
    with tf.variable_scope("mine"):
        vae = build_vae(seed=0, hidden_units=20, latent_dimensions=3)
    reports, _ = train_compiled(vae, iterations=30, batch_size=7, report_every=10)
    assert [report.iteration for report in reports] == [0, 10, 20]


def test_loss_that_is_not_finite_names_the_iteration(vae):
    with tf.Session(config=session_config(compiled=True)) as session:
        reports = train(session, vae, seeded_digits(), iterations=10, report_every=3, compiled=True)
        next(reports)
        next(reports)
        tf.trainable_variables()[-1].load(np.full([784], np.nan, np.float32), session)
        with pytest.raises(FloatingPointError, match="The loss is nan at iteration 4"):
            next(reports)


def test_reference_variables_are_refused(graph, digits):
    vae = from_pieces(resource_variables=False)
    with tf.Session(config=session_config(compiled=True)) as session:
        with pytest.raises(ValueError, match=r"weights is not a resource variable, which train\(compiled=True\) needs"):
            train(session, vae, digits, compiled=True)
        assert len(list(train(session, vae, digits, iterations=1))) == 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 7])
def test_negative_elbo_of_mnist_at_the_end(mnist_dir, seed):
    data = read_data_sets(mnist_dir, seed=seed)
    with tf.Graph().as_default(), tf.Session(config=session_config(compiled=True)) as session:
        vae = build_vae(seed=seed)
        for _ in train(session, vae, data, compiled=True):
            pass
        assert 87.3 < vae_tf1.evaluate(session, vae, data.test.images).negative_elbo < 88.9


def test_another_loss_of_the_same_step_is_another_program(graph, digits):
    vae = build_vae(seed=0)
    with tf.Session(config=session_config(compiled=True)) as session:
        list(train(session, vae, digits, iterations=1, compiled=True))
        kl_alone = vae._replace(loss=tf.reduce_mean(vae.kl_divergence))
        (report,) = train(session, kl_alone, digits, iterations=1, compiled=True)
    assert report.loss == pytest.approx(report.kl_divergence, rel=1e-5)


def old_cond(z):
    with tf.variable_scope("cond"):
        return tanh_decode(tf.cond(tf.reduce_sum(z) > 0, lambda: z, lambda: -z))


def test_the_compiled_loop_refuses_the_control_flow_of_tensorflow_1(digits):
    v2 = tf.control_flow_v2_enabled()
    tf.disable_control_flow_v2()
    try:
        with tf.Graph().as_default(), tf.Session() as session:
            vae = build_vae(decode=old_cond)
            with pytest.raises(ValueError, match=r"can't take TensorFlow 1's control flow \(decoder/.*Switch"):
                train(session, vae, digits, compiled=True)
            assert len(list(train(session, vae, digits, iterations=1))) == 1
    finally:
        if v2:
            tf.enable_control_flow_v2()
