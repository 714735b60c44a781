"""What is built is what is trained, measured, resumed and exported, whoever built it."""

import copy
import json
import os
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
import tensorflow_probability as tfp
import tf_slim as slim
from idx_files import write_idx
from models import MODELS, dropout_encoder, from_pieces, log_weights_by_hand, tanh_decode
from scipy.special import logsumexp
from training_runs import assert_same, build_and_train, seeded_digits

import vae_tf1
from vae_tf1 import Estimate, binarize, build_vae, evaluate, log_likelihood, read_data_sets, session_config, train
from vae_tf1.graph.fingerprint import describe_computation, describe_difference

# Measured and exported as built


@pytest.mark.parametrize(
    ("name", "compiled"),
    [
        pytest.param(name, compiled, marks=pytest.mark.slow if compiled and name != "tanh decoder" else ())
        for name in MODELS
        for compiled in (False, True)
        if name != "dropout"
    ],
)
def test_numbers_are_those_of_the_estimate_by_hand_and_of_the_exported_model(name, compiled, digits, tmp_path):
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
    one_draw = log_weights.std(axis=0).max() / len(images) ** 0.5  # how far the mean of one draw an image goes
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


def test_feeding_z_decodes(graph, digits):
    vae = build_vae(seed=0)
    z = np.random.RandomState(0).normal(size=(3, 64)).astype(np.float32)
    with tf.variable_scope("decoder", reuse=True):
        _, x_dist = vae_tf1.decode(tf.constant(z))
    with tf.Session(config=session_config()) as session:
        session.run(tf.global_variables_initializer())
        np.testing.assert_array_equal(*session.run([vae.x_dist.mean(), x_dist.mean()], {vae.z: z}))


def test_measuring_a_model_with_noise_of_its_own_repeats_and_leaves_training_alone(digits):
    images = digits.test.images[:50]
    whole = build_and_train(MODELS["dropout"], 15)[1]
    with tf.Graph().as_default(), tf.Session(config=session_config()) as session:
        vae = MODELS["dropout"]()
        for _ in train(session, vae, seeded_digits(), 15, 20, 7):
            measured = [[evaluate(session, vae, images), *log_likelihood(session, vae, images, 3)] for _ in range(2)]
            assert measured[0] == measured[1]
        assert_same(session.run({variable.op.name: variable for variable in tf.global_variables()}), whole)


@pytest.mark.parametrize("resource_variables", [True, False], ids=["resource variables", "TensorFlow 1's variables"])
def test_pieces_with_either_kind_of_variables(graph, digits, resource_variables):
    tf.set_random_seed(0)
    vae = from_pieces(resource_variables=resource_variables)
    with tf.Session(config=session_config()) as session:
        list(train(session, vae, seeded_digits(), 3))
        by_hand = log_weights_by_hand(session, vae, binarize(digits.test.images[:40]), 30).mean()
        assert evaluate(session, vae, digits.test.images[:40]).negative_elbo == pytest.approx(-by_hand, abs=2)


# Resumed as built


@pytest.mark.parametrize(
    ("name", "compiled"),
    [
        pytest.param(name, compiled, marks=pytest.mark.slow if compiled and name != "dropout" else ())
        for name in ("dropout", "convolutions", "beta and RMSProp", "pieces")
        for compiled in (False, True)
    ],
)
def test_a_resumed_run_is_the_unbroken_one(name, compiled, tmp_path):
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


def noise_in_a_condition(z):
    x_logits, x_dist = tanh_decode(z + tf.cond(tf.reduce_sum(z) > 0, lambda: tf.random_normal([64]), lambda: z[0]))
    return x_logits, x_dist


def noise_of_another_kind(z):
    return tanh_decode(z + tf.random_gamma([64], 1.0))


def noise_of_python(z):
    return tanh_decode(z + tf.ensure_shape(tf.py_func(lambda: np.float32(1), [], tf.float32), []))


