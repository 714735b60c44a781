"""A clone of a model to measure: its inputs, its noise, and checks of its densities."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

from vae_tf1.graph.clone import Sources, check_sources
from vae_tf1.graph.noise import random_operations, stateless
from vae_tf1.graph.walk import Element, upstream_of
from vae_tf1.inputs import bernoulli_of, constants, images_and_labels, input_arrays
from vae_tf1.vae import VAE, clone_model, tensors_of

_FIELDS = ("x", "x_logits", "z", "mu_logvar", "reconstruction", "kl_divergence", "log_prior", "log_posterior")
_IMAGES, _DRAWS = 20, 1_000  # images per run, and draws per run, over all of these
_VALUES = 2**22  # pixels in one run, at most
_RUNS = 10  # maximum, where the first few are inconclusive
_CHECKED = 40_000  # standard normal draws, at least: their mean and standard deviation are within 0.01 of 0 and 1
_TOGETHER = 8  # images per batch, to see whether their results depend on each other
_LOG_DENSITIES = {  # log p of one draw of noise, by the operation that draws it
    "StatelessRandomNormalV2": lambda epsilon: -0.5 * np.sum(epsilon**2 + np.log(2 * np.pi)),
    "StatelessRandomUniformV2": lambda epsilon: 0.0,
}
_STEPS = (2e-3, 4e-3)  # steps of the noise for finite differences; the second shows the error of the first
_MAX_COMPARED = 256  # dimensions of z; each takes four runs
_MAX_CONDITION = 1e3  # condition number of dz/depsilon; beyond it, z is confined to a surface, such as a sphere


class MeasuredModel:
    """A clone of `vae` in the default graph, with the weights that `sess` holds and the data to measure it on.

    Args:
        sess: holds the weights.
        vae: in the graph of `sess`.
        data: images [N, P] in [0, 1], or a `DataSet`, whose labels are passed to `vae.inputs` too.
        feed: values for other placeholders, such as {is_training: False}; the same for all images.

    Attributes:
        arrays: the values of the placeholders of `inputs`, one row per image.
        inputs: pairs of a placeholder of the model that is fed and the placeholder that replaces it here.
        stream: int32 [2], the seed of `drawn`.
        drawn: the tensors of the model, by field, computed from these placeholders and noise that depends on `stream`.

    Raises:
        TypeError, ValueError: as `vae.check_vae` and `inputs.input_arrays`; or `feed` has a key that is not a tensor of
            the model.
    """

    def __init__(self, sess: tf.Session, vae: VAE, data: Any, feed: dict | None = None):
        self.vae, self.clone = vae, clone_model(sess, vae)
        if vae.mu_logvar is None and vae.log_posterior is None:
            raise ValueError("vae.mu_logvar and vae.log_posterior are None; set vae.log_posterior to log q(z|x), [N].")
        measured = [field for field in tensors_of(vae) if field is not vae.train_step and field is not vae.loss]
        self.clone.copy_variables(upstream_of(measured))
        arrays = input_arrays(vae, *images_and_labels(data))
        self.arrays = list(arrays.values())
        self.inputs = [(tensor, tf.placeholder(tensor.dtype, [None, *tensor.shape[1:]])) for tensor in arrays]
        self._constants = constants(vae, feed)
        self.stream = tf.placeholder(tf.int32, [2])
        fields = {name: getattr(vae, name) for name in _FIELDS if getattr(vae, name) is not None}
        targets = list(fields.values())
        fed = [tensor for tensor, _ in (*self.inputs, *self._constants)]
        check_sources(vae.reconstruction.name, upstream_of(targets, fed))
        self.drawn = dict(zip(fields, self.copy(targets, self.replace_noise(targets, self.stream), "drawn")))

    def __len__(self) -> int:
        return len(self.arrays[0])

    def copy(self, elements: Sequence[Element], sources: Sources = (), name: str = "copy") -> list[Element]:
        """Builds `elements` again from `sources`, and otherwise from `inputs` and `feed`; see `GraphClone.copy`."""
        given = {tensor.name: source for tensor, source in sources}
        sources = [*sources, *(pair for pair in (*self.inputs, *self._constants) if pair[0].name not in given)]
        given = {tensor.name: source for tensor, source in sources}
        built = [element for element in elements if element.name not in given]
        copies = iter(self.clone.copy(built, sources, name) if built else [])
        return [given[element.name] if element.name in given else next(copies) for element in elements]

    def replace_noise(self, elements: Sequence[Element], stream: tf.Tensor, sources: Sources = ()) -> Sources:
        """`sources`, with replacements that depend on `stream` alone for the noise that `elements` draw.

        Noise that has no stateless counterpart is not replaced.

        Args:
            elements: of the model.
            stream: int32 [2], a seed.
            sources: as for `copy`.
        """
        sources = list(sources)
        without = [tensor for tensor, _ in sources]
        for number, operation in enumerate(random_operations(elements, without)):
            (shape,) = self.copy(operation.inputs[:1], sources, "shape") if operation.inputs else (None,)
            seed = tf.random.experimental.stateless_fold_in(stream, number) if number else stream
            try:
                sources.append((operation.outputs[0], stateless(operation, shape, seed)))
            except ValueError:
                continue
        return sources

    def feed(self, rows: slice | np.ndarray) -> dict[tf.Tensor, np.ndarray]:
        """The values to feed for these rows."""
        return {placeholder: array[rows] for (_, placeholder), array in zip(self.inputs, self.arrays)}

    def open_session(self) -> tf.Session:
        """Opens a session with the model's weights, and checks with a few draws that the estimates apply to the model.

        Warns:
            UserWarning: `x_dist` is not Bernoulli, and `reconstruction` is not its -log p(x|z).

        Raises:
            ValueError: `z` has several rows for an image or is not drawn from the Gaussian of `mu_logvar`,
                `log_posterior` is not the density that `z` is drawn from, `kl_divergence` is not the mean of
                log q(z|x) - log p(z), or the result for one image depends on the others in its batch.
        """
        session = self.clone.session()
        if len(self):
            _check_densities(self, session)
            if self.vae.log_posterior is not None:
                _check_log_posterior(self, session)
            _check_independence(self, session)
            _warn_of_another_likelihood(self, session)
        return session


def is_standard(vae: VAE) -> bool:
    """Whether the prior is N(0, I), q(z|x) the Gaussian of `mu_logvar`, and no more noise is drawn after it."""
    if vae.log_prior is not None or vae.log_posterior is not None:
        return False
    return not random_operations([vae.reconstruction, vae.kl_divergence], [vae.x, vae.mu_logvar, vae.z])


def _check_densities(model: MeasuredModel, session: tf.Session) -> None:
    names = ("z", "mu_logvar", "kl_divergence", "log_prior", "log_posterior")
    fetches = {name: model.drawn[name] for name in names if name in model.drawn}
    images = min(_IMAGES, len(model))
    draws = max(1, min(_DRAWS, _VALUES // int(model.vae.x.shape[1])) // images)  # of each image
    feed = model.feed(np.repeat(np.arange(images), draws))
    if "mu_logvar" in model.drawn and not random_operations([model.vae.mu_logvar]):  # encode each image once
        mu_logvar = session.run(model.drawn["mu_logvar"], model.feed(slice(images)))
        feed[model.drawn["mu_logvar"]] = np.repeat(mu_logvar, draws, axis=0)
    runs: list[dict[str, np.ndarray]] = []
    while True:
        values = session.run(fetches, {**feed, model.stream: [0, len(runs)]})
        runs.append(_complete(model.vae, values, images * draws))
        drawn = {name: np.concatenate([run[name] for run in runs]) for name in runs[0]}
        excess = drawn["log_posterior"] - drawn["log_prior"] - drawn["kl_divergence"]
        error = excess.std() / len(excess) ** 0.5
        doubtful = abs(excess.mean()) > 2 * error and len(runs) < _RUNS
        if not doubtful and (model.vae.log_posterior is not None or drawn["epsilon"].size >= _CHECKED):
            break
    if model.vae.log_posterior is None:
        _check_standardized(drawn["epsilon"])
    kl_divergence = drawn["kl_divergence"].mean()
    if abs(excess.mean()) > max(6 * error, 0.01 * abs(kl_divergence), 0.05):
        raise ValueError(
            f"vae.kl_divergence is {kl_divergence:.2f} nats, but log q(z|x) - log p(z) has mean "
            f"{kl_divergence + excess.mean():.2f} over draws of vae.z; correct kl_divergence, or set vae.log_prior and "
            "vae.log_posterior to the log-densities of the prior and of the distribution that z is drawn from."
        )


def _complete(vae: VAE, values: dict[str, np.ndarray], count: int) -> dict[str, np.ndarray]:
    """The values of one run in float64, with the densities that are not fields of the model."""
    values = {name: value.astype(np.float64) for name, value in values.items()}
    z = values["z"]
    if len(z) != count:
        raise ValueError(f"vae.z has {len(z) / count:g} rows for each image; give one code per image.")
    if vae.log_posterior is None:
        mu, logvar = np.split(values["mu_logvar"], 2, axis=1)
        sigma = np.exp(logvar / 2)
        with np.errstate(all="ignore"):
            # (z - mu) / sigma, where rounding has not destroyed it
            epsilon = np.where(sigma > 1e-4 * np.maximum(np.abs(mu), 1), (z - mu) / sigma, np.nan)
        squares = np.where(np.isnan(epsilon), 1.0, epsilon**2)
        values |= {"epsilon": epsilon, "log_posterior": -0.5 * (squares + logvar + np.log(2 * np.pi)).sum(axis=1)}
    if vae.log_prior is None:
        values["log_prior"] = -0.5 * (z**2 + np.log(2 * np.pi)).reshape(count, -1).sum(axis=1)
    return values


def _check_standardized(epsilon: np.ndarray) -> None:
    epsilon = epsilon[~np.isnan(epsilon)]
    mean, deviation = (epsilon.mean(), epsilon.std()) if len(epsilon) else (0.0, 1.0)
    if abs(mean) > 0.05 or abs(deviation - 1) > 0.05:
        raise ValueError(
            f"vae.z is not drawn from the Gaussian of vae.mu_logvar: (z - mu) / sigma has mean {mean:.2f} and standard "
            f"deviation {deviation:.2f}, not 0 and 1; draw z with sample_latent(mu_logvar), or set vae.log_posterior."
        )


def _check_log_posterior(model: MeasuredModel, session: tf.Session) -> None:
    """Compares `log_posterior` with the density of z that follows from its noise, where z = f(epsilon) is invertible.

    log q(z|x) = log p(epsilon) - log |det dz/depsilon|. Nothing is compared without noise of a known density, with
    another number of values than z has (as in a second stochastic layer), for z of more than 256 dimensions, or where
    the determinant vanishes.
    """
    z, log_posterior = model.drawn["z"], model.drawn["log_posterior"]
    noise = [op.outputs[0] for op in upstream_of([z, log_posterior]) if op.type in _LOG_DENSITIES]
    others = [op.type for op in upstream_of([z, log_posterior], noise) if op.type.startswith("Stateless")]
    if not noise or others or random_operations([z, log_posterior]):
        return
    feed = {**model.feed(slice(1)), model.stream: [0, 0]}
    code, given, *epsilon = session.run([z, log_posterior, *noise], feed)
    if sum(value.size for value in epsilon) != code.size or code.size > _MAX_COMPARED:
        return
    if np.allclose(code, session.run(z, {**feed, **{tensor: -value for tensor, value in zip(noise, epsilon)}})):
        return  # not invertible, as |epsilon| of a half-normal distribution
    log_p = sum(_LOG_DENSITIES[tensor.op.type](value) for tensor, value in zip(noise, epsilon))
    log_determinants = []
    for step in _STEPS:
        jacobian = _differentiate(lambda point: session.run(z, {**feed, **dict(zip(noise, point))}), epsilon, step)
        if not np.isfinite(jacobian).all() or np.linalg.cond(jacobian) > _MAX_CONDITION:
            return
        log_determinants.append(np.linalg.slogdet(jacobian)[1])
    expected = log_p - log_determinants[0]
    rounding = abs(log_determinants[1] - log_determinants[0])
    if not abs(given[0] - expected) <= max(0.05, 1e-3 * abs(expected), 5 * rounding):
        raise ValueError(
            f"vae.log_posterior is {given[0]:.2f} nats for a draw of vae.z whose log-density is {expected:.2f}; set "
            "it to log q(z|x) of vae.z, which is log p(epsilon) - log |det dz/depsilon| for its noise epsilon."
        )


def _differentiate(function: Callable, arrays: list[np.ndarray], step: float) -> np.ndarray:
    """The derivatives of `function(arrays)`, one column for each number in `arrays`, by central differences."""
    columns = []
    for number, array in enumerate(arrays):
        for index in np.ndindex(array.shape):
            up, down = ([value.copy() for value in arrays] for _ in range(2))
            up[number][index] += step
            down[number][index] -= step
            width = float(up[number][index]) - float(down[number][index])  # as rounded
            columns.append((function(up).astype(np.float64) - function(down)).ravel() / width)
    return np.array(columns).T


def _check_independence(model: MeasuredModel, session: tf.Session) -> None:
    """Compares the terms of the first image among copies of itself with those among blank images, with one noise."""
    terms = {name: model.drawn[name] for name in ("reconstruction", "kl_divergence")}
    if random_operations(list(terms.values())):
        return  # the model has noise that cannot be repeated
    copies = model.feed(np.zeros(_TOGETHER, int))
    blank = {
        placeholder: np.concatenate([rows[:1], 0 * rows[1:]]) if rows.dtype.kind == "f" else rows  # 0 may be no label
        for placeholder, rows in copies.items()
    }
    alone, among_others = (session.run(terms, {**feed, model.stream: [0, 0]}) for feed in (copies, blank))
    for name in terms:
        if abs(alone[name][0] - among_others[name][0]) > 1e-3 * max(1, abs(alone[name][0])):
            raise ValueError(
                f"An image's {name} depends on the others in its batch ({alone[name][0]:.3f} nats among copies of "
                f"itself, {among_others[name][0]:.3f} among blank images), as with batch normalization in training "
                "mode; build the model with is_training = tf.placeholder_with_default(True, []), and pass "
                "feed={is_training: False}."
            )


def _warn_of_another_likelihood(model: MeasuredModel, session: tf.Session) -> None:
    """Warns if `reconstruction` is not -log p(x|z) of `x_dist`, such as a cross-entropy where that is Gaussian."""
    vae, drawn = model.vae, model.drawn
    parameters = tf.nest.flatten(vae.x_dist, expand_composites=True)
    if bernoulli_of(vae.x_dist) is not None or not all(map(tf.is_tensor, parameters)):
        return
    shape = vae.x_dist.batch_shape.concatenate(vae.x_dist.event_shape)
    if vae.x_dist.dtype != vae.x.dtype or shape.rank != 2 or not shape.is_compatible_with(vae.x.shape):
        return  # a distribution of other values than x, such as images [rows, columns]
    if random_operations([*parameters, vae.reconstruction], [vae.x, vae.z]):
        return  # noise that a copy of the parameters would draw anew
    copies = model.copy(parameters, [(vae.x, drawn["x"]), (vae.z, drawn["z"])], "likelihood")
    log_prob = tf.nest.pack_sequence_as(vae.x_dist, copies, expand_composites=True).log_prob(drawn["x"])
    log_likelihood = tf.reduce_sum(tf.reshape(log_prob, [tf.shape(log_prob)[0], -1]), axis=1)
    fetches = [-log_likelihood, drawn["reconstruction"]]
    try:
        expected, given = session.run(fetches, {**model.feed(slice(_TOGETHER)), model.stream: [0, 0]})
    except tf.errors.InvalidArgumentError:
        return  # x is outside the support, and reconstruction is of pixels that were moved into it
    if (
        expected.shape == given.shape
        and np.isfinite(expected).all()
        and not np.allclose(expected, given, rtol=1e-2, atol=0.1)
    ):
        warnings.warn(
            f"vae.reconstruction, which is measured, is {given.mean():.2f} nats, but -log p(x|z) of vae.x_dist is "
            f"{expected.mean():.2f}; compute it from x_dist.log_prob(x) if it is to be the likelihood's.",
            stacklevel=4,
        )
