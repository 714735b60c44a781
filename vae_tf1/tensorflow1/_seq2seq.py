"""`tf.contrib.seq2seq`: the loss, the helpers, the decoder, its loop, and attention."""

import collections

import tensorflow.compat.v1 as tf
from tensorflow.python.util import nest

from vae_tf1.tensorflow1._keras import layers, rnn_cell


def sequence_loss(
    logits,
    targets,
    weights,
    average_across_timesteps=True,
    average_across_batch=True,
    softmax_loss_function=None,
    name=None,
):
    """The weighted cross-entropy of sequences, in nats.

    Args:
        logits: float [N, T, classes].
        targets: int [N, T].
        weights: float [N, T], 0 after a sequence's end.
        softmax_loss_function: of `labels` and `logits`, instead of the cross-entropy.

    Returns:
        The weighted mean over what is averaged across; otherwise [N, T], [N] or [T], not divided over the rest.
    """
    for argument, rank, given in ("logits", 3, logits), ("targets", 2, targets), ("weights", 2, weights):
        if given.shape.rank not in (None, rank):
            raise ValueError(f"{argument} has shape {given.shape}; sequence_loss takes rank {rank}.")
    with tf.name_scope(name, "sequence_loss", [logits, targets, weights]):
        flat = tf.reshape(logits, [-1, tf.shape(logits)[2]])
        cross_entropy = softmax_loss_function or tf.nn.sparse_softmax_cross_entropy_with_logits
        loss = cross_entropy(labels=tf.reshape(targets, [-1]), logits=flat) * tf.reshape(weights, [-1])
        if average_across_timesteps and average_across_batch:
            return tf.div_no_nan(tf.reduce_sum(loss), tf.reduce_sum(weights))
        loss = tf.reshape(loss, tf.shape(logits)[:2])
        if average_across_timesteps or average_across_batch:
            axis = 1 if average_across_timesteps else 0
            return tf.div_no_nan(tf.reduce_sum(loss, axis), tf.reduce_sum(weights, axis))
        return loss


class Helper:
    """What a decoder's next input is. A subclass has `batch_size`, `initialize`, `sample` and `next_inputs`."""

    sample_ids_shape = property(lambda self: tf.TensorShape([]))
    sample_ids_dtype = property(lambda self: tf.int32)


class CustomHelper(Helper):
    """A helper of three functions."""

    def __init__(self, initialize_fn, sample_fn, next_inputs_fn, sample_ids_shape=None, sample_ids_dtype=None):
        self.initialize, self.sample, self.next_inputs = initialize_fn, sample_fn, next_inputs_fn
        self._shape, self._dtype = sample_ids_shape, sample_ids_dtype

    batch_size = property(lambda self: tf.size(self.initialize()[0]))
    sample_ids_shape = property(lambda self: tf.TensorShape(self._shape or []))
    sample_ids_dtype = property(lambda self: self._dtype or tf.int32)


class TrainingHelper(Helper):
    """The next input is the one given.

    Args:
        inputs: [N, T, ...], or [T, N, ...] if `time_major`; tensors may be nested.
        sequence_length: int [N].
    """

    def __init__(self, inputs, sequence_length, time_major=False, name=None):
        turn = (lambda x: x) if time_major else _swap_batch_and_time
        self._inputs = nest.map_structure(lambda x: turn(tf.convert_to_tensor(x)), inputs)
        self._length = tf.convert_to_tensor(sequence_length, name="sequence_length")
        if self._length.shape.rank not in (None, 1):
            raise ValueError(f"sequence_length has shape {self._length.shape}; pass a vector.")
        self.batch_size = tf.size(self._length)

    inputs = property(lambda self: self._inputs)
    sequence_length = property(lambda self: self._length)

    def _read(self, time):
        return nest.map_structure(lambda x: tf.gather(x, tf.minimum(time, tf.shape(x)[0] - 1)), self._inputs)

    def initialize(self, name=None):
        return tf.equal(0, self._length), self._read(0)

    def sample(self, time, outputs, name=None, **unused):
        return tf.argmax(outputs, -1, output_type=tf.int32)

    def next_inputs(self, time, outputs, state, name=None, **unused):
        return time + 1 >= self._length, self._read(time + 1), state


