"""The values that a model is fed: images, and whatever else its `inputs` returns."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf
import tensorflow_probability as tfp

from vae_tf1._checks import as_pixels, shown
from vae_tf1.data.data_set import DataSet, Datasets
from vae_tf1.data.pixels import binarize
from vae_tf1.graph.walk import Element, upstream_of
from vae_tf1.vae import VAE, check_images

Arrays = dict[tf.Tensor, np.ndarray]  # for each placeholder, one row per image
_PLACEHOLDERS = ("Placeholder", "PlaceholderWithDefault")


def bernoulli_of(x_dist: Any) -> Any:
    """The Bernoulli distribution of the pixels, without an enclosing `Independent`; None if `x_dist` is not one."""
    while isinstance(x_dist, tfp.distributions.Independent):
        x_dist = x_dist.distribution
    return x_dist if isinstance(x_dist, tfp.distributions.Bernoulli | tf.distributions.Bernoulli) else None


def input_arrays(vae: VAE, images: Any, labels: np.ndarray | None = None) -> Arrays:
    """The values to feed for these images: `vae.inputs(images, labels)`, or the binarized images for `vae.x`.

    Args:
        vae: the model.
        images: [N, P], pixels in [0, 1].
        labels: [N] or one-hot [N, classes]; None if there are none.

    Returns:
        For each placeholder, an array of its dtype with N rows.

    Raises:
        TypeError: `images` is not an array, or `inputs` does not return {placeholder: array}.
        ValueError: the images are not [N, P] in [0, 1] or not of the model's size, they would be thresholded although
            the likelihood is not Bernoulli, `inputs` needs labels and there are none, or it does not return one row for
            each image.
    """
    images = check_images(vae, images)
    if vae.inputs is None:
        binarized = binarize(images)
        if bernoulli_of(vae.x_dist) is None and not np.array_equal(binarized, images):
            raise ValueError(
                f"vae.x_dist is a {type(vae.x_dist).__name__}, but vae.inputs is None, which thresholds images at 0.5; "
                "set inputs=lambda images, labels: {x: images} to feed them unchanged, or {x: binarize(images)}; "
                "and compute reconstruction from x_dist.log_prob(x)."
            )
        return {vae.x: binarized}
    as_pixels(images, "images")
    try:
        arrays = vae.inputs(images, labels)
    except Exception as error:
        if labels is not None:
            raise
        raise ValueError(
            f"vae.inputs failed without labels ({type(error).__name__}: {error}); pass a DataSet that has labels "
            "instead of an array of images."
        ) from error
    if not isinstance(arrays, dict):
        raise TypeError(f"vae.inputs returned a {type(arrays).__name__}; return a dict, {{placeholder: array}}.")
    for placeholder, array in arrays.items():
        if array is None and labels is None:
            raise ValueError(f"vae.inputs needs labels for {placeholder.op.name}; pass a DataSet that has them.")
    return {placeholder: _checked_rows(vae, placeholder, arrays[placeholder], len(images)) for placeholder in arrays}


def _checked_rows(vae: VAE, placeholder: Any, array: Any, count: int) -> np.ndarray:
    known = tf.is_tensor(placeholder) and placeholder.graph is vae.x.graph and placeholder.op.type in _PLACEHOLDERS
    if not known:
        raise TypeError(f"vae.inputs returned a value for {placeholder!r}, which is not a placeholder of the model.")
    array = np.asarray(array, placeholder.dtype.as_numpy_dtype)
    if array.ndim == 0 or len(array) != count or not placeholder.shape.is_compatible_with(array.shape):
        one_hot = ", and read the data with one_hot=True if it takes one-hot labels" if array.ndim == 1 else ""
        raise ValueError(
            f"vae.inputs returned {list(array.shape)} for {placeholder.op.name}, which is {placeholder.shape}; return "
            f"one row for each of the {count} images{one_hot}."
        )
    return array


def images_and_labels(data: Any) -> tuple[Any, Any]:
    """The images and labels of a `DataSet`; the labels of an array of images are None."""
    if isinstance(data, Datasets):
        raise TypeError("images is a Datasets; pass one of its sets, such as mnist.test, or its images.")
    return (data.images, data.labels) if isinstance(data, DataSet) else (data, None)


def training_arrays(vae: VAE, data: DataSet) -> Arrays | Callable[[np.ndarray], Arrays]:
    """The values to feed for all rows of `data`, by row number; as bytes where all values are 0 or 1.

    For images that NumPy maps from a file, which may be larger than memory, a function of row numbers instead.

    Raises:
        TypeError, ValueError: as `input_arrays`, or all images are black when thresholded at 0.5.
    """
    if data.mapped:
        return lambda rows: input_arrays(vae, *data.rows(rows))
    if vae.inputs is not None or bernoulli_of(vae.x_dist) is None:
        arrays = input_arrays(vae, *data.rows(np.arange(data.num_examples)))
        return {placeholder: _as_bytes(array) for placeholder, array in arrays.items()}
    images = data.black_and_white
    if not images.any():
        raise ValueError(
            "No pixel of data.train is above the threshold of 0.5, so all images are black; pass pixels from 0 to 255 "
            "to DataSet, or set vae.inputs to feed grey images unchanged."
        )
    return {vae.x: images}


def _as_bytes(array: np.ndarray) -> np.ndarray:
    small = array.astype(np.uint8)
    return small if np.array_equal(small, array) and small.max(initial=0) <= 1 else array


def take_rows(arrays: Arrays | Callable[[np.ndarray], Arrays], rows: np.ndarray) -> Arrays:
    """The rows of each of the `training_arrays`, in the dtype of its placeholder."""
    if callable(arrays):
        return arrays(rows)
    return {tensor: array[rows].astype(tensor.dtype.as_numpy_dtype) for tensor, array in arrays.items()}


def check_fed(elements: Sequence[Element], arrays: Arrays) -> None:
    """Raises ValueError if `elements` need a placeholder without a default that is not fed."""
    names = {tensor.op.name for tensor in arrays}
    for operation in upstream_of(elements):
        if operation.type == "Placeholder" and operation.name not in names:
            raise ValueError(
                f"Training needs a value for the placeholder {operation.name}, but nothing feeds it; return an array "
                "for it from vae.inputs, or make it a tf.placeholder_with_default."
            )


def constants(vae: VAE, feed: dict | None) -> list[tuple[tf.Tensor, tf.Tensor]]:
    """Pairs of a tensor of `feed` and the constant of the default graph that replaces it.

    Args:
        vae: the model.
        feed: {tensor of the model: value}, such as {is_training: False}; None is empty.

    Raises:
        TypeError: `feed` is not a dict, or a key is not a tensor of the model.
        ValueError: a value does not have its tensor's shape.
    """
    if not isinstance(feed, Mapping | None):
        raise TypeError(f"feed is {shown(feed)}; pass a dict, {{tensor: value}}.")
    pairs = []
    for tensor, value in (feed or {}).items():
        if not tf.is_tensor(tensor) or tensor.graph is not vae.x.graph:
            raise TypeError(f"feed has the key {tensor!r}, which is not a tensor of the model; pass {{tensor: value}}.")
        array = np.asarray(value, tensor.dtype.as_numpy_dtype)
        if not tensor.shape.is_compatible_with(array.shape):
            raise ValueError(
                f"feed has {list(array.shape)} for {tensor.op.name}, which is {tensor.shape}; pass a value that fits."
            )
        pairs.append((tensor, tf.constant(array)))
    return pairs
