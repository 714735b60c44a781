"""Training: `train` yields reports, and the caller's loop draws pictures of them."""

import contextlib
import warnings
from collections.abc import Generator

import numpy as np
import tensorflow.compat.v1 as tf

from vae_tf1._checks import as_count, as_path
from vae_tf1._files import FilePath
from vae_tf1.data.data_set import DataSet, Datasets
from vae_tf1.graph.noise import check_repeatable
from vae_tf1.inputs import check_fed, input_arrays, training_arrays
from vae_tf1.training import checkpoints, interrupts, reports
from vae_tf1.training.compiled import CHUNK, compiled_steps
from vae_tf1.training.loop import RunFiles, training_loop
from vae_tf1.training.plain import plain_steps
from vae_tf1.training.reports import Report
from vae_tf1.training.run import SHOWN_IMAGES, Run
from vae_tf1.vae import VAE, check_session, check_vae, tensors_of


def train(
    sess: tf.Session,
    vae: VAE,
    data: Datasets,
    iterations: int = 20_000,
    batch_size: int = 100,
    report_every: int = 1_000,
    *,
    compiled: bool = False,
    checkpoint_dir: FilePath | None = None,
    checkpoint_every: int | None = None,
    initial_checkpoint: FilePath | None = None,
    log_dir: FilePath | None = None,
) -> Generator[Report, None, None]:
    """Trains `vae` on `data.train`, and yields a `Report` every `report_every` iterations.

        with tf.Session(config=session_config()) as sess:
            for report in train(sess, vae, mnist, checkpoint_dir="checkpoints"):
                print(f"Iteration {report.iteration}: {report.loss:.2f} nats")
                visualize_row(report.images, report.reconstructions)

    Variables that have no value yet are initialized; the others are trained further.

    With `checkpoint_dir`, checkpoints are written as `checkpoint_every` says, at the end, and when training is
    interrupted or you leave the loop. Call `train` again with the same directory, in this process or another, and
    training resumes from the last one; a seeded run that uses the same loop throughout ends with the same weights, bit
    for bit, as one that was never stopped. (`evaluate` and `log_likelihood` in between change nothing; running
    `vae.x_hat` or `vae.loss` yourself draws from the noise of the run, and a resumed run does not repeat that.) A
    checkpoint records the model, the loss and the optimizer that it was written for. After a change of any of these it
    is refused, and the message says what changed.

    Args:
        sess: a session on the graph of `vae`, opened with `session_config()` (pass both the same `compiled`).
        vae: from `build_vae` or made by hand; `train_step` may depend on the placeholders that are fed, on variables
            and on noise.
        data: from `read_data_sets`, with images of the size that `vae` takes; labels are used only by `vae.inputs`.
            Unless they are mapped from a file, images are copied when `train` is called: later edits have no effect.
        iterations: training steps, 0 or more; with `checkpoint_dir`, those of earlier calls count.
        batch_size: images per step, from 1 to the size of `data.train`.
        report_every: a report is yielded whenever the iteration is a multiple of this: 0, 1000, 2000, ...
        compiled: run many iterations at once (one, if the model has convolutions) as one program that XLA compiles,
            about twice as fast. It uses all processors only if the first session of the process was opened with
            `session_config(compiled=True)`. Batches, and when reports and checkpoints are made, stay the same;
            noise and rounding do not, so the model is the same only statistically.
        checkpoint_dir: directory to keep checkpoints in, and to resume from.
        checkpoint_every: a checkpoint is written whenever the number of iterations done is a multiple of this; None
            writes one at every report. The last three are kept.
        initial_checkpoint: a checkpoint of `tf.train.Saver` to start from if `checkpoint_dir` has none, such as one
            of TensorFlow 1: "run/model.ckpt-20000". If it lacks Adam's slots, these are initialized.
        log_dir: directory for TensorBoard, which gets the graph, the losses and the reconstructions.

    Returns:
        A generator of `Report`s. It trains only while it is iterated over.

    Raises:
        TypeError: `vae` is not a `VAE`, `sess` is not a session, `data` is not a `Datasets`, a number is not an
            integer, or a path is not a path.
        ValueError: `iterations`, `batch_size`, `report_every` or `checkpoint_every` is out of range,
            `checkpoint_every` is given without `checkpoint_dir`, `sess` is closed or runs another graph, the images are
            not [N, P] of the size of `vae.x` with pixels in [0, 1], `data.validation` has fewer than 5 images, a
            training step needs a placeholder that is not fed, the checkpoint to resume or start from belongs to another
            model or run, has more iterations, or is damaged, a path is a URL, the model has noise that can't be
            repeated (with `checkpoint_dir` or `compiled`), or, with `compiled`, it has variables that are not resource
            variables, XLA can't compile it, or the images are mapped from a file.
        FloatingPointError: a loss, or a weight that would be saved, is infinite or not a number; the message names
            the iteration, and earlier checkpoints are unchanged.
        RuntimeError: another training run is using `checkpoint_dir`, or `sess` was closed before the run was saved.
        OSError: a directory can't be written; the checkpoints in it are unchanged.
    """
    check_vae(vae)
    check_session(sess, vae)
    iterations, batch_size, report_every = check_arguments(vae, data, iterations, batch_size, report_every)
    files = RunFiles(checkpoint_dir, checkpoint_every, initial_checkpoint, log_dir).checked()
    arrays = training_arrays(vae, data.train)
    if checkpoint_dir is not None:
        check_repeatable(tensors_of(vae), list(arrays(np.arange(1)) if callable(arrays) else arrays))
    with interrupts.defer():  # an interrupt would leave a program half built in the graph
        if compiled:
            if callable(arrays):
                raise ValueError("data.train is mapped from a file; train without compiled=True, which can't read it.")
            run = Run(sess, vae, data, batch_size, compiled_steps(sess, vae, arrays, batch_size), CHUNK)
        else:
            run = Run(sess, vae, data, batch_size, plain_steps(sess, vae, arrays))
    return training_loop(run, iterations, report_every, files)


