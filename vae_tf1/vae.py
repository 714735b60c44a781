"""The `VAE` tuple: the tensors of one model, whether they fit together, and what they depend on."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf
import tensorflow_probability as tfp

from vae_tf1 import _checks
from vae_tf1.graph.clone import GraphClone
from vae_tf1.graph.walk import Element, upstream_of, variables_among


class VAE(NamedTuple):
    """The tensors of one model in its graph; all float32, losses in nats. P counts the pixels, D the dimensions of z.

    `build_vae` returns one, and a graph built by hand can be wrapped in one. `train`, `evaluate`, `log_likelihood` and
    `export_saved_model` work on these tensors, whatever computes them.

    The last three fields describe what differs from the built-in model. With `log_prior` and `log_posterior`,
    `log_likelihood` estimates (Burda, Grosse and Salakhutdinov 2016, eq. 8)

        log p(x) ~ log 1/K sum_k exp(-reconstruction_k + log_prior_k - log_posterior_k)

    with the model's own draws of z, whatever its prior, posterior, likelihood and number of stochastic layers. Both
    are densities of the same latent variables that `reconstruction` is computed from, summed over the layers if there
    are several.

    `inputs(images, labels)` returns the values to feed, {placeholder: array with N rows}, for images [N, P] in [0, 1]
    and labels [N] or one-hot [N, classes] (None if there are none). Each row must depend on its own image and label
    alone, and be the same each time: noise belongs in the graph, which draws it anew in each iteration and repeats it
    when a run resumes.

    Attributes:
        x: [N, P]: the images that are reconstructed; for the built-in model a placeholder, 0 or 1.
        mu_logvar: [N, 2 * D]: mean and log-variance of q(z|x); None if it is not such a Gaussian.
        z: [N, D]: the latent code; feed it to decode codes of your own.
        x_logits: [N, P]: log-odds of a white pixel; for another likelihood, its parameters.
        x_dist: p(x|z), batch shape [N, P] or [N].
        x_hat: [N, P]: reconstruction, a sample of x_dist.
        reconstruction: [N]: -log p(x|z).
        kl_divergence: [N]: KL(q(z|x) || p(z)), or an unbiased estimate of it.
        loss: []: what training minimizes; from `build_vae`, the mean over the batch of reconstruction + beta *
            kl_divergence, plus the regularization losses.
        train_step: one update of the weights.
        log_prior: [N]: log p(z); None if p(z) = N(0, I).
        log_posterior: [N]: log q(z|x); None if q(z|x) is the Gaussian of mu_logvar.
        inputs: maps images and labels to the values to feed; None means {x: binarize(images)}.
    """

    x: tf.Tensor
    mu_logvar: tf.Tensor | None
    z: tf.Tensor
    x_logits: tf.Tensor
    x_dist: "tfp.distributions.Distribution"
    x_hat: tf.Tensor
    reconstruction: tf.Tensor
    kl_divergence: tf.Tensor
    loss: tf.Tensor
    train_step: tf.Operation
    log_prior: tf.Tensor | None = None
    log_posterior: tf.Tensor | None = None
    inputs: Callable[[np.ndarray, np.ndarray | None], dict] | None = None


def tensors_of(vae: VAE) -> list[Element]:
    """The tensors and operations among the fields of `vae`; x_hat stands for x_dist, which is not a tensor."""
    return [field for field in vae if isinstance(field, tf.Tensor | tf.Operation)]


def train_fetches(vae: VAE) -> list[Element]:
    """What one iteration of training runs: the loss, its two terms, and the step."""
    return [vae.loss, vae.reconstruction, vae.kl_divergence, vae.train_step]


def variables_of(vae: VAE) -> list[tf.Variable]:
    """The variables that `vae` reads or writes: weights, Adam's slots and powers; not those of another VAE."""
    return variables_among(upstream_of(tensors_of(vae)))


_RANKS = {"reconstruction": 1, "kl_divergence": 1, "log_prior": 1, "log_posterior": 1, "loss": 0}


def check_vae(vae: VAE) -> None:
    """Checks that the tensors of `vae` belong together.

    Raises:
        TypeError: `vae` is not a `VAE`, or a field is not a tensor.
        ValueError: they belong to several graphs or have the wrong shapes, a variable is in no collection, or the
            reconstruction is not computed from `vae.z` and `vae.x`.
    """
    if not isinstance(vae, VAE):
        raise TypeError(f"vae is a {type(vae).__name__}; pass the VAE that build_vae returns, or one made by hand.")
    for name, field in zip(vae._fields[:8], vae):
        if not (tf.is_tensor(field) or name == "x_dist" or (name == "mu_logvar" and field is None)):
            raise TypeError(f"vae.{name} is {_checks.shown(field)}; set it to a tensor.")
    if any(element.graph is not vae.x.graph for element in tensors_of(vae)):
        raise ValueError("The tensors of vae belong to several graphs; build all of them in one.")
    if vae.x.shape.rank != 2 or vae.x.shape.as_list()[1] is None:
        raise ValueError(f"vae.x is {vae.x.shape}; make it tf.placeholder(tf.float32, [None, pixels]).")
    if vae.mu_logvar is not None and vae.log_posterior is None:
        shapes = vae.mu_logvar.shape, vae.z.shape
        if shapes[0].rank != 2 or shapes[1].rank != 2 or shapes[0][1] != 2 * (shapes[1][1] or 0):
            raise ValueError(f"vae.mu_logvar is {shapes[0]} and vae.z {shapes[1]}; they need [N, 2 * D] and [N, D].")
    for name, rank in _RANKS.items():
        tensor = getattr(vae, name)
        if tensor is not None and tensor.shape.rank not in (rank, None):
            needed = "a number for each image, [N]" if rank else "one number, []"
            raise ValueError(f"vae.{name} is {tensor.shape}, but must be {needed}; sum or average it accordingly.")
    operations = upstream_of(tensors_of(vae))
    known = {variable.op.name for variable in variables_among(operations)}
    for operation in operations:
        if operation.type in ("VarHandleOp", "VariableV2") and operation.name not in known:
            raise ValueError(
                f"The variable {operation.name} is in no collection of the graph, so it would not be initialized or "
                "saved; make it without collections=[], and keep what tf.Variable returns."
            )
    reconstructing = upstream_of([vae.reconstruction])
    for name in "x", "z":
        if getattr(vae, name).op not in reconstructing:
            raise ValueError(
                f"vae.reconstruction does not depend on vae.{name}; set it to the tensor that it is computed from."
            )


def check_session(sess: tf.Session, vae: VAE) -> None:
    """Raises TypeError or ValueError if `sess` cannot run `vae`."""
    _checks.check_session(sess, vae.x.graph)


def clone_model(sess: tf.Session, vae: VAE) -> GraphClone:
    """A clone of the graph of `vae`, with the weights that `sess` holds.

    Raises:
        TypeError, ValueError: as `check_vae` and `check_session`.
    """
    check_vae(vae)
    check_session(sess, vae)
    return GraphClone(sess)


def check_images(vae: VAE, images: Any) -> np.ndarray:
    """`images` as an array; raises TypeError or ValueError if they are not an array of the size that `vae` takes."""
    images = _checks.as_array(images, "images")
    if images.ndim == 2 and images.shape[1] != vae.x.shape[1]:
        raise ValueError(
            f"images has {images.shape[1]} pixels per image, but vae.x has {vae.x.shape[1]}; pass images of that size, "
            f"or build the model with image_pixels={images.shape[1]}."
        )
    return images
