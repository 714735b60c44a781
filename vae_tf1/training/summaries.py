"""Summaries of a training run for TensorBoard, in the format of TensorFlow 1's `tf.summary`."""

import contextlib
import io
import os
import socket
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf
from PIL import Image

from vae_tf1._files import FilePath, explain
from vae_tf1.training.reports import Report


class SummaryWriter:
    """Writes the graph, and for each report the losses and the reconstructions, to an event file in a directory.

    If a report can't be written (a full disk), a warning says so, and later reports are not written.

    Args:
        directory: created if it does not exist.
        graph: TensorBoard shows it under "Graphs".
        iterations: number of iterations done; entries of an earlier run for later iterations are superseded.
        image_shape: rows and columns of an image, and channels if there are several. A flat image is drawn as a row.

    Raises:
        OSError: `directory` can't be written.
    """

    def __init__(self, directory: FilePath, graph: tf.Graph, iterations: int, image_shape: tuple[int, ...]):
        self._directory, self._shape = directory, image_shape if len(image_shape) > 1 else (1, -1)
        # Not a tf.summary.FileWriter, whose thread prints a traceback when the disk is full.
        name = f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}"
        try:
            os.makedirs(directory, exist_ok=True)
            self._writer: tf.io.TFRecordWriter | None = tf.io.TFRecordWriter(os.path.join(directory, name))
            self._add(file_version="brain.Event:2")
            self._add(graph_def=graph.as_graph_def(add_shapes=True).SerializeToString())
            self._add(session_log=tf.SessionLog(status=tf.SessionLog.START), step=iterations)
        except (OSError, tf.errors.OpError) as error:
            raise OSError(
                f"log_dir {directory} can't be written ({explain(error)}); pass another directory."
            ) from error

    def write(self, report: Report) -> None:
        """Adds `loss`, `reconstruction`, `kl_divergence` (nats) and `reconstructions`: originals left, x_hat right."""
        summary = tf.Summary()
        for name in "loss", "reconstruction", "kl_divergence":
            summary.value.add(tag=name, simple_value=getattr(report, name))
        columns = [_stacked(images, self._shape) for images in (report.images, report.reconstructions)]
        picture = np.round(255 * np.clip(np.hstack(columns), 0, 1)).astype(np.uint8)
        colorspace = picture.shape[2] if picture.ndim == 3 else 1
        image = tf.Summary.Image(
            height=len(picture),
            width=picture.shape[1],
            colorspace=colorspace,
            encoded_image_string=_encode_png(picture),
        )
        summary.value.add(tag="reconstructions", image=image)
        with self._or_give_up():
            self._add(summary=summary, step=report.iteration)

    def close(self) -> None:
        with self._or_give_up():
            if self._writer is not None:
                self._writer.close()

    def _add(self, **fields: Any) -> None:
        if self._writer is not None:
            self._writer.write(tf.Event(wall_time=time.time(), **fields).SerializeToString())
            self._writer.flush()

    @contextlib.contextmanager
    def _or_give_up(self) -> Iterator[None]:
        try:
            yield
        except (OSError, tf.errors.OpError) as error:
            self._writer = None
            warnings.warn(
                f"log_dir {self._directory} can no longer be written ({explain(error)}), so TensorBoard will not show "
                "the rest of this run; training continues.",
                stacklevel=4,
            )


def _stacked(images: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Images [N, P] one below the other: [N * rows, columns], or [N * rows, columns, channels] if they have 3 or 4."""
    channels = shape[2:] if shape[2:] in ((3,), (4,)) else ()
    return np.concatenate(list(images.reshape(len(images), shape[0], -1, *channels)))


def _encode_png(picture: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()