def past_reports(checkpoint_dir: FilePath) -> list[Report]:
    """The reports of the run in `checkpoint_dir` up to its last checkpoint, across all resumes; possibly none.

    Raises:
        TypeError, ValueError: `checkpoint_dir` is not a path of the local file system.
    """
    directory = as_path(checkpoint_dir, "checkpoint_dir")
    with contextlib.suppress(ValueError), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `train` will repeat them
        checkpoint = checkpoints.read_newest(directory)
        if checkpoint is not None:
            return reports.unpack(checkpoint.state["reports"], checkpoint.arrays)
    return []


def check_arguments(
    vae: VAE, data: Datasets, iterations: int, batch_size: int, report_every: int
) -> tuple[int, int, int]:
    """Raises TypeError or ValueError for arguments that `train` can't take; returns the numbers as `int`s.

    Args:
        vae: has passed `check_vae`.
        data, iterations, batch_size, report_every: as for `train`.
    """
    if not isinstance(data, Datasets):
        raise TypeError(
            f"data is a {type(data).__name__}; pass the Datasets that read_data_sets returns, or "
            "Datasets(train, validation, test) of three DataSets."
        )
    for name, data_set in zip(data._fields, data):
        if not isinstance(data_set, DataSet):
            raise TypeError(f"data.{name} is a {type(data_set).__name__}; make the three sets of DataSet.")
    iterations, report_every = as_count(iterations, "iterations"), as_count(report_every, "report_every", 1)
    batch_size = as_count(batch_size, "batch_size", 1)
    if batch_size > data.train.num_examples:
        raise ValueError(
            f"batch_size is {batch_size}; pass 1 to {data.train.num_examples}, the size of the training set."
        )
    if data.validation.num_examples < SHOWN_IMAGES:
        raise ValueError(
            f"data.validation has {data.validation.num_examples} images, but a report shows {SHOWN_IMAGES}; "
            "give it more images (read_data_sets has validation_size)."
        )
    shown, labels = data.validation.rows(slice(SHOWN_IMAGES))
    if shown.ndim != 2 or shown.dtype != np.float32:
        raise ValueError(
            f"The images of data are {shown.dtype} {list(shown.shape[1:])}, not float32 [pixels]; "
            "read them with read_data_sets(..., reshape=True, dtype=np.float32)."
        )
    check_fed([vae.train_step, vae.x_hat], input_arrays(vae, shown, labels))
    return iterations, batch_size, report_every
