"""`tf.contrib.seq2seq`: the loss, the helpers, the decoder and its loop."""

import collections
import contextlib

import tensorflow.compat.v1 as tf
from tensorflow.python.ops.rnn import _transpose_batch_time
from tensorflow.python.util import nest


def sequence_loss(
    logits,
    targets,
    weights,
    average_across_timesteps=True,
    average_across_batch=True,
    sum_over_timesteps=False,
    sum_over_batch=False,
    softmax_loss_function=None,
    name=None,
):
    """The weighted cross-entropy of sequences, in nats.

    Args:
        logits: float [N, T, classes].
        targets: int [N, T].
        weights: float [N, T], 0 after a sequence's end.
        average_across_timesteps, average_across_batch: divide the sum over that axis by the sum of the weights.
        sum_over_timesteps, sum_over_batch: divide it by the number of weights that are not 0.
        softmax_loss_function: takes `labels` and `logits`, and replaces the cross-entropy.

    Returns:
        float [], [N], [T] or [N, T], depending on the reductions. As in 1.15, averaging over one axis and summing over
        the other only averages.

    Raises:
        ValueError: a rank is wrong, or one axis is to be both averaged and summed.
    """
    for argument, rank, given in ("logits", 3, logits), ("targets", 2, targets), ("weights", 2, weights):
        if given.shape.rank != rank:
            raise ValueError(f"{argument} has shape {given.shape}; sequence_loss takes rank {rank}.")
    if (average_across_timesteps and sum_over_timesteps) or (average_across_batch and sum_over_batch):
        raise ValueError("an axis can't be both averaged and summed; pass average_across_...=False with sum_over_...")
    with tf.name_scope(name, "sequence_loss", [logits, targets, weights]):
        flat = tf.reshape(logits, [-1, tf.shape(logits)[2]])
        cross_entropy = softmax_loss_function or tf.nn.sparse_softmax_cross_entropy_with_logits
        loss = cross_entropy(labels=tf.reshape(targets, [-1]), logits=flat) * tf.reshape(weights, [-1])
        loss = tf.reshape(loss, tf.shape(logits)[:2])
        averaged = [axis for axis, yes in enumerate((average_across_batch, average_across_timesteps)) if yes]
        summed = [axis for axis, yes in enumerate((sum_over_batch, sum_over_timesteps)) if yes]
        if averaged:
            return tf.div_no_nan(tf.reduce_sum(loss, averaged), tf.reduce_sum(weights, averaged))
        if summed:
            return tf.div_no_nan(tf.reduce_sum(loss, summed), tf.count_nonzero(weights, summed, dtype=loss.dtype))
        return loss


class Helper:
    """Chooses a decoder's next input; a subclass has `batch_size`, `initialize`, `sample` and `next_inputs`."""

    sample_ids_shape = tf.TensorShape([])
    sample_ids_dtype = tf.int32


class CustomHelper(Helper):
    """A helper made of three functions, which it calls with named arguments."""

    def __init__(self, initialize_fn, sample_fn, next_inputs_fn, sample_ids_shape=None, sample_ids_dtype=None):
        self._initialize, self.sample, self.next_inputs = initialize_fn, sample_fn, next_inputs_fn
        self.sample_ids_shape = tf.TensorShape([] if sample_ids_shape is None else sample_ids_shape)
        self.sample_ids_dtype = sample_ids_dtype or tf.int32

    def initialize(self, name=None):
        finished, inputs = self._initialize()
        self.batch_size = tf.size(finished)
        return finished, inputs


class TrainingHelper(Helper):
    """Feeds the given inputs.

    Args:
        inputs: [N, T, ...], or [T, N, ...] if `time_major`.
        sequence_length: int [N], none above T.
    """

    def __init__(self, inputs, sequence_length, time_major=False, name=None):
        with tf.name_scope(name, "TrainingHelper", [inputs, sequence_length]):
            self.inputs = tf.convert_to_tensor(inputs, name="inputs")
            self.sequence_length = tf.convert_to_tensor(sequence_length, name="sequence_length")
            if self.sequence_length.shape.rank != 1:
                raise ValueError(f"sequence_length has shape {self.sequence_length.shape}; pass a vector.")
            by_time = self.inputs if time_major else _transpose_batch_time(self.inputs)
            array = tf.TensorArray(by_time.dtype, tf.shape(by_time)[0], element_shape=by_time.shape[1:])
            self._array, self._zeros = array.unstack(by_time), tf.zeros_like(by_time[0])
            self.batch_size = tf.size(self.sequence_length)

    def _read(self, time):
        finished = time >= self.sequence_length
        return finished, tf.cond(tf.reduce_all(finished), lambda: self._zeros, lambda: self._array.read(time))

    def initialize(self, name=None):
        return self._read(0)

    def sample(self, time, outputs, name=None, **unused):
        return tf.argmax(outputs, -1, output_type=tf.int32)

    def next_inputs(self, time, outputs, state, name=None, **unused):
        return *self._read(time + 1), state


