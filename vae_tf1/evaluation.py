"""Measures of a trained model, in nats per image."""

import sys
from typing import Any, NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf
from numpy.typing import ArrayLike

from vae_tf1._checks import as_array, as_count, as_noise_seed
from vae_tf1.graph.sessions import thread_pool
from vae_tf1.measuring import MeasuredModel, is_standard
from vae_tf1.vae import VAE


class Estimate(float):
    """A mean over images: a float that carries its standard error.

    Attributes:
        standard_error: the standard deviation over the images, divided by the square root of their number.
    """

    standard_error: float

    def __new__(cls, mean: float, standard_error: float) -> "Estimate":
        self = super().__new__(cls, mean)
        self.standard_error = standard_error
        return self

    def __getnewargs__(self) -> tuple:
        return float(self), self.standard_error

    @classmethod
    def of(cls, values: ArrayLike) -> "Estimate":
        """The mean of one value per image, [N], such as those of `log_likelihood`.

        The standard error of a single value is NaN.

        Raises:
            TypeError: `values` is not an array of real numbers.
            ValueError: it is not [N], or is empty.
        """
        values = as_array(values, "values").astype(np.float64)
        if values.ndim != 1:
            raise ValueError(f"values is {list(values.shape)}; pass one value per image, [N].")
        if not values.size:
            raise ValueError("There is no value to estimate a mean from; evaluate at least one image.")
        with np.errstate(invalid="ignore"):  # an image of infinite loss has a mean, but no standard error
            standard_error = values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else float("nan")
        return cls(float(values.mean()), float(standard_error))

    def __repr__(self) -> str:
        try:
            "±".encode(getattr(sys.stdout, "encoding", None) or "utf-8")
        except UnicodeEncodeError:  # printing it would fail
            return f"{float(self):.3f} +/- {self.standard_error:.3f}"
        return f"{float(self):.3f} ± {self.standard_error:.3f}"


class Evaluation(NamedTuple):
    """Means over the images, in nats per image."""

    negative_elbo: Estimate  # reconstruction + kl_divergence, whatever weight the latter had in training
    reconstruction: Estimate  # -log p(x|z), one z per image
    kl_divergence: Estimate  # KL(q(z|x) || p(z))


def evaluate(
    sess: tf.Session, vae: VAE, images: Any, batch_size: int = 1_000, seed: int = 0, *, feed: dict | None = None
) -> Evaluation:
    """The negative ELBO of images and its two terms, estimated with one draw of z from q(z|x) for each image.

    A copy of the model runs with noise of its own, so training continues as if nothing had been evaluated.

    Args:
        sess: a session that holds the trained weights.
        vae: from `build_vae` or made by hand, in the graph of `sess`.
        images: [N, P], pixels in [0, 1], or a `DataSet` if `vae.inputs` takes labels. They are fed as in training:
            binarized, or as `vae.inputs` says.
        batch_size: images per run of the graph; as many run at once as there are processors.
        seed: of the noise. The same weights, images and seed give the same numbers, whatever the batch size. (Where the
            model has a `log_posterior` or a `log_prior`, or noise besides that of `z`, the batch size changes it.)
        feed: values of other placeholders, the same for all images, such as {is_training: False}.

    Returns:
        `Evaluation(negative_elbo, reconstruction, kl_divergence)`, each a mean with its standard error.

    Raises:
        RuntimeError: this process was forked from one that had run a session.
        TypeError: `images` is not an array or a `DataSet`, or another argument is not of the type above.
        ValueError: `sess` is of another graph or has no weights yet, `images` has no row or is not [N, P] in [0, 1],
            `batch_size` is below 1, a placeholder is not fed, `vae.z` is not drawn from the Gaussian of
            `vae.mu_logvar` though `vae.log_posterior` is None, `vae.log_posterior` is not the density that `vae.z` is
            drawn from, `vae.kl_divergence` is not the mean of log q(z|x) - log p(z), or an image's number depends on
            the others in its batch.

    Warns:
        UserWarning: `vae.x_dist` is not Bernoulli, and `vae.reconstruction` is not its -log p(x|z).
    """
    batch_size, seed = as_count(batch_size, "batch_size", 1), as_noise_seed(seed)
    with tf.Graph().as_default():
        model = MeasuredModel(sess, vae, images, feed)
        if not len(model):
            raise ValueError("images has no row; pass at least one image to evaluate.")
        parts = [slice(i, i + batch_size) for i in range(0, len(model), batch_size)]
        terms, feeds = (_standard_terms if is_standard(vae) else _any_terms)(model, parts, seed)
        with model.open_session() as session, thread_pool(terms) as (pool, _):
            batches = list(pool.map(lambda feed: session.run(terms, feed), feeds))
    reconstruction, kl_divergence = (np.concatenate(term).astype(np.float64) for term in zip(*batches))
    return Evaluation(*map(Estimate.of, (reconstruction + kl_divergence, reconstruction, kl_divergence)))


Terms = tuple[list[tf.Tensor], list[dict[tf.Tensor, Any]]]  # two tensors [n], and what to feed for each batch


def _standard_terms(model: MeasuredModel, parts: list[slice], seed: int) -> Terms:
    """The two terms, with z drawn from the Gaussian of `mu_logvar` with NumPy's noise."""
    vae = model.vae
    x, mu_logvar = model.drawn["x"], model.drawn["mu_logvar"]
    mu, logvar = tf.split(mu_logvar, 2, axis=1)
    epsilon = tf.placeholder(mu.dtype, [None, vae.z.shape[1]])
    sources = [(vae.x, x), (vae.mu_logvar, mu_logvar), (vae.z, mu + tf.exp(0.5 * logvar) * epsilon)]
    terms = model.copy([vae.reconstruction, vae.kl_divergence], sources, "decode")
    noise = np.random.default_rng(seed % 2**32).standard_normal([len(model), epsilon.shape[1]], dtype=np.float32)
    return terms, [{**model.feed(part), model.stream: [seed, part.start], epsilon: noise[part]} for part in parts]


def _any_terms(model: MeasuredModel, parts: list[slice], seed: int) -> Terms:
    """The two terms, with all latent variables drawn by the model itself."""
    terms = [model.drawn["reconstruction"], model.drawn["kl_divergence"]]
    return terms, [{**model.feed(part), model.stream: [seed, part.start]} for part in parts]


def kl_per_dimension(mu_logvar: ArrayLike) -> np.ndarray:
    """KL(q(z_d|x) || N(0, 1)) for each dimension d, mean over images (Kingma and Welling 2014, appendix B).

    Args:
        mu_logvar: [N, 2 * D], from `encoder`.

    Returns:
        float64 [D], in nats; its sum is the KL divergence of the negative ELBO.

    Raises:
        TypeError: `mu_logvar` is not an array of real numbers.
        ValueError: it is not [N, 2 * D], has no row, or is not finite.
    """
    mu_logvar = as_array(mu_logvar, "mu_logvar").astype(np.float64)
    if not np.isfinite(mu_logvar).all():
        raise ValueError("mu_logvar has values that are not finite; pass those of a model with finite weights.")
    if mu_logvar.ndim != 2 or not len(mu_logvar) or mu_logvar.shape[1] % 2:
        raise ValueError(f"mu_logvar is {list(mu_logvar.shape)}; pass [N, 2 * D] of at least one image.")
    mu, logvar = np.split(mu_logvar, 2, axis=1)
    return 0.5 * (mu**2 + np.exp(logvar) - 1 - logvar).mean(axis=0)
