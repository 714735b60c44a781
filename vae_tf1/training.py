"""The training loop: sessions and steps. It draws no pictures; whoever iterates over `train` does."""

import contextlib
import os
import signal
import threading
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf
from tqdm.auto import tqdm

from vae_tf1 import checkpoints, reports
from vae_tf1.checkpoints import Checkpoint
from vae_tf1.compiled import AT_ONCE, compiled_steps
from vae_tf1.fingerprint import computation_of
from vae_tf1.graph import check_images, check_only_x_is_fed, check_vae, tensors_of, variables_of
from vae_tf1.initial_checkpoint import restore_initial
from vae_tf1.input_data import Datasets, binarize
from vae_tf1.model import VAE
from vae_tf1.noise import NoiseStreams, check_repeatable
from vae_tf1.reports import Report
from vae_tf1.sessions import check_session, values_of
from vae_tf1.summaries import SummaryWriter

SHOWN_IMAGES = 5
# And TensorFlow: what a graph depends on besides its code.
_BUILT_BY = ("tf-slim", "tensorflow-probability", "tf-keras")


def train(
    sess: tf.Session,
    vae: VAE,
    data: Datasets,
    iterations: int = 20_000,
    batch_size: int = 100,
    report_every: int = 1_000,
    *,
    compiled: bool = False,
    checkpoint_dir=None,
    initial_checkpoint=None,
    log_dir=None,
) -> Iterator[Report]:
    """Trains `vae` on the binarized images of `data.train`, and yields a `Report` every `report_every` iterations.

        with tf.Session(config=session_config()) as sess:
            for report in train(sess, vae, mnist, checkpoint_dir="checkpoints"):
                print(f"Iteration {report.iteration}: {report.loss:.2f} nats")
                visualize_row(report.images, report.reconstructions)

    Variables that have no value yet are initialized; others are trained on from where they are.

    With `checkpoint_dir`, a checkpoint is written at every report, at the end, and when training is interrupted or you
    leave the loop over it. Called again with the same directory, in this process or another, training resumes after the
    last one; a seeded run that uses the same loop throughout ends with the same weights, to the bit, as one that was
    never stopped. (`evaluate` and `log_likelihood` in between change nothing; running `vae.x_hat` or `vae.loss`
    yourself draws from the noise of the run, and is not repeated.) A checkpoint records the model, the loss and the
    optimizer that it was written for: if you change one of these, it is refused, and the message says what changed.

    Args:
        sess: a session on the graph of `vae`, opened with `session_config()` (with `compiled=True` as here).
        vae: from `build_vae` or made by hand; `train_step` may depend on `x`, on variables and on noise.
        data: from `read_data_sets`, with images of the size that `vae` takes; labels are not used. The images are
            those of the moment when training starts: edits before it count, edits between reports do not.
        iterations: training steps, 0 or more; with `checkpoint_dir` those of earlier calls count.
        batch_size: images per step, from 1 to the size of `data.train`.
        report_every: a report is yielded at every iteration that this divides: 0, 1000, 2000, ...
        compiled: run many iterations at once (a model with convolutions: one), as one program that XLA compiles. About
            twice as fast; the same batches, reports and checkpoints, but other noise and rounding: the same model
            statistically.
        checkpoint_dir: where to keep checkpoints, and to resume from those that are there.
        initial_checkpoint: a checkpoint of `tf.train.Saver` to start from where `checkpoint_dir` has none yet, such as
            one of TensorFlow 1: "run/model.ckpt-20000". Without Adam's slots in it, Adam starts anew.
        log_dir: where to write the graph, the losses and the reconstructions for TensorBoard.

    Returns:
        A generator of `Report`s. It trains only while it is iterated over.

    Raises:
        TypeError: `vae` is not a `VAE`, `data` not a `Datasets`, or a number not a whole one.
        ValueError: `iterations`, `batch_size` or `report_every` is out of range, `sess` is of another graph, the
            images are not [N, P] of the size of `vae.x` with pixels in [0, 1], `data.validation` has fewer than 5
            images, a training step needs another placeholder, `checkpoint_dir` or `initial_checkpoint` is of another
            model or run, of more iterations, or damaged, or the model has what `checkpoint_dir` (noise that can't be
            repeated) or `compiled` (such noise, or variables other than resource variables) does not allow.
        FloatingPointError: a loss, or a weight that was to be saved, is infinite or not a number; the message names
            the iteration, and the checkpoints are those from before.
        RuntimeError: another training run is using `checkpoint_dir`.
        OSError: a directory can't be written; the checkpoints in it are as they were.
    """
    _check_arguments(sess, vae, data, iterations, batch_size, report_every)
    if checkpoint_dir is not None:
        check_repeatable(tensors_of(vae))
    with _interrupt_deferred():  # a program that is half built would stay in the graph
        run = _Run(sess, vae, data, batch_size, compiled)
    return _train(run, iterations, report_every, checkpoint_dir, initial_checkpoint, log_dir)


def past_reports(checkpoint_dir) -> list[Report]:
    """The reports that the run in `checkpoint_dir` has made so far, across all resumes; possibly none."""
    with contextlib.suppress(ValueError), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `train` will say it
        checkpoint = checkpoints.newest(Path(checkpoint_dir).expanduser())
        if checkpoint is not None:
            return reports.unpack(checkpoint.state["reports"], checkpoint.arrays)
    return []


