"""Export to TensorFlow's SavedModel, which programs load that know nothing of this package."""

import shutil
from pathlib import Path

import tensorflow.compat.v1 as tf
from tensorflow.core.protobuf.meta_graph_pb2 import TensorInfo

from vae_tf1.vae import VAE, clone_model

_SAVED_MODEL_FILES = {"saved_model.pb", "variables", "assets", "assets.extra", "fingerprint.pb"}


def export_saved_model(sess: tf.Session, vae: VAE, path, *, overwrite: bool = False) -> None:
    """Writes a SavedModel with three signatures, each for any number N of images; all tensors are float32.

    | signature | inputs | outputs |
    |---|---|---|
    | `encode` | `images` [N, P], 0 or 1 | `mean`, `log_variance` [N, D] of q(z\\|x) |
    | `decode` | `z` [N, D] | `probabilities` [N, P] that a pixel is white |
    | `reconstruct` | `images` [N, P], 0 or 1 | `probabilities` [N, P], decoded from the mean of q(z\\|x) |

    A program of TensorFlow 2 runs `tf.saved_model.load(path).signatures["encode"](images=...)`, one in the style of
    TensorFlow 1 `tf.saved_model.load(sess, ["serve"], path)` with the tensor names of its `signature_def`.

    What is exported is the model of `vae` as it is in its graph, whoever built it, noise such as dropout's included.

    Args:
        sess: a session that holds the weights.
        vae: from `build_vae` or made by hand, in the graph of `sess`.
        path: directory to write to.
        overwrite: replace a SavedModel that is there; it stays until the new one is whole.

    Raises:
        ValueError: `sess` is of another graph or has no weights yet, or `vae` decodes from more than z.
        FileExistsError: something is at `path`, and `overwrite` is not set or it is more than a SavedModel.
        OSError: `path` can't be written.
    """
    path = Path(path)
    if path.exists():
        if not overwrite:
            raise FileExistsError(f"{path} exists already; pass overwrite=True, or another path.")
        if not path.is_dir() or not {file.name for file in path.iterdir()} <= _SAVED_MODEL_FILES:
            raise FileExistsError(f"{path} holds other things than a SavedModel; pass another path.")
    unfinished = path.with_name(f".{path.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        _write(sess, vae, unfinished)
        shutil.rmtree(path, ignore_errors=True)
        unfinished.rename(path)
    except (OSError, tf.errors.OpError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise OSError(f"The SavedModel can't be written to {path} ({reason}); pass another path.") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


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


def _signature(inputs: dict[str, tf.Tensor], outputs: dict[str, tf.Tensor]):
    # By hand, because TensorFlow announces that its own function for this is deprecated.
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
