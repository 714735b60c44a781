"""`build_vae`: the effects of its arguments, and the errors for wrong ones."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
import tensorflow_probability as tfp
import tf_slim as slim

import vae_tf1
from vae_tf1 import build_vae, session_config, train


def test_feeding_z_decodes(graph, digits):
    vae = build_vae(seed=0)
    z = np.random.RandomState(0).normal(size=(3, 64)).astype(np.float32)
    with tf.variable_scope("decoder", reuse=True):
        _, x_dist = vae_tf1.decode(tf.constant(z))
    with tf.Session(config=session_config()) as session:
        session.run(tf.global_variables_initializer())
        np.testing.assert_array_equal(*session.run([vae.x_dist.mean(), x_dist.mean()], {vae.z: z}))


def test_beta_may_be_a_schedule(graph, digits):
    beta = tf.Variable(0.5, trainable=False, use_resource=True, name="beta")
    vae = build_vae(seed=0, beta=beta)
    with tf.Session(config=session_config()) as session:
        report = next(train(session, vae, digits))
        assert report.loss == pytest.approx(report.reconstruction + 0.5 * report.kl_divergence, rel=1e-5)


def test_penalties_and_updates_in_the_graphs_collections_are_run(graph, digits):
    """A penalty on the weights, a global step that decays the learning rate, and an update of a moving average."""

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


def test_mistakes_of_the_builders(graph):
    with pytest.raises(ValueError, match="latent_dimensions is 0; pass 1 or more"):
        build_vae(latent_dimensions=0)
    with pytest.raises(ValueError, match=r"x is float32 \(None, 28, 28\), not float32 \[N, pixels\]"):
        vae_tf1.encoder(tf.placeholder(tf.float32, [None, 28, 28]))
    with pytest.raises(ValueError, match=r"x is float64 \(3, 784\), .*; cast it with tf\.cast"):
        vae_tf1.encoder(np.zeros([3, 784]))
    with tf.variable_scope("odd"), pytest.raises(ValueError, match="mu_logvar has 7 columns, but needs an even number"):
        build_vae(encoder=lambda x: tf.matmul(x, tf.ones([784, 7])))
    with tf.variable_scope("narrow"), pytest.raises(ValueError, match=r"one value for each pixel"):
        build_vae(decode=lambda z: vae_tf1.decode(z, image_pixels=100))
    build_vae()  # the refused builds above must not leave variables in the graph


def test_building_twice_raises_with_advice(graph):
    build_vae()
    with pytest.raises(ValueError, match=r"tf\.reset_default_graph\(\) .*tf\.variable_scope") as error:
        build_vae()
    assert "reuse" not in str(error.value)
    with tf.variable_scope("another"):
        build_vae()


def test_decode_outside_its_scope_is_refused(graph):
    build_vae()
    with pytest.raises(ValueError, match=r'untrained weights, .*tf\.variable_scope\("decoder", reuse=True\)'):
        vae_tf1.decode(tf.zeros([1, 64]))


def normal(size, dtype=tf.float32):
    return tfp.distributions.Normal(tf.zeros([size], dtype), tf.ones([size], dtype))


@pytest.mark.parametrize("prior", [lambda: normal(6), lambda: normal(64, tf.float64)], ids=["width", "dtype"])
def test_a_prior_that_does_not_fit_z_is_refused(graph, prior):
    with pytest.raises(
        ValueError, match=r"prior, a Normal, has no log_prob of float32 \[N, 64\] \(.*; give it float32"
    ):
        build_vae(prior=prior)


def test_a_prior_of_another_graph_is_refused(graph):
    with tf.Graph().as_default():
        prior = normal(64)
    with pytest.raises(ValueError, match=r"\(a function that returns the prior is called there\)"):
        build_vae(prior=prior)


def test_what_builders_return_is_checked(graph):
    with pytest.raises(TypeError, match=r"optimizer is a str; pass a tf\.train\.Optimizer"):
        build_vae(optimizer="adam")
    with pytest.raises(TypeError, match="encoder returned list; return one tensor"):
        build_vae(encoder=lambda x: [x, x])
    with tf.variable_scope("other"), pytest.raises(TypeError, match=r"other than the pair \(x_logits, x_dist\)"):
        build_vae(decode=lambda z: z)
    with tf.variable_scope("normal"), pytest.raises(ValueError, match="decode returned a Normal over 64 pixels"):
        build_vae(decode=lambda z: (z, tfp.distributions.Normal(z, 1.0)))
    with tf.variable_scope("tensor"), pytest.raises(TypeError, match="decode returned a SymbolicTensor for x_dist"):
        build_vae(decode=lambda z: (z, z))
    with tf.variable_scope("prior"), pytest.raises(TypeError, match="prior is a str; pass a distribution"):
        build_vae(prior="uniform")
    with tf.variable_scope("classes"), pytest.raises(TypeError, match="returned a Categorical of integers for x_dist"):
        build_vae(decode=lambda z: (z, tfp.distributions.Categorical(logits=tf.zeros([784, 4]))))
    with tf.variable_scope("width"), pytest.raises(ValueError, match=r"latent_dimensions is 10, .* 2 \* 10 columns"):
        build_vae(encoder=lambda x: x[:, :8], latent_dimensions=10)
    with tf.variable_scope("units"), pytest.raises(ValueError, match=r"hidden_units is 10, but only the built-in"):
        build_vae(encoder=lambda x: x[:, :8], decode=lambda z: z, hidden_units=10)
    for wrong in {"beta": -1.0}, {"hidden_units": 0}, {"image_pixels": None}:
        with pytest.raises((TypeError, ValueError), match=f"{next(iter(wrong))} is .*; pass"):
            build_vae(**wrong)
    with tf.variable_scope("whole"):
        build_vae(beta=2)


def normalized_encoder(is_training):
    def encoder(x):
        hidden = slim.fully_connected(x, 16, weights_regularizer=slim.l2_regularizer(1.0), scope="fc1")
        hidden = slim.batch_norm(hidden, is_training=is_training, decay=0.5, scope="norm")
        return slim.fully_connected(hidden, 8, activation_fn=None, scope="fc2")

    return encoder


def open_again():
    with tf.variable_scope("model"):
        pass
    return tf.variable_scope("model")  # its operations are named model_1/..., its variables model/...


@pytest.mark.parametrize("scope", [lambda: tf.name_scope("model"), open_again])
def test_penalties_and_update_operations_are_the_models_in_any_scope(graph, digits, scope):
    with scope():
        vae = build_vae(seed=0, encoder=normalized_encoder(True))
    (penalty,) = tf.losses.get_regularization_losses()
    with tf.Session(config=session_config()) as session:
        list(train(session, vae, digits, 3))
        (moving_mean,) = [each for each in tf.global_variables() if each.op.name.endswith("moving_mean")]
        assert np.abs(session.run(moving_mean)).max() > 0
        fed = {vae.x: vae_tf1.binarize(digits.test.images[:9])}
        loss, *terms, weight_decay = session.run([vae.loss, vae.reconstruction, vae.kl_divergence, penalty], fed)
    assert loss == pytest.approx(np.mean(sum(terms)) + weight_decay, rel=1e-5)


def test_two_models_of_the_same_weights_share_penalties_but_no_update_operations(graph, digits):
    encoder = normalized_encoder(tf.placeholder_with_default(True, []))
    models = []
    for _ in range(2):
        with tf.variable_scope("shared", reuse=tf.AUTO_REUSE):
            models.append(build_vae(seed=0, encoder=encoder))
    (penalty,) = tf.losses.get_regularization_losses()
    with tf.Session(config=session_config()) as session:
        for vae in models:
            list(train(session, vae, digits, 2))
            fed = {vae.x: vae_tf1.binarize(digits.test.images[:9])}
            loss, *terms, weight_decay = session.run([vae.loss, vae.reconstruction, vae.kl_divergence, penalty], fed)
            assert loss == pytest.approx(np.mean(sum(terms)) + weight_decay, rel=1e-5)


def test_the_decoder_that_draws_z_itself_is_refused(graph):
    with pytest.raises(TypeError, match=r"decode is vae_tf1\.decoder, which draws z itself"):
        build_vae(decode=vae_tf1.decoder)
