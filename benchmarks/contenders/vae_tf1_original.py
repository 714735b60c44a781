"""The original's graph and loop under TensorFlow 1.15.5, in a session with default threads, as in the original."""

import pathlib
import sys

import worker

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tests" / "tf1_reference"))
import record
import tensorflow as tf


def make(data):
    vae = record.build(0)
    sess = tf.Session()
    sess.run(tf.global_variables_initializer())

    def train(first, last):
        for i in range(first, last):
            sess.run(vae["train_step"], {vae["x"]: data.batch(i)})

    return train, lambda: record.test_terms(sess, vae, data.test / 255)["negative_elbo"]


if __name__ == "__main__":
    worker.serve(make)
