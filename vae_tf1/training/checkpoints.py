"""Checkpoints as files: written whole, found, read, and told apart.

A checkpoint is a directory `iterations-N` in the checkpoint directory, N being the training iterations that are done:

    model.ckpt.*    weights and Adam's slots, as `tf.train.Saver` writes them
    training.npz    everything else that the next iteration depends on (arrays and JSON; nothing is pickled)

It is written under another name and renamed when it is whole, so there is no half of one, whenever the process is
killed. `training.npz` has the checksums of the other files. `tf.train.latest_checkpoint` finds the newest.
"""

import contextlib
import hashlib
import json
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import filelock
import numpy as np
import tensorflow.compat.v1 as tf

from vae_tf1.graph import fingerprint

MAX_CHECKPOINTS = 3  # newest checkpoints that are not deleted
MODEL = "model.ckpt"
_FORMAT = 2  # 1, which had no such number, did not say what the model computes
_PREFIX = "iterations-"
_STATE = "training.npz"
_UNFINISHED = "unfinished"


class Checkpoint(NamedTuple):
    """A checkpoint that has been read."""

    path: Path  # of its directory
    iterations: int  # that were done
    run: dict[str, Any]  # what identifies the run; see `check_same_run`
    state: dict[str, Any]  # what JSON can hold
    arrays: dict[str, np.ndarray]  # what it can't


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Holds the directory for this process. The lock is the operating system's, so it ends with the process.

    Raises:
        OSError: the directory can't be made or written.
        RuntimeError: another training run holds it.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(directory / ".lock", timeout=0)
        lock.acquire()
    except filelock.Timeout as error:
        raise RuntimeError(
            f"Another training run is using checkpoint_dir {directory}; wait until it ends, or pass another directory."
        ) from error
    except OSError as error:
        raise type(error)(
            f"checkpoint_dir {directory} can't be written ({error.strerror or error}); pass another directory."
        ) from error
    try:
        yield
    finally:
        lock.release()


def write(directory: Path, checkpoint: Checkpoint, save_model: Callable[[str], object]) -> None:
    """Writes a checkpoint, then deletes all but the newest few.

    Args:
        directory: held by `locked`.
        checkpoint: what to write; its path is not used.
        save_model: writes the variables to files that begin with the path that it is given.

    Raises:
        OSError: it can't be written; checkpoints that were there still are.
    """
    final = directory / f"{_PREFIX}{checkpoint.iterations}"
    unfinished = directory / _UNFINISHED
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        save_model(str(unfinished / MODEL))
        document = {
            "format": _FORMAT,
            "iterations": checkpoint.iterations,
            "run": checkpoint.run,
            "state": checkpoint.state,
            "files": {path.name: _sha256(path) for path in sorted(unfinished.iterdir())},
        }
        contents: dict[str, Any] = {"json": json.dumps(document), **checkpoint.arrays}
        np.savez(unfinished / _STATE, **contents)
        shutil.rmtree(final, ignore_errors=True)  # a damaged one, which `newest` has passed over
        unfinished.rename(final)
        note = directory / "checkpoint.new"
        note.write_text(f'model_checkpoint_path: "{final.name}/{MODEL}"\n')
        note.rename(directory / "checkpoint")  # where tf.train.latest_checkpoint looks
    except (OSError, tf.errors.OpError) as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise OSError(
            f"The checkpoint after {checkpoint.iterations} iterations can't be written to {final} ({reason}); "
            "make room there, then train again: training will resume from the previous checkpoint."
        ) from error
    for old in _present(directory)[MAX_CHECKPOINTS:]:
        shutil.rmtree(old, ignore_errors=True)


def newest(directory: Path) -> Checkpoint | None:
    """The newest whole checkpoint in a directory, or None where there has been none yet.

    Damaged ones are passed over with a warning.

    Raises:
        ValueError: all are damaged, or the newest whole one was written by an earlier version of this package.
    """
    damaged = []
    for path in _present(directory):
        try:
            document, arrays = _read(path)
        except (OSError, ValueError, KeyError) as error:
            damaged.append(f"{path.name} is damaged ({error})")
            continue
        if document.get("format") != _FORMAT:
            raise ValueError(
                f"The checkpoint {path} was written by another version of vae_tf1, which did not record what its "
                f"model computes; pass another checkpoint_dir, and initial_checkpoint={str(path / MODEL)!r} to start "
                "from its weights."
            )
        if damaged:
            warnings.warn(f"In {directory}, {'; '.join(damaged)}; {path.name} is used instead.", stacklevel=4)
        return Checkpoint(path, document["iterations"], document["run"], document["state"], arrays)
    if damaged:
        raise ValueError(
            f"No checkpoint in {directory} can be read: {'; '.join(damaged)}; "
            "put the missing files back, or pass an empty directory to start anew."
        )
    return None


def check_same_run(checkpoint: Checkpoint, run: dict[str, Any]) -> None:
    """Checks that a checkpoint is of the run that wants to resume from it.

    Args:
        checkpoint: from `newest`.
        run: what identifies a run: "computation", from `fingerprint.describe_computation`; "versions" of the libraries
            that build it; and anything else that must be equal.

    Raises:
        ValueError: it is of another run; the message says what is different.
    """
    there, here = checkpoint.run, run
    for what in here:
        if what not in ("computation", "versions") and there.get(what) != here[what]:
            raise ValueError(
                f"The checkpoint {checkpoint.path} is of another run: its {what} is {there.get(what)}, here it is "
                f"{here[what]}; change it back, or pass another checkpoint_dir."
            )
    different = fingerprint.describe_difference(there["computation"], here["computation"])
    if different is None:
        return
    if there["versions"] == here["versions"]:
        raise ValueError(
            f"The checkpoint {checkpoint.path} is of another model: {different}; "
            "change the model back, or pass another checkpoint_dir."
        )
    versions = ", ".join(f"{name} {version}" for name, version in there["versions"].items())
    warnings.warn(
        f"The checkpoint {checkpoint.path} was written with {versions}, and the graph has changed since: "
        f"{different}. Training resumes from it; if you changed the model yourself, pass another checkpoint_dir.",
        stacklevel=4,
    )


def _present(directory: Path) -> list[Path]:
    """Directories of checkpoints, the newest first."""
    found = [path for path in directory.glob(f"{_PREFIX}*") if path.name[len(_PREFIX) :].isdigit()]
    return sorted(found, key=lambda path: int(path.name[len(_PREFIX) :]), reverse=True)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The content of `training.npz`, once the checksums of the other files are seen to be right."""
    try:
        with open(path / _STATE, "rb") as file:
            arrays = dict(np.load(file, allow_pickle=False))
    except Exception as error:  # whatever zip and NumPy say about bytes that are not theirs
        raise ValueError(f"{_STATE}: {error}") from error
    document = json.loads(str(arrays.pop("json")))
    for name, sha256 in document["files"].items():
        if Path(name).name != name:
            raise ValueError(f"{name} is outside it")
        if _sha256(path / name) != sha256:
            raise ValueError(f"{name} has changed")
    return document, arrays
