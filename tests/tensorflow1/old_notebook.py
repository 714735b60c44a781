"""Programs as people wrote them for TensorFlow 1, cut into cells at `# %%`, each with the line that it changes.

Each ends in `assert`s, and its cells can be run twice in a row.
"""

IMPORT = "import tensorflow as tf"
ONE_LINE = "from vae_tf1 import tensorflow1 as tf"

PROGRAMS = {
    "softmax regression": """
from __future__ import absolute_import, print_function
import tensorflow as tf
from tensorflow.examples.tutorials.mnist import input_data
mnist = input_data.read_data_sets("MNIST_data/", one_hot=True)
# %%
tf.reset_default_graph()
x = tf.placeholder("float", [None, 784])
W = tf.Variable(tf.zeros([784, 10]))
b = tf.Variable(tf.zeros([10]))
y = tf.nn.softmax(tf.matmul(x, W) + b)
y_ = tf.placeholder("float", [None, 10])
cross_entropy = -tf.reduce_sum(y_ * tf.log(tf.clip_by_value(y, 1e-10, 1.0)))
train_step = tf.train.GradientDescentOptimizer(0.01).minimize(cross_entropy)
# %%
sess = tf.InteractiveSession()
tf.global_variables_initializer().run()
for _ in range(200):
    batch = mnist.train.next_batch(50)
    train_step.run(feed_dict={x: batch[0], y_: batch[1]})
correct = tf.equal(tf.argmax(y, 1), tf.argmax(y_, 1))
accuracy = tf.reduce_mean(tf.cast(correct, tf.float32)).eval(feed_dict={x: mnist.test.images, y_: mnist.test.labels})
sess.close()
assert accuracy > 0.6, accuracy
""",
    "tf.layers": """
import numpy as np
import tensorflow as tf
from tensorflow.examples.tutorials.mnist import input_data
mnist = input_data.read_data_sets("MNIST_data", reshape=False, validation_size=0)
# %%
tf.reset_default_graph()
features = tf.placeholder(tf.float32, (None, 28, 28, 1))
labels = tf.placeholder(tf.int32, [None])
training = tf.placeholder_with_default(False, ())
net = tf.layers.conv2d(features, filters=8, kernel_size=[5, 5], padding="same", activation=tf.nn.relu, name="conv")
net = tf.layers.max_pooling2d(net, pool_size=[2, 2], strides=2)
net = tf.layers.separable_conv2d(net, 8, 3, depthwise_regularizer=tf.contrib.layers.l2_regularizer(1e-3))
net = tf.layers.batch_normalization(net, training=training, name="norm")
net = tf.layers.average_pooling2d(net, 2, 2)
net = tf.layers.dropout(tf.layers.flatten(net), rate=0.4, training=training)
net = tf.layers.Dense(32, activation=tf.nn.relu)(net)
logits = tf.layers.dense(net, 10, name="logits")
up = tf.layers.conv2d_transpose(features, 2, 3, strides=2, padding="same")
assert up.shape.as_list() == [None, 56, 56, 2]
loss = tf.losses.sparse_softmax_cross_entropy(labels=labels, logits=logits) + tf.losses.get_regularization_loss()
with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
    step = tf.train.AdamOptimizer(1e-2).minimize(loss, global_step=tf.train.get_or_create_global_step())
with tf.variable_scope("logits", reuse=True):
    kernel = tf.get_variable("kernel")
# %%
saver = tf.train.Saver()
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    losses = []
    for _ in range(60):
        images, digits = mnist.train.next_batch(50)
        losses.append(sess.run([loss, step], {features: images, labels: digits, training: True})[0])
    mean, count = sess.run(["norm/moving_mean:0", "global_step:0"])
    path = saver.save(sess, "./cnn.ckpt")
    sess.run(tf.global_variables_initializer())
    saver.restore(sess, path)
    assert sess.run(kernel).shape == (32, 10)
assert np.mean(losses[-10:]) < 0.7 * np.mean(losses[:10]), losses
assert count == 60 and (mean != 0).all()
""",
    "tf.nn.rnn_cell and tf.contrib.rnn": """
import tensorflow as tf
from tensorflow.contrib import rnn
from tensorflow.python.ops import rnn_cell
from tensorflow.contrib.rnn.python.ops import rnn_cell as also_rnn_cell
from tensorflow.examples.tutorials.mnist import input_data
mnist = input_data.read_data_sets("MNIST_data", one_hot=True)
# %%
tf.reset_default_graph()
x = tf.placeholder(tf.float32, [None, 28, 28])
y = tf.placeholder(tf.float32, [None, 10])
rows = tf.unstack(x, 28, 1)
outputs, _ = rnn.static_rnn(rnn.BasicLSTMCell(16, forget_bias=1.0), rows, dtype=tf.float32)
forward, backward = rnn_cell.GRUCell(8), rnn.GRUCell(8)
both, _, _ = tf.contrib.rnn.static_bidirectional_rnn(forward, backward, rows, dtype=tf.float32, scope="both")
cell = tf.nn.rnn_cell.MultiRNNCell(
    [tf.nn.rnn_cell.DropoutWrapper(tf.contrib.rnn.LSTMCell(n), output_keep_prob=0.9) for n in (12, 8)]
)
dynamic, state = tf.nn.dynamic_rnn(cell, x, dtype=tf.float32, scope="dynamic")
assert isinstance(state[0], tf.nn.rnn_cell.LSTMStateTuple) and isinstance(state[0], also_rnn_cell.LSTMStateTuple)
_, basic = tf.nn.static_rnn(tf.nn.rnn_cell.BasicRNNCell(4), rows, dtype=tf.float32, scope="basic")
features = tf.concat([outputs[-1], both[-1], dynamic[:, -1], state[1].h, basic], 1)
logits = tf.matmul(features, tf.Variable(tf.random_normal([16 + 16 + 8 + 8 + 4, 10]))) + tf.Variable(tf.zeros([10]))
loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(logits=logits, labels=y))
step = tf.train.AdamOptimizer(0.01).minimize(loss)
names = [variable.op.name for variable in tf.trainable_variables()]
assert "rnn/basic_lstm_cell/kernel" in names and "both/fw/gru_cell/gates/kernel" in names, names
assert "dynamic/multi_rnn_cell/cell_1/lstm_cell/bias" in names, names
# %%
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    losses = []
    for _ in range(40):
        images, labels = mnist.train.next_batch(50)
        losses.append(sess.run([loss, step], {x: images.reshape(-1, 28, 28), y: labels})[0])
assert sum(losses[-5:]) < 0.8 * sum(losses[:5]), losses
""",
    "slim": """
import tensorflow as tf
import tensorflow.contrib.slim as slim
from tensorflow.contrib.slim.nets import vgg
from tensorflow.contrib.slim.python.slim.nets import resnet_v1
from tensorflow.contrib.framework.python.ops import arg_scope as also_arg_scope
from tensorflow.examples.tutorials.mnist import input_data
mnist = input_data.read_data_sets("MNIST_data")
# %%
tf.reset_default_graph()
x, y = tf.placeholder(tf.float32, [None, 784]), tf.placeholder(tf.int64, [None])
is_training = tf.placeholder(tf.bool)
with slim.arg_scope([slim.conv2d, slim.fully_connected], normalizer_fn=slim.batch_norm,
                    normalizer_params={"is_training": is_training, "decay": 0.8}):
    net = slim.stack(tf.reshape(x, [-1, 28, 28, 1]), slim.conv2d, [(8, [5, 5], 2), (8, [3, 3], 2)], scope="conv")
    net = slim.fully_connected(slim.flatten(net), 32, scope="fc")
unfused = tf.contrib.slim.batch_norm(net, fused=False, is_training=False, scope="unfused")
in_place = slim.batch_norm(net, updates_collections=None, is_training=True, scope="in_place")
logits = slim.fully_connected(slim.dropout(net, 0.9, is_training=is_training), 10, activation_fn=None)
loss = tf.contrib.losses.sparse_softmax_cross_entropy(logits, y)
assert slim.losses.get_losses() == [loss]
step = slim.learning.create_train_op(slim.losses.get_total_loss(), tf.train.AdamOptimizer(0.01))
accuracy, update = slim.metrics.streaming_accuracy(tf.argmax(logits, 1), y)
assert "conv/conv_1/BatchNorm/moving_variance" in [variable.op.name for variable in slim.get_model_variables()]
assert callable(vgg.vgg_16) and callable(resnet_v1.resnet_v1_50) and callable(tf.contrib.slim.nets.vgg.vgg_a)
# %%
with tf.Session() as sess:
    sess.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
    before = sess.run("fc/BatchNorm/moving_mean:0")
    for _ in range(40):
        images, labels = mnist.train.next_batch(50)
        total = sess.run(step, {x: images, y: labels, is_training: True})
    after = sess.run("fc/BatchNorm/moving_mean:0")
    assert (before == 0).all() and (after != 0).any()
    feed = {x: mnist.test.images[:500], y: mnist.test.labels[:500], is_training: False}
    first, second = sess.run(logits, feed), sess.run(logits, feed)
    assert (first == second).all()  # in inference, with the moving averages
    assert (sess.run("fc/BatchNorm/moving_mean:0") == after).all()
    alone = sess.run(logits, {x: mnist.test.images[:1], is_training: False})
    assert abs(alone[0] - first[0]).max() < 1e-4
    sess.run(update, feed)
    assert sess.run(accuracy) > 0.4, sess.run(accuracy)
    sess.run([unfused, in_place], feed)
""",
    "tf.contrib.layers and framework": """
import tensorflow as tf
import tensorflow.contrib.layers as layers
from tensorflow.contrib.layers import fully_connected, xavier_initializer
from tensorflow.contrib.layers.python.layers import batch_norm, initializers
from tensorflow.contrib.framework import arg_scope, get_variables
from tensorflow.contrib.framework.python.ops.arg_scope import add_arg_scope
# %%
tf.reset_default_graph()
x = tf.random_normal([8, 28, 28, 1], seed=1)
with arg_scope([layers.conv2d], weights_initializer=xavier_initializer(),
               weights_regularizer=layers.l2_regularizer(0.1)):
    net = layers.conv2d(x, 4, 3, normalizer_fn=batch_norm)
net = fully_connected(tf.contrib.layers.flatten(layers.max_pool2d(net, 2)), 10, activation_fn=None)
net = layers.layer_norm(layers.linear(net, 10, weights_initializer=initializers.variance_scaling_initializer()))
penalty = layers.apply_regularization(layers.l1_regularizer(0.1), tf.trainable_variables())
one_hot = layers.one_hot_encoding(tf.constant([1, 2]), 10)
step = layers.optimize_loss(tf.reduce_sum(net ** 2) + penalty, tf.train.get_or_create_global_step(), 0.01, "Adam")
assert get_variables("Conv")[-1].op.name == "Conv/BatchNorm/moving_variance"
assert tf.contrib.framework.get_or_create_global_step() is tf.train.get_global_step()
assert tf.contrib.framework.nest.flatten([1, (2, 3)]) == [1, 2, 3]
# %%
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    first, *_, last = [sess.run(step) for _ in range(20)]
    assert last < first
    assert sess.run(one_hot)[1, 2] == 1
""",
    "distributions": """
import tensorflow as tf
import tensorflow.contrib.distributions as ds
from tensorflow.contrib.distributions import bijectors
# %%
tf.reset_default_graph()
prior = tf.contrib.distributions.MultivariateNormalDiag(tf.zeros(2), tf.ones(2))
posterior = ds.Normal(loc=[1.0, 0.0], scale=[1.0, 2.0])
kl = ds.kl_divergence(posterior, ds.Normal(0.0, 1.0))
image = tf.contrib.distributions.Bernoulli(logits=tf.zeros([3]), dtype=tf.float32)
old = tf.distributions.Categorical(probs=[0.5, 0.5])
warped = ds.TransformedDistribution(ds.Normal(0.0, 1.0), bijectors.Exp())
# %%
with tf.Session() as sess:
    assert abs(sess.run(kl)[0] - 0.5) < 1e-6
    assert sess.run(prior.sample(5)).shape == (5, 2)
    assert set(sess.run(image.sample()).tolist()) <= {0.0, 1.0}
    assert sess.run(warped.sample()) > 0 and sess.run(old.log_prob(0)) < 0
""",
    "the tutorial's mnist module": """
import tensorflow as tf
from tensorflow.examples.tutorials.mnist import input_data
from tensorflow.examples.tutorials.mnist import mnist
import tensorflow.examples.tutorials.mnist.mnist as also_mnist
data_sets = input_data.read_data_sets("MNIST_data", False)
# %%
assert also_mnist is mnist and mnist.IMAGE_PIXELS == 784
tf.reset_default_graph()
images_placeholder = tf.placeholder(tf.float32, shape=(100, mnist.IMAGE_PIXELS))
labels_placeholder = tf.placeholder(tf.int32, shape=(100))
logits = mnist.inference(images_placeholder, 128, 32)
loss = mnist.loss(logits, labels_placeholder)
train_op = mnist.training(loss, 0.1)
eval_correct = mnist.evaluation(logits, labels_placeholder)
summary = tf.summary.merge_all()
assert [v.op.name for v in tf.trainable_variables()][:2] == ["hidden1/weights", "hidden1/biases"]
assert tf.get_default_graph().get_operation_by_name("hidden2/Relu") and logits.op.name == "softmax_linear/add"
# %%
with tf.Session() as sess:
    writer = tf.summary.FileWriter("logs", sess.graph)
    sess.run(tf.global_variables_initializer())
    for step in range(150):
        images_feed, labels_feed = data_sets.train.next_batch(100, False)
        feed_dict = {images_placeholder: images_feed, labels_placeholder: labels_feed}
        _, loss_value = sess.run([train_op, loss], feed_dict=feed_dict)
    writer.add_summary(sess.run(summary, feed_dict=feed_dict), step)
    writer.close()
    correct = sess.run(eval_correct, feed_dict=feed_dict)
    assert sess.run("global_step:0") == 150
assert loss_value < 2 and correct > 40, (loss_value, correct)
""",
    "contrib.learn's data sets": """
import numpy as np
import tensorflow as tf
from tensorflow.contrib import learn
from tensorflow.contrib.learn.python import learn as also_learn
from tensorflow.contrib.learn.python.learn.datasets import base
from tensorflow.contrib.learn.python.learn.datasets import mnist as mnist_module
from tensorflow.contrib.learn.python.learn.datasets.mnist import DataSet, dense_to_one_hot, read_data_sets
# %%
assert also_learn is learn and tf.contrib.learn.datasets.mnist is mnist_module and learn.datasets.base is base
data = tf.contrib.learn.datasets.load_dataset("mnist")
assert data.train.images.shape == (15000, 784) and learn.datasets.mnist.load_mnist().test.num_examples == 3000
train = read_data_sets("MNIST_data", dtype=tf.uint8, reshape=False).train
assert train.images.dtype == np.uint8 and train.images.shape == (15000, 28, 28, 1)
one_hot = dense_to_one_hot(train.labels, 10)
own = DataSet(train.images[:100], one_hot[:100], dtype=tf.float32, seed=1)
sets = base.Datasets(train=own, validation=own, test=own)
assert sets.train.next_batch(20)[1].shape == (20, 10) and own._index_in_epoch == 20
""",
    "what NumPy has dropped": """
import numpy as np
import tensorflow as tf
# %%
a = np.zeros(3, np.int) + np.ones(3, dtype=np.float)
assert a.astype(np.bool).all() and np.array([None], np.object)[0] is None
assert np.infty == np.Inf == float("inf") and np.isnan(np.NaN) and np.product([2, 3]) == 6
assert np.reshape(a, newshape=[1, 3]).shape == np.reshape(a, (1, 3)).shape == np.reshape(a, (1, -1), "F").shape
assert np.lib.pad(a, 1, "constant").shape == (5,) and np.mat([[1]]).shape == (1, 1)
""",
    "tf.keras in a graph": """
import tensorflow as tf
from tensorflow.keras.layers import Dense
from tensorflow.keras import backend as K
import tensorflow.keras.layers as layers
# %%
tf.reset_default_graph()
K.clear_session()
x = tf.placeholder(tf.float32, [None, 4])
y = layers.Dense(2)(tf.keras.layers.Dense(3, activation="relu")(x))
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    assert sess.run(y, {x: [[1, 2, 3, 4]]}).shape == (1, 2)
assert Dense is tf.keras.layers.Dense
""",
    "the embedding projector": """
import os
import tensorflow as tf
from tensorflow.contrib.tensorboard.plugins import projector
# %%
tf.reset_default_graph()
embedding = tf.Variable(tf.random_normal([10, 3]), name="embedding")
config = projector.ProjectorConfig()
config.embeddings.add().tensor_name = embedding.name
writer = tf.summary.FileWriter("projector")
projector.visualize_embeddings(writer, config)
assert "embedding:0" in open(os.path.join("projector", "projector_config.pbtxt")).read()
""",
    "modules by attribute": """
import tensorflow as tf
# %%
assert tf.contrib.learn.python.learn.datasets.mnist is tf.contrib.learn.datasets.mnist
assert tf.contrib.framework.python.ops.arg_scope is tf.contrib.framework.arg_scope
""",
    "queues, flags and control flow": """
import tensorflow as tf
from tensorflow import flags, layers, placeholder
from tensorflow.layers import dense
from tensorflow.nn import rnn_cell
from tensorflow.python.framework import ops
from tensorflow.python.ops import control_flow_ops
# %%
assert tf.__version__.startswith("2.") and placeholder is tf.placeholder and dense is tf.layers.dense is layers.dense
ops.reset_default_graph()
assert isinstance(tf.constant(1), ops.Tensor)
value = control_flow_ops.cond(tf.constant(True), lambda: tf.constant(1), lambda: tf.constant(2))
_, total = tf.while_loop(lambda i, t: i < 5, lambda i, t: (i + 1, t + i), [0, 0])
images = tf.data.Dataset.from_tensor_slices([1.0, 2.0, 3.0]).repeat().batch(2).make_one_shot_iterator().get_next()
queue = tf.train.batch([tf.random_uniform([2])], 3)
# %%
with tf.Session() as sess:
    coordinator = tf.train.Coordinator()
    threads = tf.train.start_queue_runners(sess, coordinator)
    assert sess.run([value, total]) == [1, 10] and sess.run(images).tolist() == [1, 2]
    assert sess.run(queue).shape == (3, 2)
    coordinator.request_stop()
    coordinator.join(threads)
""",
}
