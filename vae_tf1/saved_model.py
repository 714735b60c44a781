"""Export to TensorFlow's SavedModel format, which programs can load without this package."""

import os
import re
import warnings
from pathlib import Path

import tensorflow.compat.v1 as tf
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef, TensorInfo

from vae_tf1._checks import as_path
from vae_tf1._files import FilePath, write_aside
from vae_tf1.graph.clone import GraphClone, Sources
from vae_tf1.graph.walk import upstream_of
from vae_tf1.inputs import constants
from vae_tf1.training import interrupts
from vae_tf1.vae import VAE, check_session, check_vae, clone_model

_OWN_FILE = re.compile(r"(saved_model|fingerprint)\.pb|variables/variables\.(index|data-[0-9]{5}-of-[0-9]{5})")


def export_saved_model(
    sess: tf.Session, vae: VAE, path: FilePath, *, overwrite: bool = False, feed: dict | None = None
) -> None:
    """Writes a SavedModel with three signatures, each for any number N of rows; these tensors are float32.

    | signature | inputs | outputs |
    |---|---|---|
    | `encode` | `images` [N, P], 0 or 1 | `mean`, `log_variance` [N, D] of q(z\\|x) |
    | `decode` | `z` [N, D] | `probabilities` [N, P] that a pixel is white |
    | `reconstruct` | `images` [N, P], 0 or 1 | `probabilities` [N, P], decoded from the mean of q(z\\|x) |

    A TensorFlow 2 program calls `tf.saved_model.load(path).signatures["encode"](images=...)`; a TensorFlow 1 program
    calls `tf.saved_model.load(sess, ["serve"], path)` and takes the tensor names from its `signature_def`.

    For a likelihood other than Bernoulli, `probabilities` is its mean. If `vae.mu_logvar` is None, `encode` returns a
    sample `z` instead, and `reconstruct` decodes that.

    The exported model is the one in the graph of `vae`, however it was built, including noise such as dropout. Other
    placeholders that it depends on become further inputs of the signatures.

    Args:
        sess: a session that holds the weights.
        vae: from `build_vae` or made by hand, in the graph of `sess`.
        path: directory to write to.
        overwrite: replace an existing SavedModel, once the new one is whole.
        feed: values of other placeholders, such as {is_training: False}, which become part of the exported model.

    Raises:
        TypeError: `vae` is not a `VAE`, `sess` is not a session, or `path` is not a path.
        ValueError: `sess` is closed, runs another graph or has no weights yet, `vae` decodes from more than z, or
            `path` has characters with which TensorFlow would not find the files.
        FileExistsError: `path` exists, and `overwrite` is not set or it is not a SavedModel that this function wrote.
        OSError: `path` can't be written, or is a mount point; what was there is unchanged.

    Warns:
        UserWarning: a `placeholder_with_default` that is not in `feed`, such as `is_training`, keeps its default.
    """
    destination = as_path(path, "path")
    if set(destination.as_posix()) & set("[\\"):
        raise ValueError(f"TensorFlow cannot load from {destination}; pass a path without brackets or backslashes.")
    check_vae(vae)
    check_session(sess, vae)

    def make_way(present: Path) -> None:
        if not overwrite:
            raise FileExistsError(f"{destination} already exists; pass overwrite=True, or another path.")
        if foreign := _find_foreign(present):
            raise FileExistsError(f"{destination} is not a SavedModel of this package ({foreign}); pass another path.")

    with interrupts.defer(), write_aside(destination, "The SavedModel", "pass another path", make_way) as aside:
        _write(sess, vae, aside, feed)


def _find_foreign(path: Path) -> str | None:
    """Says what distinguishes a directory from an exported SavedModel; None for a SavedModel, or if it is empty."""
    if not path.is_dir():
        return "it is not a directory" if os.path.lexists(path) else None
    files = [Path(root, name).relative_to(path).as_posix() for root, _, names in os.walk(path) for name in names]
    for name in sorted(files):
        if not _OWN_FILE.fullmatch(name):
            return f"it holds {name}"
    return "saved_model.pb is missing" if files and "saved_model.pb" not in files else None


def _write(sess: tf.Session, vae: VAE, path: Path, feed: dict | None) -> None:
    with tf.Graph().as_default():
        clone, sources = clone_model(sess, vae), constants(vae, feed)
        images = tf.placeholder(vae.x.dtype, [None, vae.x.shape[1]], "images")
        z = tf.placeholder(vae.z.dtype, [None, *vae.z.shape[1:]], "z")
        others = {
            tensor.op.name: (tensor, tf.placeholder(tensor.dtype, tensor.shape, f"fed/{tensor.op.name}"))
            for tensor in _other_placeholders(vae, [vae.x, *(tensor for tensor, _ in sources)])
        }
        sources += others.values()
        _warn_of_defaults(vae, [tensor for tensor, _ in sources])
        encoded = _encode(clone, vae, [(vae.x, images), *sources])
        signatures = {"encode": ({"images": images}, encoded)}
        code = encoded.get("mean", encoded.get("z"))
        for name, inputs, source in ("decode", {"z": z}, z), ("reconstruct", {"images": images}, code):
            decoded = clone.copy_distribution(vae.x_dist, [(vae.z, source), *sources], name).mean()
            signatures[name] = (inputs, {"probabilities": decoded})
        with clone.session() as session:
            builder = tf.saved_model.Builder(str(path))
            builder.add_meta_graph_and_variables(
                session,
                [tf.saved_model.SERVING],
                signature_def_map={
                    name: _signature({**inputs, **_used(others, outputs)}, outputs)
                    for name, (inputs, outputs) in signatures.items()
                },
            )
            builder.save()


def _encode(clone: GraphClone, vae: VAE, sources: Sources) -> dict[str, tf.Tensor]:
    dimensions = vae.z.shape.as_list()[1] if vae.z.shape.rank == 2 else None
    if vae.mu_logvar is None or not dimensions or vae.mu_logvar.shape.as_list()[1:] != [2 * dimensions]:
        return {"z": clone.copy([vae.z], sources, "encode")[0]}
    (mu_logvar,) = clone.copy([vae.mu_logvar], sources, "encode")
    mean, log_variance = tf.split(mu_logvar, 2, axis=1)
    return {"mean": mean, "log_variance": log_variance}


def _other_placeholders(vae: VAE, given: list[tf.Tensor]) -> list[tf.Tensor]:
    """The placeholders besides the images that encoding and decoding depend on."""
    names = {tensor.op.name for tensor in given}
    upstream = upstream_of([vae.x_hat, vae.z], given)
    return [each.outputs[0] for each in upstream if each.type == "Placeholder" and each.name not in names]


def _warn_of_defaults(vae: VAE, given: list[tf.Tensor]) -> None:
    names = {tensor.op.name for tensor in (vae.x, vae.z, *given)}  # the inputs of the signatures, and what is fed
    for each in upstream_of([vae.x_hat, vae.z], given):
        if each.type == "PlaceholderWithDefault" and each.name not in names:
            warnings.warn(
                f"{each.name} keeps its default in the exported model; pass its value in feed=, such as "
                "feed={is_training: False}.",
                stacklevel=4,
            )


def _used(others: dict, outputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """The placeholders among `others` that the outputs depend on."""
    upstream = set(upstream_of(list(outputs.values())))
    return {name: placeholder for name, (_, placeholder) in others.items() if placeholder.op in upstream}


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
