"""The training loop: iterations, reports, checkpoints, summaries, progress. A `Run` decides who trains, and how."""

import contextlib
import os
from collections.abc import Generator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf
from tqdm.auto import tqdm

from vae_tf1._files import FilePath
from vae_tf1.graph.sessions import read_variables
from vae_tf1.training import checkpoints, interrupts
from vae_tf1.training.checkpoints import Checkpoint
from vae_tf1.training.reports import Report
from vae_tf1.training.run import Run
from vae_tf1.training.summaries import SummaryWriter


class RunFiles(NamedTuple):
    """The files that a run reads and writes; each field is the argument of that name of `training.train`."""

    checkpoint_dir: FilePath | None = None
    checkpoint_every: int | None = None
    initial_checkpoint: FilePath | None = None
    log_dir: FilePath | None = None


class _Store:
    """Saves and restores a run; `checkpoints.hold` holds the directory."""

    def __init__(self, directory: Path, run: Run):
        self._directory, self._run = directory, run
        self._variables = run.variables
        with run.sess.graph.as_default():
            self._saver = tf.train.Saver(self._variables, max_to_keep=None)
        self._identity = run.identity()
        self._saved: int | None = None  # iterations

    def restore(self, iterations: int) -> bool:
        """Restores session, data and run from the newest whole checkpoint; returns False if there is none."""
        checkpoint = checkpoints.read_newest(self._directory)
        if checkpoint is None:
            return False
        checkpoints.check_same_run(checkpoint, self._identity)
        done = checkpoint.iterations
        if done > iterations:
            raise ValueError(
                f"The run in {self._directory} has {done} iterations already, more than the {iterations} asked for; "
                f"pass iterations={done} or more, or another checkpoint_dir."
            )
        with self._run.sess.graph.as_default():
            self._saver.restore(self._run.sess, str(checkpoint.path / checkpoints.MODEL))
        self._run.set_state(done, checkpoint.state, checkpoint.arrays)
        self._saved = done
        if done < iterations:
            tqdm.write(f"Resuming after {done} iterations, from {self._directory}.")
        else:
            tqdm.write(
                f"The run in {self._directory} has all its {done} iterations already, so nothing is trained; "
                "ask for more, or pass another checkpoint_dir to train from scratch."
            )
        return True

    def save(self) -> None:
        """Writes a checkpoint, if iterations have been done since the last one."""
        run = self._run
        if run.done in (0, self._saved):
            return
        for variable, value in zip(self._variables, read_variables(run.sess, self._variables)):
            if (
                variable.dtype.is_floating and not np.isfinite(value).all()
            ):  # the loss shows it only in the next iteration
                raise FloatingPointError(
                    f"{variable.op.name} is no longer finite after iteration {run.done - 1}, so no checkpoint is "
                    "written; train from the last one, or look at the images of that batch."
                )
        path = checkpoints.path_of(self._directory, run.done)
        with run.sess.graph.as_default():
            checkpoints.write(
                Checkpoint(path, run.done, self._identity, *run.state()),
                lambda prefix: self._saver.save(run.sess, prefix, write_meta_graph=False, write_state=False),
            )
        self._saved = run.done


class Paused(Exception):  # noqa: N818 (nothing is wrong)
    """Raised in a step that can't end for now: the run is saved as it was before, and left."""


def training_loop(run: Run, iterations: int, report_every: int, files: RunFiles) -> Generator[Report, None, None]:
    """Trains, and yields reports; what `training.train` returns, and the chief's part of `cluster.train`."""
    with contextlib.ExitStack() as stack:
        store = summaries = None
        if files.checkpoint_dir is not None:
            directory = Path(files.checkpoint_dir).expanduser()
            stack.enter_context(checkpoints.hold(directory))
            store = _Store(directory, run)
        if store is None or not store.restore(iterations):
            run.initialize(files.initial_checkpoint)
        run.begin()
        if files.log_dir is not None:
            log_dir = Path(files.log_dir).expanduser()
            summaries = SummaryWriter(log_dir, run.sess.graph, run.done, run.data.train.image_shape)
            stack.enter_context(contextlib.closing(summaries))
        # TQDM_DISABLE is tqdm's own switch, which its notebook bar ignores.
        disable = bool(os.environ.get("TQDM_DISABLE"))
        progress = tqdm(total=iterations, initial=run.done, unit="iteration", desc="Training", disable=disable)
        stack.enter_context(contextlib.closing(progress))
        try:
            while run.done < iterations:
                before = run.done
                until = _next_stop(before, iterations, files.checkpoint_every)
                with interrupts.defer():
                    report = run.step(until, report_every)
                    # Before the checkpoint: a summary written twice is superseded, a missing one is lost.
                    if report is not None and summaries is not None:
                        summaries.write(report)
                    due = run.done == until or (report is not None and files.checkpoint_every is None)
                    if store is not None and due:
                        store.save()
                progress.update(run.done - before)
                if report is not None:
                    progress.set_postfix_str(f"{report.loss:.2f} nats", refresh=False)
                    progress.clear()  # so that what the caller prints gets a line of its own
                    yield report
                    progress.refresh()
        except (KeyboardInterrupt, GeneratorExit, Paused, TimeoutError):
            if store is not None:
                store.save()
            raise


def _next_stop(done: int, iterations: int, checkpoint_every: int | None) -> int:
    """The iterations after which a checkpoint is due whatever is reported: the next multiple, or the end."""
    if checkpoint_every is None:
        return iterations
    return min(iterations, done - done % checkpoint_every + checkpoint_every)
