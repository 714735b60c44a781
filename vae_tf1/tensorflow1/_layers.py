"""The functions of `tf.contrib.layers` on embeddings, which tf-slim lacks."""

import tensorflow.compat.v1 as tf
import tf_slim


def embed_sequence(
    ids,
    vocab_size=None,
    embed_dim=None,
    unique=False,
    initializer=None,
    regularizer=None,
    trainable=True,
    scope=None,
    reuse=None,
):
    """Looks int [N, T] up in the scope's variable `embeddings` [vocab_size, embed_dim]: float [N, T, embed_dim]."""
    if not reuse and (vocab_size is None or embed_dim is None):
        raise ValueError(f"vocab_size is {vocab_size} and embed_dim is {embed_dim}; pass both, or reuse=True.")
    with tf.variable_scope(scope, "EmbedSequence", [ids], reuse=reuse):
        shape = None if vocab_size is None or embed_dim is None else [vocab_size, embed_dim]
        embeddings = _embeddings(shape, initializer, regularizer, trainable)
        return embedding_lookup_unique(embeddings, ids) if unique else tf.nn.embedding_lookup(embeddings, ids)


def bow_encoder(
    ids,
    vocab_size,
    embed_dim,
    sparse_lookup=True,
    initializer=None,
    regularizer=None,
    trainable=True,
    scope=None,
    reuse=None,
):
    """Averages the embeddings of each row of int [N, T], with the scope's variable `embeddings`: float [N, embed_dim].

    With `sparse_lookup`, a 0 in dense `ids` is padding and does not count.
    """
    if isinstance(ids, tf.SparseTensor) and not sparse_lookup:
        raise TypeError("ids are sparse; pass sparse_lookup=True.")
    with tf.variable_scope(scope, "bow_encoder", [ids], reuse=reuse):
        shape = [vocab_size, embed_dim]
        embeddings = _embeddings(shape, initializer, regularizer, trainable)
        if not sparse_lookup:
            return tf.reduce_mean(tf.nn.embedding_lookup(embeddings, ids), 1)
        sparse = ids if isinstance(ids, tf.SparseTensor) else tf_slim.layers.dense_to_sparse(ids)
        return tf.nn.safe_embedding_lookup_sparse(embeddings, sparse, combiner="mean", default_id=0)


def _embeddings(shape, initializer, regularizer, trainable):
    return tf_slim.model_variable(
        "embeddings", shape, initializer=initializer, regularizer=regularizer, trainable=trainable
    )


def embedding_lookup_unique(params, ids, partition_strategy="mod", name=None):
    """`tf.nn.embedding_lookup` that reads each row of `params` once."""
    with tf.name_scope(name, "EmbeddingLookupUnique", [params, ids]):
        unique, positions = tf.unique(tf.reshape(ids, [-1]))
        rows = tf.gather(tf.nn.embedding_lookup(params, unique, partition_strategy), positions)
        result = tf.reshape(rows, tf.concat([tf.shape(ids), tf.shape(rows)[1:]], 0))
        result.set_shape(tf.convert_to_tensor(ids).shape.concatenate(rows.shape[1:]))
        return result


def safe_embedding_lookup_sparse(
    embedding_weights,
    sparse_ids,
    sparse_weights=None,
    combiner=None,
    default_id=None,
    name=None,
    partition_strategy="div",
    max_norm=None,
):
    return tf.nn.safe_embedding_lookup_sparse(
        embedding_weights,
        sparse_ids,
        sparse_weights,
        combiner or "mean",
        default_id,
        name,
        partition_strategy,
        max_norm,
    )