class GreedyEmbeddingHelper(Helper):
    """Feeds the embedding of the likeliest class.

    Args:
        embedding: a matrix [classes, size], or a function of classes [N].
        start_tokens: int [N].
        end_token: int [], the class that ends a sequence.
    """

    def __init__(self, embedding, start_tokens, end_token):
        self._embed = embedding if callable(embedding) else lambda ids: tf.nn.embedding_lookup(embedding, ids)
        start = tf.convert_to_tensor(start_tokens, tf.int32, name="start_tokens")
        self._end = tf.convert_to_tensor(end_token, tf.int32, name="end_token")
        if start.shape.rank != 1 or self._end.shape.rank != 0:
            raise ValueError(
                f"start_tokens has shape {start.shape} and end_token {self._end.shape}; pass a vector and a scalar."
            )
        self.batch_size = tf.size(start)
        self._start_inputs = self._embed(start)

    def initialize(self, name=None):
        return tf.tile([False], [self.batch_size]), self._start_inputs

    def sample(self, time, outputs, state, name=None):
        return tf.argmax(outputs, -1, output_type=tf.int32)

    def next_inputs(self, time, outputs, state, sample_ids, name=None):
        return tf.equal(sample_ids, self._end), self._embed(sample_ids), state


class SampleEmbeddingHelper(GreedyEmbeddingHelper):
    """Feeds the embedding of a class drawn from softmax(logits / temperature)."""

    def __init__(self, embedding, start_tokens, end_token, softmax_temperature=None, seed=None):
        super().__init__(embedding, start_tokens, end_token)
        self._temperature, self._seed = softmax_temperature, seed

    def sample(self, time, outputs, state, name=None):
        logits = outputs if self._temperature is None else outputs / self._temperature
        return tf.reshape(tf.multinomial(logits, 1, self._seed, output_dtype=tf.int32), [-1])


class Decoder:
    """The interface of `dynamic_decode`: `batch_size`, `output_size`, `output_dtype`, `initialize` and `step`."""

    tracks_own_finished = False

    def finalize(self, outputs, final_state, sequence_lengths):
        raise NotImplementedError


BasicDecoderOutput = collections.namedtuple("BasicDecoderOutput", ("rnn_output", "sample_id"))


class BasicDecoder(Decoder):
    """Runs a cell on the helper's inputs; `output_layer` turns its outputs into logits."""

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
        ids = self._helper.sample(time=time, outputs=outputs, state=state)
        finished, inputs, state = self._helper.next_inputs(time=time, outputs=outputs, state=state, sample_ids=ids)
        return BasicDecoderOutput(outputs, ids), state, inputs, finished


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
        impute_finished: whether a finished sequence returns zeros and keeps its state.

    Returns:
        The outputs, the last state, and the length of each sequence, int32 [N].
    """
    if not isinstance(decoder, Decoder):
        raise TypeError(f"decoder is a {type(decoder).__name__}; pass a tf.contrib.seq2seq.Decoder.")
    with tf.variable_scope(scope, "decoder"):
        finished, inputs, state = decoder.initialize()
        if maximum_iterations is not None:
            finished = tf.logical_or(finished, maximum_iterations <= 0)
        arrays = nest.map_structure(_growing_array, decoder.output_size, decoder.output_dtype)

        def step(time, arrays, state, inputs, finished, lengths):
            outputs, next_state, next_inputs, done = decoder.step(time, inputs, state)
            next_finished = done if decoder.tracks_own_finished else tf.logical_or(done, finished)
            lengths = tf.where(finished, lengths, tf.fill(tf.shape(lengths), time + 1))
            if impute_finished:
                outputs = nest.map_structure(lambda new: tf.where(finished, tf.zeros_like(new), new), outputs)
                next_state = nest.map_structure(lambda new, old: _keep(finished, new, old), next_state, state)
            arrays = nest.map_structure(lambda array, output: array.write(time, output), arrays, outputs)
            return time + 1, arrays, next_state, next_inputs, next_finished, lengths

        _, arrays, state, _, _, lengths = tf.while_loop(
            lambda time, arrays, state, inputs, finished, lengths: tf.logical_not(tf.reduce_all(finished)),
            step,
            (tf.constant(0), arrays, state, inputs, finished, tf.zeros_like(finished, tf.int32)),
            parallel_iterations=parallel_iterations,
            swap_memory=swap_memory,
            maximum_iterations=maximum_iterations,
        )
        outputs = nest.map_structure(lambda array: array.stack(), arrays)
        with contextlib.suppress(NotImplementedError):  # most decoders have no finalize
            outputs, state = decoder.finalize(outputs, state, lengths)
        if not output_time_major:
            outputs = nest.map_structure(_transpose_batch_time, outputs)
        return outputs, state, lengths


def _growing_array(size, dtype):
    return tf.TensorArray(dtype, 0, True, element_shape=tf.TensorShape([None]).concatenate(size))


def _keep(finished, new, old):
    if isinstance(old, tf.TensorArray) or old.shape.rank == 0:
        return new
    new.set_shape(old.shape)
    return tf.where(finished, old, new)


def tile_batch(t, multiplier: int, name=None):
    """Repeats each row `multiplier` times in a row; tensors may be nested."""
    return nest.map_structure(lambda x: tf.repeat(x, multiplier, 0), t)


def hardmax(logits, name=None):
    """One-hot of the greatest logit."""
    return tf.one_hot(tf.argmax(logits, -1), logits.shape[-1] or tf.shape(logits)[-1], dtype=logits.dtype)
