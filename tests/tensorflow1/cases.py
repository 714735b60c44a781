"""What programs of 2017 relied on, one thing each, as old_notebook.py has whole programs."""

CASES = {
    "cross-entropies refuse positional arguments": """
import pytest
import tensorflow as tf
logits, labels = tf.constant([[1.0, 2.0, 3.0]]), tf.constant([[0.0, 0.0, 1.0]])
for name in ("softmax", "sigmoid", "sparse_softmax"):
    loss = getattr(tf.nn, name + "_cross_entropy_with_logits")
    for arguments in ((logits, labels), (logits,), ()):
        with pytest.raises(ValueError, match="Only call `.*` with named arguments"):
            loss(*arguments)
with tf.Session() as sess:
    loss = tf.nn.softmax_cross_entropy_with_logits(logits=logits, labels=labels, dim=-1, name="loss")
    assert abs(sess.run(loss)[0] - 0.40760595) < 1e-6
    assert sess.run(tf.nn.softmax_cross_entropy_with_logits_v2(labels, logits)).shape == (1,)
""",
    "names imported from tensorflow are those of tf": """
import importlib
import tensorflow as tf
from tensorflow import Session, Variable, argmax, image, losses, metrics, nn, random_uniform, summary, train
from tensorflow.nn import dynamic_rnn, max_pool
from tensorflow.python.ops import nn as private_nn
import tensorflow.nn as nn2
import tensorflow.train as train2
import tensorflow as tf_again
import tensorflow.compat.v1 as v1
import tensorflow.python.ops.rnn_cell_impl as cells
assert nn is nn2 is tf.nn is importlib.import_module("tensorflow.nn") and train is train2 is tf.train
assert dynamic_rnn is tf.nn.dynamic_rnn and tf_again is tf and v1.Session is Session is tf.Session
assert cells.RNNCell is tf.nn.rnn_cell.RNNCell
with tf.Session() as sess:
    zeros = tf.equal(nn.dropout(tf.ones([100000]), 0.9), 0)
    assert abs(sess.run(tf.reduce_mean(tf.cast(zeros, tf.float32))) - 0.1) < 0.01
argmax([1, 2], dimension=0), losses.mean_squared_error([1.0], [1.0]), metrics.accuracy([1], [1])
summary.scalar("a", 1.0), train.AdamOptimizer(), image.resize_images(tf.zeros([1, 2, 2, 1]), [4, 4])
nn.conv2d(tf.zeros([1, 4, 4, 1]), filter=tf.zeros([2, 2, 1, 1]), strides=[1, 1, 1, 1], padding="SAME")
nn.moments(tf.zeros([2, 2]), [0], keep_dims=True)
assert type(Variable(1.0)).__name__ == "RefVariable" and random_uniform is tf.random_uniform
namespace = {}
exec("from tensorflow import *", namespace)
assert namespace["placeholder"] is tf.placeholder and namespace["contrib"] is tf.contrib
""",
    "installed packages keep TensorFlow 2": """
import sys
import types
import tensorflow as tf
library = {"__name__": "library", "__file__": "/usr/lib/python3/site-packages/library.py"}
exec("import tensorflow; from tensorflow import nn; import tensorflow.python.keras.layers as layers", library)
assert library["tensorflow"] is sys.modules["tensorflow"] is not tf and library["nn"] is not tf.nn
assert library["layers"].Dense is not tf.keras.layers.Dense
""",
    "one class of each cell and layer": """
import tensorflow as tf
from tensorflow.python.layers import base, core as layers_core
from tensorflow.python.layers.convolutional import Conv2D
from tensorflow.python.ops import rnn_cell_impl
from tensorflow.python.ops.rnn_cell_impl import LSTMStateTuple, RNNCell
from tensorflow.contrib.rnn.python.ops.core_rnn_cell import GRUCell
tf.reset_default_graph()
cell = tf.nn.rnn_cell.LSTMCell(3)
assert RNNCell is tf.nn.rnn_cell.RNNCell and rnn_cell_impl.GRUCell is GRUCell is tf.nn.rnn_cell.GRUCell
assert isinstance(cell, RNNCell) and isinstance(cell.zero_state(2, tf.float32), LSTMStateTuple)
assert tf.layers.Dense is layers_core.Dense and tf.layers.Conv2D is Conv2D and issubclass(Conv2D, base.Layer)
class Mine(RNNCell):
    state_size = output_size = 4
    def call(self, inputs, state):
        output = tf.layers.dense(tf.concat([inputs, state], 1), 4, tf.tanh)
        return output, output
stack = tf.nn.rnn_cell.MultiRNNCell([tf.nn.rnn_cell.DropoutWrapper(Mine(), 0.5), Mine()])
tf.nn.dynamic_rnn(stack, tf.zeros([2, 3, 5]), dtype=tf.float32)
assert tf.trainable_variables()[0].op.name == "rnn/multi_rnn_cell/cell_0/mine/dense/kernel"
""",
    "tensorflow.python.keras is tf.keras": """
import numpy as np
import tensorflow as tf
from tensorflow.keras.layers import Dense, Input
from tensorflow.python.keras import backend as K
from tensorflow.python.keras.engine.base_layer import Layer
from tensorflow.python.keras.layers import Dense as also_dense
from tensorflow.python.keras.layers.recurrent import LSTM
from tensorflow.python.keras.models import Model
assert Model is tf.keras.models.Model and K is tf.keras.backend or K.get_session is tf.keras.backend.get_session
assert also_dense is Dense and LSTM is tf.keras.layers.LSTM and issubclass(Dense, Layer)
x = Input((6,))
model = Model(inputs=x, outputs=Dense(1)(x))
model.compile("adam", "mse")
model.fit(np.zeros((8, 6)), np.zeros((8, 1)), verbose=0)
""",
    "random_uniform counts as in 1.15": """
import tensorflow as tf
tf.reset_default_graph()
tf.set_random_seed(42)
number = tf.random_uniform(shape=[])
with tf.Session() as sess:
    assert [round(float(sess.run(number)), 6) for _ in range(2)] == [0.6379, 0.877401]
""",
    "submodules come before what a module imported": """
import tensorflow as tf
from tensorflow.contrib.framework.python.ops import variables
from tensorflow.contrib.training.python.training import evaluation
assert variables.__name__ == "tf_slim.ops.variables" and hasattr(variables, "model_variable")
assert evaluation.__name__ == "tf_slim.training.evaluation" and hasattr(evaluation, "checkpoints_iterator")
""",
    "contrib.framework's own functions": """
import tensorflow as tf
import tensorflow.contrib.framework as framework
from tensorflow.contrib.framework.python.framework import checkpoint_utils, experimental
tf.reset_default_graph()
x = tf.placeholder(tf.float32, name="x")
w = tf.get_variable("w", initializer=[1.0, 2.0])
set_to_zero = framework.zero_initializer(w)
a, b = framework.py_func(
    lambda a, more: (a + more["b"], a), (tf.constant(1.0),), {"more": {"b": 2.0}}, (tf.float32, tf.float32), ([], [])
)
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    tf.train.Saver().save(sess, "./framework.ckpt")
    assert sess.run(w).tolist() == [1.0, 2.0] and sess.run(set_to_zero).tolist() == sess.run(w).tolist() == [0.0, 0.0]
    assert sess.run([a, b]) == [3.0, 1.0] and a.shape.rank == 0
assert framework.list_variables(checkpoint_dir="framework.ckpt") == [("w", [2])]
assert checkpoint_utils.list_variables("framework.ckpt") == [("w", [2])]
assert framework.load_variable(checkpoint_dir="framework.ckpt", name="w").tolist() == [1.0, 2.0]
assert framework.load_checkpoint(filepattern="framework.ckpt").has_tensor("w")
framework.init_from_checkpoint(checkpoint_dir="framework.ckpt", assignment_map={"w": w})
assert framework.nest.is_sequence([1]) and experimental(abs) is abs
assert tf.contrib.framework.python.framework.graph_util.get_placeholders(tf.get_default_graph()) == [x]
""",
    "one family of distributions": """
import tensorflow as tf
ds, own = tf.contrib.distributions, tf.distributions
assert ds.Normal is own.Normal and ds.kl_divergence is own.kl_divergence and ds.Distribution is own.Distribution
assert isinstance(ds.MultivariateNormalDiag([0.0], [1.0]), own.Distribution)
assert own.Normal(0.0, 1.0).reparameterization_type is ds.FULLY_REPARAMETERIZED
assert ds.MultivariateNormalDiag([0.0], [1.0]).reparameterization_type is ds.FULLY_REPARAMETERIZED
class Mine(own.Normal):
    pass
@own.RegisterKL(Mine, ds.MultivariateNormalDiag)
def kl(a, b, name=None):
    return tf.constant(7.0)
one = ds.MultivariateNormalDiag([0.0], [1.0])
with tf.Session() as sess:
    assert sess.run(own.kl_divergence(one, ds.MultivariateNormalDiag([1.0], [1.0]))) == 0.5
    assert sess.run(own.kl_divergence(Mine(0.0, 1.0), one)) == 7.0
    assert sess.run(one.copy(loc=[2.0]).mean()).tolist() == [2.0]
    sess.run([one(logits=[0.1, 0.2]).sample() for one in (ds.Bernoulli, ds.Geometric, ds.OneHotCategorical)])
""",
    "sizes of narrow integers": """
import numpy as np
import tensorflow as tf
classes = max(np.array([3, 9], np.uint8)) + 1
assert tf.truncated_normal([classes]).shape.as_list() == [10] == tf.Variable(tf.zeros([classes])).shape.as_list()
""",
    "regularization losses are tensors": """
import tensorflow as tf
tf.reset_default_graph()
tf.get_variable("w", [2], regularizer=tf.contrib.layers.l2_regularizer(0.1))
losses = tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)
assert isinstance(losses[0], tf.Tensor) and losses[0].op.name == "w/Regularizer/l2_regularizer"
with tf.control_dependencies(losses):
    tf.group(*losses)
""",
    "private names of tensorflow.python": """
import tensorflow as tf
from tensorflow.python.framework.graph_util import convert_variables_to_constants
from tensorflow.python.framework.tensor_shape import scalar, vector
from tensorflow.python.pywrap_tensorflow import NewCheckpointReader
from tensorflow.python.training.training_ops import apply_adam
from tensorflow.python.util.nest import is_sequence
from tensorflow.python.ops.init_ops import _compute_fans
from tensorflow.python.ops.rnn_cell_impl import _Linear
from tensorflow.contrib.rnn.python.ops.core_rnn_cell import _linear
from tensorflow.contrib.slim.python.slim.metrics import set_union
from tensorflow.python.framework.ops import _get_graph_from_inputs
assert convert_variables_to_constants is tf.graph_util.convert_variables_to_constants
assert scalar().rank == 0 and vector(3).as_list() == [3] and is_sequence((1, 2)) and not is_sequence("ab")
""",
    "importing again changes nothing": """
import importlib
import importlib.util
import sys
import tensorflow as tf
before = len(sys.meta_path), tf.contrib, tf.get_logger().filters[:], tf.nn.dropout, __import__
importlib.reload(tf)
assert before == (len(sys.meta_path), tf.contrib, tf.get_logger().filters, tf.nn.dropout, __import__)
assert importlib.util.find_spec("tensorflow.contrib.nope") is None
assert importlib.util.find_spec("tensorflow.contrib.slim") is not None
assert {"conv2d", "losses", "arg_scope"} <= set(dir(tf.contrib.slim)) and "Normal" in dir(tf.contrib.distributions)
assert "AdamOptimizer" in dir(tf.train) and {"contrib", "placeholder"} <= set(dir(tf))
""",
    "pictures of scipy.misc": """
import numpy as np
import tensorflow as tf
import scipy.misc
from scipy.misc import imread, imresize, imsave
ramp = np.arange(6.0).reshape(2, 3)
imsave("ramp.png", ramp)
assert imread("ramp.png").tolist() == [[0, 51, 102], [153, 204, 255]] and imread("ramp.png").dtype == np.uint8
assert imresize(ramp, 2.0).shape == (4, 6) and imresize(ramp, 50).shape == (1, 1)
assert imresize(ramp, (5, 7), "nearest").shape == (5, 7) and imresize(np.ones([4, 4, 3]), 0.5).shape == (2, 2, 3)
colours = np.zeros([4, 5, 3], np.uint8)
colours[..., 0] = 7
scipy.misc.imsave("colours.png", colours)
assert (imread("colours.png") == colours).all() and imread("colours.png", flatten=True).dtype == np.float32
assert scipy.misc.toimage(ramp, cmin=0, cmax=10).getpixel((2, 1)) == 128
assert scipy.misc.logsumexp([0.0, 0.0]) == np.log(2)
try:
    scipy.misc.imfilter
except AttributeError as error:
    assert "SciPy has removed scipy.misc.imfilter" in str(error)
""",
    "imageio of 2018": """
import sys
import types
import numpy as np
import tensorflow as tf
written = {}
stand_in = types.ModuleType("imageio")  # it need not be installed
stand_in.imwrite = lambda uri, im, format=None, **named: written.update({uri: im})
sys.modules["imageio"] = stand_in
from imageio import imwrite
import imageio
imageio.imsave("unit.png", np.array([[0.0, 0.5, 1.0]]))
imwrite("wide.png", np.array([[-2.0, 0.0, 2.0]], np.float32))
imwrite("bytes.png", np.array([[7]], np.uint8))
assert {name: im.tolist() for name, im in written.items()} == {
    "unit.png": [[0, 127, 255]], "wide.png": [[0, 127, 255]], "bytes.png": [[7]]
}
assert written["unit.png"].dtype == np.uint8
imwrite("depth.tiff", np.array([[0.0, 0.5]]))  # this format holds floats
assert written["depth.tiff"].tolist() == [[0.0, 0.5]]
try:
    imwrite("broken.jpg", np.array([[np.nan]]))
except ValueError as error:
    assert "broken.jpg has NaN" in str(error)
else:
    raise AssertionError
del sys.modules["imageio"]
""",
    "what other libraries had": """
import io
import numpy as np
import tensorflow as tf
import matplotlib.pyplot as plt
from scipy.sparse.linalg.eigen.arpack import eigsh
assert plt.cm.get_cmap("jet", 10).N == 10 and plt.cm.get_cmap().name == "viridis" and callable(eigsh)
read = np.fromstring(b"\\x01\\x02", dtype=np.uint8)
read += 1
assert read.tolist() == [2, 3] and np.fromstring("1 2", sep=" ").tolist() == [1.0, 2.0]
np.save("ragged.npy", [np.zeros([10, 3]), [0.0] * 5])
assert len(np.load("ragged.npy", allow_pickle=True)) == 2
step = np.array([np.zeros(4), 1, 0.5])
assert step.shape == (3,) and step.dtype == object and np.reshape(step, [1, 3]).shape == (1, 3)
assert np.in1d([[1, 2], [3, 4]], [1, 4]).tolist() == [True, False, False, True]
assert np.asfarray([1, 2], dtype=np.int32).dtype == np.float64
assert np.array([[np.zeros(4), 1], [np.ones(4), 2]]).shape == (2, 2) and np.asarray([[1], [2, 3]]).shape == (2,)
for wrong in (lambda: np.array([[1], [2, 3]], float), lambda: np.array("a", int)):
    try:
        wrong()
    except ValueError:
        pass
    else:
        raise AssertionError
with tf.Session() as sess:
    value = sess.run(tf.constant(2.5))
    assert repr({"loss": value}) == "{'loss': 2.5}" and 1e99 > value
""",
    "tf.keras's names, files and variables": """
import numpy as np
import tensorflow as tf
tf.reset_default_graph()
tf.keras.backend.clear_session()
for layer in (tf.keras.layers.LSTM(4), tf.keras.layers.GRU(4), tf.keras.layers.SimpleRNN(4)):
    layer(tf.zeros([2, 3, 5]))
names = [variable.op.name for variable in tf.global_variables()]
assert names[:4] == ["lstm/kernel", "lstm/recurrent_kernel", "lstm/bias", "gru/kernel"], names
tf.keras.backend.set_learning_phase(1)
model = tf.keras.models.Sequential([
    tf.keras.layers.BatchNormalization(input_shape=(6,)), tf.keras.layers.Dense(3, activation="softmax")
])
model.compile(tf.keras.optimizers.Adam(lr=1e-3), "mse")
model.fit_generator(iter([(np.zeros((8, 6)), np.zeros((8, 3)))] * 9), steps_per_epoch=2, verbose=0)
x = np.ones((2, 6))
model.save("model.keras")
again = tf.keras.models.load_model("model.keras")
assert (again.predict(x) == model.predict(x)).all() and (model.predict_proba(x) == model.predict(x)).all()
assert model.predict_classes(x).shape == (2,) and tf.keras.__version__ == "2.2.4-tf"
(images, labels), (test_images, _) = tf.keras.datasets.mnist.load_data()
assert images.shape[1:] == (28, 28) and images.dtype == labels.dtype == np.uint8 and len(test_images) == 3000
tf.keras.backend.set_learning_phase(0)
""",
    "small things of contrib.learn and contrib.training": """
import pytest
import tensorflow as tf
from tensorflow.contrib import learn
import tensorflow.contrib.eager as tfe
assert (learn.ModeKeys.TRAIN, learn.ModeKeys.EVAL, learn.ModeKeys.INFER) == ("train", "eval", "infer")
assert tfe.GradientTape is tf.GradientTape
processor = learn.preprocessing.VocabularyProcessor(4)
assert [row.tolist() for row in processor.fit_transform(["a good film", "a bad one"])] == [[1, 2, 3, 0], [1, 4, 5, 0]]
assert len(processor.vocabulary_) == 6 and list(processor.transform(["a strange film, a"]))[0].tolist() == [1, 0, 3, 1]
processor.save("vocabulary")
assert list(learn.preprocessing.VocabularyProcessor.restore("vocabulary").reverse([[1, 4, 0]])) == ["a bad <UNK>"]
params = tf.contrib.training.HParams(a=1, rate=0.1, name="x", sizes=[1, 2], on=True)
assert params.parse("a=2,rate=3,name=y z,sizes=[4,5,6],on=false") is params
assert params.values() == {"a": 2, "rate": 3.0, "name": "y z", "sizes": [4, 5, 6], "on": False}
assert "a" in params and params.get("b", 7) == 7 and str(params) == "a=2,rate=3.0,name=y z,sizes=[4, 5, 6],on=False"
assert tf.contrib.training.parse_values("s[1]=9,s[0]=2,a=x", {"s": int, "a": str}) == {"s": {1: 9, 0: 2}, "a": "x"}
params.set_hparam("rate", 1)
params.add_hparam("b", "c")
params.del_hparam("on")
assert params.to_json(sort_keys=True) == '{"a": 2, "b": "c", "name": "y z", "rate": 1.0, "sizes": [4, 5, 6]}'
assert params.parse_json('{"a": 5}').a == params.override_from_dict({"a": 5}).a == 5
for wrong in ("a=x", "a=1.5", "nope=1", "a=1,a=2", "a", "a=[1]", "s=1", "s[0]=1", "on=maybe"):
    with pytest.raises(ValueError, match="."):
        tf.contrib.training.HParams(a=1, s=[1, 2], on=True).parse(wrong)
""",
    "tables in CSV": """
import numpy as np
import tensorflow as tf
from tensorflow.contrib.learn.python.learn.datasets.base import load_csv_with_header, load_csv_without_header
with open("iris.csv", "w") as file:
    file.write("2,3,a,b\\n1.5,2,3,0\\n4,5,6,1\\n")
data = load_csv_with_header("iris.csv", target_dtype=np.int, features_dtype=np.float32)
assert data.data.tolist() == [[1.5, 2, 3], [4, 5, 6]] and data.target.tolist() == [0, 1]
with open("plain.csv", "w") as file:
    file.write("7,1.5\\n8,2.5\\n")
assert load_csv_without_header("plain.csv", np.int32, np.float64, 0).target.tolist() == [7, 8]
""",
    "contrib's tables": """
import tensorflow as tf
contrib = tf.contrib
tf.reset_default_graph()
batch = tf.data.Dataset.range(10).apply(contrib.data.batch_and_drop_remainder(4)).make_one_shot_iterator().get_next()
table = contrib.lookup.index_table_from_tensor(mapping=tf.constant(["a", "b"]), num_oov_buckets=1)
buckets = contrib.data.bucket_by_sequence_length(lambda x: tf.size(x), [3], [2, 2])
by_length = tf.data.Dataset.range(1, 5).map(lambda n: tf.fill([n], n)).apply(buckets)
padded = by_length.make_one_shot_iterator().get_next()
pairs = tf.lookup.KeyValueTensorInitializer(["a"], [7], tf.string, tf.int64)
numbers = contrib.lookup.HashTable(pairs, -1, "shared")
words = contrib.lookup.index_to_string_table_from_tensor(["a", "b"], default_value="?")
chosen = contrib.framework.smart_cond(True, lambda: tf.constant(1), lambda: tf.constant(2))
flipped = contrib.nn.deprecated_flipped_softmax_cross_entropy_with_logits([[1.0, 2.0]], [[0.0, 1.0]])
right = tf.nn.softmax_cross_entropy_with_logits(labels=[[0.0, 1.0]], logits=[[1.0, 2.0]])
with tf.Session() as sess:
    sess.run(tf.tables_initializer())
    assert batch.shape.as_list() == [4] and sess.run(chosen) == 1 and sess.run(flipped) == sess.run(right)
    assert sess.run(table.lookup(tf.constant(["b", "z"]))).tolist() == [1, 2]
    assert sess.run(words.lookup(tf.constant([1, 5], tf.int64))).tolist() == [b"b", b"?"]
    assert sess.run(numbers.lookup(tf.constant(["a", "z"]))).tolist() == [7, -1]
    assert sess.run(padded).tolist() == [[1, 0], [2, 2]]
assert not hasattr(contrib.util, "placeholder") and contrib.util.constant_value(tf.constant(3)) == 3
assert contrib.stateless.stateless_random_uniform is tf.random.stateless_uniform
assert contrib.distribute.DistributionStrategy is tf.distribute.Strategy
""",
    "parts of a partitioned variable": """
import tensorflow as tf
import tensorflow.contrib.slim as slim
with tf.Graph().as_default(), tf.Session() as sess:
    w = tf.get_variable("w", initializer=tf.reshape(tf.range(8.0), [4, 2]))
    sess.run(w.initializer)
    tf.train.Saver().save(sess, "./whole.ckpt")
with tf.Graph().as_default(), tf.Session() as sess:
    with tf.variable_scope("", partitioner=tf.fixed_size_partitioner(2)):
        w = tf.get_variable("w", [4, 2])
    assign, feed = slim.assign_from_checkpoint("./whole.ckpt", {"w": list(w)})
    sess.run(assign, feed)
    assert sess.run(tf.convert_to_tensor(w)).ravel().tolist() == list(range(8))
""",
    "what contrib.seq2seq refuses": """
import pytest
import tensorflow as tf
tf.reset_default_graph()
seq2seq, x = tf.contrib.seq2seq, tf.ones([2, 3, 4])
cell = tf.nn.rnn_cell.GRUCell(4)
with pytest.raises(ValueError, match="both averaged and summed"):
    seq2seq.sequence_loss(x, tf.zeros([2, 3], tf.int32), tf.ones([2, 3]), sum_over_batch=True)
with pytest.raises(ValueError, match="pass a vector"):
    seq2seq.TrainingHelper(x, 3)
with pytest.raises(ValueError, match="a vector and a scalar"):
    seq2seq.GreedyEmbeddingHelper(tf.eye(4), 1, 2)
with pytest.raises(TypeError, match="decoder is a int"):
    seq2seq.dynamic_decode(1)
with pytest.raises(ValueError, match="custom_key_value_fn"):
    seq2seq.LuongAttention(4, x, custom_key_value_fn=abs)
with pytest.raises(ValueError, match="1 mechanisms and 2 layers"):
    seq2seq.AttentionWrapper(cell, seq2seq.LuongAttention(4, x), [3, 3])
too_long = seq2seq.BasicDecoder(cell, seq2seq.TrainingHelper(x, [9, 1]), cell.zero_state(2, tf.float32))
with tf.Session() as sess, pytest.raises(tf.errors.InvalidArgumentError):
    outputs = seq2seq.dynamic_decode(too_long)[0]
    sess.run(tf.global_variables_initializer())
    sess.run(outputs)
""",
    "attention needs lengths and batches that fit": """
import pytest
import tensorflow as tf
tf.reset_default_graph()
seq2seq = tf.contrib.seq2seq
with pytest.raises(tf.errors.InvalidArgumentError, match="memory_sequence_length must be positive"):
    seq2seq.LuongAttention(3, tf.ones([2, 4, 3]), memory_sequence_length=[0, 2])
cell = seq2seq.AttentionWrapper(tf.nn.rnn_cell.GRUCell(3), seq2seq.LuongAttention(3, tf.ones([1, 4, 3])), 5)
output, _ = cell(tf.ones([2, 3]), cell.zero_state(2, tf.float32))
with tf.Session() as sess, pytest.raises(tf.errors.InvalidArgumentError, match="differ in batch size"):
    sess.run(tf.global_variables_initializer())
    sess.run(output)
""",
    "decoders with outputs of any structure": """
import tensorflow as tf
tf.reset_default_graph()
class Decoder(tf.contrib.seq2seq.Decoder):
    batch_size = property(lambda self: tf.constant(2))
    output_size = property(lambda self: (3, {"ids": tf.TensorShape([])}))
    output_dtype = property(lambda self: (tf.float32, {"ids": tf.int32}))
    def initialize(self, name=None):
        return tf.zeros([2], tf.bool), tf.zeros([2, 3]), tf.zeros([2, 3])
    def step(self, time, inputs, state, name=None):
        return (inputs, {"ids": tf.fill([2], time)}), state, inputs, tf.fill([2], time > 1)
(outputs, ids), _, lengths = tf.contrib.seq2seq.dynamic_decode(Decoder(), impute_finished=True)
with tf.Session() as sess:
    assert sess.run(outputs).shape == (2, 3, 3) and sess.run(ids["ids"]).tolist() == [[0, 1, 2]] * 2
    assert sess.run(lengths).tolist() == [3, 3]
""",
    "helpers of one's own": """
import tensorflow as tf
tf.reset_default_graph()
seq2seq, calls = tf.contrib.seq2seq, []
def initialize():
    calls.append("initialize")
    return tf.constant([False, False]), tf.zeros([2, 3])
helper = seq2seq.CustomHelper(
    initialize,
    lambda time, outputs, state: tf.argmax(outputs, 1, output_type=tf.int32),
    lambda time, outputs, state, sample_ids: (tf.stack([time > 0, time > 2]), outputs, state),
)
cell = tf.nn.rnn_cell.GRUCell(3)
decoder = seq2seq.BasicDecoder(cell, helper, cell.zero_state(2, tf.float32))
outputs, state, lengths = seq2seq.dynamic_decode(decoder)
mechanism = seq2seq.LuongAttention(3, tf.ones([2, 5, 4]))
attending = seq2seq.AttentionWrapper(tf.nn.rnn_cell.GRUCell(3), mechanism, 6, alignment_history=True)
training = seq2seq.TrainingHelper(tf.ones([2, 4, 3]), [4, 4])
_, last, _ = seq2seq.dynamic_decode(seq2seq.BasicDecoder(attending, training, attending.zero_state(2, tf.float32)))
sampling = seq2seq.SampleEmbeddingHelper(tf.eye(3), [0, 1], 2, 1e-3)
sampler = seq2seq.BasicDecoder(cell, sampling, cell.zero_state(2, tf.float32))
drawn, *_ = seq2seq.dynamic_decode(sampler, maximum_iterations=3)
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    assert sess.run(lengths).tolist() == [2, 4] and calls == ["initialize"]
    assert sess.run(outputs.rnn_output).shape == (2, 4, 3) and sess.run(drawn.sample_id).shape[0] == 2
    assert sess.run(last.alignment_history.stack()).shape == (4, 2, 5)
""",
    "contrib.rnn's linear map": """
import pytest
import tensorflow as tf
from tensorflow.contrib.rnn.python.ops.core_rnn_cell import _linear
tf.reset_default_graph()
with tf.variable_scope("s", partitioner=tf.fixed_size_partitioner(2)):
    _linear(tf.ones([2, 4]), 4, True)
assert [v.op.name for v in tf.global_variables()] == ["s/kernel/part_0", "s/kernel/part_1", "s/bias"]
for wrong in (None, [], tf.ones([2, 4, 4]), tf.placeholder(tf.float32, [2, None])):
    with pytest.raises(ValueError, match="pass tensors .N, width. whose width is known"):
        _linear(wrong, 3, True)
cells = lambda: [tf.nn.rnn_cell.GRUCell(3)]
with pytest.raises(ValueError, match="pass a list of 1"):
    tf.contrib.rnn.stack_bidirectional_dynamic_rnn(
        cells(), cells(), tf.ones([2, 5, 3]), initial_states_fw=[tf.ones([2, 3])] * 2, dtype=tf.float32
    )
assert tf.contrib.rnn.transpose_batch_time(tf.ones([3])).shape.as_list() == [3]
""",
    "the layer-normalized LSTM cell's seeds, and its half precision": """
import numpy as np
import tensorflow as tf
tf.reset_default_graph()
tf.set_random_seed(1)
cell = tf.contrib.rnn.LayerNormBasicLSTMCell(3, dropout_keep_prob=0.5)
cell(tf.ones([2, 3]), cell.zero_state(2, tf.float32))
random = [op for op in tf.get_default_graph().get_operations() if op.type == "RandomUniform"]
assert [op.get_attr("seed2") for op in random] == [22, 126]  # recorded with TensorFlow 1.15.5
tf.reset_default_graph()
with tf.variable_scope("zeros", initializer=tf.zeros_initializer()), tf.Session() as sess:
    cell = tf.contrib.rnn.LayerNormBasicLSTMCell(3)
    output, _ = cell(tf.ones([2, 3], tf.float16), cell.zero_state(2, tf.float16))
    sess.run(tf.global_variables_initializer())
    assert np.isfinite(sess.run(output)).all()
""",
    "embeddings are float32 in every scope": """
import tensorflow as tf
tf.reset_default_graph()
with tf.variable_scope("wide", dtype=tf.float64):
    assert tf.contrib.layers.embed_sequence(tf.zeros([2, 5], tf.int32), 10, 4).dtype == tf.float32
    assert tf.contrib.layers.bow_encoder(tf.ones([2, 5], tf.int32), 10, 4).dtype == tf.float32
""",
    "hash tables by their names of 1.15": """
import tensorflow as tf
tf.reset_default_graph()
lookup = tf.contrib.lookup
pairs = lookup.KeyValueTensorInitializer(["a"], [7], tf.string, tf.int64)
table = lookup.HashTable(pairs, -1, "shared")
assert table.resource_handle.op.get_attr("shared_name") == b"shared" and table.name == "hash_table"
with tf.Session() as sess:
    table.init.run()
    assert sess.run(table.lookup(tf.constant(["a", "b"]))).tolist() == [7, -1]
""",
    "contrib.framework.py_func checks what it returns": """
import pytest
import tensorflow as tf
tf.reset_default_graph()
py_func = tf.contrib.framework.py_func
same = py_func(lambda a: a, (tf.constant(1.0),), output_types=lambda a: a.dtype, output_shapes=lambda a: a.shape)
other = py_func(lambda a: {"z": a, "b": a + 1}, (tf.constant(1.0),), output_types=[tf.float32, tf.float32])
with tf.Session() as sess:
    assert sess.run(same) == 1.0 and same.shape.rank == 0
    with pytest.raises(tf.errors.InvalidArgumentError, match="same sequence type"):
        sess.run(other)
""",
    "keras's defaults by name": """
import h5py
import tensorflow as tf
tf.keras.backend.clear_session()
assert tf.keras.optimizers.get("adagrad").get_config()["initial_accumulator_value"] == 0.0
assert tf.keras.optimizers.Adagrad().get_config()["initial_accumulator_value"] == 0.1
model = tf.keras.models.Sequential([tf.keras.layers.Dense(1, input_shape=(6,))])
for name, save_format in (("model.tf", None), ("no_suffix", None), ("model.h5", "tf")):
    model.save(name, save_format=save_format)
    assert h5py.is_hdf5(name), name
""",
    "augmented pictures": """
import numpy as np
import tensorflow as tf
image, picture = tf.keras.preprocessing.image, np.arange(25.0).reshape(5, 5, 1)
rows = np.array([1, 2, 3, 4, 4])
turned = image.apply_affine_transform(picture, theta=90)[..., 0]
assert turned.round().tolist()[0] == [20, 20, 20, 15, 10] and turned.round().tolist()[4] == [24, 24, 24, 19, 14]
assert (image.apply_affine_transform(picture, tx=1) == picture[rows]).all()
assert (image.ImageDataGenerator().apply_transform(picture, {"tx": 1}) == picture[rows]).all()
np.random.seed(0)
moved = image.ImageDataGenerator(height_shift_range=0.4).random_transform(picture)
assert (moved - moved[:, :1] == np.arange(5.0)[:, None]).all()  # each row as a whole
""",
    "arguments of distributions by position": """
import tensorflow as tf
ds = tf.contrib.distributions
assert not ds.MultivariateNormalDiagWithSoftplusScale([0.0], [1.0]).validate_args
for checked in (
    ds.MultivariateNormalDiag([0.0], [1.0], None, True, True, "named"),
    ds.Geometric([0.5], None, True, True, "named"),
    ds.MixtureSameFamily(ds.Categorical(probs=[1.0]), ds.Normal([0.0], [1.0]), True, True, "named"),
    ds.MultivariateNormalTriL([0.0], [[1.0]], True, True, "named"),
    ds.RelaxedOneHotCategorical(0.5, [0.1, 0.2], None, tf.float32, True, True, "named"),
    ds.bijectors.Permute([1, 0], True, "named"),
    ds.bijectors.Sigmoid(True, "named"),
    ds.bijectors.CholeskyOuterProduct(True, "named"),
    ds.bijectors.Softplus(None, True, "named"),
):
    assert checked.validate_args is True and checked.name.startswith("named"), checked
""",
    "buckets by length": """
import pytest
import tensorflow as tf
tf.reset_default_graph()
tensor = tf.train.slice_input_producer([tf.constant([1, 7, 2, 8, 3])], num_epochs=4, shuffle=False)[0]
lengths, outputs = tf.contrib.training.bucket_by_sequence_length(
    tensor, {"x": tf.ones([tensor])}, 2, [3, 7], dynamic_pad=True, allow_smaller_final_batch=True
)
assert outputs["x"].shape.as_list() == [None, None]
got = []
with tf.Session() as sess:
    sess.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
    coordinator = tf.train.Coordinator()
    threads = tf.train.start_queue_runners(sess, coordinator)
    with pytest.raises(tf.errors.OutOfRangeError):
        while True:
            batch, padded = sess.run([lengths, outputs["x"]])
            assert padded.sum(1).tolist() == batch.tolist() and padded.shape[1] == max(batch)
            got.append(batch.tolist())
    coordinator.request_stop()
    coordinator.join(threads)
assert sorted(got) == [[1, 2]] * 4 + [[3, 3]] * 2 + [[7, 8]] * 4
""",
}
