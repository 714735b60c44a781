"""A `VAE` whose tensors do not fit together, or do not fit the data, raises an error of one sentence."""

import pytest
import tensorflow.compat.v1 as tf
import tensorflow_probability as tfp

import vae_tf1
from vae_tf1 import build_vae, evaluate, read_data_sets, train


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
        with pytest.raises(
            ValueError, match=r"images has 100 pixels per image, but vae\.x has 784; .* image_pixels=100"
        ):
            evaluate(session, vae, digits.test.images[:3, :100])


def test_a_variable_that_would_not_be_saved_is_named(graph, digits):
    vae = build_vae(encoder=lambda x: vae_tf1.encoder(x * tf.Variable(1.0, collections=[], name="lost")))
    with tf.Session() as session, pytest.raises(ValueError, match="The variable encoder/lost is in no collection"):
        train(session, vae, digits)


def test_a_placeholder_that_is_not_fed_is_named(graph, digits):
    y = tf.placeholder(tf.float32, [None, 10], name="y")
    vae = build_vae(encoder=lambda x: vae_tf1.encoder(tf.concat([x, y], axis=1)))
    with tf.Session() as session:
        with pytest.raises(ValueError, match="Training needs a value for the placeholder y"):
            train(session, vae, digits)
        with pytest.raises(ValueError, match="depends on the placeholder y, to which nothing is fed here"):
            evaluate(session, vae, digits.test.images)


def test_a_table_in_the_model_is_named(graph, digits):
    widths = tf.lookup.KeyValueTensorInitializer(tf.constant([0], tf.int64), tf.constant([1.0]))
    table = tf.lookup.StaticHashTable(widths, 0.0, name="widths")
    vae = build_vae(encoder=lambda x: vae_tf1.encoder(x * table.lookup(tf.constant(0, tf.int64))))
    with tf.Session() as session:
        session.run([tf.global_variables_initializer(), tf.tables_initializer()])
        with pytest.raises(ValueError, match=r"depends on \S*widths.*, whose contents cannot be copied"):
            evaluate(session, vae, digits.test.images)


def test_a_decoder_that_sees_the_images_has_no_decode_to_export(graph, tmp_path):
    with tf.variable_scope("mine"):
        vae = build_vae(seed=0)
    seeing = vae.x_logits + vae.x
    vae = vae._replace(x_logits=seeing, x_dist=tfp.distributions.Bernoulli(logits=seeing))
    with tf.Session() as session, pytest.raises(ValueError, match="depends on the placeholder mine/x"):
        vae_tf1.export_saved_model(session, vae, tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_tensors_of_other_shapes_are_refused(graph, digits):
    vae = build_vae()
    with tf.Session() as session:
        with pytest.raises(ValueError, match=r"vae\.reconstruction is \(\), but must be a number for each image"):
            evaluate(session, vae._replace(reconstruction=tf.reduce_mean(vae.reconstruction)), digits.test.images)
        with pytest.raises(TypeError, match=r"images is a Datasets; pass one of its sets, such as mnist\.test"):
            evaluate(session, vae, digits)
        with pytest.raises(TypeError, match=r"batch_size is 50\.0; pass an integer"):
            train(session, vae, digits, batch_size=50.0)
        data = read_data_sets("unused", source="builtin", reshape=False)
        with pytest.raises(ValueError, match=r"reshape=True, dtype=np\.float32"):
            train(session, vae, data)