@pytest.mark.parametrize(
    ("decode", "named"),
    [
        (noise_in_a_condition, "(random_normal/RandomStandardNormal|decoder/cond)"),
        (noise_of_another_kind, r"random_gamma/RandomGamma \(RandomGamma\)"),
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


# Refused where it was changed


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
    with pytest.raises(ValueError, match=f"is of another model: {said}; change the model back, or pass"):
        build_and_train(after, 6, checkpoint_dir=tmp_path)
    assert len(build_and_train(before, 8, checkpoint_dir=tmp_path)[0]) == 1


def computed_by(build):
    with tf.Graph().as_default():
        return json.loads(
            json.dumps(describe_computation((vae := build()).loss, vae.train_step))
        )  # as a checkpoint keeps it


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_told_in_words(change):
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


def test_checkpoints_of_an_earlier_version_are_refused_with_a_way_on(tmp_path, monkeypatch):
    monkeypatch.setattr(vae_tf1.training.checkpoints, "_FORMAT", None)
    build_and_train(built(), 3, checkpoint_dir=tmp_path)
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r"another version of vae_tf1, .*initial_checkpoint='\S+/model\.ckpt'"):
        build_and_train(built(), 6, checkpoint_dir=tmp_path)
    path = tmp_path / "iterations-3" / "model.ckpt"
    assert len(build_and_train(built(), 1, checkpoint_dir=tmp_path / "new", initial_checkpoint=path)[0]) == 1


# Numbers


def test_estimates_are_numbers():
    estimate = Estimate.of([1.0, 2.0, 3.0, 6.0])
    assert np.mean([estimate, 5.0]) == 4.0
    assert np.mean(estimate) == np.asarray(estimate) == estimate == 3.0
    assert np.sqrt(estimate) == 3**0.5
    assert f"{estimate:.1f}" == "3.0"
    assert f"{estimate!r}" == str(estimate) == "3.000 ± 1.080"
    for other in copy.deepcopy(estimate), pickle.loads(pickle.dumps(estimate)):
        assert (other, other.standard_error) == (3.0, estimate.standard_error)


# Other sizes


def write_images(directory, rows, columns):
    """Random images in four IDX files."""
    random_state = np.random.RandomState(0)
    for name, count in ("train", 5200), ("t10k", 30):
        images = random_state.randint(0, 256, [count, rows, columns], np.uint8)
        write_idx(directory / f"{name}-images-idx3-ubyte.gz", images)
        write_idx(directory / f"{name}-labels-idx1-ubyte.gz", (np.arange(count) % 10).astype(np.uint8))


@pytest.mark.parametrize(("rows", "columns"), [(8, 8), (28, 20)])
def test_images_of_another_size_go_from_the_reader_to_the_pictures(tmp_path, rows, columns):
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


# Mistakes


def test_mistakes_of_the_builders(graph):
    x = tf.placeholder(tf.float32, [None, 784])
    with pytest.raises(ValueError, match="latent_dimensions is 0; pass 1 or more"):
        build_vae(latent_dimensions=0)
    with pytest.raises(ValueError, match=r"encoder takes float32 \[N, pixels\], but x is float32 \(None, 28, 28\)"):
        vae_tf1.encoder(tf.placeholder(tf.float32, [None, 28, 28]))
    with pytest.raises(ValueError, match=r"but x is float64 \(3, 784\); cast it with tf\.cast"):
        vae_tf1.encoder(np.zeros([3, 784]))
    with tf.variable_scope("odd"), pytest.raises(ValueError, match="mu_logvar has 7 columns, but needs an even number"):
        build_vae(encoder=lambda x: tf.matmul(x, tf.ones([784, 7])))
    with tf.variable_scope("narrow"), pytest.raises(ValueError, match=r"one logit for each pixel"):
        build_vae(decode=lambda z: vae_tf1.decode(z, image_pixels=100))
    assert x.graph is graph


def test_building_twice_names_the_ways_out(graph):
    build_vae()
    with pytest.raises(ValueError, match=r"tf\.reset_default_graph\(\) .*tf\.variable_scope") as error:
        build_vae()
    assert "reuse" not in str(error.value)
    with tf.variable_scope("another"):
        build_vae()


def test_decode_outside_of_its_scope_does_not_pass_for_trained(graph):
    build_vae()
    with pytest.raises(ValueError, match=r'untrained weights, .*tf\.variable_scope\("decoder", reuse=True\)'):
        vae_tf1.decode(tf.zeros([1, 64]))


def test_mistakes_of_training(graph, digits):
    vae = build_vae()
    with tf.Session() as session:
        with pytest.raises(TypeError, match="data is a DataSet; pass the Datasets that read_data_sets returns"):
            train(session, vae, digits.train)
        with pytest.raises(TypeError, match="vae is a list; pass the VAE"):
            train(session, list(vae), digits)
        small = vae._replace(z=tf.zeros([1, 64]))
        with pytest.raises(ValueError, match=r"vae\.reconstruction does not depend on vae\.z"):
            train(session, small, digits)
        with pytest.raises(ValueError, match=r"images has 100 pixels per image but vae\.x 784"):
            evaluate(session, vae, digits.test.images[:3, :100])


def test_mistakes_come_without_tensorflows_own_messages():
    program = """
import vae_tf1, tensorflow.compat.v1 as tf
data = vae_tf1.read_data_sets("unused", source="builtin")
with tf.Graph().as_default(), tf.Session(config=vae_tf1.session_config()) as sess:
    vae = vae_tf1.build_vae()
    for function in vae_tf1.evaluate, vae_tf1.log_likelihood:
        try:
            function(sess, vae, data.test.images[:2])
        except ValueError as error:
            print(error)
    try:
        vae_tf1.build_vae()
    except ValueError as error:
        print(error)
"""
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 3


def test_a_variable_that_would_not_be_saved_is_named(graph, digits):
    vae = build_vae(encoder=lambda x: vae_tf1.encoder(x * tf.Variable(1.0, collections=[], name="lost")))
    with tf.Session() as session, pytest.raises(ValueError, match="The variable encoder/lost is in no collection"):
        train(session, vae, digits)


def test_a_model_that_needs_labels_is_told_to_write_its_own_loop(graph, digits):
    y = tf.placeholder(tf.float32, [None, 10], name="y")
    vae = build_vae(encoder=lambda x: vae_tf1.encoder(tf.concat([x, y], axis=1)))
    with tf.Session() as session:
        with pytest.raises(ValueError, match="Training needs a value for the placeholder y"):
            train(session, vae, digits)
        with pytest.raises(ValueError, match="depends on the placeholder y, for which nothing is fed here"):
            evaluate(session, vae, digits.test.images)


def test_a_decoder_that_sees_the_images_has_no_decode_to_export(graph, tmp_path):
    with tf.variable_scope("mine"):
        vae = build_vae(seed=0)
    seeing = vae.x_logits + vae.x
    vae = vae._replace(x_logits=seeing, x_dist=tfp.distributions.Bernoulli(logits=seeing))
    with tf.Session() as session, pytest.raises(ValueError, match="depends on the placeholder mine/x"):
        vae_tf1.export_saved_model(session, vae, tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_beta_may_be_a_schedule(graph, digits):
    beta = tf.Variable(0.5, trainable=False, use_resource=True, name="beta")
    vae = build_vae(seed=0, beta=beta)
    with tf.Session(config=session_config()) as session:
        report = next(train(session, vae, digits))
        assert report.loss == pytest.approx(report.reconstruction + 0.5 * report.kl_divergence, rel=1e-5)


def test_what_a_builder_adds_to_the_graphs_collections_is_trained(graph, digits):
    """A penalty on the weights, a global step that the learning rate decays with, and an update of a moving average."""

    def encoder(x):
        average = tf.get_variable("average", [], initializer=tf.zeros_initializer(), trainable=False)
        tf.add_to_collection(tf.GraphKeys.UPDATE_OPS, average.assign_add(1.0))
        hidden = slim.fully_connected(x, 16, weights_regularizer=slim.l2_regularizer(0.1), scope="fc1")
        return slim.fully_connected(hidden, 8, activation_fn=None, scope="fc2")

    global_step = tf.train.get_or_create_global_step()
    rate = tf.train.exponential_decay(1e-3, global_step, 1, 0.5)
    vae = build_vae(seed=0, encoder=encoder, optimizer=tf.train.AdamOptimizer(rate))
    with tf.Session(config=session_config()) as session:
        report = next(train(session, vae, digits, iterations=1))
        assert report.loss > report.reconstruction + report.kl_divergence + 0.1
        (average,) = (v for v in tf.global_variables() if v.op.name == "encoder/average")
        assert session.run([global_step, average, rate]) == [1, 1, 0.0005]


def test_a_latent_code_of_another_distribution_is_not_measured(graph, digits):
    tf.set_random_seed(0)
    vae = from_pieces(bounded=True)
    with tf.Session(config=session_config()) as session:
        list(train(session, vae, digits, iterations=1))
        for measure in evaluate, log_likelihood:
            with pytest.raises(ValueError, match=r"/ sigma has mean \S+ and standard deviation 1\.[4-9]"):
                measure(session, vae, digits.test.images[:3])


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


def test_what_builders_return_is_checked(graph):
    with pytest.raises(TypeError, match=r"optimizer is a str; pass a tf\.train\.Optimizer"):
        build_vae(optimizer="adam")
    with pytest.raises(TypeError, match="encoder returned list; return one tensor"):
        build_vae(encoder=lambda x: [x, x])
    with tf.variable_scope("other"), pytest.raises(TypeError, match=r"other than the pair \(x_logits, x_dist\)"):
        build_vae(decode=lambda z: z)
    with tf.variable_scope("normal"), pytest.raises(TypeError, match="decode returned a Normal, but build_vae trains"):
        build_vae(decode=lambda z: (z, tfp.distributions.Normal(z, 1.0)))
    for wrong in {"beta": -1.0}, {"hidden_units": 0}, {"image_pixels": None}:
        with pytest.raises(ValueError, match=f"{next(iter(wrong))} is .*; pass"):
            build_vae(**wrong)
    with tf.variable_scope("whole"):
        build_vae(beta=2)


def test_tensors_of_other_shapes_are_refused(graph, digits):
    vae = build_vae()
    with tf.Session() as session:
        with pytest.raises(ValueError, match=r"vae\.reconstruction is \(\), but must be a number for each image"):
            evaluate(session, vae._replace(reconstruction=tf.reduce_mean(vae.reconstruction)), digits.test.images)
        with pytest.raises(TypeError, match=r"images is a DataSet; pass a NumPy array .* mnist\.test\.images"):
            evaluate(session, vae, digits.test)
        with pytest.raises(TypeError, match=r"batch_size is 50\.0; pass a whole number"):
            train(session, vae, digits, batch_size=50.0)
        data = read_data_sets("unused", source="builtin", reshape=False)
        with pytest.raises(ValueError, match=r"reshape=True, dtype=np\.float32"):
            train(session, vae, data)


def test_a_second_model_leaves_the_seeds_of_a_graph_alone(graph):
    tf.set_random_seed(0)
    x = tf.placeholder(tf.float32, [None, 784])
    with tf.variable_scope("encoder"):
        vae_tf1.encoder(x)
    operations = graph.get_operations()
    seeds = [operation.get_attr("seed2") for operation in operations if "seed2" in operation.node_def.attr]
    with tf.variable_scope("another"):
        build_vae()
    assert seeds == [operation.get_attr("seed2") for operation in operations if "seed2" in operation.node_def.attr]


# Parts of a data set


def test_a_part_by_label_and_by_rows(digits):
    part = digits.part(labels=range(3))
    assert part.name == "a part of built-in digits, labels 0, 1, 2"
    for whole, some in zip(digits, part):
        rows = whole.labels < 3
        np.testing.assert_array_equal(some.images, whole.images[rows])
        np.testing.assert_array_equal(some.labels, whole.labels[rows])
    few = digits.train.part(labels=[7], rows=slice(5))
    assert few.labels.tolist() == [7] * 5
    np.testing.assert_array_equal(digits.test.part(rows=[3, 1]).images, digits.test.images[[3, 1]])
    one_hot = read_data_sets("unused", source="builtin", one_hot=True).part(labels=[4])
    assert (one_hot.test.labels.argmax(axis=1) == 4).all()
    with pytest.raises(ValueError, match="No image here has the label 12"):
        digits.part(labels=[12])


def test_a_part_is_shuffled_with_the_seed():
    batches = [read_data_sets("unused", source="builtin", seed=3).part(labels=[1, 2]).train.next_batch(5) for _ in "ab"]
    np.testing.assert_array_equal(batches[0][0], batches[1][0])
