"""The attention mechanisms of `tf.contrib.seq2seq`, and the cell that uses them."""

import collections

import tensorflow.compat.v1 as tf

from vae_tf1.tensorflow1._keras import layers, rnn_cell


class AttentionMechanism:
    """Scores each time step of a memory [N, T, _] for a query [N, _]."""

    def __init__(self, query_layer, memory_layer, memory, memory_sequence_length, probability_fn, score_mask_value):
        memory = tf.convert_to_tensor(memory, name="memory")
        self._mask = None
        if memory_sequence_length is not None:
            lengths = tf.convert_to_tensor(memory_sequence_length)
            with tf.control_dependencies(
                [tf.assert_positive(lengths, message="memory_sequence_length must be positive")]
            ):
                self._mask = tf.sequence_mask(lengths, tf.shape(memory)[1])
            memory *= tf.cast(self._mask, memory.dtype)[:, :, tf.newaxis]
        self.values, self.query_layer, self.memory_layer = memory, query_layer, memory_layer
        self.keys = memory_layer(memory)
        self._probability = probability_fn or tf.nn.softmax
        self._mask_value = memory.dtype.as_numpy_dtype("-inf") if score_mask_value is None else score_mask_value
        self.batch_size = tf.shape(self.keys)[0]
        self.alignments_size = self.state_size = self.keys.shape.dims[1].value or tf.shape(self.keys)[1]

    def initial_alignments(self, batch_size, dtype):
        return tf.zeros([batch_size, self.alignments_size], dtype)

    initial_state = initial_alignments

    def _align(self, score):
        if self._mask is not None:
            score = tf.where(self._mask, score, tf.fill(tf.shape(score), self._mask_value))
        alignments = self._probability(score)
        return alignments, alignments


def _dense(num_units: int, name: str, dtype):
    return layers.Dense(num_units, name=name, use_bias=False, dtype=dtype or tf.float32)


def _refuse(custom_key_value_fn) -> None:
    if custom_key_value_fn is not None:
        raise ValueError("custom_key_value_fn is not supported; transform the memory beforehand.")


class LuongAttention(AttentionMechanism):
    """score = query . (memory @ kernel), times a variable if `scale` (Luong et al. 2015)."""

    def __init__(
        self,
        num_units: int,
        memory,
        memory_sequence_length=None,
        scale=False,
        probability_fn=None,
        score_mask_value=None,
        dtype=None,
        custom_key_value_fn=None,
        name="LuongAttention",
    ):
        _refuse(custom_key_value_fn)
        self._scale = scale
        memory_layer = _dense(num_units, "memory_layer", dtype)
        super().__init__(None, memory_layer, memory, memory_sequence_length, probability_fn, score_mask_value)

    def __call__(self, query, state):
        with tf.variable_scope(None, "luong_attention", [query]):
            score = tf.squeeze(tf.matmul(query[:, tf.newaxis], self.keys, transpose_b=True), 1)
            if self._scale:
                score *= tf.get_variable("attention_g", [], query.dtype, tf.ones_initializer())
            return self._align(score)


class BahdanauAttention(AttentionMechanism):
    """score = v . tanh(query @ kernel + memory @ kernel), with a normalized v if `normalize` (Bahdanau et al. 2015)."""

    def __init__(
        self,
        num_units: int,
        memory,
        memory_sequence_length=None,
        normalize=False,
        probability_fn=None,
        score_mask_value=None,
        dtype=None,
        custom_key_value_fn=None,
        name="BahdanauAttention",
    ):
        _refuse(custom_key_value_fn)
        self._num_units, self._normalize = num_units, normalize
        query_layer, memory_layer = _dense(num_units, "query_layer", dtype), _dense(num_units, "memory_layer", dtype)
        super().__init__(query_layer, memory_layer, memory, memory_sequence_length, probability_fn, score_mask_value)

    def __call__(self, query, state):
        with tf.variable_scope(None, "bahdanau_attention", [query]):
            hidden = self.keys + self.query_layer(query)[:, tf.newaxis]
            v = tf.get_variable("attention_v", [self._num_units], query.dtype)
            if self._normalize:
                initial = tf.constant_initializer((1.0 / self._num_units) ** 0.5)
                g = tf.get_variable("attention_g", [], query.dtype, initial)
                bias = tf.get_variable("attention_b", [self._num_units], query.dtype, tf.zeros_initializer())
                v, hidden = g * v * tf.rsqrt(tf.reduce_sum(tf.square(v))), hidden + bias
            return self._align(tf.reduce_sum(v * tf.tanh(hidden), 2))


class AttentionWrapperState(
    collections.namedtuple(
        "AttentionWrapperState",
        ("cell_state", "attention", "time", "alignments", "alignment_history", "attention_state"),
    )
):
    __slots__ = ()

    def clone(self, **changed) -> "AttentionWrapperState":
        return self._replace(**changed)


def _as_list(one_or_several) -> list:
    return list(one_or_several) if isinstance(one_or_several, list | tuple) else [one_or_several]


