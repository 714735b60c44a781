"""Checkpoints as files: how to write them whole, find them, read them, and tell them apart.

After N iterations of training, a checkpoint is a directory `iterations-N` in the checkpoint directory:

    model.ckpt.*    weights and Adam's slots, as `tf.train.Saver` writes them
    training.npz    everything else that the next iteration depends on (arrays and JSON; nothing is pickled)

It is written under another name and renamed once it is whole, so a process that is killed leaves no partial checkpoint.
`training.npz` holds the checksums of the other files. `tf.train.latest_checkpoint` finds the newest.
"""

import contextlib
import gc
import json
import os
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import filelock
import numpy as np

from vae_tf1._files import delete, explain, name_beside, sha256_of, write_aside
from vae_tf1.graph import fingerprint

MAX_CHECKPOINTS = 3  # older ones are deleted
MODEL = "model.ckpt"
_FORMAT = 2  # format 1, which had no such number, did not record what the model computes
_PREFIX = "iterations-"
_STATE = "training.npz"
_NAME = re.compile(r"iterations-(0|[1-9][0-9]*)")
_OWN_FILE = re.compile(r"training\.npz|model\.ckpt\.(index|data-[0-9]{5}-of-[0-9]{5})")
_OWN_LEFTOVER = re.compile(r"\.iterations-[0-9]+\.[0-9a-f]{16}")  # of a process that was killed; see `name_beside`
_OWN_NOTE = re.compile(r'model_checkpoint_path: "iterations-[0-9]+/model\.ckpt"\n')
# A foreign checkpoint with more values than this per iteration would take days to draw again.
_MAX_NOISE = 2**28

_OPERATIONS = {str: (str, [str], {str: str})}
_NUMBER = int | float
# The form of the JSON, for `_has_form`.
_FORM = {
    "iterations": int,
    "run": {"versions": {str: str}, "computation": {"loss": _OPERATIONS, "train_step": _OPERATIONS}},
    "state": {
        "losses": [(_NUMBER, _NUMBER, _NUMBER)],
        "reports": [(int, _NUMBER, _NUMBER, _NUMBER)],
        "noise": {str: int},
    },
    "files": {str: str},
}

_held_here: set[str] = set()  # directories that this process holds


class Checkpoint(NamedTuple):
    """The content of a checkpoint, without the variables."""

    path: Path  # its directory
    iterations: int  # iterations done
    run: dict[str, Any]  # what identifies the run; see `check_same_run`
    state: dict[str, Any]  # the part of the state that JSON can hold
    arrays: dict[str, np.ndarray]  # the other part


@contextlib.contextmanager
def hold(directory: Path) -> Iterator[None]:
    """Locks the directory for this process. The operating system holds the lock, so it ends with the process.

    Raises:
        OSError: the directory can't be created or written.
        RuntimeError: another training run holds it.
    """
    real = os.path.realpath(directory)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(directory / ".training.lock", timeout=0)
        try:
            lock.acquire()
        except filelock.Timeout:
            gc.collect()  # after a loop fails, as in a notebook, the lock is held until the loop's frame is collected
            lock.acquire()
    except filelock.Timeout as error:
        if real in _held_here:
            raise RuntimeError(
                f"Another training run is using checkpoint_dir {directory}: an earlier call of train in this process, "
                "which has not ended; close what it returned (`reports.close()`), or pass another directory."
            ) from error
        raise RuntimeError(
            f"Another training run is using checkpoint_dir {directory}; wait until it ends, or pass another directory."
        ) from error
    except OSError as error:
        raise type(error)(
            f"checkpoint_dir {directory} can't be written ({explain(error)}); pass another directory."
        ) from error
    _held_here.add(real)
    try:
        for leftover in directory.iterdir():
            if _OWN_LEFTOVER.fullmatch(leftover.name):
                delete(leftover)
        yield
    finally:
        _held_here.discard(real)
        lock.release()


def path_of(directory: Path, iterations: int) -> Path:
    return directory / f"{_PREFIX}{iterations}"


def write(checkpoint: Checkpoint, save_model: Callable[[str], object]) -> None:
    """Writes a checkpoint to its path.

    Args:
        checkpoint: what to write; the caller holds the directory of its path with `hold`.
        save_model: writes the variables to files whose paths begin with its argument.

    Raises:
        OSError: the checkpoint can't be written; earlier checkpoints are unchanged.
    """
    advice = "make room there, and train again: training will resume from the previous checkpoint"
    what = f"The checkpoint after {checkpoint.iterations} iterations"
    with write_aside(checkpoint.path, what, advice, _make_way) as aside:
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
    _write_note(checkpoint.path)


