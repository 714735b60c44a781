"""`tf.contrib.training.bucket_by_sequence_length`; `tf.contrib.data` had another function of that name."""

import functools

import tensorflow.compat.v1 as tf


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
    """Batches examples of similar length, from one queue for each range of lengths.

    Args:
        input_length: int32 [], the length of one example.
        tensors: the example, a list or dictionary.
        batch_size: an int, or one for each bucket.
        bucket_boundaries: increasing lengths; each begins a new bucket.

    Returns:
        The lengths [N] and the tensors of a batch from one bucket.
    """
    boundaries = list(bucket_boundaries)
    if not boundaries or boundaries != sorted(set(boundaries)):
        raise ValueError(f"bucket_boundaries is {boundaries}; pass increasing lengths.")
    names = sorted(tensors) if isinstance(tensors, dict) else range(len(tensors))
    example = [tf.convert_to_tensor(input_length), *(tf.convert_to_tensor(tensors[name]) for name in names)]
    sizes = batch_size if isinstance(batch_size, list | tuple) else [batch_size] * (len(boundaries) + 1)
    types = [tensor.dtype for tensor in example]
    shapes = [tensor.shape for tensor in example] if shapes is None else [[], *shapes]
    with tf.name_scope(name, "bucket_by_sequence_length", example):
        make = functools.partial(tf.PaddingFIFOQueue if dynamic_pad else tf.FIFOQueue, dtypes=types, shapes=shapes)
        queues = [make(room) for room in bucket_capacities or [capacity] * len(sizes)]
        bucket = tf.reduce_sum(tf.cast(example[0] >= tf.cast(boundaries, example[0].dtype), tf.int32))
        _run(queues, [_enqueue(queues, example, bucket, keep_input)] * num_threads)
        top = tf.FIFOQueue(capacity, types, shared_name=shared_name, name="top_queue")
        dequeue = "dequeue_up_to" if allow_smaller_final_batch else "dequeue_many"
        _run([top], [top.enqueue(getattr(queue, dequeue)(size)) for queue, size in zip(queues, sizes)])
        lengths, *outputs = top.dequeue()
        rows = None if allow_smaller_final_batch or len(set(sizes)) > 1 else sizes[0]
        for output, shape in zip([lengths, *outputs], shapes):
            output.set_shape(tf.TensorShape([rows]).concatenate(shape))
        return lengths, dict(zip(names, outputs)) if isinstance(tensors, dict) else outputs


def _enqueue(queues: list, example: list, bucket, keep_input):
    """Returns an operation that puts the next example into its bucket's queue."""
    return tf.group(
        *(
            tf.cond(tf.equal(bucket, i) & keep_input, functools.partial(queue.enqueue, example), tf.no_op)
            for i, queue in enumerate(queues)
        )
    )


def _run(queues: list, enqueue: list) -> None:
    """Runs the operations in threads, and closes the queues after the last of them."""
    close = tf.group(*(queue.close() for queue in queues))
    cancel = tf.group(*(queue.close(cancel_pending_enqueues=True) for queue in queues))
    tf.train.add_queue_runner(tf.train.QueueRunner(queues[0], enqueue, close, cancel))
