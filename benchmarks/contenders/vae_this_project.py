"""This project's plain or compiled loop, or the plain loop with a prior given as a distribution.

It draws its batches itself: with the same seed, they are those that the other contenders are given.
"""

import os
import sys
from functools import partial

import numpy as np

with np.load(sys.argv[1]) as arrays:
    # As the notebook does, to repeat 2017's rounding. Where operations share threads, the rounding differs in any case,
    # and oneDNN is faster.
    if arrays["hidden_units"] * arrays["rows"].shape[1] < 8 * 100 * 128:
        os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

import vae_tf1  # before TensorFlow, whose messages it filters  # isort: skip
import tensorflow.compat.v1 as tf
import tensorflow_probability as tfp
import worker


def make(data, *, mode):
    tf.disable_v2_behavior()
    mnist = vae_tf1.read_data_sets(data.train_dir, seed=data.seed)
    batch_size, hidden_units = data.rows.shape[1], data.hidden_units
    prior = tfp.distributions.MultivariateNormalDiag(tf.zeros([64]), tf.ones([64])) if mode == "densities" else None
    vae = vae_tf1.build_vae(seed=0, hidden_units=hidden_units, prior=prior)
    compiled = mode == "compiled"
    config = vae_tf1.session_config(compiled=compiled, batch_size=batch_size, hidden_units=hidden_units)
    sess = tf.Session(config=config)
    reports = vae_tf1.train(sess, vae, mnist, len(data.rows), batch_size, data.per_round, compiled=compiled)

    def train(first, last):
        assert next(reports).iteration == last - 1

    test = worker.binarize(data.test)
    return (
        train,
        lambda: vae_tf1.evaluate(sess, vae, test).negative_elbo,
        lambda images, samples: vae_tf1.log_likelihood(sess, vae, test[:images], samples),
    )


if __name__ == "__main__":
    worker.serve(partial(make, mode=sys.argv[2]))
