"""Checks of arguments, one function per kind; each returns the value in the form that this package uses."""

import operator
import os
import re
import reprlib
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # a single letter would be a Windows drive, not a scheme


def as_count(value: object, name: str, minimum: int = 0, maximum: int | None = None) -> int:
    """An integer of any type, NumPy's included, as an `int`.

    Raises:
        TypeError: it is not an integer; True, False and 1.0 are not.
        ValueError: it is less than `minimum` or greater than `maximum`.
    """
    try:
        count = operator.index(value)  # type: ignore[arg-type]
    except Exception as error:  # whatever the `__index__` of a foreign type raises
        raise TypeError(f"{name} is {shown(value)}; pass an integer.") from error
    if isinstance(value, bool):
        raise TypeError(f"{name} is {value}; pass an integer.")
    if count < minimum:
        raise ValueError(f"{name} is {count}; pass {minimum} or more.")
    if maximum is not None and count > maximum:
        raise ValueError(f"{name} is {count}; pass at most {maximum}.")
    return count


def as_sizes(**sizes: object) -> list[int]:
    """Integers of 1 or more, by name; raises as `as_count`."""
    return [as_count(size, name, 1, 2**31 - 1) for name, size in sizes.items()]


def as_noise_seed(value: object, name: str = "seed") -> int:
    """A seed of TensorFlow's stateless noise: a signed 32-bit integer, as an `int`.

    Raises:
        TypeError, ValueError: as `as_count`.
    """
    return as_count(value, name, -(2**31), 2**31 - 1)


def as_path(value: object, name: str) -> Path:
    """A path of the local file system, with `~` expanded.

    Raises:
        TypeError: it is neither a string nor a `pathlib.Path`.
        ValueError: it is empty or a URL (such as "gs://bucket/run"), has a null character, or names an unknown user.
    """
    text = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(text, str):
        raise TypeError(f"{name} is {shown(value)}; pass a path, as a string or a pathlib.Path.")
    if not text or "\0" in text:
        raise ValueError(f"{name} is {text!r}; pass the path of a file or directory.")
    if _URL.match(text):
        raise ValueError(f"{name} is {text!r}, but only local files are read and written; pass a local path.")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError(
            f"{name} is {text!r}, and that user has no known home directory; write out the directory."
        ) from error


def as_array(value: object, name: str) -> np.ndarray:
    """Real numbers as a NumPy array.

    Raises:
        TypeError: it is a tensor, a masked array or ragged, or its elements are not real numbers.
    """
    if tf.is_tensor(value):
        raise TypeError(f"{name} is a tensor; pass a NumPy array, such as the result of sess.run.")
    if np.ma.isMaskedArray(value):
        raise TypeError(
            f"{name} is a masked array, whose mask would be ignored; pass the result of filled() or compressed()."
        )
    try:
        array = np.asarray(value)
    except Exception as error:  # ragged, or whatever the `__array__` of a foreign type raises
        raise TypeError(f"{name} is {shown(value)}, which is not an array of numbers; pass a NumPy array.") from error
    if array.dtype.kind not in "fiub":
        given = (
            f"has the dtype {array.dtype}"
            if type(value) in (np.ndarray, list, tuple)
            else f"is a {type(value).__name__}"
        )
        raise TypeError(f"{name} {given}; pass a NumPy array of real numbers.")
    return array


def as_pixels(value: object, name: str) -> np.ndarray:
    """An array of pixels in [0, 1].

    Raises:
        TypeError: as `as_array`.
        ValueError: a pixel is outside [0, 1] or NaN.
    """
    pixels = as_array(value, name)
    if pixels.size and not (pixels.min() >= 0 and pixels.max() <= 1):  # NaN fails both
        raise ValueError(
            f"{name} has pixels in [{pixels.min()}, {pixels.max()}], not in [0, 1]; divide 8-bit pixels by 255, clip "
            "others, and replace NaNs."
        )
    return pixels


def as_rows(value: Any, name: str, columns: str) -> tf.Tensor:
    """A float32 tensor [N, columns], one row per image.

    Raises:
        TypeError: it cannot be converted to a tensor.
        ValueError: it is not float32, or does not have two dimensions.
    """
    try:
        tensor = value if tf.is_tensor(value) else tf.convert_to_tensor(as_array(value, name))
    except Exception as error:  # whatever the conversion of a foreign type raises
        raise TypeError(f"{name} is {shown(value)}; pass a float32 tensor [N, {columns}].") from error
    if tensor.dtype != tf.float32 or tensor.shape.rank not in (2, None):
        raise ValueError(
            f"{name} is {tensor.dtype.name} {tensor.shape}, not float32 [N, {columns}]; "
            "cast it with tf.cast(..., tf.float32), and reshape it to one row per image."
        )
    return tensor


_processes: set[int] = set()  # ids of processes that have run a session, and so have TensorFlow's threads


def check_session(sess: tf.Session, graph: tf.Graph) -> None:
    """Checks that a session can run a graph.

    Raises:
        TypeError: it is not a session.
        ValueError: it is closed, or runs another graph.
        RuntimeError: this process was forked from one that had run a session.
    """
    if not isinstance(getattr(sess, "graph", None), tf.Graph) or not callable(getattr(sess, "run", None)):
        raise TypeError(f"sess is {shown(sess)}; pass an open tf.Session.")
    if _processes and os.getpid() not in _processes:
        raise RuntimeError(
            "This process was forked from one that has run a TensorFlow session, and lacks that session's threads, so "
            'a session would hang here; start processes with multiprocessing.get_context("spawn").'
        )
    if sess.graph is not graph:
        raise ValueError(
            "sess runs another graph, not the one that vae was built in; open it with tf.Session(graph=vae.x.graph)."
        )
    if is_closed(sess):
        raise ValueError("sess is closed; stay inside its `with` block, or open another tf.Session.")
    _processes.add(os.getpid())


def is_closed(sess: tf.Session) -> bool:
    """Whether a session has been closed. Sessions with hooks count as open, because asking would run the hooks."""
    if not isinstance(sess, tf.Session | tf.InteractiveSession):
        return False
    try:
        sess.run([])
    except RuntimeError:
        return True
    return False


def shown(value: object) -> str:
    """The value as messages show it: one short line."""
    return " ".join(reprlib.repr(value).split())
