"""Checkpoints that a training run resumes from exactly.

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
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import tensorflow.compat.v1 as tf

from vae_tf1.input_data import Datasets
from vae_tf1.model import VAE, random_operations, variables_of

KEPT = 3  # newest checkpoints that are not deleted
_PREFIX = "iterations-"
_MODEL = "model.ckpt"
_STATE = "training.npz"
_UNFINISHED = "unfinished"
_DRAWN_AT_ONCE = 2**22  # values; 16 MiB of float32

# How many values each random operation has given in a session; the numbers that it gives next depend on it.
_drawn_in: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Holds the directory for this process, which the system ends when the process ends, however it does.

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
            f"Another training run is using checkpoint_dir {directory}; wait for its end, or give another directory."
        ) from error
    except OSError as error:
        raise type(error)(
            f"checkpoint_dir {directory} can't be written ({error.strerror or error}); give another directory."
        ) from error
    try:
        yield
    finally:
        lock.release()


class NoiseStream:
    """Where TensorFlow's noise is: how many values the random operations of a VAE have given in a session.

    An operation's numbers follow from its seeds and from how many it gave before in the session. So a stream is put
    where another one was by drawing as many values, in large pieces: 0.1 s for 1000 iterations' worth.
    """

    def __init__(self, sess: tf.Session, vae: VAE):
        self._sess = sess
        self._operations = random_operations(vae)
        self._seeded = vae.x.graph.seed is not None
        self.drawn: dict[str, int] = _drawn_in.setdefault(sess, {})
        for operation in self._operations:
            self.drawn.setdefault(operation.name, 0)

    def count(self, batch_size: int, *, reconstructing: bool = False) -> None:
        """Notes a run of the graph on a batch; `x_hat` is drawn too when reconstructing."""
        epsilon, noise = self._operations
        self.drawn[epsilon.name] += batch_size * int(epsilon.outputs[0].shape[1])
        if reconstructing:
            self.drawn[noise.name] += batch_size * int(noise.outputs[0].shape[1])

    def advance(self, drawn: list[int]) -> None:
        """Draws until the operations have given as many values as in `drawn`; an unseeded graph has no place to be."""
        if not self._seeded:
            return
        for operation, goal in zip(self._operations, drawn):
            missing = goal - self.drawn[operation.name]
            if missing < 0:
                raise ValueError(
                    "This session has drawn more noise than the run had at its checkpoint, and cannot go back; "
                    "open a new tf.Session and call train again."
                )
            shape = operation.inputs[0]
            while missing:
                count = min(missing, _DRAWN_AT_ONCE)
                self._sess.run(operation, {shape: [count, 1]})
                missing -= count
            self.drawn[operation.name] = goal

    def state(self) -> list[int]:
        return [self.drawn[operation.name] for operation in self._operations]


class Checkpoints:
    """The checkpoints of one training run in one directory.

    Args:
        directory: held by `locked`.
        sess, vae, data: what is trained, and on what.
        batch_size: images per step.
        noise: that of the run.
    """

    def __init__(
        self, directory: Path, sess: tf.Session, vae: VAE, data: Datasets, batch_size: int, noise: NoiseStream
    ):
        self._directory = directory
        self._sess = sess
        self._data = data
        self._noise = noise
        variables = variables_of(vae)
        with sess.graph.as_default():
            self._saver = tf.train.Saver(variables, max_to_keep=None)
        self._run: dict[str, Any] = {
            "model": {variable.op.name: variable.shape.as_list() for variable in variables},
            "graph seed": sess.graph.seed,
            "data (SHA-256)": data.fingerprint(),
            "data seed": data.seed,
            "batch_size": batch_size,
        }

    def save(self, iterations: int, state: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Writes the checkpoint of that many iterations, then deletes all but the newest few.

        Args:
            iterations: how many are done.
            state: what JSON can hold.
            arrays: what it can't.

        Raises:
            OSError: it can't be written; checkpoints that were there still are.
        """
        final = self._directory / f"{_PREFIX}{iterations}"
        unfinished = self._directory / _UNFINISHED
        try:
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
            with self._sess.graph.as_default():
                self._saver.save(self._sess, str(unfinished / _MODEL), write_meta_graph=False, write_state=False)
            document = {
                "run": self._run,
                "iterations": iterations,
                "noise": self._noise.state(),
                "files": {path.name: _sha256(path) for path in sorted(unfinished.iterdir())},
                "state": state,
            }
            contents: dict[str, Any] = {"json": json.dumps(document), **arrays, **self._data.get_state()}
            np.savez(unfinished / _STATE, **contents)
            shutil.rmtree(final, ignore_errors=True)  # a damaged one, which `restore` has passed over
            unfinished.rename(final)
            note = self._directory / "checkpoint.new"
            note.write_text(f'model_checkpoint_path: "{final.name}/{_MODEL}"\n')
            note.rename(self._directory / "checkpoint")  # where tf.train.latest_checkpoint looks
        except (OSError, tf.errors.OpError) as error:
            shutil.rmtree(unfinished, ignore_errors=True)
            reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
            raise OSError(
                f"The checkpoint after {iterations} iterations can't be written to {final} ({reason}); "
                "make room there, then train again: it goes on from the checkpoint before."
            ) from error
        for old in _present(self._directory)[KEPT:]:
            shutil.rmtree(old, ignore_errors=True)

    def restore(self) -> tuple[int, dict[str, Any], dict[str, np.ndarray]] | None:
        """Puts session and data where the newest whole checkpoint has them.

        Returns:
            Its iterations, state and arrays as given to `save`; or None where there has been no checkpoint yet.

        Raises:
            ValueError: the checkpoints are of another run, or all are damaged; the message names the difference.
        """
        shutil.rmtree(self._directory / _UNFINISHED, ignore_errors=True)
        damaged = []
        for path in _present(self._directory):
            try:
                document, arrays = _read(path)
            except (OSError, ValueError, KeyError) as error:
                damaged.append(f"{path.name} is damaged ({error})")
                continue
            self._check_same_run(path, document["run"])
            if damaged:
                warnings.warn(f"In {self._directory}, {'; '.join(damaged)}; {path.name} is taken.", stacklevel=4)
            with self._sess.graph.as_default():
                self._saver.restore(self._sess, str(path / _MODEL))
            self._data.set_state(arrays)
            self._noise.advance(document["noise"])
            return document["iterations"], document["state"], arrays
        if damaged:
            raise ValueError(
                f"No checkpoint in {self._directory} can be read: {'; '.join(damaged)}; "
                "put the missing files back, or give an empty directory to start anew."
            )
        return None

    def _check_same_run(self, path: Path, run: dict[str, Any]) -> None:
        for what, here in self._run.items():
            there: Any = run.get(what)
            if there != here:
                if what == "model":
                    there, here = _first_difference(there, here)
                raise ValueError(
                    f"The checkpoint {path} is of another run: its {what} is {there}, here it is {here}; "
                    "train as then, or give another checkpoint_dir."
                )


