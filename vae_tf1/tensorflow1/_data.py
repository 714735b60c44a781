"""`tf.contrib.data`: transformations for `Dataset.apply` that became methods of `Dataset`."""

import tensorflow.compat.v1 as tf


def batch_and_drop_remainder(batch_size):
    return lambda dataset: dataset.batch(batch_size, drop_remainder=True)


def padded_batch_and_drop_remainder(batch_size, padded_shapes, padding_values=None):
    return lambda dataset: dataset.padded_batch(batch_size, padded_shapes, padding_values, drop_remainder=True)


def sloppy_interleave(map_func, cycle_length, block_length=1):
    return tf.data.experimental.parallel_interleave(map_func, cycle_length, block_length, sloppy=True)


def unbatch():
    return lambda dataset: dataset.unbatch()
