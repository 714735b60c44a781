import numpy as np
import pytest
import tensorflow.compat.v1 as tf
import tensorflow_probability as tfp
from numpy_vae import decode, encode, negative_elbo_terms

import vae_tf1
from vae_tf1 import build_vae

SHAPES = {
    "encoder/fc1/weights": [784, 128],
    "encoder/fc1/biases": [128],
    "encoder/fc2/weights": [128, 128],
    "encoder/fc2/biases": [128],
    "decoder/fc1/weights": [64, 128],
    "decoder/fc1/biases": [128],
    "decoder/fc2/weights": [128, 784],
    "decoder/fc2/biases": [784],
}


@pytest.fixture
def images(digits):
    return vae_tf1.binarize(digits.test.images[:20])


@pytest.fixture
def session(graph):
    with tf.Session(graph=graph, config=vae_tf1.session_config()) as session:
        yield session


def weights_of(session) -> dict:
    session.run(tf.global_variables_initializer())
    weights = session.run({variable.op.name: variable for variable in tf.trainable_variables()})
    # Biases start at zero, which would hide mistakes.
    random_state = np.random.RandomState(0)
    for variable in tf.trainable_variables():
        if "biases" in variable.op.name:
            weights[variable.op.name] = random_state.normal(size=variable.shape).astype(np.float32)
            variable.load(weights[variable.op.name], session)
    return {name: value.astype(np.float64) for name, value in weights.items()}


# Names and shapes


def test_variables_have_the_names_and_shapes_of_old_checkpoints(graph):
    build_vae()
    expected = dict(SHAPES)
    for name, shape in SHAPES.items():
        expected[f"unlabeled/optimizer/{name}/Adam"] = expected[f"unlabeled/optimizer/{name}/Adam_1"] = shape
    expected["unlabeled/optimizer/beta1_power"] = expected["unlabeled/optimizer/beta2_power"] = []
    assert {variable.op.name: variable.shape.as_list() for variable in tf.global_variables()} == expected
    assert [variable.op.name for variable in tf.trainable_variables()] == list(SHAPES)


def test_tensors_have_their_shapes(graph):
    vae = build_vae()
    assert vae.x.shape.as_list() == [None, 784]
    assert vae.mu_logvar.shape.as_list() == [None, 128]
    assert vae.x_logits.shape.as_list() == vae.x_hat.shape.as_list() == [None, 784]
    assert vae.reconstruction.shape.as_list() == vae.kl_divergence.shape.as_list() == [None]
    assert vae.loss.shape.as_list() == []
    assert isinstance(vae.x_dist, tfp.distributions.Bernoulli)
    assert vae.x_dist.dtype == vae.x_hat.dtype == tf.float32


def test_builders_of_the_original_make_the_graph_of_build_vae(graph):
    x = tf.placeholder(tf.float32, [None, 784], name="x")
    with tf.variable_scope("encoder"):
        mu_logvar = vae_tf1.encoder(x)
    with tf.variable_scope("decoder"):
        x_logits, x_dist = vae_tf1.decoder(mu_logvar)
        x_dist.sample()
    with tf.variable_scope("unlabeled"):
        train_step = vae_tf1.optimizer(x_logits, x, mu_logvar)
    assert isinstance(train_step, tf.Operation)
    names = {variable.op.name for variable in tf.global_variables()}
    with tf.Graph().as_default():
        build_vae()
        assert {variable.op.name for variable in tf.global_variables()} == names


def test_eager_execution_is_refused_with_advice():
    with tf.init_scope(), pytest.raises(RuntimeError, match=r"with tf\.Graph\(\)\.as_default"):
        build_vae()


# Values, against float64 NumPy


def test_losses_are_those_of_numpy_with_the_same_noise(session, images):
    vae = build_vae(seed=0)
    weights = weights_of(session)
    epsilon = np.random.RandomState(1).normal(size=(20, 64)).astype(np.float32)
    noise = tf.get_default_graph().get_tensor_by_name("decoder/random_normal:0")
    loss, reconstruction, kl_divergence = session.run(
        [vae.loss, vae.reconstruction, vae.kl_divergence], {vae.x: images, noise: epsilon}
    )
    expected_reconstruction, expected_kl = negative_elbo_terms(weights, images.astype(np.float64), epsilon)
    np.testing.assert_allclose(reconstruction, expected_reconstruction, rtol=1e-5)
    np.testing.assert_allclose(kl_divergence, expected_kl, rtol=1e-5)
    np.testing.assert_allclose(loss, (expected_reconstruction + expected_kl).mean(), rtol=1e-5)


