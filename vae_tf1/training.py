"""The training loop: sessions and steps. It draws no pictures; whoever iterates over `train` does."""

import contextlib
import math
import os
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf
from tqdm.auto import tqdm

from vae_tf1.input_data import Datasets, binarize
from vae_tf1.model import VAE

SHOWN_IMAGES = 5


class Report(NamedTuple):
    """What `train` yields. Losses are in nats per image, means over the iterations since the last report."""

    iteration: int  # counted from 0; the report is made after its training step
    loss: float  # the negative ELBO: reconstruction + kl_divergence
    reconstruction: float  # -log p(x|z)
    kl_divergence: float  # KL(q(z|x) || N(0, I))
    images: np.ndarray  # [5, 784]: the next five validation images, grey, pixels in [0, 1]
    reconstructions: np.ndarray  # [5, 784]: a sample of p(x|z) for each, 0 or 1


def session_config() -> tf.ConfigProto:
    """The `ConfigProto` to open a session with: one thread, on the CPU.

    An iteration is some hundred small operations, the largest a product of 100x784 by 784x128. Handing those to
    other threads costs more than it saves, and with one thread a seeded run repeats itself to the bit.
    """
    return tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1, device_count={"GPU": 0})


def train(
    sess: tf.Session,
    vae: VAE,
    data: Datasets,
    iterations: int = 20_000,
    batch_size: int = 100,
    report_every: int = 1_000,
) -> Iterator[Report]:
    """Trains `vae` on the binarized images of `data.train`, and yields a `Report` now and then.

        with tf.Session(config=session_config()) as sess:
            for report in train(sess, vae, mnist):
                print(f"Iteration {report.iteration}: {report.loss:.2f} nats")
                visualize_row(report.images, report.reconstructions)

    Variables that have no value yet are initialized; others are trained on from where they are.

    Args:
        sess: a session on the graph of `vae`, opened with `session_config()`.
        vae: from `build_vae`.
        data: from `read_data_sets`; labels are not used.
        iterations: training steps, 0 or more.
        batch_size: images per step, from 1 to the size of `data.train`.
        report_every: a report is yielded at every iteration that this divides: 0, 1000, 2000, ...

    Returns:
        A generator of `Report`s. It trains only while it is iterated over.

    Raises:
        ValueError: `iterations`, `batch_size` or `report_every` is out of range, `sess` is of another graph, or the
            images are not [N, 784] with pixels in [0, 1].
        FloatingPointError: the loss of an iteration is infinite or not a number; the message names the iteration.
    """
    if sess.graph is not vae.x.graph:
        raise ValueError(
            "sess runs another graph than the one vae was built in; open it with tf.Session(graph=vae.x.graph)."
        )
    if iterations < 0:
        raise ValueError(f"iterations is {iterations}; give 0 or more.")
    if not 1 <= batch_size <= data.train.num_examples:
        raise ValueError(
            f"batch_size is {batch_size}; give 1 to {data.train.num_examples}, the size of the training set."
        )
    if report_every < 1:
        raise ValueError(f"report_every is {report_every}; give 1 or more.")
    return _train(sess, vae, data, iterations, batch_size, report_every)


def _train(sess, vae, data, iterations, batch_size, report_every):
    _initialize_variables(sess)
    # Made once: a callable spares the look-up of feeds and fetches that `sess.run` repeats each time.
    step = sess.make_callable([vae.loss, vae.reconstruction, vae.kl_divergence, vae.train_step], feed_list=[vae.x])
    reconstruct = sess.make_callable(vae.x_hat, feed_list=[vae.x])
    losses: list[tuple] = []
    # tqdm's own switch, which its notebook bar overlooks.
    disable = bool(os.environ.get("TQDM_DISABLE"))
    with contextlib.closing(tqdm(total=iterations, unit="iteration", desc="Training", disable=disable)) as progress:
        for iteration in range(iterations):
            images, _ = data.train.next_batch(batch_size)
            loss, reconstruction, kl_divergence, _ = step(binarize(images))
            if not math.isfinite(loss):
                raise FloatingPointError(
                    f"The loss is {loss} at iteration {iteration}; "
                    "train from an earlier state, or look at the images of that batch."
                )
            losses.append((loss, reconstruction.mean(), kl_divergence.mean()))
            progress.update()
            if iteration % report_every == 0:
                images, _ = data.validation.next_batch(SHOWN_IMAGES)
                report = Report(
                    iteration, *np.mean(losses, axis=0, dtype=np.float64), images, reconstruct(binarize(images))
                )
                losses.clear()
                progress.set_postfix_str(f"{report.loss:.2f} nats", refresh=False)
                progress.clear()  # so that what the caller prints stands on a line of its own
                yield report
                progress.refresh()


def _initialize_variables(sess: tf.Session) -> None:
    with sess.graph.as_default():
        missing = set(sess.run(tf.report_uninitialized_variables()))
        sess.run([variable.initializer for variable in tf.global_variables() if variable.op.name.encode() in missing])
