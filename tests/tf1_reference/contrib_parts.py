"""Small graphs of what is written anew for tf.contrib; record.py runs them under TensorFlow 1.15.5.

Initial weights are the same everywhere: sines of their positions.
"""

import numpy as np


def initialize(shape, dtype=None, partition_info=None):
    return np.sin(np.arange(1, 1 + np.prod(shape, dtype=int)).reshape(shape)).astype(np.float32)


def parts(tf):
    """Name → function that returns tensors."""
    contrib = tf.contrib
    rnn, seq2seq, legacy = contrib.rnn, contrib.seq2seq, contrib.legacy_seq2seq
    x = tf.constant(initialize([2, 3, 4]))
    steps = tf.unstack(x, axis=1)
    lengths = tf.constant([3, 2])
    weights = tf.constant([[1.0, 1.0, 0.5], [1.0, 0.0, 0.0]])
    classes = tf.constant([[0, 3, 1], [2, 2, 0]])

    def cell(size=5):
        return tf.nn.rnn_cell.GRUCell(size)

    def run(one):
        return tf.nn.dynamic_rnn(one, x, dtype=tf.float32)

    def decode(helper, one, state, **named):
        decoder = seq2seq.BasicDecoder(one, helper, state, tf.layers.Dense(4, use_bias=False))
        return seq2seq.dynamic_decode(decoder, **named)

    def attend(mechanism, **named):
        one = seq2seq.AttentionWrapper(cell(), mechanism, **named)
        return decode(seq2seq.TrainingHelper(x, lengths), one, one.zero_state(2, tf.float32))[0].rnn_output

    def embedding():
        return tf.get_variable("table", [4, 3])

    def greedy(helper, *arguments):
        helper = helper(embedding(), [1, 2], *arguments)
        return decode(helper, cell(), tf.ones([2, 5]), maximum_iterations=4)[0].sample_id

    def bidirectional():
        return rnn.stack_bidirectional_dynamic_rnn([cell(2), cell(3)], [cell(2), cell(2)], x, dtype=tf.float32)

    def bidirectional_lists():
        return rnn.stack_bidirectional_rnn([cell(2)], [cell(3)], steps, dtype=tf.float32)

    def sequence_losses():
        reductions = [(1, 1, 0, 0), (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 1), (0, 0, 1, 0), (0, 0, 0, 1), (1, 0, 0, 1)]
        return [seq2seq.sequence_loss(x, classes, weights, *reduction) for reduction in reductions]

    def imputed():
        outputs, state, ends = decode(
            seq2seq.TrainingHelper(x, [1, 3]), cell(), tf.ones([2, 5]), impute_finished=True, output_time_major=True
        )
        return [outputs.rnn_output, outputs.sample_id, state, ends]

    def legacy_losses():
        columns = [tf.unstack(tensor, axis=1) for tensor in (x, classes, weights)]
        return [
            legacy.sequence_loss_by_example(*columns),
            legacy.sequence_loss_by_example(*columns, average_across_timesteps=False),
            legacy.sequence_loss(*columns),
            legacy.sequence_loss(*columns, average_across_batch=False),
        ]

    def looped():
        return legacy.rnn_decoder(steps, tf.ones([2, 4]), cell(4), loop_function=lambda output, i: output * i)

    columns = tf.unstack(classes, axis=1)
    return {
        "AttentionWrapper, Bahdanau": lambda: attend(seq2seq.BahdanauAttention(3, x, lengths), attention_layer_size=3),
        "AttentionWrapper, normalized": lambda: attend(seq2seq.BahdanauAttention(3, x, normalize=True)),
        "AttentionWrapper, Luong": lambda: attend(seq2seq.LuongAttention(5, x, lengths, scale=True)),
        "AttentionWrapper, the cell's output": lambda: attend(
            seq2seq.LuongAttention(5, x, lengths), attention_layer_size=6, output_attention=False
        ),
        "dynamic_decode, imputed": imputed,
        "GreedyEmbeddingHelper": lambda: greedy(seq2seq.GreedyEmbeddingHelper, 3),
        "sequence_loss": sequence_losses,
        "tile_batch": lambda: seq2seq.tile_batch(x, 2),
        "hardmax": lambda: seq2seq.hardmax(x),
        "OutputProjectionWrapper": lambda: run(rnn.OutputProjectionWrapper(cell(), 2)),
        "InputProjectionWrapper": lambda: run(rnn.InputProjectionWrapper(cell(), 3, tf.nn.relu)),
        "EmbeddingWrapper": lambda: rnn.EmbeddingWrapper(cell(), 4, 3)(classes[:, :1], tf.ones([2, 5])),
        "LayerNormBasicLSTMCell": lambda: run(rnn.LayerNormBasicLSTMCell(5, norm_gain=0.5, norm_shift=0.1)),
        "LayerNormBasicLSTMCell, not normalized": lambda: run(rnn.LayerNormBasicLSTMCell(5, layer_norm=False)),
        "LSTMBlockCell": lambda: run(rnn.LSTMBlockCell(5)),
        "GRUBlockCell": lambda: run(rnn.GRUBlockCell(5)),
        "GRUBlockCellV2": lambda: run(rnn.GRUBlockCellV2(5)),
        "stack_bidirectional_dynamic_rnn": bidirectional,
        "stack_bidirectional_rnn": bidirectional_lists,
        "transpose_batch_time": lambda: rnn.transpose_batch_time(x),
        "rnn_decoder": lambda: legacy.rnn_decoder(steps, tf.ones([2, 5]), cell()),
        "rnn_decoder, looped": looped,
        "basic_rnn_seq2seq": lambda: legacy.basic_rnn_seq2seq(steps, steps[:2], cell()),
        "tied_rnn_seq2seq": lambda: legacy.tied_rnn_seq2seq(steps, steps[:2], cell()),
        "embedding_rnn_decoder": lambda: legacy.embedding_rnn_decoder(
            columns,
            tf.ones([2, 5]),
            cell(),
            4,
            3,
            (tf.constant(initialize([5, 4])), tf.constant(initialize([4]))),
            feed_previous=True,
        ),
        "sequence_loss of lists": legacy_losses,
        "embed_sequence": lambda: contrib.layers.embed_sequence(classes, 4, 3),
        "embed_sequence, unique": lambda: contrib.layers.embed_sequence(classes, 4, 3, unique=True),
        "bow_encoder": lambda: contrib.layers.bow_encoder(classes, 4, 3),
        "bow_encoder, dense": lambda: contrib.layers.bow_encoder(classes, 4, 3, sparse_lookup=False),
    }


def evaluate(tf) -> dict:
    """Name → the variables' names and the values."""
    record = {}
    for name in parts_of_a_graph(tf):
        with tf.Graph().as_default(), tf.Session() as sess:
            tf.get_variable_scope().set_initializer(initialize)
            tensors = tf.contrib.framework.nest.flatten(parts(tf)[name]())
            sess.run(tf.global_variables_initializer())
            values = [np.round(np.asarray(value, float), 6).tolist() for value in sess.run(tensors)]
            record[name] = [[variable.op.name for variable in tf.global_variables()], values]
    return record


def parts_of_a_graph(tf) -> list:
    with tf.Graph().as_default():
        return list(parts(tf))
