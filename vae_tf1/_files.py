"""Files and directories that are written whole or not at all, and the checksums that prove it."""

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import tensorflow.compat.v1 as tf

FilePath: TypeAlias = str | os.PathLike[str]
_OCCUPIED = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR)


def sha256_of(path: FilePath) -> str:
    """The SHA-256 of a file's content, in hexadecimal.

    Raises:
        OSError: it can't be read, or is not a regular file (reading from a pipe would block).
    """
    if not os.path.isfile(path):
        raise OSError(f"{os.path.basename(path)} is missing, or is not a file")
    sha256 = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(2**20):
            sha256.update(block)
    return sha256.hexdigest()


def explain(error: Exception) -> str:
    """The reason for an error as the operating system or TensorFlow states it, on one line."""
    return getattr(error, "strerror", None) or str(error).partition("\n")[0]


def name_beside(path: Path) -> Path:
    """A hidden path in the same directory that nobody else uses."""
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}")


@contextlib.contextmanager
def write_aside(path: Path, what: str, advice: str, make_way: Callable[[Path], None]) -> Iterator[Path]:
    """Yields an empty directory beside `path`, which replaces `path` when the block ends without an error.

    Several processes may do so at the same time: each replaces a whole directory with a whole one.

    Args:
        path: a directory, or a symbolic link to one; it stays until the new one is whole.
        what: what is being written; the subject of the error message.
        advice: what to do if that fails; the end of the error message.
        make_way: called with the path of the present directory, which is deleted once it has been replaced; raises
            FileExistsError if it must stay.

    Raises:
        FileExistsError: from `make_way`.
        OSError: the directory can't be written; nothing has changed.
    """
    final = Path(os.path.realpath(path))
    aside = name_beside(final)
    try:
        if os.path.ismount(final):
            raise OSError("a mount point cannot be replaced")
        if final.exists():
            make_way(final)
        aside.mkdir(parents=True)
        yield aside
        _replace(final, aside, make_way)
    except FileExistsError:
        raise
    except (OSError, tf.errors.OpError) as error:
        raise OSError(f"{what} can't be written to {path} ({explain(error)}); {advice}.") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _replace(path: Path, new: Path, make_way: Callable[[Path], None]) -> None:
    """Renames `new` to `path`, and deletes what was there; on failure, puts that back."""
    replaced: list[Path] = []
    try:
        # No `try` in this loop: an interrupt at its line would not reach the `except` below.
        while not _rename_if_free(new, path):
            make_way(path)
            replaced.append(name_beside(path))
            with contextlib.suppress(FileNotFoundError):  # another process has just moved it
                path.rename(replaced[-1])
    except BaseException:
        if replaced and replaced[-1].exists() and not path.exists():
            replaced[-1].rename(path)
        raise
    for old in replaced:
        delete(old)


def _rename_if_free(new: Path, path: Path) -> bool:
    try:
        new.rename(path)
    except OSError as error:
        if error.errno not in _OCCUPIED:
            raise
        return False
    return True


def delete(directory: Path) -> None:
    """Deletes a directory if it exists; warns if it can't be deleted."""
    try:
        shutil.rmtree(directory)
    except FileNotFoundError:
        pass
    except OSError as error:
        warnings.warn(f"{directory} can't be deleted ({explain(error)}); delete it by hand.", stacklevel=2)


@contextlib.contextmanager
def without_wildcards(prefix: Path) -> Iterator[str]:
    """Yields an alias of `prefix`, and of the files whose paths begin with it, that TensorFlow can read literally.

    `tf.train.Saver` would look for "run [1]/model.ckpt" in the directory "run 1".
    """
    if not set(prefix.as_posix()) & set("*?[]\\"):
        yield str(prefix)
        return
    with tempfile.TemporaryDirectory() as directory:
        for file in prefix.parent.iterdir():
            if file.name.startswith(prefix.name):
                Path(directory, f"model{file.name.removeprefix(prefix.name)}").symlink_to(file.absolute())
        yield os.path.join(directory, "model")
