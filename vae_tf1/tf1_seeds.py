"""The numbers of 2017: seeds of the random operations as TensorFlow 1.15 gave them.

If a graph has a seed (`tf.set_random_seed`), TensorFlow derives a seed for each random operation. TensorFlow 1.15 took
the number of operations that the graph had so far; TensorFlow 2 counts from 0. The original graph therefore draws the
numbers of 2017 once its six random operations have the seeds that TensorFlow 1.15 derived.
"""

import re

import tensorflow.compat.v1 as tf
from tensorflow.core.framework.attr_value_pb2 import AttrValue

# The number of operations that were in the original's graph before each of these.
_WEIGHTS = "weights/Initializer/truncated_normal/TruncatedNormal"
TF1_SEEDS = {
    ("encoder", f"fc1/{_WEIGHTS}"): 4,
    ("encoder", f"fc2/{_WEIGHTS}"): 20,
    ("decoder", "random_normal/RandomStandardNormal"): 40,  # epsilon
    ("decoder", f"fc1/{_WEIGHTS}"): 48,
    ("decoder", f"fc2/{_WEIGHTS}"): 64,
    ("decoder", "random_uniform/RandomUniform"): 84,  # the noise of x_hat
}


def use_tf1_seeds(operations: list[tf.Operation] | None = None) -> None:
    """Gives the original's random operations in the default graph the seeds that they had under TensorFlow 1.15.

    Call it after `tf.set_random_seed` and after building the graph, before a session runs it. The operations are found
    by the scopes of the original, `encoder` and `decoder`, inside any outer scope. Other random operations keep their
    seeds, and so do all operations of a graph that has no seed. A second call changes nothing.

    Args:
        operations: those to search; None is all operations of the graph.
    """
    graph = tf.get_default_graph()
    if graph.seed is None:
        return
    random = [operation for operation in graph.get_operations() if "seed2" in operation.node_def.attr]
    among = set(random if operations is None else operations)
    seeds = {operation: _tf1_seed(operation.name) if operation in among else None for operation in random}
    taken = {operation.get_attr("seed2") for operation, seed in seeds.items() if seed is None}
    for operation, seed in seeds.items():
        if seed is None:
            continue
        while seed in taken:  # for example by a first encoder, whose weights a second one must not repeat
            seed += 1000
        taken.add(seed)
        if operation.get_attr("seed2") != seed:
            operation._set_attr("seed2", AttrValue(i=seed))


def _tf1_seed(name: str) -> int | None:
    for (scope, rest), seed in TF1_SEEDS.items():
        # When a name scope is opened a second time, TensorFlow calls it "decoder_1".
        if re.fullmatch(rf"(.*/)?{scope}(_\d+)?/{rest}", name):
            return seed
    return None
