"""Reads the IDX format of MNIST's files (http://yann.lecun.com/exdb/mnist, "File formats")."""

import gzip
import zlib
from pathlib import Path
from typing import Any

import numpy as np

# The four files of a data set.
IDX_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)

# Bounds the memory that a damaged header can claim; the largest real file of this kind, EMNIST's, has 5.5e8 bytes.
_MAX_PAYLOAD = 2**29 + 2**27


def read_idx_files(directory: Path) -> list[np.ndarray]:
    """Reads the four files of a directory: uint8 images [N, rows, columns] and labels [N], first train, then test.

    Raises:
        ValueError: a file is damaged, or two do not belong together.
    """
    arrays = [read_idx(directory / name, dimensions=3 if "images" in name else 1) for name in IDX_FILES]
    for i in (0, 2):
        images, labels = arrays[i], arrays[i + 1]
        if len(images) != len(labels):
            raise ValueError(
                f"{directory / IDX_FILES[i]} has {len(images)} images but {IDX_FILES[i + 1]} has {len(labels)} labels; "
                "take both from the same source."
            )
    if arrays[0].shape[1:] != arrays[2].shape[1:]:
        raise ValueError(
            f"The train images in {directory} are {arrays[0].shape[1:]} pixels "
            f"but the test images {arrays[2].shape[1:]}; take both from the same source."
        )
    return arrays


def read_idx(source: Any, dimensions: int) -> np.ndarray:
    """Reads a gzip-compressed IDX file of unsigned bytes.

    Args:
        source: a path, or a file open for reading bytes.
        dimensions: how many dimensions it must have: 3 for images, 1 for labels.

    Raises:
        ValueError: it is damaged, or has another number of dimensions.
    """
    path = source if isinstance(source, str | Path) else source.name
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
                raise ValueError(f"{path} declares {shape} bytes, more than any data set of this kind has; replace it.")
            payload = np.empty(size, np.uint8)
            read = _fill(file, payload)
            more = file.read(1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path} is damaged ({error}); replace it.") from error
    if read < size or more:
        raise ValueError(f"{path} declares {size} bytes but has {'more' if more else f'only {read}'}; replace it.")
    return payload.reshape(shape)


def _fill(file: gzip.GzipFile, array: np.ndarray) -> int:
    """Reads into the array in small pieces, which need no second copy of it, and returns the number of bytes read."""
    view, done = array.data, 0
    while done < len(array) and (count := file.readinto(view[done : done + 2**20])):
        done += count
    return done