def _check_arguments(sess, vae, data, iterations, batch_size, report_every) -> None:
    check_vae(vae)
    check_session(sess, vae)
    check_only_x_is_fed(vae)
    if not isinstance(data, Datasets):
        raise TypeError(
            f"data is a {type(data).__name__}; pass the Datasets that read_data_sets returns, "
            "with its train, validation and test sets."
        )
    for name, value in ("iterations", iterations), ("batch_size", batch_size), ("report_every", report_every):
        if not isinstance(value, int | np.integer):
            raise TypeError(f"{name} is {value!r}; pass a whole number.")
    if iterations < 0:
        raise ValueError(f"iterations is {iterations}; pass 0 or more.")
    if not 1 <= batch_size <= data.train.num_examples:
        raise ValueError(
            f"batch_size is {batch_size}; pass 1 to {data.train.num_examples}, the size of the training set."
        )
    if data.validation.num_examples < SHOWN_IMAGES:
        raise ValueError(
            f"data.validation has {data.validation.num_examples} images, but a report shows {SHOWN_IMAGES}; "
            "read the data with a larger validation_size."
        )
    if report_every < 1:
        raise ValueError(f"report_every is {report_every}; pass 1 or more.")
    shown = data.validation.images[:SHOWN_IMAGES]
    if shown.ndim != 2 or shown.dtype != np.float32:
        raise ValueError(
            f"The images of data are {shown.dtype} {list(shown.shape[1:])}, not float32 [pixels]; "
            "read them with read_data_sets(..., reshape=True, dtype=np.float32)."
        )
    binarize(check_images(vae, shown))  # raises for pixels that it can't take


class _Run:
    """A training run: how far it is, and what its next iteration depends on."""

    def __init__(self, sess: tf.Session, vae: VAE, data: Datasets, batch_size: int, compiled: bool):
        self.sess, self.vae, self.data, self.batch_size = sess, vae, data, batch_size
        trained = [vae.loss, vae.reconstruction, vae.kl_divergence, vae.train_step]
        self._noise, self._noise_of_x_hat = NoiseStreams(sess, trained), NoiseStreams(sess, [vae.x_hat])
        images = data.train.black_and_white
        if compiled:
            self._at_once = AT_ONCE
            self._steps = compiled_steps(sess, vae, images, batch_size)
        else:
            self._at_once = 1
            self._steps = _plain_steps(sess, trained, vae.x, images, self._noise)
        self._reconstruct = sess.make_callable([vae.x_hat, *self._noise_of_x_hat.shapes], feed_list=[vae.x])
        self.done = 0
        self._losses: list[list[float]] = []  # since the last report
        self._reports: list[Report] = []

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


def _plain_steps(sess, trained, x, images, noise):
    """`steps(rows, iteration)` as `compiled_steps` returns it, for one iteration."""
    # Made once: a callable spares the look-up of feeds and fetches that `sess.run` repeats each time.
    run = sess.make_callable([*trained, *noise.shapes], feed_list=[x])

    def steps(rows: np.ndarray, iteration: int) -> np.ndarray:
        loss, reconstruction, kl_divergence, _, *shapes = run(images[rows[0]].astype(np.float32))
        noise.count(shapes)
        return np.array([[loss, reconstruction.mean(), kl_divergence.mean()]])

    return steps


class _Store:
    """Where the checkpoints of a run are kept; the directory is held by `checkpoints.locked`."""

    def __init__(self, directory: Path, run: _Run):
        self._directory, self._run = directory, run
        self._variables = variables_of(run.vae)
        with run.sess.graph.as_default():
            self._saver = tf.train.Saver(self._variables, max_to_keep=None)
        self._identity = {
            "graph seed": run.sess.graph.seed,
            "data (SHA-256)": run.data.fingerprint()[:16],
            "data seed": run.data.seed,
            "batch_size": run.batch_size,
            "versions": {"tensorflow": tf.__version__, **{name: version(name) for name in _BUILT_BY}},
            "computation": computation_of(run.vae),
        }
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


def _initialize(sess: tf.Session, vae: VAE, initial_checkpoint) -> None:
    """Gives each variable that has no value yet its initial one, then those of the initial checkpoint theirs."""
    variables = variables_of(vae)
    with sess.graph.as_default():
        missing = set(sess.run(tf.report_uninitialized_variables(variables)))
    sess.run([variable.initializer for variable in variables if variable.op.name.encode() in missing])
    if initial_checkpoint is not None:
        restore_initial(sess, vae, str(initial_checkpoint))


def _train(run: _Run, iterations, report_every, checkpoint_dir, initial_checkpoint, log_dir):
    """The generator that `train` returns."""
    with contextlib.ExitStack() as stack:
        store = summaries = None
        if checkpoint_dir is not None:
            directory = Path(checkpoint_dir).expanduser()
            stack.enter_context(checkpoints.locked(directory))
            store = _Store(directory, run)
        if store is None or not store.restore(iterations):
            _initialize(run.sess, run.vae, initial_checkpoint)
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
                with _interrupt_deferred():
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
        except (KeyboardInterrupt, GeneratorExit):
            if store is not None:
                store.save()
            raise


@contextlib.contextmanager
def _interrupt_deferred():
    """An interrupt (Ctrl-C, a notebook's stop button) inside is raised at the end: no iteration is left half done."""
    before = signal.getsignal(signal.SIGINT)
    # Interrupts come to the main thread alone, and a handler of the caller's own is left alone.
    if before is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield
        return
    noted = []
    signal.signal(signal.SIGINT, lambda number, frame: noted.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if noted:
        raise KeyboardInterrupt
