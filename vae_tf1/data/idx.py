"""Reads the IDX format of MNIST's files (http://yann.lecun.com/exdb/mnist, "File formats")."""

import gzip
import hashlib
import io
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vae_tf1._checks import as_path

# The four files of a data set.
IDX_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)

# Limits the memory that a damaged header can claim; the largest real file of this kind, EMNIST's, has 5.5e8 bytes.
_MAX_PAYLOAD = 2**29 + 2**27


def read_idx_files(paths: Sequence[Path]) -> tuple[list[np.ndarray], list[str]]:
    """Reads the four files of a data set, in the order of `IDX_FILES`.

    Args:
        paths: the paths of the files.

    Returns:
        uint8 images [N, rows, columns] and labels [N], first train, then test; and the SHA-256 of each file. These are
        computed from the same bytes as the arrays, in case another process replaces a file.

    Raises:
        ValueError: a file is damaged, or two files do not belong together.
        OSError: a file can't be read.
    """
    arrays, checksums = [], []
    for path, name in zip(paths, IDX_FILES):
        if path.stat().st_size > _MAX_PAYLOAD:
            raise ValueError(f"{path} is larger than any data set of this kind; replace it.")
        content = path.read_bytes()
        checksums.append(hashlib.sha256(content).hexdigest())
        arrays.append(_read(io.BytesIO(content), str(path), dimensions=3 if "images" in name else 1))
    for i in (0, 2):
        images, labels = arrays[i], arrays[i + 1]
        if len(images) != len(labels):
            raise ValueError(
                f"{paths[i]} has {len(images)} images but {IDX_FILES[i + 1]} has {len(labels)} labels; "
                "take both from the same source."
            )
    if arrays[0].shape[1:] != arrays[2].shape[1:]:
        raise ValueError(
            f"The train images in {paths[0].parent} are {arrays[0].shape[1:]} pixels "
            f"but the test images {arrays[2].shape[1:]}; take both from the same source."
        )
    return arrays, checksums


def read_idx(source: Any, dimensions: int) -> np.ndarray:
    """Reads a gzip-compressed IDX file of unsigned bytes.

    Args:
        source: a path, or a file open for reading bytes.
        dimensions: the number of dimensions that it must have: 3 for images, 1 for labels.

    Returns:
        uint8, with that many dimensions.

    Raises:
        TypeError: `source` is neither a path nor a file.
        ValueError: it is damaged, or has another number of dimensions.
        OSError: it can't be read.
    """
    if hasattr(source, "read"):
        return _read(source, str(getattr(source, "name", "The file")), dimensions)
    path = as_path(source, "source")
    with path.open("rb") as file:
        return _read(file, str(path), dimensions)


def _read(source: Any, path: str, dimensions: int) -> np.ndarray:
    header_bytes = 4 * (1 + dimensions)
    try:
        with gzip.open(source) as file:
            content = file.read(header_bytes)
            if len(content) < header_bytes:
                raise EOFError("the header is not complete")
            header = np.frombuffer(content, ">u4")
            magic, shape = int(header[0]), [int(n) for n in header[1:]]
            if magic != 0x800 + dimensions:
                raise ValueError(
                    f"{path} begins with the number {magic}, not {0x800 + dimensions}: it is not an IDX "
                    f"{'image' if dimensions == 3 else 'label'} file; replace it."
                )
            size = int(np.prod(shape, dtype=object))
            if size > _MAX_PAYLOAD:
                raise ValueError(
                    f"{path} declares an array of {shape} bytes, larger than any data set of this kind; replace it."
                )
            payload = np.empty(size, np.uint8)
            read = _fill(file, payload)
            more = file.read(1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path} is damaged ({error}); replace it.") from error
    if read < size or more:
        raise ValueError(f"{path} declares {size} bytes but has {'more' if more else f'only {read}'}; replace it.")
    return payload.reshape(shape)


def _fill(file: gzip.GzipFile, array: np.ndarray) -> int:
    """Reads into the array in small pieces, to save a second copy of it, and returns the number of bytes read."""
    view, done = array.data, 0
    while done < len(array) and (count := file.readinto(view[done : done + 2**20])):
        done += count
    return done