def _attend(mechanism, cell_output, attention_state, attention_layer):
    alignments, next_state = mechanism(cell_output, state=attention_state)
    context = tf.squeeze(tf.matmul(alignments[:, tf.newaxis], mechanism.values), 1)
    attention = context if attention_layer is None else attention_layer(tf.concat([cell_output, context], 1))
    return attention, alignments, next_state


class AttentionWrapper(rnn_cell.RNNCell):  # type: ignore[name-defined]
    """A cell that reads its input beside the last attention, and returns the attention to a memory.

    Args:
        attention_mechanism: one, or a list.
        attention_layer_size: width of a layer on the cell's output and the context, or one width for each mechanism;
            None returns the context itself.
        output_attention: whether to return the attention, rather than the cell's output.
        attention_layer: layers instead of `attention_layer_size`.

    Raises:
        ValueError: both sizes and layers are given, or there are more or fewer of them than mechanisms.
    """

    def __init__(
        self,
        cell,
        attention_mechanism,
        attention_layer_size=None,
        alignment_history=False,
        cell_input_fn=None,
        output_attention=True,
        initial_cell_state=None,
        name=None,
        attention_layer=None,
        attention_fn=None,
        dtype=None,
    ):
        super().__init__(name=name, dtype=dtype)
        self._single = not isinstance(attention_mechanism, list | tuple)
        self._mechanisms = _as_list(attention_mechanism)
        self._layers = self._make_layers(attention_layer_size, attention_layer)
        self._attention_size = 0
        for mechanism, layer in zip(self._mechanisms, self._layers):
            width = int(mechanism.values.shape[-1])
            shape = [None, width] if layer is None else layer.compute_output_shape([None, cell.output_size + width])
            self._attention_size += int(shape[-1])
        self._cell, self._history, self._output_attention = cell, alignment_history, output_attention
        self._join = cell_input_fn or (lambda inputs, attention: tf.concat([inputs, attention], -1))
        self._initial_cell_state, self._attend = initial_cell_state, attention_fn or _attend

    def _make_layers(self, sizes, given) -> list:
        if sizes is not None and given is not None:
            raise ValueError("attention_layer_size and attention_layer are both given; pass one of them.")
        if sizes is not None:
            made = [_dense(size, "attention_layer", self._mechanisms[0].values.dtype) for size in _as_list(sizes)]
        else:
            made = [None] * len(self._mechanisms) if given is None else _as_list(given)
        if len(made) != len(self._mechanisms):
            raise ValueError(f"There are {len(self._mechanisms)} mechanisms and {len(made)} layers; pass one for each.")
        return made

    def _check_batch_size(self, mechanism, output):
        message = "the memory and the cell's output differ in batch size; repeat the memory with tile_batch"
        return tf.assert_equal(tf.shape(output)[0], mechanism.batch_size, message=message)

    def _one_or_all(self, values):
        return values[0] if self._single else tuple(values)

    @property
    def output_size(self):
        return self._attention_size if self._output_attention else self._cell.output_size

    @property
    def state_size(self):
        sizes = self._one_or_all([mechanism.alignments_size for mechanism in self._mechanisms])
        history = self._one_or_all([each.alignments_size if self._history else () for each in self._mechanisms])
        states = self._one_or_all([mechanism.state_size for mechanism in self._mechanisms])
        return AttentionWrapperState(
            self._cell.state_size, self._attention_size, tf.TensorShape([]), sizes, history, states
        )

    def zero_state(self, batch_size, dtype):
        cell_state = self._initial_cell_state
        if cell_state is None:
            cell_state = self._cell.zero_state(batch_size, dtype)
        alignments = [mechanism.initial_alignments(batch_size, dtype) for mechanism in self._mechanisms]
        states = [mechanism.initial_state(batch_size, dtype) for mechanism in self._mechanisms]
        history = [
            tf.TensorArray(dtype, 0, True, element_shape=one.shape) if self._history else () for one in alignments
        ]
        return AttentionWrapperState(
            cell_state,
            tf.zeros([batch_size, self._attention_size], dtype),
            tf.zeros([], tf.int32),
            self._one_or_all(alignments),
            self._one_or_all(history),
            self._one_or_all(states),
        )

    def call(self, inputs, state):
        output, cell_state = self._cell(self._join(inputs, state.attention), state.cell_state)
        with tf.control_dependencies([self._check_batch_size(mechanism, output) for mechanism in self._mechanisms]):
            output = tf.identity(output)
        states = [state.attention_state] if self._single else state.attention_state
        histories = [state.alignment_history] if self._single else state.alignment_history
        attentions, alignments, next_states, written = [], [], [], []
        for mechanism, layer, last, history in zip(self._mechanisms, self._layers, states, histories):
            attention, aligned, next_state = self._attend(mechanism, output, last, layer)
            attentions.append(attention)
            alignments.append(aligned)
            next_states.append(next_state)
            written.append(history.write(state.time, aligned) if self._history else ())
        attention = tf.concat(attentions, 1)
        state = AttentionWrapperState(
            cell_state, attention, state.time + 1, *map(self._one_or_all, (alignments, written, next_states))
        )
        return attention if self._output_attention else output, state
