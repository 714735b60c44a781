"""The cells and functions of `tf.contrib.rnn` that `tf.nn.rnn_cell` does not have, with 1.15's variable names."""

import tensorflow.compat.v1 as tf
import tf_slim
from tensorflow.python.ops import rnn
from tensorflow.python.util import nest

from vae_tf1.tensorflow1._keras import rnn_cell

_RNNCell, _LSTMCell, _GRUCell = rnn_cell.RNNCell, rnn_cell.LSTMCell, rnn_cell.GRUCell


class _Linear:
    """args @ kernel + bias, where args are tensors [N, width], side by side; creates its variables once."""

    def __init__(self, args, output_size: int, build_bias: bool, bias_initializer=None, kernel_initializer=None):
        args = [] if args is None else nest.flatten(args)
        if not args or any(arg.shape.rank != 2 or arg.shape.dims[1].value is None for arg in args):
            shapes = ", ".join(str(arg.shape) for arg in args) or "missing"
            raise ValueError(f"args are {shapes}; pass tensors [N, width] whose width is known.")
        inputs, dtype = sum(arg.shape.dims[1].value for arg in args), args[0].dtype
        self.kernel = tf.get_variable("kernel", [inputs, output_size], dtype, kernel_initializer)
        self.bias = None
        if build_bias:
            with tf.variable_scope(tf.get_variable_scope()) as scope:
                scope.set_partitioner(None)
                initializer = tf.constant_initializer(0.0, dtype) if bias_initializer is None else bias_initializer
                self.bias = tf.get_variable("bias", [output_size], dtype, initializer)

    def __call__(self, args):
        args = nest.flatten(args)
        product = tf.matmul(args[0] if len(args) == 1 else tf.concat(args, 1), self.kernel)
        return product if self.bias is None else tf.nn.bias_add(product, self.bias)


def _linear(args, output_size: int, bias: bool, bias_initializer=None, kernel_initializer=None):
    """Creates a `_Linear` and calls it."""
    return _Linear(args, output_size, bias, bias_initializer, kernel_initializer)(args)


class InputProjectionWrapper(_RNNCell):  # type: ignore[misc, valid-type]
    """Projects the input of a cell."""

    def __init__(self, cell, num_proj: int, activation=None, input_size=None, reuse=None):
        super().__init__(_reuse=reuse)
        self._cell, self._num_proj, self._activation = cell, num_proj, activation

    state_size = property(lambda self: self._cell.state_size)
    output_size = property(lambda self: self._cell.output_size)

    def zero_state(self, batch_size, dtype):
        return self._cell.zero_state(batch_size, dtype)

    def call(self, inputs, state):
        projected = _linear(inputs, self._num_proj, True)
        return self._cell(self._activation(projected) if self._activation else projected, state)


class OutputProjectionWrapper(_RNNCell):  # type: ignore[misc, valid-type]
    """Projects the output of a cell."""

    def __init__(self, cell, output_size: int, activation=None, reuse=None):
        super().__init__(_reuse=reuse)
        self._cell, self._output_size, self._activation = cell, output_size, activation

    state_size = property(lambda self: self._cell.state_size)
    output_size = property(lambda self: self._output_size)

    def zero_state(self, batch_size, dtype):
        return self._cell.zero_state(batch_size, dtype)

    def call(self, inputs, state):
        output, state = self._cell(inputs, state)
        projected = _linear(output, self._output_size, True)
        return self._activation(projected) if self._activation else projected, state


class EmbeddingWrapper(_RNNCell):  # type: ignore[misc, valid-type]
    """Embeds the input of a cell, classes [N]."""

    def __init__(self, cell, embedding_classes: int, embedding_size: int, initializer=None, reuse=None):
        super().__init__(_reuse=reuse)
        self._cell, self._shape, self._initializer = cell, [embedding_classes, embedding_size], initializer

    state_size = property(lambda self: self._cell.state_size)
    output_size = property(lambda self: self._cell.output_size)

    def zero_state(self, batch_size, dtype):
        return self._cell.zero_state(batch_size, dtype)

    def call(self, inputs, state):
        initializer = self._initializer or tf.get_variable_scope().initializer
        if initializer is None:
            initializer = tf.random_uniform_initializer(-(3**0.5), 3**0.5)  # variance 1
        dtype = nest.flatten(state)[0].dtype
        embedding = tf.get_variable("embedding", self._shape, dtype, initializer)
        return self._cell(tf.nn.embedding_lookup(embedding, tf.reshape(inputs, [-1])), state)


