"""The IDX format: what MNIST's files are in (http://yann.lecun.com/exdb/mnist, "File formats")."""

import gzip
import zlib
from pathlib import Path

import numpy as np

# The four files of a data set.
IDX_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)

# No IDX file of this kind comes near it (EMNIST's largest has 5.5e8 bytes); it bounds what a header can make us read.
_MAX_PAYLOAD = 2**29 + 2**27


def read_idx_files(directory: Path):
    """The four arrays of a directory: uint8 [N, rows, columns] and [N], for training and for testing."""
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


def read_idx(source, dimensions: int) -> np.ndarray:
    """A gzip-compressed IDX file (a path, or a file open for reading) of bytes with that number of dimensions."""
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


def _fill(file, array: np.ndarray) -> int:
    """Reads into the array, a piece at a time, so that it is not held twice; returns how many bytes there were."""
    view, done = array.data, 0
    while done < len(array) and (count := file.readinto(view[done : done + 2**20])):
        done += count
    return done
