"""The training loop: iterations, reports, checkpoints, summaries, progress. A `Run` decides what an iteration does."""

import contextlib
from collections.abc import Generator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from vae_tf1._checks import as_count, as_path, check_session, is_closed
from vae_tf1._files import FilePath, explain, without_wildcards
from vae_tf1.graph.sessions import read_variables, saver_of
from vae_tf1.training import checkpoints, interrupts
from vae_tf1.training.checkpoints import Checkpoint
from vae_tf1.training.progress import Progress, say
from vae_tf1.training.reports import Report
from vae_tf1.training.run import Run
from vae_tf1.training.summaries import SummaryWriter


class RunFiles(NamedTuple):
    """The files that a run reads and writes; each field is the argument of that name of `training.train`."""

    checkpoint_dir: FilePath | None = None
    checkpoint_every: int | None = None
    initial_checkpoint: FilePath | None = None
    log_dir: FilePath | None = None

    def checked(self) -> "RunFiles":
        """The same fields, checked, with `~` expanded in paths.

        Raises:
            TypeError, ValueError: a path is not one of the local file system, or `checkpoint_every` is not 1 or more,
                or is given without `checkpoint_dir`.
        """
        every, paths = self.checkpoint_every, self._asdict()
        del paths["checkpoint_every"]
        if every is not None:
            every = as_count(every, "checkpoint_every", 1)
            if self.checkpoint_dir is None:
                raise ValueError(f"checkpoint_every is {every}, but checkpoint_dir is None; pass a directory.")
        paths = {name: None if path is None else as_path(path, name) for name, path in paths.items()}
        return RunFiles(checkpoint_every=every, **paths)


class _Store:
    """Saves and restores a run; the caller holds the directory with `checkpoints.hold`."""

    def __init__(self, directory: Path, run: Run):
        self._directory, self._run = directory, run
        self._variables = run.variables
        self._saver = saver_of(run.sess.graph, self._variables)
        self._identity = run.identity()
        self._saved: int | None = None  # iterations of the last checkpoint
        self._whole: set[Path] = set()  # checkpoints that have been read or written

    def restore(self, iterations: int) -> bool:
        """Restores session, data and run from the newest whole checkpoint; returns False if there is none."""
        checkpoint = checkpoints.read_newest(self._directory)
        if checkpoint is None:
            return False
        checkpoints.check_same_run(checkpoint, self._identity)
        done = checkpoint.iterations
        if done > iterations:
            raise ValueError(
                f"The run in {self._directory} has already done {done} iterations, more than {iterations}; "
                f"pass iterations={done} or more, or another checkpoint_dir."
            )
        try:
            with without_wildcards(checkpoint.path / checkpoints.MODEL) as prefix, self._run.sess.graph.as_default():
                self._saver.restore(self._run.sess, prefix)
        except (ValueError, tf.errors.OpError) as error:
            raise ValueError(
                f"The variables in {checkpoint.path} can't be restored ({explain(error)}); pass another checkpoint_dir."
            ) from error
        self._run.set_state(done, checkpoint.state, checkpoint.arrays)
        self._saved = done
        self._whole.add(checkpoint.path)
        if done < iterations:
            say(f"Resuming after {done} iterations, from {self._directory}.")
        else:
            say(
                f"The run in {self._directory} has already done all {done} iterations, so nothing is trained; "
                "raise iterations, or pass another checkpoint_dir to train from scratch."
            )
        return True

    def save(self) -> None:
        """Writes a checkpoint, if the run has advanced since the last one."""
        run = self._run
        if run.done in (0, self._saved):
            return
        if is_closed(run.sess):
            raise RuntimeError(
                f"sess was closed before the checkpoint after {run.done} iterations was written; leave the loop over "
                "train, or call close() on the generator that train returned, inside the `with` block of the session."
            )
        for variable, value in zip(self._variables, read_variables(run.sess, self._variables)):
            # The loss would show it only in the next iteration.
            if variable.dtype.is_floating and not np.isfinite(value).all():
                raise FloatingPointError(
                    f"{variable.op.name} is no longer finite after iteration {run.done - 1}, so no checkpoint is "
                    "written; resume from the last one, or inspect the images of that batch."
                )
        path = checkpoints.path_of(self._directory, run.done)
        with run.sess.graph.as_default():
            checkpoints.write(
                Checkpoint(path, run.done, self._identity, *run.state()),
                lambda prefix: self._saver.save(run.sess, prefix, write_meta_graph=False, write_state=False),
            )
        self._saved = run.done
        self._whole.add(path)
        checkpoints.delete_old(path, self._whole)


def training_loop(run: Run, iterations: int, report_every: int, files: RunFiles) -> Generator[Report, None, None]:
    """Trains, and yields reports: the generator of `training.train`, and of the chief in `cluster.train`."""
    files = files.checked()
    check_session(run.sess, run.vae.x.graph)
    with contextlib.ExitStack() as stack:
        store = summaries = None
        if files.checkpoint_dir is not None:
            directory = Path(files.checkpoint_dir)
            stack.enter_context(checkpoints.hold(directory))
            store = _Store(directory, run)
        if store is None or not store.restore(iterations):
            run.initialize(files.initial_checkpoint)
        if files.log_dir is not None:
            summaries = SummaryWriter(files.log_dir, run.sess.graph, run.done, run.data.train.image_shape)
            stack.enter_context(contextlib.closing(summaries))
        progress = stack.enter_context(contextlib.closing(Progress(run.done, iterations)))
        try:
            while run.done < iterations:
                until = _next_stop(run.done, iterations, files.checkpoint_every)
                with interrupts.defer():
                    report = run.step(until, report_every)
                    # Before the checkpoint: a summary written twice is superseded, a missing one is lost.
                    if report is not None and summaries is not None:
                        summaries.write(report)
                    due = run.done == until or (report is not None and files.checkpoint_every is None)
                    if store is not None and (due or interrupts.pending()):
                        store.save()
                progress.update(run.done)
                if report is not None:
                    progress.pause(report.loss)
                    yield report
                    check_session(run.sess, run.vae.x.graph)
                    progress.resume()
        except (KeyboardInterrupt, GeneratorExit):
            if store is not None:
                with interrupts.defer():
                    store.save()
            raise


def _next_stop(done: int, iterations: int, checkpoint_every: int | None) -> int:
    """The number of iterations to stop at for a checkpoint: the next multiple of `checkpoint_every`, or the end."""
    if checkpoint_every is None:
        return iterations
    return min(iterations, done - done % checkpoint_every + checkpoint_every)
