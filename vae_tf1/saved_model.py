"""Export to TensorFlow's SavedModel, which programs load that know nothing of this package."""

import shutil
from pathlib import Path

import tensorflow.compat.v1 as tf

from vae_tf1.model import IMAGE_PIXELS, VAE, decode, encoder
from vae_tf1.weights import load_weights, weights_of

_SAVED_MODEL_FILES = {"saved_model.pb", "variables", "assets", "assets.extra", "fingerprint.pb"}


def export_saved_model(sess: tf.Session, vae: VAE, path, *, overwrite: bool = False) -> None:
    """Writes a SavedModel with three signatures, each for any number N of images; all tensors are float32.

    | signature | inputs | outputs |
    |---|---|---|
    | `encode` | `images` [N, 784], 0 or 1 | `mean`, `log_variance` [N, D] of q(z\\|x) |
    | `decode` | `z` [N, D] | `probabilities` [N, 784] that a pixel is white |
    | `reconstruct` | `images` [N, 784], 0 or 1 | `probabilities` [N, 784], decoded from the mean of q(z\\|x) |

    A program of TensorFlow 2 runs `tf.saved_model.load(path).signatures["encode"](images=...)`, one in the style of
    TensorFlow 1 `tf.saved_model.load(sess, ["serve"], path)` with the tensor names of its `signature_def`.

    Args:
        sess: a session that holds the weights.
        vae: from `build_vae`, in the graph of `sess`.
        path: directory to write to.
        overwrite: replace a SavedModel that is there; it stays until the new one is whole.

    Raises:
        ValueError: `sess` is of another graph, or has no weights yet.
        FileExistsError: something is at `path`, and `overwrite` is not set or it is more than a SavedModel.
        OSError: `path` can't be written.
    """
    path = Path(path)
    if path.exists():
        if not overwrite:
            raise FileExistsError(f"{path} exists already; say overwrite=True, or give another path.")
        if not path.is_dir() or not {file.name for file in path.iterdir()} <= _SAVED_MODEL_FILES:
            raise FileExistsError(f"{path} holds other things than a SavedModel; give another path.")
    weights = weights_of(sess, vae)
    unfinished = path.with_name(f".{path.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        _write(weights, unfinished)
        shutil.rmtree(path, ignore_errors=True)
        unfinished.rename(path)
    except (OSError, tf.errors.OpError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise OSError(f"The SavedModel can't be written to {path} ({reason}); give another path.") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _write(weights: dict, path: Path) -> None:
    latent_dimensions, hidden_units = weights["decoder/fc1/weights"].shape
    with tf.Graph().as_default(), tf.Session(config=tf.ConfigProto(device_count={"GPU": 0})) as session:
        images = tf.placeholder(tf.float32, [None, IMAGE_PIXELS], name="images")
        z = tf.placeholder(tf.float32, [None, latent_dimensions], name="z")
        with tf.variable_scope("encoder"):
            mean, log_variance = tf.split(
                encoder(images, hidden_units=hidden_units, latent_dimensions=latent_dimensions), 2, axis=1
            )
        with tf.variable_scope("decoder") as scope:
            decoded = decode(z, hidden_units=hidden_units)[1].mean()
            scope.reuse_variables()
            reconstructed = decode(mean, hidden_units=hidden_units)[1].mean()
        load_weights(session, weights)
        signature = tf.saved_model.predict_signature_def
        builder = tf.saved_model.Builder(str(path))
        builder.add_meta_graph_and_variables(
            session,
            [tf.saved_model.SERVING],
            signature_def_map={
                "encode": signature({"images": images}, {"mean": mean, "log_variance": log_variance}),
                "decode": signature({"z": z}, {"probabilities": decoded}),
                "reconstruct": signature({"images": images}, {"probabilities": reconstructed}),
            },
        )
        builder.save()
