"""`tf.contrib.legacy_seq2seq`: recurrent networks on lists of tensors, one for each time step."""

import copy

import tensorflow.compat.v1 as tf


def rnn_decoder(decoder_inputs, initial_state, cell, loop_function=None, scope=None):
    """Runs the cell over a list of inputs [N, _]; from the second on, `loop_function(last output, i)` may replace them.

    Returns:
        The list of outputs, and the last state.
    """
    with tf.variable_scope(scope or "rnn_decoder"):
        state, outputs = initial_state, []
        for i, x in enumerate(decoder_inputs):
            if loop_function is not None and outputs:
                with tf.variable_scope("loop_function", reuse=True):
                    x = loop_function(outputs[-1], i)
            if i > 0:
                tf.get_variable_scope().reuse_variables()
            output, state = cell(x, state)
            outputs.append(output)
    return outputs, state


def basic_rnn_seq2seq(encoder_inputs, decoder_inputs, cell, dtype=tf.float32, scope=None):
    """Runs an encoder, whose last state starts a decoder with a copy of the cell."""
    with tf.variable_scope(scope or "basic_rnn_seq2seq"):
        _, state = tf.nn.static_rnn(copy.deepcopy(cell), encoder_inputs, dtype=dtype)
        return rnn_decoder(decoder_inputs, state, cell)


def tied_rnn_seq2seq(encoder_inputs, decoder_inputs, cell, loop_function=None, dtype=tf.float32, scope=None):
    """Runs an encoder and a decoder that share their variables."""
    with tf.variable_scope("combined_tied_rnn_seq2seq"):
        scope = scope or "tied_rnn_seq2seq"
        _, state = tf.nn.static_rnn(cell, encoder_inputs, dtype=dtype, scope=scope)
        tf.get_variable_scope().reuse_variables()
        return rnn_decoder(decoder_inputs, state, cell, loop_function, scope)


def embedding_rnn_decoder(
    decoder_inputs,
    initial_state,
    cell,
    num_symbols,
    embedding_size,
    output_projection=None,
    feed_previous=False,
    update_embedding_for_previous=True,
    scope=None,
):
    """Runs `rnn_decoder` on the embeddings of a list of classes [N].

    Args:
        output_projection: (weights, biases) from the outputs to the classes' logits.
        feed_previous: whether to feed the likeliest class instead of the next given one.
        update_embedding_for_previous: whether gradients flow into the embedding of such a class.
    """
    with tf.variable_scope(scope or "embedding_rnn_decoder"):
        embedding = tf.get_variable("embedding", [num_symbols, embedding_size])

        def embed_likeliest(output, _):
            if output_projection is not None:
                output = tf.nn.xw_plus_b(output, *output_projection)
            embedded = tf.nn.embedding_lookup(embedding, tf.argmax(output, 1))
            return embedded if update_embedding_for_previous else tf.stop_gradient(embedded)

        inputs = [tf.nn.embedding_lookup(embedding, x) for x in decoder_inputs]
        return rnn_decoder(inputs, initial_state, cell, embed_likeliest if feed_previous else None)


def _cross_entropy(labels, logits):
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.reshape(labels, [-1]), logits=logits)


def sequence_loss_by_example(
    logits, targets, weights, average_across_timesteps=True, softmax_loss_function=None, name=None
):
    """Returns the weighted cross-entropy of each row's sequence, float [N], in nats.

    Args:
        logits, targets, weights: lists of [N, classes], int [N] and float [N], one for each time step.
        average_across_timesteps: divides by the sum of the weights.
    """
    if not len(logits) == len(targets) == len(weights):
        lengths = f"{len(logits)}, {len(targets)} and {len(weights)}"
        raise ValueError(f"logits, targets and weights have {lengths} time steps; pass lists of equal length.")
    with tf.name_scope(name, "sequence_loss_by_example"):
        cross_entropy = softmax_loss_function or _cross_entropy
        losses = [
            cross_entropy(labels=target, logits=logit) * weight
            for logit, target, weight in zip(logits, targets, weights)
        ]
        total = tf.add_n(losses)
        return total / (tf.add_n(weights) + 1e-12) if average_across_timesteps else total


def sequence_loss(
    logits,
    targets,
    weights,
    average_across_timesteps=True,
    average_across_batch=True,
    softmax_loss_function=None,
    name=None,
):
    """Sums `sequence_loss_by_example` over the batch, and divides by N if `average_across_batch`."""
    with tf.name_scope(name, "sequence_loss"):
        losses = sequence_loss_by_example(logits, targets, weights, average_across_timesteps, softmax_loss_function)
        total = tf.reduce_sum(losses)
        return total / tf.cast(tf.shape(targets[0])[0], total.dtype) if average_across_batch else total
