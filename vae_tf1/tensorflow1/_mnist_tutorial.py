"""The two-layer classifier that `tensorflow.examples.tutorials.mnist.mnist` gave to TensorFlow's tutorials."""

import math

import tensorflow.compat.v1 as tf

NUM_CLASSES = 10
IMAGE_SIZE = 28
IMAGE_PIXELS = IMAGE_SIZE * IMAGE_SIZE


def inference(images, hidden1_units: int, hidden2_units: int):
    """Returns the classes' logits.

    Args:
        images: float32 [N, 784].
        hidden1_units, hidden2_units: widths of the two hidden layers (ReLU).

    Returns:
        float32 [N, 10]. Variables `weights` and `biases` are in the name scopes `hidden1`, `hidden2` and
        `softmax_linear`.
    """
    hidden1 = _layer(images, IMAGE_PIXELS, hidden1_units, "hidden1", tf.nn.relu)
    hidden2 = _layer(hidden1, hidden1_units, hidden2_units, "hidden2", tf.nn.relu)
    return _layer(hidden2, hidden2_units, NUM_CLASSES, "softmax_linear", lambda logits: logits)


def _layer(x, inputs: int, outputs: int, scope: str, activation):
    with tf.name_scope(scope):
        initial = tf.truncated_normal([inputs, outputs], stddev=1.0 / math.sqrt(inputs))
        weights = tf.Variable(initial, name="weights")
        biases = tf.Variable(tf.zeros([outputs]), name="biases")
        return activation(tf.matmul(x, weights) + biases)


def loss(logits, labels):
    """Returns the mean cross-entropy in nats, float32 [], of logits [N, 10] and integer labels [N]."""
    return tf.losses.sparse_softmax_cross_entropy(labels=tf.cast(labels, tf.int64), logits=logits)


def training(loss, learning_rate: float):
    """Returns an operation that takes a step of gradient descent and counts it; summarizes the loss as `loss`."""
    tf.summary.scalar("loss", loss)
    global_step = tf.Variable(0, name="global_step", trainable=False)
    return tf.train.GradientDescentOptimizer(learning_rate).minimize(loss, global_step=global_step)


def evaluation(logits, labels):
    """Counts the images whose label has the largest logit, int32 []."""
    return tf.reduce_sum(tf.cast(tf.nn.in_top_k(logits, labels, 1), tf.int32))
