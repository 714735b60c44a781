"""Functions that tests of training share: seeded digits, a run in a new session, and an exact comparison."""

import copy
import functools
from collections.abc import Callable

import numpy as np
import tensorflow.compat.v1 as tf

import vae_tf1


@functools.cache
def read_digits(seed: int) -> vae_tf1.Datasets:
    return vae_tf1.read_data_sets("unused", source="builtin", seed=seed)


def seeded_digits(seed: int = 0) -> vae_tf1.Datasets:
    """Returns the built-in digits as if freshly read with `seed`; copying takes a twentieth of the time of reading."""
    return copy.deepcopy(read_digits(seed))


def train_vae(vae, iterations, batch_size=20, report_every=7, *, data=None, compiled=False, stop_at=None, **options):
    """Trains in a new session until the report at `stop_at`, by default to the end, by default on the digits of seed 0.

    Returns:
        The reports, and the values of all variables by name.
    """
    data = seeded_digits() if data is None else data
    with vae.x.graph.as_default(), tf.Session(config=vae_tf1.session_config(compiled=compiled)) as session:
        reports = []
        for report in vae_tf1.train(
            session, vae, data, iterations, batch_size, report_every, compiled=compiled, **options
        ):
            reports.append(report)
            if report.iteration == stop_at:
                break
        return reports, session.run({variable.op.name: variable for variable in tf.global_variables()})


def build_and_train(build: Callable[[], vae_tf1.VAE], iterations, **options):
    """Calls `train_vae` with a model that it builds in a new graph."""
    with tf.Graph().as_default():
        return train_vae(build(), iterations, **options)


def assert_same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> None:
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)
