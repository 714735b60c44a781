"""Export to TensorFlow's SavedModel format, which programs can load without this package."""

from pathlib import Path

import tensorflow.compat.v1 as tf
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef, TensorInfo

from vae_tf1._files import FilePath, write_aside
from vae_tf1.vae import VAE, clone_model

_SAVED_MODEL_FILES = {"saved_model.pb", "variables", "assets", "assets.extra", "fingerprint.pb"}


def export_saved_model(sess: tf.Session, vae: VAE, path: FilePath, *, overwrite: bool = False) -> None:
    """Writes a SavedModel with three signatures, each for any number N of rows; all tensors are float32.

    | signature | inputs | outputs |
    |---|---|---|
    | `encode` | `images` [N, P], 0 or 1 | `mean`, `log_variance` [N, D] of q(z\\|x) |
    | `decode` | `z` [N, D] | `probabilities` [N, P] that a pixel is white |
    | `reconstruct` | `images` [N, P], 0 or 1 | `probabilities` [N, P], decoded from the mean of q(z\\|x) |

    A TensorFlow 2 program calls `tf.saved_model.load(path).signatures["encode"](images=...)`; a TensorFlow 1 program
    calls `tf.saved_model.load(sess, ["serve"], path)` and takes the tensor names from its `signature_def`.

    The exported model is the one in the graph of `vae`, whoever built it, including noise such as dropout.

    Args:
        sess: a session that holds the weights.
        vae: from `build_vae` or made by hand, in the graph of `sess`.
        path: directory to write to.
        overwrite: replace an existing SavedModel, once the new one is whole.

    Raises:
        ValueError: `sess` runs another graph or has no weights yet, or `vae` decodes from more than z.
        FileExistsError: `path` exists, and `overwrite` is not set or it is not a SavedModel.
        OSError: `path` can't be written.
    """
    path = Path(path)
    if path.exists():
        if not overwrite:
            raise FileExistsError(f"{path} exists already; pass overwrite=True, or another path.")
        if not path.is_dir() or not {file.name for file in path.iterdir()} <= _SAVED_MODEL_FILES:
            raise FileExistsError(f"{path} holds other things than a SavedModel; pass another path.")
    with write_aside(path, "The SavedModel", "pass another path") as aside:
        _write(sess, vae, aside)


def _write(sess: tf.Session, vae: VAE, path: Path) -> None:
    with tf.Graph().as_default():
        clone = clone_model(sess, vae)
        images, z = (
            tf.placeholder(tf.float32, [None, tensor.shape[1]], name)
            for tensor, name in ((vae.x, "images"), (vae.z, "z"))
        )
        (mu_logvar,) = clone.copy([vae.mu_logvar], [(vae.x, images)], "encode")
        mean, log_variance = tf.split(mu_logvar, 2, axis=1)
        decoded = clone.copy_distribution(vae.x_dist, [(vae.z, z)], "decode").mean()
        reconstructed = clone.copy_distribution(vae.x_dist, [(vae.z, mean)], "reconstruct").mean()
        builder = tf.saved_model.Builder(str(path))
        with clone.session() as session:
            builder.add_meta_graph_and_variables(
                session,
                [tf.saved_model.SERVING],
                signature_def_map={
                    "encode": _signature({"images": images}, {"mean": mean, "log_variance": log_variance}),
                    "decode": _signature({"z": z}, {"probabilities": decoded}),
                    "reconstruct": _signature({"images": images}, {"probabilities": reconstructed}),
                },
            )
            builder.save()


def _signature(inputs: dict[str, tf.Tensor], outputs: dict[str, tf.Tensor]) -> SignatureDef:
    # By hand, because TensorFlow's own function for this logs that it is deprecated.
    inputs, outputs = (
        {
            name: TensorInfo(
                name=tensor.name, dtype=tensor.dtype.as_datatype_enum, tensor_shape=tensor.shape.as_proto()
            )
            for name, tensor in tensors.items()
        }
        for tensors in (inputs, outputs)
    )
    return tf.saved_model.build_signature_def(inputs, outputs, tf.saved_model.PREDICT_METHOD_NAME)
