"""Checkpoints as files: written whole, found, read, and told apart.

A checkpoint is a directory `iterations-N` in the checkpoint directory, where N iterations of training are done:

    model.ckpt.*    weights and Adam's slots, as `tf.train.Saver` writes them
    training.npz    everything else that the next iteration depends on (arrays and JSON; nothing is pickled)

It is written under another name and renamed once it is whole, so a process that is killed leaves no partial checkpoint.
`training.npz` holds the checksums of the other files. `tf.train.latest_checkpoint` finds the newest.
"""

import contextlib
import json
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import filelock
import numpy as np

from vae_tf1._files import explain, sha256_of, write_aside
from vae_tf1.graph import fingerprint

MAX_CHECKPOINTS = 3  # older ones are deleted
MODEL = "model.ckpt"
_FORMAT = 2  # 1, which had no such number, did not say what the model computes
_PREFIX = "iterations-"
_STATE = "training.npz"


class Checkpoint(NamedTuple):
    """The content of a checkpoint, without the variables."""

    path: Path  # of its directory
    iterations: int  # that are done
    run: dict[str, Any]  # what identifies the run; see `check_same_run`
    state: dict[str, Any]  # what JSON can hold
    arrays: dict[str, np.ndarray]  # what it can't


@contextlib.contextmanager
def hold(directory: Path) -> Iterator[None]:
    """Locks the directory for this process. The lock is the operating system's, so it ends with the process.

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
            f"checkpoint_dir {directory} can't be written ({explain(error)}); pass another directory."
        ) from error
    try:
        yield
    finally:
        lock.release()


def path_of(directory: Path, iterations: int) -> Path:
    return directory / f"{_PREFIX}{iterations}"


def write(checkpoint: Checkpoint, save_model: Callable[[str], object]) -> None:
    """Writes a checkpoint to its path, then deletes all but the newest few beside it.

    Args:
        checkpoint: what to write; `hold` holds the directory that its path is in.
        save_model: writes the variables to files whose paths begin with the one that it is given.

    Raises:
        OSError: it can't be written; earlier checkpoints are unchanged.
    """
    path, directory = checkpoint.path, checkpoint.path.parent
    advice = "make room there, then train again: training will resume from the previous checkpoint"
    with write_aside(path, f"The checkpoint after {checkpoint.iterations} iterations", advice) as aside:
        save_model(str(aside / MODEL))
        document = {
            "format": _FORMAT,
            "iterations": checkpoint.iterations,
            "run": checkpoint.run,
            "state": checkpoint.state,
            "files": {file.name: sha256_of(file) for file in sorted(aside.iterdir())},
        }
        contents: dict[str, Any] = {"json": json.dumps(document), **checkpoint.arrays}
        np.savez(aside / _STATE, **contents)
    note = directory / "checkpoint.new"
    note.write_text(f'model_checkpoint_path: "{path.name}/{MODEL}"\n')
    note.rename(directory / "checkpoint")  # where tf.train.latest_checkpoint looks
    for old in _list_checkpoints(directory)[MAX_CHECKPOINTS:]:
        shutil.rmtree(old, ignore_errors=True)


def read_newest(directory: Path) -> Checkpoint | None:
    """Reads the newest whole checkpoint in a directory; None where there is no checkpoint yet.

    Damaged ones are skipped with a warning.

    Raises:
        ValueError: all are damaged, or the newest whole one was written by an earlier version of this package.
    """
    damaged = []
    for path in _list_checkpoints(directory):
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
            "restore the missing files, or pass an empty directory to train from scratch."
        )
    return None


def check_same_run(checkpoint: Checkpoint, run: dict[str, Any]) -> None:
    """Checks that a run may resume from a checkpoint.

    Args:
        checkpoint: from `read_newest`.
        run: what identifies the run: "computation", from `fingerprint.describe_computation`; "versions" of the
            libraries that build it; and anything else that must be equal.

    Raises:
        ValueError: the checkpoint is of another run; the message says how they differ.
    """
    there, here = checkpoint.run, run
    for what in here:
        if what not in ("computation", "versions") and there.get(what) != here[what]:
            raise ValueError(
                f"The checkpoint {checkpoint.path} is of another run: its {what} is {there.get(what)}, here it "
                f"is {here[what]}; change it back, or pass another checkpoint_dir."
            )
    difference = fingerprint.describe_difference(there["computation"], here["computation"])
    if difference is None:
        return
    if there["versions"] == here["versions"]:
        raise ValueError(
            f"The checkpoint {checkpoint.path} is of another model: {difference}; "
            "change the model back, or pass another checkpoint_dir."
        )
    versions = ", ".join(f"{name} {version}" for name, version in there["versions"].items())
    warnings.warn(
        f"The checkpoint {checkpoint.path} was written with {versions}, and the graph has changed since: "
        f"{difference}. Training resumes from it; if you changed the model yourself, pass another checkpoint_dir.",
        stacklevel=4,
    )


def _list_checkpoints(directory: Path) -> list[Path]:
    """The directories of checkpoints, newest first."""
    found = [path for path in directory.glob(f"{_PREFIX}*") if path.name[len(_PREFIX) :].isdigit()]
    return sorted(found, key=lambda path: int(path.name[len(_PREFIX) :]), reverse=True)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The content of `training.npz`, after the other files' checksums have been verified."""
    try:
        with open(path / _STATE, "rb") as file:
            arrays = dict(np.load(file, allow_pickle=False))
    except Exception as error:  # whatever zipfile and NumPy raise for foreign bytes
        raise ValueError(f"{_STATE}: {error}") from error
    document = json.loads(str(arrays.pop("json")))
    for name, sha256 in document["files"].items():
        if Path(name).name != name:
            raise ValueError(f"{name} is outside it")
        if sha256_of(path / name) != sha256:
            raise ValueError(f"{name} has changed")
    return document, arrays