def test_encoder_and_decode_are_those_of_numpy(session, images):
    vae = build_vae(seed=0)
    z = np.random.RandomState(1).normal(size=(20, 64)).astype(np.float32)
    with tf.variable_scope("decoder", reuse=True):
        _, x_dist = vae_tf1.decode(tf.constant(z))
    weights = weights_of(session)
    mu_logvar, probabilities = session.run([vae.mu_logvar, x_dist.mean()], {vae.x: images})
    np.testing.assert_allclose(mu_logvar, np.hstack(encode(weights, images.astype(np.float64))), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(probabilities, decode(weights, z.astype(np.float64)), rtol=1e-4, atol=1e-6)


def test_kl_divergence_is_that_of_tfp(session):
    mu_logvar = np.random.RandomState(0).normal(size=(50, 128)).astype(np.float32)
    zeros = np.zeros((50, 784), np.float32)
    kl_divergence = vae_tf1.negative_elbo(tf.constant(zeros), tf.constant(zeros), tf.constant(mu_logvar)).kl_divergence
    posterior = tfp.distributions.MultivariateNormalDiag(mu_logvar[:, :64], np.exp(mu_logvar[:, 64:] / 2))
    prior = tfp.distributions.MultivariateNormalDiag(np.zeros(64, np.float32), np.ones(64, np.float32))
    got, expected = session.run([kl_divergence, tfp.distributions.kl_divergence(posterior, prior)])
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_reconstruction_is_the_log_likelihood_of_x_dist(session, images):
    vae = build_vae(seed=0)
    session.run(tf.global_variables_initializer())
    log_prob = tf.reduce_sum(vae.x_dist.log_prob(vae.x), axis=1)
    got, expected = session.run([vae.reconstruction, -log_prob], {vae.x: images})
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_gradients_are_finite_differences_of_numpy(session, images):
    vae = build_vae(seed=0)
    weights = weights_of(session)
    epsilon = np.random.RandomState(1).normal(size=(20, 64)).astype(np.float32)
    noise = tf.get_default_graph().get_tensor_by_name("decoder/random_normal:0")
    variables = tf.trainable_variables()
    gradients = session.run(tf.gradients(vae.loss, variables), {vae.x: images, noise: epsilon})

    def loss(weights):
        return np.add(*negative_elbo_terms(weights, images.astype(np.float64), epsilon)).mean()

    for variable, gradient in zip(variables, gradients):
        name = variable.op.name
        # The derivative in the direction of the gradient is its norm.
        direction = gradient / np.linalg.norm(gradient)
        up, down = ({**weights, name: weights[name] + step * direction} for step in (1e-6, -1e-6))
        np.testing.assert_allclose((loss(up) - loss(down)) / 2e-6, np.linalg.norm(gradient), rtol=1e-3, err_msg=name)


def test_train_step_is_adam(session, images):
    vae = build_vae(seed=0)
    weights = weights_of(session)
    noise = tf.get_default_graph().get_tensor_by_name("decoder/random_normal:0")
    feed = {vae.x: images, noise: np.ones((20, 64), np.float32)}
    variables = tf.trainable_variables()
    gradients = session.run(tf.gradients(vae.loss, variables), feed)
    session.run(vae.train_step, feed)
    # Kingma and Ba 2015, algorithm 1, first step: m_hat = g, v_hat = g^2. TensorFlow adds epsilon before the bias
    # correction of v, which scales it by 1 / sqrt(1 - beta2).
    epsilon = 1e-8 / np.sqrt(1 - 0.999)
    for variable, gradient, after in zip(variables, gradients, session.run(variables)):
        gradient = gradient.astype(np.float64)
        expected = weights[variable.op.name] - 0.001 * gradient / (np.abs(gradient) + epsilon)
        np.testing.assert_allclose(after, expected, atol=1e-6, err_msg=variable.op.name)


def test_x_hat_is_a_sample_of_x_dist(session, images):
    vae = build_vae(seed=0)
    session.run(tf.global_variables_initializer())
    noise = tf.get_default_graph().get_tensor_by_name("decoder/random_normal:0")
    feed = {vae.x: images, noise: np.zeros((20, 64), np.float32)}
    mean = session.run(vae.x_dist.mean(), feed)
    samples = np.stack([session.run(vae.x_hat, feed) for _ in range(200)])
    assert set(np.unique(samples)) == {0, 1}
    # The mean of 200 * 20 coin flips per pixel, with a standard deviation of at most 0.5 / sqrt(4000) = 0.008.
    np.testing.assert_allclose(samples.mean(axis=(0, 1)), mean.mean(axis=0), atol=0.05)


def test_sample_latent_has_the_moments_of_the_posterior(session):
    mu_logvar = np.tile(np.float32([[1.0, -2.0, np.log(0.25), np.log(4.0)]]), (100_000, 1))
    z = session.run(vae_tf1.sample_latent(tf.constant(mu_logvar)))
    np.testing.assert_allclose(z.mean(axis=0), [1, -2], atol=0.03)
    np.testing.assert_allclose(z.std(axis=0), [0.5, 2], rtol=0.02)


# Seeds


def initial_weights(seed, build=build_vae):
    with tf.Graph().as_default(), tf.Session() as session:
        build(seed=seed)
        session.run(tf.global_variables_initializer())
        return session.run(tf.trainable_variables())


def test_seeded_graphs_start_the_same():
    for first, second in zip(initial_weights(3), initial_weights(3)):
        np.testing.assert_array_equal(first, second)


def test_other_seeds_and_none_start_differently():
    first = [initial_weights(seed)[0] for seed in (3, 4, None, None)]
    assert len({weights.tobytes() for weights in first}) == 4


def test_two_encoders_of_a_seeded_graph_differ(session):
    tf.set_random_seed(0)
    x = tf.zeros([1, 784])
    for scope in "one", "two":
        with tf.variable_scope(f"{scope}/encoder"):
            mu_logvar = vae_tf1.encoder(x)
        with tf.variable_scope(f"{scope}/decoder"):
            vae_tf1.decoder(mu_logvar)
    session.run(tf.global_variables_initializer())
    weights = session.run([variable for variable in tf.trainable_variables() if "weights" in variable.op.name])
    assert len({value.tobytes() for value in weights}) == len(weights) == 8


def test_noise_of_two_decoders_of_a_seeded_graph_differs(session):
    tf.set_random_seed(0)
    first, second = (vae_tf1.sample_latent(tf.zeros([3, 128])) for _ in range(2))
    assert not np.array_equal(*session.run([first, second]))
