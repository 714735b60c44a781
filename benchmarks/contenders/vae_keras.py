"""The same model in Keras 3 on TensorFlow: `fit` with a hundred steps per execution, with and without `jit_compile`."""

import os
import sys
from functools import partial

os.environ["KERAS_BACKEND"] = "tensorflow"
import keras
import tensorflow as tf
import worker
from keras import layers, ops


class VAE(keras.Model):
    def __init__(self):
        super().__init__()
        dense = partial(layers.Dense, kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.1))
        self.encoder = keras.Sequential([dense(128, activation="relu"), dense(128)])
        self.decoder = keras.Sequential([dense(128, activation="relu"), dense(784)])
        self.seed_generator = keras.random.SeedGenerator(0)

    def call(self, x):
        mu, logvar = ops.split(self.encoder(x), 2, axis=1)
        z = mu + ops.exp(0.5 * logvar) * keras.random.normal(ops.shape(mu), seed=self.seed_generator)
        return mu, logvar, self.decoder(z)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The negative ELBO in nats, mean over the batch."""
        mu, logvar, logits = y_pred
        # log(1 + exp(l)) - x l is the cross-entropy of x and sigmoid(l).
        reconstruction = ops.sum(ops.softplus(logits) - x * logits, axis=1)
        kl_divergence = -0.5 * ops.sum(1 + logvar - mu**2 - ops.exp(logvar), axis=1)
        return ops.mean(reconstruction + kl_divergence)


def make(data, *, jit):
    keras.utils.set_random_seed(0)
    vae = VAE()
    vae.compile(optimizer=keras.optimizers.Adam(1e-3), jit_compile=jit, steps_per_execution=100)
    images = tf.constant(data.train)

    def batch(rows):
        return tf.cast(tf.gather(images, rows) > 127, tf.float32)

    def train(first, last):
        batches = tf.data.Dataset.from_tensor_slices(data.rows[first:last]).map(batch).prefetch(tf.data.AUTOTUNE)
        vae.fit(batches, epochs=1, verbose=0)

    def test():
        x = worker.binarize(data.test)
        return vae.compute_loss(x=x, y_pred=vae(x))

    return train, test


if __name__ == "__main__":
    worker.serve(partial(make, jit=sys.argv[2] == "jit"))
