"""Files and directories that are written whole or not at all, and the checksums that prove it."""

import contextlib
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import tensorflow.compat.v1 as tf

FilePath: TypeAlias = str | os.PathLike[str]


def sha256_of(path: FilePath) -> str:
    """The SHA-256 of a file's content, in hexadecimal.

    Raises:
        OSError: the file can't be read.
    """
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def explain(error: Exception) -> str:
    """The reason that the operating system or TensorFlow gives for an error, on one line."""
    return getattr(error, "strerror", None) or str(error).partition("\n")[0]


@contextlib.contextmanager
def write_aside(path: Path, what: str, advice: str) -> Iterator[Path]:
    """Gives an empty directory beside `path`; it takes the place of `path` when the block ends without an error.

    Args:
        path: a directory; one that is there stays until the new one is whole.
        what: is being written; the subject of the error message, as `advice` is its end.

    Raises:
        OSError: it can't be written; nothing has changed.
    """
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        aside.mkdir(parents=True)
        yield aside
        shutil.rmtree(path, ignore_errors=True)
        aside.rename(path)
    except (OSError, tf.errors.OpError) as error:
        raise OSError(f"{what} can't be written to {path} ({explain(error)}); {advice}.") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
