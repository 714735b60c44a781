"""The model of the chief or of a worker: weights on the parameter servers, updated with the mean of all gradients."""

from collections.abc import Callable
from typing import Any

import tensorflow.compat.v1 as tf

from vae_tf1.cluster.machines import CHIEF, Cluster
from vae_tf1.graph.noise import check_repeatable, reseed
from vae_tf1.vae import VAE, check_vae, tensors_of, train_fetches

Synchronous = Callable[[tf.train.Optimizer], tf.train.Optimizer]
Build = Callable[[Synchronous], VAE]  # builds the model in the default graph, with a synchronous optimizer


def build_single(build: Build) -> VAE:
    """Builds the model as a single machine trains it, in its own graph; checkpoints record this one."""
    wrapped: list[tf.train.Optimizer] = []
    with tf.Graph().as_default():
        vae = build(lambda optimizer: wrapped.append(optimizer) or optimizer)  # type: ignore[func-returns-value]
    check_vae(vae)
    if len(wrapped) != 1:
        raise ValueError(f"build must wrap exactly one optimizer, that of train_step; it wrapped {len(wrapped)}.")
    check_repeatable(tensors_of(vae), [vae.x])
    return vae


def build_replica(build: Build, cluster: Cluster, container: str) -> VAE:
    """Builds the model of this process in its own graph, with weights and accumulators in a resource container."""
    job, worker = f"/job:{cluster.jobs['ps']}", cluster.device(cluster.me)
    setter = tf.train.replica_device_setter(cluster=cluster.spec, ps_device=job, worker_device=worker)
    with tf.Graph().as_default() as graph, graph.container(container), tf.device(setter):
        vae = build(lambda optimizer: _make_synchronous(optimizer, len(cluster.trainers), cluster.me == CHIEF))
    if cluster.me == CHIEF:
        return vae
    x, *fetches = reseed([vae.x, *train_fetches(vae)], cluster.trainers.index(cluster.me) * 1_000_003)
    copies = dict(zip(("loss", "reconstruction", "kl_divergence", "train_step"), fetches))
    if (inputs := vae.inputs) is not None:
        copies["inputs"] = lambda *data: {x.graph.get_tensor_by_name(key.name): a for key, a in inputs(*data).items()}
    return vae._replace(x=x, **copies)


def _make_synchronous(optimizer: tf.train.Optimizer, replicas: int, is_chief: bool) -> tf.train.Optimizer:
    """Makes an optimizer hand in its gradients, and on the chief also apply the mean of those of all replicas."""
    # No gradient is stale, because nobody begins a step before the chief has ended the previous one.
    update = optimizer.apply_gradients

    def apply_gradients(grads_and_vars: Any, global_step: Any = None, name: str | None = None) -> tf.Operation:
        gradients, variables = zip(*[pair for pair in grads_and_vars if pair[0] is not None])
        hand_in, means = [], []
        for gradient, variable in zip(tf.tuple(gradients), variables):  # all, before an update changes a weight
            with tf.device(variable.device):
                shared = tf.ConditionalAccumulator(gradient.dtype, variable.shape, f"gradient_of_{variable.op.name}")
                hand_in.append(shared.apply_grad(gradient, tf.int64.max))
                means.append(shared.take_grad(replicas))
        step = update(list(zip(means, variables)), global_step, name)  # on workers too, to place all variables alike
        return tf.group(*hand_in, step) if is_chief else tf.group(*hand_in)

    optimizer.apply_gradients = apply_gradients
    return optimizer
