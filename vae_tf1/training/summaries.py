"""What TensorBoard shows of a training run, in the format of TensorFlow 1's `tf.summary`."""

import io

import numpy as np
import tensorflow.compat.v1 as tf
from PIL import Image

from vae_tf1._files import FilePath
from vae_tf1.training.reports import Report


class SummaryWriter:
    """Writes the graph, and for each report the losses and the reconstructions, to event files in a directory.

    Args:
        directory: created if it does not exist.
        graph: shown by TensorBoard under "Graphs".
        iterations: how many are done; what an earlier run wrote for later ones is superseded.
        image_shape: rows and columns of an image.

    Raises:
        OSError: `directory` can't be written.
    """

    def __init__(self, directory: FilePath, graph: tf.Graph, iterations: int, image_shape: tuple[int, int]):
        self._columns = image_shape[1]
        try:
            with graph.as_default():  # the writer refuses to work where TensorFlow executes eagerly
                # File names contain the time in seconds; the suffix tells apart a run that is resumed within one.
                self._writer = tf.summary.FileWriter(str(directory), graph, filename_suffix=f".{iterations}")
        except tf.errors.OpError as error:
            raise OSError(f"log_dir {directory} can't be written ({error.message}); pass another directory.") from error
        self._writer.add_session_log(tf.SessionLog(status=tf.SessionLog.START), global_step=iterations)

    def write(self, report: Report) -> None:
        """Adds `loss`, `reconstruction`, `kl_divergence` (nats) and `reconstructions`: originals left, x_hat right."""
        summary = tf.Summary()
        for name in "loss", "reconstruction", "kl_divergence":
            summary.value.add(tag=name, simple_value=getattr(report, name))
        columns = [images.reshape(-1, self._columns) for images in (report.images, report.reconstructions)]
        picture = np.round(255 * np.hstack(columns)).astype(np.uint8)
        rows, width = picture.shape
        image = tf.Summary.Image(height=rows, width=width, colorspace=1, encoded_image_string=_encode_png(picture))
        summary.value.add(tag="reconstructions", image=image)
        self._writer.add_summary(summary, report.iteration)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


def _encode_png(picture: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()
