"""The program of each process in the tests' clusters; its noise is fixed, so that one machine gets the same numbers.

python tests/cluster/cluster_member.py CHECKPOINT_DIR ITERATIONS BATCH_SIZE [SEED_OF_THE_DATA]
"""

import sys

import vae_tf1
from vae_tf1 import cluster

import tensorflow.compat.v1 as tf  # isort: skip


def build(synchronous) -> vae_tf1.VAE:
    """Assembles a model by hand, in which z is always half a standard deviation above the mean."""
    tf.set_random_seed(0)
    x = tf.placeholder(tf.float32, [None, 784])
    with tf.variable_scope("encoder", use_resource=True):
        mu_logvar = vae_tf1.encoder(x)
    with tf.variable_scope("decoder", use_resource=True):
        mu, logvar = tf.split(mu_logvar, 2, axis=1)
        z = mu + 0.5 * tf.exp(0.5 * logvar)
        x_logits, x_dist = vae_tf1.decode(z)
        x_hat = x_dist.mean()
    with tf.variable_scope("unlabeled"), tf.variable_scope("optimizer"):
        loss, reconstruction, kl_divergence = vae_tf1.negative_elbo(x_logits, x, mu_logvar)
        train_step = synchronous(tf.train.AdamOptimizer()).minimize(loss)
    return vae_tf1.VAE(x, mu_logvar, z, x_logits, x_dist, x_hat, reconstruction, kl_divergence, loss, train_step)


def digits(seed: int = 0) -> vae_tf1.Datasets:
    return vae_tf1.read_data_sets("unused", source="builtin", seed=seed)


def main(checkpoint_dir: str, iterations: int, batch_size: int, seed: int = 0) -> None:
    reports = cluster.train(build, digits(seed), iterations, batch_size, 100, checkpoint_dir=checkpoint_dir)
    for report in reports:
        print(f"Iteration {report.iteration}: {report.loss:.2f} nats", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
