"""What TensorBoard shows of a training run, in the format of TensorFlow 1's `tf.summary`."""

import numpy as np
import tensorflow.compat.v1 as tf

from vae_tf1.graph.sessions import private_session


class SummaryWriter:
    """Writes the graph, and for each report the losses and the reconstructions, to event files in a directory.

    Args:
        directory: made if it is not there.
        graph: shown by TensorBoard under "Graphs".
        iterations: how many are done; what an earlier run wrote for later ones is superseded.
        image_shape: rows and columns of an image.

    Raises:
        OSError: `directory` can't be written.
    """

    def __init__(self, directory, graph: tf.Graph, iterations: int, image_shape: tuple[int, int]):
        self._columns = image_shape[1]
        try:
            with graph.as_default():  # the writer refuses to work where TensorFlow executes eagerly
                # Files are named by the second; the suffix keeps one of a run that was resumed at once apart.
                self._writer = tf.summary.FileWriter(str(directory), graph, filename_suffix=f".{iterations}")
        except tf.errors.OpError as error:
            raise OSError(f"log_dir {directory} can't be written ({error.message}); pass another directory.") from error
        if iterations:
            self._writer.add_session_log(tf.SessionLog(status=tf.SessionLog.START), global_step=iterations)

    def write(self, report) -> None:
        """Adds `loss`, `reconstruction`, `kl_divergence` (nats) and `reconstructions`: originals left, x_hat right."""
        summary = tf.Summary()
        for name in "loss", "reconstruction", "kl_divergence":
            summary.value.add(tag=name, simple_value=getattr(report, name))
        columns = [images.reshape(-1, self._columns) for images in (report.images, report.reconstructions)]
        picture = np.round(255 * np.hstack(columns)).astype(np.uint8)
        image = tf.Summary.Image(
            height=picture.shape[0], width=picture.shape[1], colorspace=1, encoded_image_string=_png(picture)
        )
        summary.value.add(tag="reconstructions", image=image)
        self._writer.add_summary(summary, report.iteration)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


def _png(picture: np.ndarray) -> bytes:
    with tf.Graph().as_default() as graph, private_session(graph) as session:
        return session.run(tf.io.encode_png(picture[..., np.newaxis]))
