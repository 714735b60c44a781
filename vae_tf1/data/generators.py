"""Random generators for shuffling, and their seeds, as in TensorFlow 1.15."""

import sys
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

from vae_tf1._checks import as_count

_SEEDS = 2**31 - 1  # TensorFlow takes its seeds modulo this
NUMPY_GENERATOR: np.random.RandomState = np.random.mtrand._rand  # the one that np.random.seed seeds


def seed_generator(seed: int | None) -> np.random.RandomState:
    """Returns the generator that shuffles, seeded as TensorFlow 1.15's `DataSet` does.

    With a seed, it is a private generator. With None, it is NumPy's global generator: this function seeds it with the
    graph's seed (`tf.set_random_seed`) if there is one, and `np.random.seed` can seed it at any time.
    """
    if seed is not None:
        return seeded(as_seed(seed))
    if (seed_of_graph := graph_seed()) is not None:
        np.random.seed(seed_of_graph % _SEEDS)
    return NUMPY_GENERATOR


def as_seed(seed: Any) -> int:
    """Returns a seed as an `int`.

    Raises:
        TypeError: it is not an integer.
    """
    return as_count(seed, "seed", minimum=-sys.maxsize)


def seeded(seed: int) -> np.random.RandomState:
    return np.random.RandomState(seed % _SEEDS)


def graph_seed() -> int | None:
    """Returns the seed that `tf.set_random_seed` has set for the default graph, or None."""
    return tf.get_default_graph().seed


def as_random_state(random_state: Any) -> np.random.RandomState:
    if isinstance(random_state, np.random.RandomState):
        if random_state.get_state(legacy=False)["bit_generator"] != "MT19937":
            raise TypeError("random_state has another generator than MT19937; pass np.random.RandomState(seed).")
        return random_state
    return seeded(as_count(random_state, "random_state", minimum=-sys.maxsize))
