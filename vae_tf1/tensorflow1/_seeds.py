"""TensorFlow 1.15's seeds: where only the graph has a seed, an operation's own is the number of operations before it.

So each function must make as many operations as in 1.15. A function that makes others today is replaced here, or the
difference is counted. tests/tf1_reference/random_operations.py lists what matches.
"""

import functools
import numbers
import weakref

import tensorflow.compat.v1 as tf
import tensorflow.compat.v2 as tf2
import tf_keras.src.layers.convolutional.base_conv as _base_conv
import tf_keras.src.layers.convolutional.conv2d_transpose as _conv2d_transpose
import tf_keras.src.layers.normalization.batch_normalization as _batch_normalization
from tensorflow.python.framework import random_seed
from tensorflow.python.keras.layers import convolutional as _convolutional
from tensorflow.python.ops import array_ops, math_ops, nn_ops, random_ops, rnn

# How many more operations TensorFlow 1.15 would have made in a graph so far.
_more: "weakref.WeakKeyDictionary[tf.Graph, int]" = weakref.WeakKeyDictionary()


def count_more(number: int) -> None:
    if number and not tf.executing_eagerly():
        graph = tf.get_default_graph()
        _more[graph] = _more.get(graph, 0) + number


def _get_seed(op_seed, get_seed=random_seed.get_seed):
    if not tf.executing_eagerly():
        graph = tf.get_default_graph()
        if op_seed is None and graph.seed is not None:
            op_seed = graph.version + _more.get(graph, 0)
    return get_seed(op_seed)


@functools.wraps(random_ops.random_uniform)
def _random_uniform(
    shape, minval=0, maxval=None, dtype=tf.float32, seed=None, name=None, _today=random_ops.random_uniform
):
    if not tf.as_dtype(dtype).is_integer:
        # As floats, the default limits become constants, as they did in 1.15.
        minval = float(minval) if isinstance(minval, int) else minval
        maxval = 1.0 if maxval is None else float(maxval) if isinstance(maxval, int) else maxval
    return _today(shape, minval, maxval, dtype, seed, name)


@functools.wraps(random_ops.random_gamma)
def _random_gamma(*arguments, _today=random_ops.random_gamma, **named):
    count_more(-2)  # 1.15 broadcast alpha with zeros_like and add
    return _today(*arguments, **named)


def _dropout(x, rate, noise_shape, uniform_sampler, dummy_rng_step, name, default_name):
    """Dropout in 1.15's order: the random numbers are drawn before the input is scaled."""
    with tf.name_scope(name, default_name, [x]):
        x = tf.convert_to_tensor(x, name="x")
        if not x.dtype.is_floating:
            raise ValueError(f"x has dtype {x.dtype.name}; dropout scales its input, so pass floats.")
        if isinstance(rate, numbers.Real) and not 0 <= rate < 1:
            raise ValueError(f"rate is {rate}; it must be in [0, 1), and keep_prob in (0, 1].")
        if isinstance(rate, tf.Tensor) and rate.dtype.base_dtype != x.dtype.base_dtype:
            rate = tf.cast(rate, x.dtype)
        rate = tf.convert_to_tensor(rate, dtype=x.dtype, name="rate")
        rate.get_shape().assert_has_rank(0)
        if tf.get_static_value(rate) == 0:
            return x
        shape = nn_ops._get_noise_shape(x, noise_shape)
        random = uniform_sampler(shape=shape, dtype=x.dtype)
        scale = 1 / (1 - rate)
        kept = random >= rate
        dropped = x * scale * tf.cast(kept, x.dtype)
        if not tf.executing_eagerly():
            dropped.set_shape(x.get_shape())
        return dropped


def _counting(function, number):
    """Counts `number` operations, an int or a function of the arguments, that 1.15 made besides the function's own."""

    @functools.wraps(function)
    def counted(*arguments, **named):
        result = function(*arguments, **named)
        count_more(number(*arguments, **named) if callable(number) else number)
        return result

    return counted


def _of_split(value, num_or_size_splits, *_, **__) -> int:
    return int(isinstance(num_or_size_splits, numbers.Integral))  # as a constant


def _of_batch_normalization(layer, inputs, training=None, mask=None) -> int:
    return 2 if layer.fused and training in (True, 1) else 0  # an empty mean and variance


def _of_conv2d_transpose(layer, inputs) -> int:
    """1.15 computed the output's height and width in the graph, from strided slices of the input's shape."""
    height, width = inputs.shape[1:3] if layer.data_format == "channels_last" else inputs.shape[2:]
    return 0 if None in (height, width) else 14 if layer.padding == "valid" else 10


def _reduction_axes(x, axis, _today=math_ops._ReductionDims):
    if axis is None and isinstance(x, tf.Tensor) and x.shape.rank == 0:
        return tf.constant([], tf.int32)  # a range of four operations today
    return _today(x, axis)


def count_seeds_by_operations() -> None:
    """Makes TensorFlow, tf-keras and tf-slim count as TensorFlow 1.15 did."""
    random_seed.get_seed = _get_seed
    nn_ops._dropout = _dropout
    for name, function in ("random_uniform", _random_uniform), ("random_gamma", _random_gamma):
        setattr(random_ops, name, function)
        setattr(tf, name, function)
        setattr(tf.random, name.removeprefix("random_"), function)
    array_ops.split = tf.split = tf2.split = _counting(array_ops.split, _of_split)
    math_ops._ReductionDims = _reduction_axes
    rnn.dynamic_rnn = tf.nn.dynamic_rnn = _counting(rnn.dynamic_rnn, 1)
    _base_conv.Conv.convolution_op = _counting(_base_conv.Conv.convolution_op, 1)  # dilation_rate
    for convolutions in (_conv2d_transpose, _convolutional):
        transpose = convolutions.Conv2DTranspose
        transpose.call = _counting(transpose.call, _of_conv2d_transpose)
    _convolutional.Conv.call = _counting(_convolutional.Conv.call, 1)
    layer = _batch_normalization.BatchNormalizationBase
    layer.call = _counting(layer.call, _of_batch_normalization)
