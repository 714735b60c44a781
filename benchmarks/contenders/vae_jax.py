"""The same model in JAX with optax: one `jit` call per step, or `lax.scan` over steps with the data on the device."""

import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import worker


def init_params(key, hidden_units):
    def layer(key, rows, columns):
        return {"w": 0.1 * jax.random.truncated_normal(key, -2, 2, (rows, columns)), "b": jnp.zeros(columns)}

    sizes = {
        "enc1": (784, hidden_units),
        "enc2": (hidden_units, 128),
        "dec1": (64, hidden_units),
        "dec2": (hidden_units, 784),
    }
    return {name: layer(k, *size) for k, (name, size) in zip(jax.random.split(key, 4), sizes.items())}


def dense(layer, x):
    return x @ layer["w"] + layer["b"]


def loss_fn(params, x, key):
    """The negative ELBO in nats, mean over the batch."""
    mu, logvar = jnp.split(dense(params["enc2"], jax.nn.relu(dense(params["enc1"], x))), 2, axis=1)
    z = mu + jnp.exp(0.5 * logvar) * jax.random.normal(key, mu.shape)
    logits = dense(params["dec2"], jax.nn.relu(dense(params["dec1"], z)))
    reconstruction = optax.sigmoid_binary_cross_entropy(logits, x).sum(axis=1)
    kl_divergence = -0.5 * jnp.sum(1 + logvar - mu**2 - jnp.exp(logvar), axis=1)
    return jnp.mean(reconstruction + kl_divergence)


adam = optax.adam(1e-3)


def step(state, x, key):
    params, opt_state = state
    loss, gradients = jax.value_and_grad(loss_fn)(params, x, key)
    updates, opt_state = adam.update(gradients, opt_state)
    return (optax.apply_updates(params, updates), opt_state), loss


def make(data, *, scan):
    key = jax.random.key(0, impl="rbg")  # the fast generator
    params = init_params(key, data.hidden_units)
    state = params, adam.init(params)
    images = jnp.asarray(data.train)
    scans = {}

    @partial(jax.jit, donate_argnums=0)
    def one(state, x, i):
        return step(state, x, jax.random.fold_in(key, i))

    @partial(jax.jit, donate_argnums=0)
    def many(state, images, rows, iterations):
        def body(state, inputs):
            i, batch = inputs
            x = (images[batch] > 127).astype(jnp.float32)
            return step(state, x, jax.random.fold_in(key, i))

        return jax.lax.scan(body, state, (iterations, rows))

    def train(first, last):
        nonlocal state
        if scan:
            if not scans:  # one program for the first iteration, which runs on its own, and one for a round
                for length in (1, data.per_round):
                    scans[length] = many.lower(state, images, data.rows[:length], np.arange(length)).compile()
            state, _ = scans[last - first](state, images, data.rows[first:last], np.arange(first, last))
        else:
            for i in range(first, last):
                state, _ = one(state, data.batch(i), i)
        jax.block_until_ready(state)

    def test():
        return jax.jit(loss_fn)(state[0], worker.binarize(data.test), jax.random.key(1))

    @jax.jit
    def log_weights(params, x, key):  # of 100 samples for each image
        encoded = dense(params["enc2"], jax.nn.relu(dense(params["enc1"], x)))
        mu, logvar = jnp.split(encoded[:, None], 2, axis=2)
        epsilon = jax.random.normal(key, (len(x), 100, 64))
        z = mu + jnp.exp(0.5 * logvar) * epsilon
        logits = dense(params["dec2"], jax.nn.relu(dense(params["dec1"], z)))
        reconstruction = optax.sigmoid_binary_cross_entropy(logits, x[:, None]).sum(axis=2)
        return 0.5 * jnp.sum(epsilon**2 + logvar - z**2, axis=2) - reconstruction

    def likelihood(images, samples):
        estimates, run = [], 0
        for i in range(0, images, 20):
            x, parts = worker.binarize(data.test[i : i + 20]), []
            for _ in range(samples // 100):
                parts.append(log_weights(state[0], x, jax.random.fold_in(key, run)))
                run += 1
            estimates.append(jax.nn.logsumexp(jnp.concatenate(parts, axis=1), axis=1) - jnp.log(samples))
        return np.concatenate(estimates)

    return train, test, likelihood


if __name__ == "__main__":
    worker.serve(partial(make, scan=sys.argv[2] == "scan"))