class GreedyEmbeddingHelper(Helper):
    """The next input is the embedding of the likeliest class.

    Args:
        embedding: a matrix [classes, size], or a function of classes [N].
        start_tokens: int [N].
        end_token: the class that ends a sequence.
    """

    def __init__(self, embedding, start_tokens, end_token):
        self._embed = embedding if callable(embedding) else lambda ids: tf.nn.embedding_lookup(embedding, ids)
        self._start = tf.convert_to_tensor(start_tokens, tf.int32, name="start_tokens")
        self._end = tf.convert_to_tensor(end_token, tf.int32, name="end_token")
        self.batch_size = tf.size(self._start)

    def initialize(self, name=None):
        return tf.tile([False], [self.batch_size]), self._embed(self._start)

    def sample(self, time, outputs, state, name=None):
        return tf.argmax(outputs, -1, output_type=tf.int32)

    def next_inputs(self, time, outputs, state, sample_ids, name=None):
        return tf.equal(sample_ids, self._end), self._embed(sample_ids), state


class SampleEmbeddingHelper(GreedyEmbeddingHelper):
    """The next input is the embedding of a class drawn from the softmax of the logits over the temperature."""

    def __init__(self, embedding, start_tokens, end_token, softmax_temperature=None, seed=None):
        super().__init__(embedding, start_tokens, end_token)
        self._temperature, self._seed = softmax_temperature, seed

    def sample(self, time, outputs, state, name=None):
        logits = outputs if self._temperature is None else outputs / self._temperature
        return tf.distributions.Categorical(logits=logits).sample(seed=self._seed)


class Decoder:
    """What `dynamic_decode` runs: `batch_size`, `output_size`, `output_dtype`, `initialize` and `step`."""

    tracks_own_finished = False


class BasicDecoderOutput(collections.namedtuple("BasicDecoderOutput", ("rnn_output", "sample_id"))):
    __slots__ = ()


class BasicDecoder(Decoder):
    """A cell whose next input is the helper's; `output_layer`, a layer, makes logits of its outputs."""

    def __init__(self, cell, helper, initial_state, output_layer=None):
        self._cell, self._helper, self._initial_state, self._output_layer = cell, helper, initial_state, output_layer

    batch_size = property(lambda self: self._helper.batch_size)

    @property
    def output_size(self):
        size = self._cell.output_size
        if self._output_layer is not None:
            shape = tf.TensorShape([None]).concatenate(size)
            size = self._output_layer.compute_output_shape(shape)[1:]
        return BasicDecoderOutput(size, self._helper.sample_ids_shape)

    @property
    def output_dtype(self):
        return BasicDecoderOutput(nest.flatten(self._initial_state)[0].dtype, self._helper.sample_ids_dtype)

    def initialize(self, name=None):
        return (*self._helper.initialize(), self._initial_state)

    def step(self, time, inputs, state, name=None):
        outputs, state = self._cell(inputs, state)
        if self._output_layer is not None:
            outputs = self._output_layer(outputs)
        sample_ids = self._helper.sample(time=time, outputs=outputs, state=state)
        finished, inputs, state = self._helper.next_inputs(
            time=time, outputs=outputs, state=state, sample_ids=sample_ids
        )
        return BasicDecoderOutput(outputs, sample_ids), state, inputs, finished


