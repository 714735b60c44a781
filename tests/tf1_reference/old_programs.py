"""Small models as programs of 2017 wrote them; run by record.py under TensorFlow 1.15.5 and by the tests today.

Each takes `tf` and `slim`, and returns the training step, the loss and the values to feed besides `x` and `y`. Initial
weights have seeds of their own, except in the first model: its graph has as many operations as in TensorFlow 1.15, and
seeds are counted by operations.
"""

import hashlib

import numpy as np

ITERATIONS = 100


def perceptron(tf, slim, x, y):
    hidden = x
    for i, (inputs, outputs) in enumerate([(784, 100), (100, 50)]):
        weights = tf.Variable(tf.truncated_normal([inputs, outputs], stddev=0.1), name=f"weights{i}")
        hidden = tf.nn.relu(tf.matmul(hidden, weights) + tf.Variable(tf.zeros([outputs])))
    logits = tf.matmul(hidden, tf.get_variable("weights", [50, 10]))
    loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits_v2(labels=tf.one_hot(y, 10), logits=logits))
    return tf.train.GradientDescentOptimizer(0.1).minimize(loss), loss, {}


def layers_cnn(tf, slim, x, y):
    def initial(seed):
        return tf.glorot_uniform_initializer(seed=seed)

    hidden = tf.layers.conv2d(
        tf.reshape(x, [-1, 28, 28, 1]), 8, 5, 2, activation=tf.nn.relu, kernel_initializer=initial(1)
    )
    hidden = tf.layers.batch_normalization(hidden, training=True)
    hidden = tf.layers.flatten(tf.layers.max_pooling2d(hidden, 2, 2))
    hidden = tf.layers.dense(hidden, 32, activation=tf.nn.relu, kernel_initializer=initial(2), name="hidden")
    hidden = tf.layers.dropout(hidden, 0.25, training=True, seed=3)
    logits = tf.layers.dense(hidden, 10, kernel_initializer=initial(4))
    loss = tf.losses.sparse_softmax_cross_entropy(y, logits)
    with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
        return tf.train.AdamOptimizer().minimize(loss), loss, {}


def lstm(tf, slim, x, y):
    cells = [
        tf.nn.rnn_cell.LSTMCell(24, initializer=tf.random_uniform_initializer(-0.1, 0.1, seed=1)),
        tf.nn.rnn_cell.GRUCell(16, kernel_initializer=tf.random_uniform_initializer(-0.1, 0.1, seed=2)),
    ]
    outputs, _ = tf.nn.dynamic_rnn(
        tf.nn.rnn_cell.MultiRNNCell(cells), tf.reshape(x, [-1, 28, 28]), dtype=tf.float32, scope="rows"
    )
    logits = tf.matmul(outputs[:, -1], tf.get_variable("weights", initializer=tf.random_normal([16, 10], seed=3)))
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))
    return tf.train.RMSPropOptimizer(0.001).minimize(loss), loss, {}


def slim_batch_norm(tf, slim, x, y):
    is_training = tf.placeholder(tf.bool)
    with slim.arg_scope(
        [slim.conv2d, slim.fully_connected],
        normalizer_fn=slim.batch_norm,
        normalizer_params={"is_training": is_training, "decay": 0.9, "scale": True},
        weights_regularizer=slim.l2_regularizer(1e-4),
    ):
        initial = tf.truncated_normal_initializer(stddev=0.1, seed=1)
        hidden = slim.conv2d(tf.reshape(x, [-1, 28, 28, 1]), 8, [5, 5], stride=2, weights_initializer=initial)
        hidden = slim.flatten(slim.max_pool2d(hidden, [2, 2]))
        hidden = slim.fully_connected(hidden, 32, weights_initializer=slim.xavier_initializer(seed=2))
    logits = slim.fully_connected(
        hidden, 10, activation_fn=None, weights_initializer=slim.xavier_initializer(seed=3), scope="logits"
    )
    slim.losses.softmax_cross_entropy(logits, tf.one_hot(y, 10))
    loss = slim.losses.get_total_loss()
    step = slim.learning.create_train_op(loss, tf.train.MomentumOptimizer(0.01, 0.9))
    return step, loss, {is_training: True}


MODELS = [perceptron, layers_cnn, lstm, slim_batch_norm]


def run(model, tf, slim, data, config=None):
    """Variables, a hash of their initial values, and 100 losses; then the loss of 500 test images."""
    tf.reset_default_graph()
    tf.set_random_seed(1)
    x, y = tf.placeholder(tf.float32, [None, 784]), tf.placeholder(tf.int64, [None])
    train_step, loss, more = model(tf, slim, x, y)
    variables = tf.global_variables()
    with tf.Session(config=config) as sess:
        sess.run(tf.global_variables_initializer())
        weights = sess.run(tf.trainable_variables())
        losses = []
        for _ in range(ITERATIONS):
            images, labels = data.train.next_batch(50)
            losses.append(float(sess.run([loss, train_step], {x: images, y: labels, **more})[0]))
        for placeholder in more:
            more[placeholder] = False
        test = float(sess.run(loss, {x: data.validation.images[:500], y: data.validation.labels[:500], **more}))
    return {
        "variables": {variable.op.name: variable.shape.as_list() for variable in variables},
        "initial_weights_sha256": hashlib.sha256(b"".join(np.asarray(w).tobytes() for w in weights)).hexdigest(),
        "losses": losses,
        "test_loss": test,
    }
