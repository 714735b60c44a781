"""The training loop: iterations, reports, checkpoints, summaries, progress. A `Run` decides who trains, and how."""

import contextlib
import os
from pathlib import Path

import numpy as np
import tensorflow.compat.v1 as tf
from tqdm.auto import tqdm

from vae_tf1.graph.sessions import read_variables
from vae_tf1.training import checkpoints, interrupts
from vae_tf1.training.checkpoints import Checkpoint
from vae_tf1.training.run import Run
from vae_tf1.training.summaries import SummaryWriter


class _Store:
    """Where the checkpoints of a run are kept; the directory is held by `checkpoints.locked`."""

    def __init__(self, directory: Path, run: Run):
        self._directory, self._run = directory, run
        self._variables = run.variables
        with run.sess.graph.as_default():
            self._saver = tf.train.Saver(self._variables, max_to_keep=None)
        self._identity = run.identity()
        self._saved: int | None = None  # iterations

    def restore(self, iterations: int) -> bool:
        """Puts session, data and run where the newest whole checkpoint has them; False where there is none."""
        checkpoint = checkpoints.newest(self._directory)
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
                "ask for more, or pass another checkpoint_dir to train anew."
            )
        return True

    def save(self) -> None:
        """Writes a checkpoint, if there is something new to write."""
        run = self._run
        if run.done in (0, self._saved):
            return
        for variable, value in zip(self._variables, read_variables(run.sess, self._variables)):
            if variable.dtype.is_floating and not np.isfinite(value).all():  # a loss shows it one iteration later only
                raise FloatingPointError(
                    f"{variable.op.name} is no longer finite after iteration {run.done - 1}, so no checkpoint is "
                    "written; train from the last one, or look at the images of that batch."
                )
        checkpoint = Checkpoint(self._directory, run.done, self._identity, *run.state())
        with run.sess.graph.as_default():
            checkpoints.write(
                self._directory,
                checkpoint,
                lambda path: self._saver.save(run.sess, path, write_meta_graph=False, write_state=False),
            )
        self._saved = run.done


class Paused(Exception):  # noqa: N818 (nothing is wrong)
    """Raised in a step that can't end for now: the run is saved as it was before, and left."""


def training_loop(run: Run, iterations, report_every, checkpoint_dir, initial_checkpoint, log_dir):
    """Trains, and yields reports; what `training.train` returns, and the chief's part of `cluster.train`."""
    with contextlib.ExitStack() as stack:
        store = summaries = None
        if checkpoint_dir is not None:
            directory = Path(checkpoint_dir).expanduser()
            stack.enter_context(checkpoints.locked(directory))
            store = _Store(directory, run)
        if store is None or not store.restore(iterations):
            run.initialize(initial_checkpoint)
        run.begin()
        if log_dir is not None:
            summaries = SummaryWriter(Path(log_dir).expanduser(), run.sess.graph, run.done, run.data.train.image_shape)
            stack.enter_context(contextlib.closing(summaries))
        # tqdm's own switch, which its notebook bar overlooks.
        disable = bool(os.environ.get("TQDM_DISABLE"))
        progress = tqdm(total=iterations, initial=run.done, unit="iteration", desc="Training", disable=disable)
        stack.enter_context(contextlib.closing(progress))
        try:
            while run.done < iterations:
                before = run.done
                with interrupts.deferred():
                    report = run.step(iterations, report_every)
                    # Before the checkpoint: of a report written twice the second counts, one left out is lost.
                    if report is not None and summaries is not None:
                        summaries.write(report)
                    if store is not None and (report is not None or run.done == iterations):
                        store.save()
                progress.update(run.done - before)
                if report is not None:
                    progress.set_postfix_str(f"{report.loss:.2f} nats", refresh=False)
                    progress.clear()  # so that what the caller prints stands on a line of its own
                    yield report
                    progress.refresh()
        except (KeyboardInterrupt, GeneratorExit, Paused, TimeoutError):
            if store is not None:
                store.save()
            raise
