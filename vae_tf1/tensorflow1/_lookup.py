"""The names of `tf.contrib.lookup` that TensorFlow's lookup_ops has under another name or with other arguments."""

import tensorflow.compat.v1 as tf
from tensorflow.python.ops import lookup_ops

MutableDenseHashTable = lookup_ops.DenseHashTable
string_to_index_table_from_file = lookup_ops.index_table_from_file


class HashTable(tf.lookup.StaticHashTable):
    def __init__(self, initializer, default_value, shared_name=None, name=None):
        self._given_shared_name = shared_name
        super().__init__(initializer, default_value, name)

    def _create_resource(self):
        self._shared_name = self._given_shared_name or self._shared_name
        return super()._create_resource()

    init = property(lambda self: self.initializer)


def index_table_from_tensor(mapping, *arguments, **named):
    return lookup_ops.index_table_from_tensor(mapping, *arguments, **named)


string_to_index_table_from_tensor = index_table_from_tensor


def index_to_string_table_from_tensor(mapping, default_value="UNK", name=None):
    return lookup_ops.index_to_string_table_from_tensor(mapping, default_value, name)


def string_to_index(tensor, mapping, default_value=-1, name=None):
    """Looks up the numbers of words; run `tf.tables_initializer` first."""
    return index_table_from_tensor(mapping, default_value=default_value, name=name).lookup(tensor)


def index_to_string(tensor, mapping, default_value="UNK", name=None):
    """Looks up the words of numbers; run `tf.tables_initializer` first."""
    return index_to_string_table_from_tensor(mapping, default_value, name).lookup(tf.cast(tensor, tf.int64))
