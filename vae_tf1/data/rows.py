"""The array behind a data set's images or labels: one row per example, read by row number or shown in some order."""

import mmap
from collections.abc import Iterator
from typing import Any

import numpy as np

from vae_tf1.data.pixels import scaled, unscaled

_PIECE_BYTES = 2**24


class Rows:
    """The images or the labels of a set: an array of one row per example.

    The array stays in the order of row numbers, and batches pick rows from it. Once it has been shown, it is in the
    order of the batches until the next shuffle, so that in-place edits reach them. An array that is mapped from a file
    stays in the file, unless it is shown.

    Args:
        array: [N, ...].
        scale: whether to scale pixels 0 to 255 to [0, 1].
        shown_in: the row numbers of the array's rows, if the caller may hold the array already.
    """

    def __init__(self, array: np.ndarray, *, scale: bool = False, shown_in: np.ndarray | None = None):
        self.array, self.scale = array, scale
        self._places = None if shown_in is None else _inverse(shown_in[: len(array)])
        if (mapped := memory_map(array)) is not None:
            _advise(mapped, "MADV_RANDOM")  # without it, reading one row reads the file around it too

    def __len__(self) -> int:
        return len(self.array) if self._places is None else len(self._places)

    def at(self, row_numbers: np.ndarray) -> np.ndarray:
        """Returns a copy of these rows, scaled if `scale` is set."""
        rows = self.array[row_numbers if self._places is None else self._places[row_numbers]]
        release(self.array)
        return scaled(rows) if self.scale else rows

    def by_row_number(self) -> np.ndarray:
        """Returns all rows in order of row number, not scaled."""
        return self.array if self._places is None else self.array[self._places]

    def pieces(self) -> Iterator[np.ndarray]:
        """Yields consecutive parts of `by_row_number`, at least one, of at most 16 MiB or a single row."""
        array = self.by_row_number()
        step = max(1, _PIECE_BYTES // max(1, array[:1].nbytes))
        for start in range(0, max(1, len(array)), step):
            yield array[start : start + step]
            release(array)

    def show(self, order: np.ndarray) -> np.ndarray:
        """Puts the rows into this order, given as row numbers, and returns the array."""
        if self._places is None:
            self.array, self.scale, self._places = self.at(order), False, _inverse(order)
        return self.array

    def put_back(self) -> None:
        """Undoes `show`. Edits are kept; later edits of the array that was shown have no effect."""
        self.array, self._places = self.by_row_number(), None


def hash_images(sha256: Any, images: Rows) -> None:
    """Updates a hash with images by row number; float32 pixels that are all multiples of 1/255 count as bytes."""

    def pieces() -> Iterator[np.ndarray]:
        for piece in images.pieces():
            yield scaled(piece) if images.scale and piece.dtype != np.uint8 else piece

    of_bytes = all(piece.dtype == np.float32 and np.array_equal(scaled(unscaled(piece)), piece) for piece in pieces())
    for piece in pieces():
        sha256.update(np.ascontiguousarray(unscaled(piece) if of_bytes else piece).data)


def is_one_hot(labels: np.ndarray) -> bool:
    return labels.ndim == 2 and bool(np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all())


def hash_labels(sha256: Any, labels: np.ndarray) -> None:
    """Updates a hash with labels; one-hot labels count as the classes that they stand for."""
    if is_one_hot(labels):
        labels = labels.argmax(axis=1)
    with np.errstate(invalid="ignore"):
        classes = labels.astype(np.uint8)
    if labels.ndim == 1 and np.array_equal(classes, labels):
        sha256.update(classes.data)
    else:
        sha256.update(f"{labels.dtype.str} {labels.shape}".encode() + np.ascontiguousarray(labels).tobytes())


def memory_map(array: np.ndarray) -> mmap.mmap | None:
    """Returns the memory map that the array is a view of, or None if the array is not mapped from a file."""
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, mmap.mmap) else None


def release(array: np.ndarray) -> None:
    """Releases the pages of a mapped array that have been read, which count as memory of the process."""
    mapped = memory_map(array)
    if mapped is not None and not array.flags.writeable:  # a private map that has been written to would lose its edits
        _advise(mapped, "MADV_DONTNEED")


def _advise(mapped: mmap.mmap, advice: str) -> None:
    if hasattr(mmap, advice):  # not on every platform
        mapped.madvise(getattr(mmap, advice))


def _inverse(order: np.ndarray) -> np.ndarray:
    """Returns the position of each row number in `order`."""
    places = np.zeros(order.max(initial=-1) + 1, np.int64)
    places[order] = np.arange(len(order))
    return places
