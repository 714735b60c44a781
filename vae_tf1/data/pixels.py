"""Pixels: their dtypes, scaling from bytes to [0, 1], and thresholding from grey to black and white."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from vae_tf1._checks import as_array, as_pixels, shown


def binarize(images: ArrayLike) -> np.ndarray:
    """Returns black-and-white images: 1 where a pixel is brighter than 0.5, 0 elsewhere.

    Args:
        images: [N, P], any real dtype, pixels in [0, 1].

    Returns:
        float32 [N, P] of 0 and 1.

    Raises:
        TypeError: `images` is not an array of real numbers, or has a mask.
        ValueError: the shape is not [N, P], or a pixel is outside [0, 1] or NaN.
    """
    images = as_array(images, "images")
    if images.ndim != 2:
        raise ValueError(
            f"binarize takes images [N, pixels], not {list(images.shape)}; reshape them to one row per image."
        )
    return (as_pixels(images, "images") > 0.5).astype(np.float32)


def image_dtype(dtype: Any) -> np.dtype:
    """Returns float32 or uint8 as NumPy's dtype; TensorFlow's types are accepted too.

    Raises:
        TypeError: it is another dtype, or not a dtype.
    """
    try:
        found = None if dtype is None else np.dtype(getattr(dtype, "as_numpy_dtype", dtype))
    except (TypeError, ValueError):
        found = None
    if found not in (np.dtype(np.float32), np.dtype(np.uint8)):
        raise TypeError(f"dtype is {shown(dtype)}; images are read as float32 or uint8.")
    return found


def scaled(images: np.ndarray) -> np.ndarray:
    """Returns pixels 0 to 255, or booleans, as float32 in [0, 1]."""
    if images.dtype == bool:
        return images.astype(np.float32)
    # Multiplied, not divided, to get TensorFlow 1.15's last bit.
    return np.multiply(images, np.float32(1.0 / 255.0), dtype=np.float32)


def unscaled(images: np.ndarray) -> np.ndarray:
    """Returns pixels in [0, 1] as the nearest bytes, 0 to 255: the inverse of `scaled`."""
    with np.errstate(invalid="ignore"):
        return np.rint(images * np.float32(255)).astype(np.uint8)
