"""IDX files for the tests, written from the format's definition and independently of the package's reader."""

import gzip
import struct
from pathlib import Path

import numpy as np


def idx_bytes(array: np.ndarray, declared_shape: tuple[int, ...] | None = None) -> bytes:
    """Returns an IDX file of unsigned bytes: 0x800 plus the number of dimensions, the shape, the content."""
    shape = array.shape if declared_shape is None else declared_shape
    return struct.pack(f">{1 + len(shape)}I", 0x800 + len(shape), *shape) + array.tobytes()


def write_idx(path: Path, array: np.ndarray, declared_shape: tuple[int, ...] | None = None) -> None:
    path.write_bytes(gzip.compress(idx_bytes(array, declared_shape)))
