"""The model in float64 NumPy, written from its equations: the reference for the graph's numbers."""

import numpy as np


def encode(weights: dict, x: np.ndarray):
    """Returns the mean and the log-variance of q(z|x), [N, 64] each."""
    hidden = np.maximum(x @ weights["encoder/fc1/weights"] + weights["encoder/fc1/biases"], 0)
    return np.split(hidden @ weights["encoder/fc2/weights"] + weights["encoder/fc2/biases"], 2, axis=1)


def decode(weights: dict, z: np.ndarray):
    """Returns the probability of a white pixel, [N, 784]."""
    hidden = np.maximum(z @ weights["decoder/fc1/weights"] + weights["decoder/fc1/biases"], 0)
    return 1 / (1 + np.exp(-(hidden @ weights["decoder/fc2/weights"] + weights["decoder/fc2/biases"])))


def reconstruction(probabilities: np.ndarray, x: np.ndarray):
    """Returns -log p(x|z), [N]."""
    return -(x * np.log(probabilities) + (1 - x) * np.log1p(-probabilities)).sum(axis=1)


def kl_divergence(mu: np.ndarray, logvar: np.ndarray):
    """Returns KL(N(mu, exp(logvar)) || N(0, I)), [N]."""
    return 0.5 * (mu**2 + np.exp(logvar) - 1 - logvar).sum(axis=1)


def negative_elbo_terms(weights: dict, x: np.ndarray, epsilon: np.ndarray):
    """Returns the reconstruction and the KL divergence, [N] each, for given noise."""
    mu, logvar = encode(weights, x)
    z = mu + np.exp(logvar / 2) * epsilon
    return reconstruction(decode(weights, z), x), kl_divergence(mu, logvar)