def delete_old(newest: Path, whole: set[Path]) -> None:
    """Deletes the checkpoints before `newest`, except the last few whole ones.

    Those with more iterations stay. They are damaged, since training would have resumed from them, but may be repaired.

    Args:
        newest: the checkpoint that was just written.
        whole: checkpoints that are known to be whole; others that prove to be whole are added.
    """
    kept = 0
    for path in _list_checkpoints(newest.parent):
        if _iterations_of(path) > _iterations_of(newest):
            continue
        if kept >= MAX_CHECKPOINTS:
            if _is_own(path):
                delete(path)
            whole.discard(path)
        elif path in whole or _is_whole(path):
            whole.add(path)
            kept += 1


def read_newest(directory: Path) -> Checkpoint | None:
    """Reads the newest whole checkpoint in a directory; None if there is no checkpoint yet.

    Damaged ones are skipped with a warning.

    Raises:
        ValueError: all are damaged, or the newest whole one was written by another version of this package.
    """
    damaged = []
    for path in _list_checkpoints(directory):
        try:
            checkpoint = _read(path)
        except _OtherVersionError:
            raise
        except Exception as error:  # a damaged file can lead to any error
            damaged.append(f"{path.name} is damaged ({explain(error)})")
            continue
        if damaged:
            warnings.warn(f"In {directory}, {'; '.join(damaged)}; {path.name} is used instead.", stacklevel=4)
        return checkpoint
    if damaged:
        raise ValueError(
            f"No checkpoint in {directory} can be read: {'; '.join(damaged)}; "
            "restore the missing files, or pass an empty directory to train from scratch."
        )
    return None


def find_difference(there: dict[str, Any], here: dict[str, Any]) -> tuple[str, str] | None:
    """Says how two runs differ, apart from the versions of libraries; None if they do not.

    Args:
        there, here: what identifies each run; see `check_same_run`.

    Returns:
        What differs, "run" or "model", and how, in words.
    """
    for what in here:
        if what not in ("computation", "versions") and there.get(what) != here[what]:
            return "run", f"{what} is {here[what]} here, {there.get(what)} there"
    difference = fingerprint.describe_difference(there["computation"], here["computation"])
    return None if difference is None else ("model", difference)


def check_same_run(checkpoint: Checkpoint, run: dict[str, Any]) -> None:
    """Checks that a run may resume from a checkpoint.

    Args:
        checkpoint: from `read_newest`.
        run: what identifies the run: "computation", from `fingerprint.describe_computation`; "versions" of the
            libraries that build it; and everything else that must be equal.

    Raises:
        ValueError: the checkpoint belongs to another run; the message says how they differ.

    Warns:
        UserWarning: the computation differs, but so do the versions of the libraries.
    """
    difference = find_difference(checkpoint.run, run)
    if difference is None:
        return
    kind, said = difference
    there = checkpoint.run
    if kind == "run" or there["versions"] == run["versions"]:
        raise ValueError(
            f"The checkpoint {checkpoint.path} belongs to another {kind}: {said}; undo that change, or pass another "
            "checkpoint_dir."
        )
    versions = ", ".join(f"{name} {version}" for name, version in there["versions"].items())
    warnings.warn(
        f"The checkpoint {checkpoint.path} was written with {versions}, and the graph has changed since: "
        f"{said}. Training resumes from it; if you changed the model yourself, pass another checkpoint_dir.",
        stacklevel=4,
    )


def _list_checkpoints(directory: Path) -> list[Path]:
    """The directories of checkpoints, newest first."""
    names = os.listdir(directory) if directory.is_dir() else []
    found = [directory / name for name in names if _NAME.fullmatch(name)]
    return sorted((path for path in found if path.is_dir()), key=_iterations_of, reverse=True)


def _iterations_of(path: Path) -> int:
    return int(path.name.removeprefix(_PREFIX))


def _is_own(path: Path) -> bool:
    """Whether a directory holds only files that `write` writes."""
    return path.is_dir() and all(_OWN_FILE.fullmatch(name) for name in os.listdir(path))


