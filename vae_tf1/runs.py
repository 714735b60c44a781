"""A training run and the loop around it: iterations, reports, checkpoints, summaries. Who trains, and how, is given."""

import contextlib
import os
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf
from tqdm.auto import tqdm

from vae_tf1 import checkpoints, interrupts, reports
from vae_tf1.checkpoints import Checkpoint
from vae_tf1.data_set import Datasets, binarize
from vae_tf1.fingerprint import computation_of
from vae_tf1.graph import trained_of, variables_of
from vae_tf1.initial_checkpoint import restore_initial
from vae_tf1.model import VAE
from vae_tf1.noise import NoiseStreams
from vae_tf1.reports import Report
from vae_tf1.sessions import values_of
from vae_tf1.summaries import SummaryWriter

SHOWN_IMAGES = 5
# `steps(rows, iteration)` trains on batches, int [n, batch size] of row numbers, the first being that of `iteration`,
# and gives their losses, float32 [n, 3]: the loss and its two terms, means over the batch in nats.
Steps = Callable[[np.ndarray, int], np.ndarray]
# And TensorFlow: what a graph depends on besides its code.
_BUILT_BY = ("tf-slim", "tensorflow-probability", "tf-keras")


def plain_steps(sess: tf.Session, vae: VAE, images: np.ndarray) -> Steps:
    """Steps of one iteration each, by one run of the graph.

    Args:
        sess: a session on the graph of `vae`.
        images: uint8 [N, P] of 0 and 1.
    """
    noise = NoiseStreams(sess, trained_of(vae))
    # Made once: a callable spares the look-up of feeds and fetches that `sess.run` repeats each time.
    run = sess.make_callable([*trained_of(vae), *noise.shapes], feed_list=[vae.x])

    def steps(rows: np.ndarray, iteration: int) -> np.ndarray:
        loss, reconstruction, kl_divergence, _, *shapes = run(images[rows[0]].astype(np.float32))
        noise.count(shapes)
        return np.array([[loss, reconstruction.mean(), kl_divergence.mean()]])

    return steps


def identity_of(vae: VAE, data: Datasets, batch_size: int) -> dict[str, Any]:
    """What tells one run from another; see `checkpoints.check_same_run`."""
    return {
        "graph seed": vae.x.graph.seed,
        "data (SHA-256)": data.fingerprint()[:16],
        "data seed": data.seed,
        "batch_size": batch_size,
        "versions": {"tensorflow": tf.__version__, **{name: version(name) for name in _BUILT_BY}},
        "computation": computation_of(vae),
    }


class Run:
    """A training run: how far it is, and what its next iteration depends on.

    Args:
        sess: a session on the graph of `vae`.
        vae: what is trained.
        data: its images are those of the moment when `steps` was made.
        batch_size: images that an iteration takes.
        steps: trains, on up to `at_once` batches in a call.
    """

    def __init__(self, sess: tf.Session, vae: VAE, data: Datasets, batch_size: int, steps: Steps, at_once: int = 1):
        self.sess, self.vae, self.data, self.batch_size = sess, vae, data, batch_size
        self._steps, self._at_once = steps, at_once
        self._noise, self._noise_of_x_hat = NoiseStreams(sess, trained_of(vae)), NoiseStreams(sess, [vae.x_hat])
        self._reconstruct = sess.make_callable([vae.x_hat, *self._noise_of_x_hat.shapes], feed_list=[vae.x])
        self.done = 0
        self._losses: list[list[float]] = []  # since the last report
        self._reports: list[Report] = []

    @property
    def variables(self) -> list[tf.Variable]:
        """What checkpoints keep."""
        return variables_of(self.vae)

    def identity(self) -> dict[str, Any]:
        return identity_of(self.vae, self.data, self.batch_size)

    def initialize(self, initial_checkpoint) -> None:
        """Gives each variable that has no value yet its initial one, then those of the initial checkpoint theirs."""
        with self.sess.graph.as_default():
            missing = set(self.sess.run(tf.report_uninitialized_variables(self.variables)))
        self.sess.run([variable.initializer for variable in self.variables if variable.op.name.encode() in missing])
        if initial_checkpoint is not None:
            restore_initial(self.sess, self.variables, str(initial_checkpoint))

    def begin(self) -> None:
        """Called when the variables have their values, before the first step."""

    def step(self, iterations: int, report_every: int) -> Report | None:
        """The next iteration, or as many as are compiled into one; up to a report."""
        to_report = -self.done % report_every + 1
        count = min(self._at_once, to_report, iterations - self.done)
        rows = np.stack([self.data.train.next_rows(self.batch_size) for _ in range(count)])
        losses = self._steps(rows, self.done)
        finite = np.isfinite(losses[:, 0])
        if not finite.all():
            wrong = int(np.argmin(finite))
            raise FloatingPointError(
                f"The loss is {losses[wrong, 0]} at iteration {self.done + wrong}; "
                "train from an earlier state, or look at the images of that batch."
            )
        self._losses += losses.tolist()
        self.done += count
        if (self.done - 1) % report_every:
            return None
        return self._report()

    def _report(self) -> Report:
        images, _ = self.data.validation.next_batch(SHOWN_IMAGES)
        reconstructions, *shapes = self._reconstruct(binarize(images))
        self._noise_of_x_hat.count(shapes)
        losses = np.mean(self._losses, axis=0).tolist()
        loss, reconstruction, kl_divergence = losses
        report = Report(self.done - 1, loss, reconstruction, kl_divergence, images, reconstructions)
        self._losses.clear()
        self._reports.append(report)
        return report

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """All but the variables that the coming iterations and reports depend on: what JSON can hold, and arrays."""
        numbers, arrays = reports.pack(self._reports)
        noise = {**self._noise.state(), **self._noise_of_x_hat.state()}
        state = {"losses": self._losses, "reports": numbers, "noise": noise}
        return state, {**arrays, **self.data.get_state()}

    def set_state(self, done: int, state: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Puts the run where it was when `state` was called after `done` iterations."""
        self.done, self._losses = done, state["losses"]
        self._reports = reports.unpack(state["reports"], arrays)
        self.data.set_state(arrays)
        for noise in self._noise, self._noise_of_x_hat:
            noise.advance(state["noise"])


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
        for variable, value in zip(self._variables, values_of(run.sess, self._variables)):
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


def trained_to_the_end(run: Run, iterations, report_every, checkpoint_dir, initial_checkpoint, log_dir):
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
