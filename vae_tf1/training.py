"""The training loop: sessions and steps. It draws no pictures; whoever iterates over `train` does."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf
from tqdm.auto import tqdm

from vae_tf1 import checkpoints
from vae_tf1.compiled import AT_ONCE, compiled_steps
from vae_tf1.input_data import Datasets, binarize
from vae_tf1.model import VAE, check_session, variables_of
from vae_tf1.summaries import SummaryWriter

SHOWN_IMAGES = 5


class Report(NamedTuple):
    """What `train` yields. Losses are in nats per image, means over the iterations since the last report."""

    iteration: int  # counted from 0; the report is made after its training step
    loss: float  # the negative ELBO: reconstruction + kl_divergence
    reconstruction: float  # -log p(x|z)
    kl_divergence: float  # KL(q(z|x) || N(0, I))
    images: np.ndarray  # [5, 784]: the next five validation images, grey, pixels in [0, 1]
    reconstructions: np.ndarray  # [5, 784]: a sample of p(x|z) for each, 0 or 1


def session_config(*, compiled: bool = False) -> tf.ConfigProto:
    """The `ConfigProto` to open a session with, on the CPU, for the plain loop or for `train(compiled=True)`.

    An iteration is some hundred small operations, the largest a product of 100x784 by 784x128. To share one of those
    between threads costs more than it saves, and changes how it rounds; so in the plain loop each has one thread, and
    a seeded run has the numbers of TensorFlow 1.15. Two at a time may run. XLA shares operations at less cost: the
    compiled loop takes all threads for each.

    TensorFlow makes the threads of a process once, for its first session: open that one with the configuration that
    you need.
    """
    return tf.ConfigProto(
        intra_op_parallelism_threads=0 if compiled else 1,
        inter_op_parallelism_threads=1 if compiled else 2,
        device_count={"GPU": 0},
    )


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
    """Trains `vae` on the binarized images of `data.train`, and yields a `Report` now and then.

        with tf.Session(config=session_config()) as sess:
            for report in train(sess, vae, mnist, checkpoint_dir="checkpoints"):
                print(f"Iteration {report.iteration}: {report.loss:.2f} nats")
                visualize_row(report.images, report.reconstructions)

    Variables that have no value yet are initialized; others are trained on from where they are.

    With `checkpoint_dir`, a checkpoint is written at every report, at the end, and when training is interrupted or the
    loop over it left. Called again with the same directory, in this process or another, training goes on after the
    last one; a seeded run, in one of the two loops, then ends with the same weights, to the bit, as one that was never
    stopped. (`evaluate` and `log_likelihood` in between change nothing; running `vae.x_hat` or `vae.loss` yourself
    draws from the noise of the run, and is not repeated.)

    Args:
        sess: a session on the graph of `vae`, opened with `session_config()` (with `compiled=True` as here).
        vae: from `build_vae`.
        data: from `read_data_sets`; labels are not used.
        iterations: training steps, 0 or more; with `checkpoint_dir` those of earlier calls count.
        batch_size: images per step, from 1 to the size of `data.train`.
        report_every: a report is yielded at every iteration that this divides: 0, 1000, 2000, ...
        compiled: run many iterations at once, as one program that XLA compiles. About twice as fast; the same
            batches, reports and checkpoints, but other noise and rounding: the same model statistically.
        checkpoint_dir: where to keep checkpoints, and to go on from those that are there.
        initial_checkpoint: a checkpoint of `tf.train.Saver` to start from where `checkpoint_dir` has none yet, such as
            one of TensorFlow 1: "run/model.ckpt-20000". Without Adam's slots in it, Adam starts anew.
        log_dir: where to write the graph, the losses and the reconstructions for TensorBoard.

    Returns:
        A generator of `Report`s. It trains only while it is iterated over.

    Raises:
        ValueError: `iterations`, `batch_size` or `report_every` is out of range, `sess` is of another graph, the
            images are not [N, 784] with pixels in [0, 1], `data.validation` has fewer than 5 images,
            `checkpoint_dir` or `initial_checkpoint` is of another run, of more iterations, or damaged, or `compiled`
            is set for a VAE of other than resource variables.
        FloatingPointError: a loss, or a weight that was to be saved, is infinite or not a number; the message names
            the iteration, and the checkpoints are those from before.
        RuntimeError: another training run is using `checkpoint_dir`.
        OSError: a directory can't be written; the checkpoints in it are as they were.
    """
    check_session(sess, vae)
    if iterations < 0:
        raise ValueError(f"iterations is {iterations}; give 0 or more.")
    if not 1 <= batch_size <= data.train.num_examples:
        raise ValueError(
            f"batch_size is {batch_size}; give 1 to {data.train.num_examples}, the size of the training set."
        )
    if data.validation.num_examples < SHOWN_IMAGES:
        raise ValueError(
            f"data.validation has {data.validation.num_examples} images, but a report shows {SHOWN_IMAGES}; "
            "read the data with a larger validation_size."
        )
    if report_every < 1:
        raise ValueError(f"report_every is {report_every}; give 1 or more.")
    binarize(data.validation.images[:SHOWN_IMAGES])  # raises for images that it can't take
    with _interrupt_deferred():  # a program that is half built would stay in the graph
        run = _Run(sess, vae, data, batch_size, compiled)
    return _train(
        run,
        iterations,
        report_every,
        checkpoint_dir,
        initial_checkpoint,
        log_dir,
    )


def past_reports(checkpoint_dir) -> list[Report]:
    """The reports that the run in `checkpoint_dir` has made so far, of all the times it was resumed; maybe none."""
    newest = checkpoints.newest(Path(checkpoint_dir).expanduser())
    return _Run.reports_of(*newest) if newest else []


def _train(run: "_Run", iterations, report_every, checkpoint_dir, initial_checkpoint, log_dir):
    with contextlib.ExitStack() as stack:
        run.initialize(stack, iterations, checkpoint_dir, initial_checkpoint)
        if log_dir is not None:
            run.summaries = SummaryWriter(Path(log_dir).expanduser(), run.sess.graph, iterations=run.done)
            stack.enter_context(contextlib.closing(run.summaries))
        # tqdm's own switch, which its notebook bar overlooks.
        disable = bool(os.environ.get("TQDM_DISABLE"))
        progress = tqdm(total=iterations, initial=run.done, unit="iteration", desc="Training", disable=disable)
        stack.enter_context(contextlib.closing(progress))
        try:
            while run.done < iterations:
                before = run.done
                with _interrupt_deferred():
                    report = run.step(iterations, report_every)
                progress.update(run.done - before)
                if report is not None:
                    progress.set_postfix_str(f"{report.loss:.2f} nats", refresh=False)
                    progress.clear()  # so that what the caller prints stands on a line of its own
                    yield report
                    progress.refresh()
        except (KeyboardInterrupt, GeneratorExit):
            run.save()
            raise
        run.save()


class _Run:
    """A training run: how far it is, and what its next iteration depends on."""

    def __init__(self, sess: tf.Session, vae: VAE, data: Datasets, batch_size: int, compiled: bool):
        self.sess, self._vae, self._data, self._batch_size = sess, vae, data, batch_size
        self.done = 0
        self._saved = 0
        self._losses: list[tuple[float, float, float]] = []  # since the last report
        self._reports: list[Report] = []
        self._store: checkpoints.Checkpoints | None = None
        self.summaries: SummaryWriter | None = None
        self._noise = checkpoints.NoiseStream(sess, vae)
        if compiled:
            self._iterations_at_once = AT_ONCE
            self._steps = compiled_steps(sess, vae, data.train.black_and_white, batch_size)
        else:
            self._iterations_at_once = 1
            self._steps = self._plain_steps()
        self._reconstruct = sess.make_callable(vae.x_hat, feed_list=[vae.x])

    def initialize(self, stack: contextlib.ExitStack, iterations: int, checkpoint_dir, initial_checkpoint) -> None:
        """Gives every variable its value: from a checkpoint, the initial checkpoint, the session or its initializer."""
        restored = None
        if checkpoint_dir is not None:
            directory = Path(checkpoint_dir).expanduser()
            stack.enter_context(checkpoints.locked(directory))
            self._store = checkpoints.Checkpoints(
                directory, self.sess, self._vae, self._data, self._batch_size, self._noise
            )
            restored = self._store.restore()
        if restored is not None:
            self.done, state, arrays = restored
            if self.done > iterations:
                raise ValueError(
                    f"The run in {checkpoint_dir} has {self.done} iterations already, more than the {iterations} asked "
                    "for; ask for as many or more, or give another checkpoint_dir."
                )
            self._saved = self.done
            self._losses = [tuple(losses) for losses in state["losses"]]
            self._reports = self.reports_of(state, arrays)
            tqdm.write(f"Going on after {self.done} iterations, from {checkpoint_dir}.")
            return
        variables = variables_of(self._vae)
        with self.sess.graph.as_default():
            missing = set(self.sess.run(tf.report_uninitialized_variables(variables)))
        self.sess.run([variable.initializer for variable in variables if variable.op.name.encode() in missing])
        if initial_checkpoint is not None:
            checkpoints.restore_initial(self.sess, self._vae, str(initial_checkpoint))

    def _plain_steps(self):
        """`steps(rows, iteration)` as of `compiled_steps`, for one iteration."""
        vae, images = self._vae, self._data.train.black_and_white
        # Made once: a callable spares the look-up of feeds and fetches that `sess.run` repeats each time.
        train_step = self.sess.make_callable(
            [vae.loss, vae.reconstruction, vae.kl_divergence, vae.train_step], feed_list=[vae.x]
        )

        def steps(rows: np.ndarray, iteration: int) -> np.ndarray:
            loss, reconstruction, kl_divergence, _ = train_step(images[rows[0]].astype(np.float32))
            self._noise.count(self._batch_size)
            return np.array([[loss, reconstruction.mean(), kl_divergence.mean()]])

        return steps

    def step(self, iterations: int, report_every: int) -> Report | None:
        """The next iteration, or as many as are compiled into one; up to a report, which comes with a checkpoint."""
        to_report = -self.done % report_every + 1
        count = min(self._iterations_at_once, to_report, iterations - self.done)
        rows = np.stack([self._data.train.next_rows(self._batch_size) for _ in range(count)])
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
        iteration = self.done - 1
        if iteration % report_every:
            return None
        images, _ = self._data.validation.next_batch(SHOWN_IMAGES)
        reconstructions = self._reconstruct(binarize(images))
        self._noise.count(SHOWN_IMAGES, reconstructing=True)
        loss, reconstruction, kl_divergence = np.mean(self._losses, axis=0).tolist()
        report = Report(iteration, loss, reconstruction, kl_divergence, images, reconstructions)
        self._losses.clear()
        if self._store is not None:
            self._reports.append(report)
        # Before the checkpoint: what comes twice is superseded, what is left out is lost.
        if self.summaries is not None:
            self.summaries.write(report)
        self.save()
        return report

    def save(self) -> None:
        """Writes a checkpoint, if there is a place for it and something new to write."""
        if self._store is None or self.done == self._saved:
            return
        with self.sess.graph.as_default():
            values = self.sess.run({variable.op.name: variable for variable in variables_of(self._vae)})
        for name, value in values.items():
            if not np.isfinite(value).all():  # seen in a loss one iteration later only
                raise FloatingPointError(
                    f"{name} is no longer finite after iteration {self.done - 1}, so no checkpoint is written; "
                    "train from the last one, or look at the images of that batch."
                )
        state = {"losses": self._losses, "reports": [report[:4] for report in self._reports]}
        images = 255 * np.array([report.images for report in self._reports])
        reconstructions = np.array([report.reconstructions for report in self._reports])
        arrays = {"images": np.rint(images).astype(np.uint8), "reconstructions": reconstructions.astype(np.uint8)}
        self._store.save(self.done, state, arrays)
        self._saved = self.done

    @staticmethod
    def reports_of(state: dict[str, Any], arrays: dict[str, np.ndarray]) -> list[Report]:
        images = np.multiply(arrays["images"], np.float32(1.0 / 255.0), dtype=np.float32)  # as `DataSet` scales them
        pictures = zip(images, arrays["reconstructions"].astype(np.float32))
        return [Report._make([*numbers, *pair]) for numbers, pair in zip(state["reports"], pictures)]


@contextlib.contextmanager
def _interrupt_deferred():
    """An interrupt (Ctrl-C, a notebook's stop button) inside is raised at the end: no iteration is left half done."""
    before = signal.getsignal(signal.SIGINT)
    # Interrupts come to the main thread alone, and whoever handles them in another way has reasons to.
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