def _is_whole(path: Path) -> bool:
    try:
        return bool(_read(path))
    except Exception:  # as in `read_newest`
        return False


def _make_way(path: Path) -> None:
    """Renames what is in the place of a new checkpoint, unless it holds only files of a checkpoint."""
    if path.exists() and not _is_own(path):
        kept = path.with_name(f"{path.name}.kept{name_beside(path).suffix}")
        path.rename(kept)
        warnings.warn(
            f"{path} holds files that are not part of a checkpoint, so it was renamed to {kept.name}.", stacklevel=6
        )


def _write_note(path: Path) -> None:
    """Writes the file that tells `tf.train.latest_checkpoint` where the checkpoint is."""
    note = path.with_name("checkpoint")
    aside = name_beside(note)
    try:
        if os.path.lexists(note) and not (note.is_file() and _OWN_NOTE.fullmatch(note.read_text(errors="replace"))):
            raise OSError("it already exists and belongs to another Saver")
        aside.write_text(f'model_checkpoint_path: "{path.name}/{MODEL}"\n')
        aside.replace(note)
    except OSError as error:
        aside.unlink(missing_ok=True)
        warnings.warn(
            f"{note} is not written ({explain(error)}), so tf.train.latest_checkpoint will not find {path.name}; "
            "`train` will.",
            stacklevel=4,
        )


class _OtherVersionError(ValueError):
    pass


def _read(path: Path) -> Checkpoint:
    """Reads `training.npz`, and verifies its form and the checksums of the other files.

    Raises:
        _OtherVersionError: the checkpoint is whole, but has another format.
        Exception: of any kind, if the checkpoint is damaged.
    """
    document, arrays = _load(path / _STATE)
    files = document["files"]
    for name, sha256 in files.items():
        if Path(name).name != name:
            raise ValueError(f"{name} is outside its directory")
        if sha256_of(path / name) != sha256:
            raise ValueError(f"{name} has changed")
    if document.get("format") != _FORMAT:
        raise _OtherVersionError(
            f"The checkpoint {path} was written by another version of vae_tf1, which did not record what its "
            f"model computes; pass another checkpoint_dir, and initial_checkpoint={str(path / MODEL)!r} to start "
            "from its weights."
        )
    iterations, state = document["iterations"], document["state"]
    if not _has_form(document, _FORM) or f"{MODEL}.index" not in files or iterations != _iterations_of(path):
        raise ValueError(f"{_STATE} does not have the form of a checkpoint")
    for name in "images", "reconstructions":
        if name not in arrays or arrays[name].dtype.kind not in "uf" or len(arrays[name]) != len(state["reports"]):
            raise ValueError(f"{_STATE} lacks the {name} of reports")
    if not all(0 <= count <= _MAX_NOISE * (iterations + 1000) for count in state["noise"].values()):
        raise ValueError(f"{_STATE} says that an impossible amount of noise was drawn")
    return Checkpoint(path, iterations, document["run"], state, arrays)


def _load(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The JSON and the arrays in a file that `np.savez` has written."""
    if not path.is_file():  # reading from a pipe would block
        raise ValueError(f"{path.name} is missing, or is not a file")
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > path.stat().st_size:
                raise ValueError("it is compressed")  # `np.savez` does not compress; a bomb would expand to any size
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
    except Exception as error:  # whatever zipfile and NumPy raise for foreign bytes
        raise ValueError(f"{path.name}: {error}") from error
    document = json.loads(str(arrays.pop("json")))
    if not _has_form(document, {"files": {str: str}}):
        raise ValueError(f"{path.name} does not have the form of a checkpoint")
    return document, arrays


def _has_form(value: Any, form: Any) -> bool:
    """Whether a JSON value has a form.

    A form is a type; `[form]` for the items of a list; a tuple with the form of each item; `{str: form}` for the values
    of an object; or `{"key": form}` for the keys that an object must have.
    """
    if isinstance(form, dict):
        if not isinstance(value, dict):
            return False
        if str in form:
            return all(_has_form(item, form[str]) for item in value.values())
        return all(key in value and _has_form(value[key], form[key]) for key in form)
    if isinstance(form, list):
        return isinstance(value, list) and all(_has_form(item, form[0]) for item in value)
    if isinstance(form, tuple):
        return isinstance(value, list) and len(value) == len(form) and all(map(_has_form, value, form))
    return isinstance(value, form)