class LayerNormBasicLSTMCell(_RNNCell):  # type: ignore[misc, valid-type]
    """An LSTM cell with normalized gates and state (Ba et al. 2016) and dropout of the candidates (Semeniuta 2016)."""

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        input_size=None,
        activation=tf.tanh,
        layer_norm: bool = True,
        norm_gain: float = 1.0,
        norm_shift: float = 0.0,
        dropout_keep_prob=1.0,
        dropout_prob_seed=None,
        reuse=None,
    ):
        super().__init__(_reuse=reuse)
        self._num_units, self._forget_bias, self._activation = num_units, forget_bias, activation
        self._layer_norm, self._gain, self._shift = layer_norm, norm_gain, norm_shift
        self._keep_prob, self._seed = dropout_keep_prob, dropout_prob_seed

    state_size = property(lambda self: rnn_cell.LSTMStateTuple(self._num_units, self._num_units))
    output_size = property(lambda self: self._num_units)

    def _normalize(self, x, scope: str):
        if not self._layer_norm:
            return x
        with tf.variable_scope(scope):
            tf.get_variable("gamma", x.shape[-1:], x.dtype, tf.constant_initializer(self._gain))
            tf.get_variable("beta", x.shape[-1:], x.dtype, tf.constant_initializer(self._shift))
        return tf_slim.layer_norm(x, reuse=True, scope=scope)

    def call(self, inputs, state):
        c, h = state
        inputs = tf.concat([inputs, h], 1)
        kernel = tf.get_variable("kernel", [inputs.shape[-1], 4 * self._num_units], inputs.dtype)
        gates = tf.matmul(inputs, kernel)
        if not self._layer_norm:
            bias = tf.get_variable("bias", [4 * self._num_units], inputs.dtype)
            gates = tf.nn.bias_add(gates, bias)
        names = ("input", "transform", "forget", "output")
        i, j, f, o = (self._normalize(gate, name) for gate, name in zip(tf.split(gates, 4, 1), names))
        candidates = self._activation(j)
        if not isinstance(self._keep_prob, float) or self._keep_prob < 1:
            candidates = tf.nn.dropout(candidates, self._keep_prob, seed=self._seed)
        c = self._normalize(c * tf.sigmoid(f + self._forget_bias) + tf.sigmoid(i) * candidates, "state")
        h = self._activation(c) * tf.sigmoid(o)
        return h, rnn_cell.LSTMStateTuple(c, h)


def LSTMBlockCell(  # noqa: N802
    num_units: int, forget_bias=1.0, cell_clip=None, use_peephole=False, dtype=None, reuse=None, name="lstm_cell"
):
    """The plain LSTM cell, with the variables of 1.15's fused cell."""
    return _LSTMCell(num_units, use_peephole, cell_clip, forget_bias=forget_bias, reuse=reuse, name=name, dtype=dtype)


_BLOCK_NAMES = {"gates/kernel": "w_ru", "gates/bias": "b_ru", "candidate/kernel": "w_c", "candidate/bias": "b_c"}


class GRUBlockCell(_GRUCell):  # type: ignore[misc, valid-type]
    """The plain GRU cell, with the variables of 1.15's fused cell."""

    def __init__(self, num_units=None, cell_size=None, reuse=None, name="gru_cell"):
        super().__init__(cell_size if num_units is None else num_units, reuse=reuse, name=name)

    def add_weight(self, name, *arguments, **named):
        return super().add_weight(_BLOCK_NAMES[name], *arguments, **named)


def GRUBlockCellV2(num_units=None, cell_size=None, reuse=None, name="gru_cell"):  # noqa: N802
    """The plain GRU cell, whose variables are those of 1.15's second fused cell."""
    return _GRUCell(cell_size if num_units is None else num_units, reuse=reuse, name=name)


transpose_batch_time = rnn._transpose_batch_time


def stack_bidirectional_dynamic_rnn(
    cells_fw,
    cells_bw,
    inputs,
    initial_states_fw=None,
    initial_states_bw=None,
    dtype=None,
    sequence_length=None,
    parallel_iterations=None,
    time_major=False,
    scope=None,
    swap_memory=False,
):
    """Stacks bidirectional recurrent networks; each layer reads both directions of the one below.

    Returns:
        The last layer's outputs [N, T, forward + backward], and the tuples of the layers' last states.
    """
    return _stack(
        cells_fw,
        cells_bw,
        (initial_states_fw, initial_states_bw),
        scope,
        inputs,
        lambda forward, backward, x, states: tf.nn.bidirectional_dynamic_rnn(
            forward,
            backward,
            x,
            sequence_length,
            *states,
            dtype=dtype,
            parallel_iterations=parallel_iterations,
            swap_memory=swap_memory,
            time_major=time_major,
        ),
        lambda outputs: tf.concat(outputs, 2),
    )


def stack_bidirectional_rnn(
    cells_fw,
    cells_bw,
    inputs,
    initial_states_fw=None,
    initial_states_bw=None,
    dtype=None,
    sequence_length=None,
    scope=None,
):
    """`stack_bidirectional_dynamic_rnn` on a list of inputs [N, _], one for each time step."""

    def layer(forward, backward, x, states):
        outputs, *last = tf.nn.static_bidirectional_rnn(
            forward, backward, x, *states, dtype, sequence_length, tf.get_variable_scope()
        )
        return outputs, last

    return _stack(
        cells_fw, cells_bw, (initial_states_fw, initial_states_bw), scope, inputs, layer, lambda outputs: outputs
    )


def _stack(cells_fw, cells_bw, initial, scope, x, layer, joined):
    if not cells_fw or len(cells_fw) != len(cells_bw):
        raise ValueError(f"There are {len(cells_fw)} forward and {len(cells_bw)} backward cells; pass equally many.")
    for states in initial:
        if states is not None and not (isinstance(states, list) and len(states) == len(cells_fw)):
            raise ValueError(f"The initial states are {states}; pass a list of {len(cells_fw)}, one for each layer.")
    last_fw, last_bw = [], []
    with tf.variable_scope(scope or "stack_bidirectional_rnn"):
        for i, cells in enumerate(zip(cells_fw, cells_bw)):
            states = [None if each is None else each[i] for each in initial]
            with tf.variable_scope(f"cell_{i}"):
                outputs, (forward, backward) = layer(*cells, x, states)
            x = joined(outputs)
            last_fw.append(forward)
            last_bw.append(backward)
    return x, tuple(last_fw), tuple(last_bw)