def dynamic_decode(
    decoder,
    output_time_major=False,
    impute_finished=False,
    maximum_iterations=None,
    parallel_iterations=32,
    swap_memory=False,
    scope=None,
):
    """Runs the decoder until all sequences are finished, or for `maximum_iterations`.

    Args:
        output_time_major: outputs [T, N, ...] instead of [N, T, ...].
        impute_finished: a finished sequence puts out zeros and keeps its state.

    Returns:
        The outputs, the last state, and int32 [N], how long each sequence is.
    """
    with tf.variable_scope(scope, "decoder") as variables:
        if not tf.executing_eagerly() and variables.caching_device is None:
            variables.set_caching_device(lambda operation: operation.device)
        finished, inputs, state = decoder.initialize()
        limit = None if maximum_iterations is None else tf.convert_to_tensor(maximum_iterations, tf.int32)
        if limit is not None:
            finished = tf.logical_or(finished, limit <= 0)
        lengths = tf.zeros_like(finished, tf.int32)
        sizes = nest.map_structure(tf.TensorShape, _as_leaves(decoder.output_size))
        zeros = _zeros(decoder, sizes)
        arrays = nest.map_structure(
            lambda size, dtype: tf.TensorArray(dtype, 0, True, element_shape=tf.TensorShape([None]).concatenate(size)),
            sizes,
            decoder.output_dtype,
        )

        def step(time, arrays, state, inputs, finished, lengths):
            outputs, next_state, next_inputs, done = decoder.step(time, inputs, state)
            next_finished = done if decoder.tracks_own_finished else tf.logical_or(done, finished)
            next_lengths = tf.where(finished, lengths, tf.fill(tf.shape(lengths), time + 1))
            if limit is not None:
                next_finished = tf.logical_or(next_finished, time + 1 >= limit)
            if impute_finished:
                outputs = nest.map_structure(lambda new, zero: tf.where(finished, zero, new), outputs, zeros)
                next_state = nest.map_structure(lambda new, old: _keep(finished, new, old), next_state, state)
            written = nest.map_structure(lambda array, output: array.write(time, output), arrays, outputs)
            return time + 1, written, next_state, next_inputs, next_finished, next_lengths

        _, arrays, state, _, _, lengths = tf.while_loop(
            lambda time, arrays, state, inputs, finished, lengths: tf.logical_not(tf.reduce_all(finished)),
            step,
            (tf.constant(0), arrays, state, inputs, finished, lengths),
            parallel_iterations=parallel_iterations,
            swap_memory=swap_memory,
        )
        outputs = nest.map_structure(lambda array: array.stack(), arrays)
        if hasattr(decoder, "finalize"):
            outputs, state = decoder.finalize(outputs, state, lengths)
        if not output_time_major:
            outputs = nest.map_structure(_swap_batch_and_time, outputs)
        return outputs, state, lengths


def _zeros(decoder, sizes):
    def zeros(size, dtype):
        return tf.zeros(tf.concat([[decoder.batch_size], size.as_list()], 0), dtype)

    return nest.map_structure(zeros, sizes, decoder.output_dtype)


def _as_leaves(sizes):
    """The sizes as shapes, so that a list is not taken for a structure."""
    if isinstance(sizes, tuple) and hasattr(sizes, "_fields"):
        return type(sizes)(*map(tf.TensorShape, sizes))
    return tf.TensorShape(sizes)


def _keep(finished, new, old):
    if isinstance(old, tf.TensorArray) or old.shape.rank == 0:
        return new
    new.set_shape(old.shape)
    return tf.where(finished, old, new)


def _swap_batch_and_time(x):
    if x.shape.rank is not None and x.shape.rank < 2:
        return x
    turned = tf.transpose(x, tf.concat([[1, 0], tf.range(2, tf.rank(x))], 0))
    if x.shape.rank is not None:
        turned.set_shape([x.shape[1], x.shape[0], *x.shape[2:]])
    return turned


def tile_batch(t, multiplier: int, name=None):
    """Each row `multiplier` times, one after the other; tensors may be nested."""
    return nest.map_structure(lambda x: tf.repeat(x, multiplier, 0), t)


def hardmax(logits, name=None):
    """One-hot of the greatest logit."""
    return tf.one_hot(tf.argmax(logits, -1), logits.shape[-1] or tf.shape(logits)[-1], dtype=logits.dtype)


class AttentionMechanism:
    """Scores of a memory [N, T, _] for a query [N, _]."""

    def __init__(self, query_layer, memory_layer, memory, memory_sequence_length, probability_fn, score_mask_value):
        memory = tf.convert_to_tensor(memory, name="memory")
        self._mask = None
        if memory_sequence_length is not None:
            self._mask = tf.sequence_mask(memory_sequence_length, tf.shape(memory)[1])
            memory *= tf.cast(self._mask, memory.dtype)[:, :, tf.newaxis]
        self.values, self.query_layer, self.memory_layer = memory, query_layer, memory_layer
        self.keys = memory if memory_layer is None else memory_layer(memory)
        self._probability = probability_fn or tf.nn.softmax
        self._mask_value = memory.dtype.as_numpy_dtype("-inf") if score_mask_value is None else score_mask_value
        self.batch_size = tf.shape(self.keys)[0]
        self.alignments_size = self.keys.shape.dims[1].value or tf.shape(self.keys)[1]
        self.state_size = self.alignments_size

    def initial_alignments(self, batch_size, dtype):
        return tf.zeros([batch_size, self.alignments_size], dtype)

    initial_state = initial_alignments

    def _align(self, score):
        if self._mask is not None:
            score = tf.where(self._mask, score, tf.fill(tf.shape(score), self._mask_value))
        alignments = self._probability(score)
        return alignments, alignments


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
        self._scale = scale
        memory_layer = layers.Dense(num_units, name="memory_layer", use_bias=False, dtype=dtype or tf.float32)
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
        self._num_units, self._normalize = num_units, normalize
        query_layer, memory_layer = (
            layers.Dense(num_units, name=f"{which}_layer", use_bias=False, dtype=dtype or tf.float32)
            for which in ("query", "memory")
        )
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


