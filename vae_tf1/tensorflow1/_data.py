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


def bucket_by_sequence_length(
    input_length,
    tensors,
    batch_size,
    bucket_boundaries,
    num_threads=1,
    capacity=32,
    bucket_capacities=None,
    shapes=None,
    dynamic_pad=False,
    allow_smaller_final_batch=False,
    keep_input=True,
    shared_name=None,
    name=None,
):
    """Queues of `tf.contrib.training.bucket_by_sequence_length`, one for each range of lengths.

    Args:
        input_length: int32 [], the length of one example.
        tensors: the example, a list or dictionary.
        batch_size: of every bucket, or one for each.
        bucket_boundaries: where a bucket ends and the next one begins, in increasing order.

    Returns:
        The lengths [N] and the tensors of a batch whose lengths are in one range.
    """
    boundaries = list(bucket_boundaries)
    if not boundaries or boundaries != sorted(set(boundaries)):
        raise ValueError(f"bucket_boundaries are {boundaries}; pass increasing lengths.")
    names = sorted(tensors) if isinstance(tensors, dict) else range(len(tensors))
    example = [tf.convert_to_tensor(input_length), *(tf.convert_to_tensor(tensors[name]) for name in names)]
    sizes = batch_size if isinstance(batch_size, list | tuple) else [batch_size] * (len(boundaries) + 1)
    capacities = bucket_capacities or [capacity] * len(sizes)
    given = [[], *shapes] if shapes is not None else [tensor.shape for tensor in example]
    with tf.name_scope(name, "bucket_by_sequence_length", example):
        limits = zip([0, *boundaries], [*boundaries, example[0].dtype.max])
        keep = [keep_input & (low <= example[0]) & (example[0] < high) for low, high in limits]
        batches = [
            tf.train.maybe_batch(
                example,
                kept,
                size,
                num_threads,
                room,
                shapes=given,
                dynamic_pad=dynamic_pad,
                allow_smaller_final_batch=allow_smaller_final_batch,
            )
            for kept, size, room in zip(keep, sizes, capacities)
        ]
        types = [tensor.dtype for tensor in example]
        queue = tf.FIFOQueue(capacity, types, shared_name=shared_name, name="top_queue")
        tf.train.add_queue_runner(
            tf.train.QueueRunner(queue, [queue.enqueue(batch) for batch in batches] * num_threads)
        )
        lengths, *outputs = queue.dequeue()
        for output, of_buckets in zip([lengths, *outputs], zip(*batches)):
            output.set_shape(of_buckets[0].shape if not dynamic_pad else [None] * of_buckets[0].shape.rank)
        return lengths, dict(zip(names, outputs)) if isinstance(tensors, dict) else outputs