def _first_difference(there: dict[str, list[int]], here: dict[str, list[int]]) -> tuple[str, str]:
    name = min(name for name in there.keys() | here.keys() if there.get(name) != here.get(name))
    return f"{name} of shape {there.get(name)}", f"{name} of shape {here.get(name)}"


def newest(directory: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
    """State and arrays, as given to `Checkpoints.save`, of the newest whole checkpoint in a directory, if any."""
    for path in _present(directory):
        with contextlib.suppress(OSError, ValueError, KeyError):
            document, arrays = _read(path)
            return document["state"], arrays
    return None


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


def restore_initial(sess: tf.Session, vae: VAE, path: str) -> None:
    """Loads a checkpoint of `tf.train.Saver`, TensorFlow 1's included: all that `vae` trains, or its weights alone.

    Raises:
        ValueError: there is no checkpoint at `path`, or it lacks a weight or has one of another shape.
    """
    path = path.removesuffix(".index")
    if Path(path).is_dir():
        path = tf.train.latest_checkpoint(path) or f"{path}/{_MODEL}"
    try:
        there = tf.train.load_checkpoint(path).get_variable_to_shape_map()
    except (ValueError, tf.errors.OpError) as error:
        raise ValueError(_unreadable(path, error)) from error
    variables = variables_of(vae)
    weights = [variable for variable in variables if variable in vae.x.graph.get_collection("trainable_variables")]
    fitting = [variable for variable in variables if there.get(variable.op.name) == variable.shape.as_list()]
    for variable in weights:
        if variable not in fitting:
            raise ValueError(
                f"The checkpoint {path} does not fit: {variable.op.name} is {variable.shape.as_list()} here "
                f"but {there.get(variable.op.name, 'missing')} there; give one of the same model and scopes."
            )
    with sess.graph.as_default():
        chosen = variables if len(fitting) == len(variables) else weights
        try:
            tf.train.Saver(chosen).restore(sess, path)
        except (ValueError, tf.errors.OpError) as error:
            raise ValueError(_unreadable(path, error)) from error


def _unreadable(path: str, error: Exception) -> str:
    reason = str(error).splitlines()[0]
    return f"There is no checkpoint that can be read at {path} ({reason}); give its path without .index or .data."