class AttentionWrapper(rnn_cell.RNNCell):  # type: ignore[name-defined]
    """A cell whose input has the last attention beside it, and whose output is the attention to a memory.

    Args:
        attention_layer_size: width of a layer on the cell's output and the context; None for the context itself.
        output_attention: whether the attention is the output, rather than the cell's own.
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
    ):
        super().__init__(name=name)
        self._single = not isinstance(attention_mechanism, list | tuple)
        self._mechanisms = [attention_mechanism] if self._single else list(attention_mechanism)
        sizes = attention_layer_size if isinstance(attention_layer_size, list | tuple) else [attention_layer_size]
        if attention_layer is not None:
            self._layers = list(attention_layer) if isinstance(attention_layer, list | tuple) else [attention_layer]
        else:
            self._layers = [
                None if size is None else layers.Dense(size, name="attention_layer", use_bias=False)
                for size in (sizes * len(self._mechanisms) if len(sizes) == 1 else sizes)
            ]
        self._cell, self._history, self._output_attention = cell, alignment_history, output_attention
        self._join = cell_input_fn or (lambda inputs, attention: tf.concat([inputs, attention], -1))
        self._initial_cell_state = initial_cell_state

    @property
    def _attention_size(self) -> int:
        return sum(
            int(mechanism.values.shape[-1])
            if layer is None
            else int(layer.compute_output_shape([None, self._cell.output_size + int(mechanism.values.shape[-1])])[-1])
            for mechanism, layer in zip(self._mechanisms, self._layers)
        )

    def _one_or_all(self, values):
        return values[0] if self._single else tuple(values)

    @property
    def output_size(self):
        return self._attention_size if self._output_attention else self._cell.output_size

    @property
    def state_size(self):
        sizes = self._one_or_all([mechanism.alignments_size for mechanism in self._mechanisms])
        history = nest.map_structure(lambda size: size if self._history else (), sizes)
        return AttentionWrapperState(
            self._cell.state_size, self._attention_size, tf.TensorShape([]), sizes, history, sizes
        )

    def zero_state(self, batch_size, dtype):
        cell_state = self._initial_cell_state
        if cell_state is None:
            cell_state = self._cell.zero_state(batch_size, dtype)
        alignments = [mechanism.initial_alignments(batch_size, dtype) for mechanism in self._mechanisms]
        history = [tf.TensorArray(dtype, 0, True) if self._history else () for _ in alignments]
        return AttentionWrapperState(
            cell_state,
            tf.zeros([batch_size, self._attention_size], dtype),
            tf.zeros([], tf.int32),
            self._one_or_all(alignments),
            self._one_or_all(history),
            self._one_or_all(alignments),
        )

    def call(self, inputs, state):
        output, cell_state = self._cell(self._join(inputs, state.attention), state.cell_state)
        states = [state.attention_state] if self._single else state.attention_state
        histories = [state.alignment_history] if self._single else state.alignment_history
        attentions, alignments, next_states, written = [], [], [], []
        for mechanism, layer, last, history in zip(self._mechanisms, self._layers, states, histories):
            aligned, next_state = mechanism(output, state=last)
            context = tf.squeeze(tf.matmul(aligned[:, tf.newaxis], mechanism.values), 1)
            attentions.append(context if layer is None else layer(tf.concat([output, context], 1)))
            alignments.append(aligned)
            next_states.append(next_state)
            written.append(history.write(state.time, aligned) if self._history else ())
        attention = tf.concat(attentions, 1)
        state = AttentionWrapperState(
            cell_state, attention, state.time + 1, *map(self._one_or_all, (alignments, written, next_states))
        )
        return attention if self._output_attention else output, state
