"""Finds MNIST in IDX files, prepared by tensorflow-datasets, or by download; or else the built-in digits."""

import contextlib
import hashlib
import importlib
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import filelock
import numpy as np

from vae_tf1._checks import as_path
from vae_tf1._files import sha256_of
from vae_tf1.data.download import UnreachableError, check_reachable, check_writable, download, maybe_download
from vae_tf1.data.idx import IDX_FILES, read_idx_files

MNIST_SHA256 = (
    "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
)
_PREPARED_SHA256 = (
    "06b0d1f124c4e5fa796686ade41a9b778edacc8622f2195a352ef479ad44fc16"  # of the four arrays, one after another
)
DATA_DIR = "VAE_TF1_DATA_DIR"  # environment variable
MNIST_URL = "https://storage.googleapis.com/cvdf-datasets/mnist/"  # tensorflow-datasets uses the same mirror
_MNIST_URLS = (MNIST_URL, "http://yann.lecun.com/exdb/mnist/")  # old programs name the second, which no longer works
BUILTIN_DIR = Path(__file__).parent / "digits"
_MANUAL = Path("downloads") / "manual"  # where tensorflow-datasets looks for files placed by hand


def find_data(train_dir: Path, source: str, source_url: str) -> tuple[str, list[np.ndarray]]:
    """Returns the name and the four arrays of the data that `read_data_sets` describes.

    Args:
        train_dir: the caller's directory.
        source: "auto", which falls back on the built-in digits, or "mnist".
        source_url: where to download the four files from.

    Raises:
        OSError, ValueError: as `read_data_sets`.

    Warns:
        UserWarning: these are the built-in digits.
    """
    if train_dir.exists() and not train_dir.is_dir():
        raise NotADirectoryError(
            f"train_dir {train_dir} is a file; pass the directory that holds the data, or will hold it."
        )
    directories = [train_dir]
    if source_url not in _MNIST_URLS:
        _download_idx_files(source_url, train_dir)
    elif os.environ.get(DATA_DIR):
        directories.append(as_path(os.environ[DATA_DIR], DATA_DIR))
    try:
        return _find_or_download(directories, source)
    except UnreachableError as error:
        missing = f"MNIST is not in {train_dir}"
        for directory in directories[1:]:
            missing += f", {DATA_DIR} names {directory}, which {'lacks it' if directory.is_dir() else 'does not exist'}"
        if source == "mnist":
            raise ConnectionError(f"{missing}, and {error}; put the four IDX files there by hand.") from error
        warnings.warn(
            f"These are the built-in digits, NOT MNIST: {missing}, and {error}. "
            "Loss values are not comparable with MNIST's.",
            stacklevel=3,
        )
        return read_builtin_digits()


def _find_or_download(directories: list[Path], source: str) -> tuple[str, list[np.ndarray]]:
    """Returns the name and the four arrays of the first data found; downloads go to the first directory."""
    partial = False  # whether a directory holds some of MNIST's files, which rules out other data
    for directory in directories:
        found = _read_present(directory, "auto" if partial else source)
        if found is not None and (found[0] == "MNIST" or not partial):
            return found
        partial = partial or (found is None and _has_some_files(directory))
    if partial:
        others = [*directories[1:], *(directory / _MANUAL for directory in directories)]
        return "MNIST", _read_mnist_files(_fetch(directories[0], *others))
    return "MNIST", _read_mnist(directories[0])


def read_builtin_digits() -> tuple[str, list[np.ndarray]]:
    """Returns the name and the four arrays of the built-in digits."""
    return "built-in digits", read_idx_files([BUILTIN_DIR / name for name in IDX_FILES])[0]


def _read_present(directory: Path, source: str) -> tuple[str, list[np.ndarray]] | None:
    """Returns the name and the four arrays of the data in the directory, or None if there is no complete data."""
    paths = [directory / name for name in IDX_FILES]
    if all(path.is_file() for path in paths):
        arrays, checksums = read_idx_files(paths)
        is_mnist = checksums == list(MNIST_SHA256)
        if source == "mnist" and not is_mnist:
            raise ValueError(
                f"The IDX files in {directory} are not MNIST's (SHA-256); "
                'replace them, or pass source="auto" to read what is there.'
            )
        return ("MNIST" if is_mnist else f"IDX files in {directory}"), arrays
    manual = all((directory / _MANUAL / name).is_file() for name in IDX_FILES)
    if manual or any(directory.glob("mnist/*/dataset_info.json")):
        return "MNIST", _read_mnist(directory)
    return None


def _has_some_files(directory: Path) -> bool:
    """Whether the directory holds some of MNIST's four files; raises FileNotFoundError if one is not MNIST's."""
    present = [name for name in IDX_FILES if (directory / name).is_file()]
    for name, sha256 in zip(IDX_FILES, MNIST_SHA256):
        if name in present and sha256_of(directory / name) != sha256:
            missing = ", ".join(sorted(set(IDX_FILES) - set(present)))
            raise FileNotFoundError(
                f"{directory} holds some of the four IDX files but not {missing}, and {name} is not MNIST's; "
                "add the missing files, or remove the others."
            )
    return bool(present)


def _download_idx_files(source_url: str, train_dir: Path) -> None:
    """Downloads those of the four files that `train_dir` lacks; their checksums are unknown."""
    for name in IDX_FILES:
        maybe_download(name, train_dir, f"{source_url.rstrip('/')}/{name}")


def _read_mnist(data_dir: Path) -> list[np.ndarray]:
    """Returns MNIST's four arrays as tensorflow-datasets prepares them, in the order of the original files.

    If tensorflow-datasets can't be imported, they are read from these files directly.
    """
    manual = data_dir / _MANUAL
    try:
        tfds = _import_tfds()
    except Exception as error:  # any library that it needs may raise anything
        print(
            f"tensorflow-datasets can't be imported ({type(error).__name__}), so MNIST's files in {manual} are read "
            "directly.",
            flush=True,
        )
        return _read_mnist_files(_fetch(manual))
    if not _is_prepared(tfds, data_dir):
        check_writable(data_dir)
        with filelock.FileLock(data_dir / ".lock"):  # a second process waits, then reads what the first prepared
            if not _is_prepared(tfds, data_dir):
                _fetch(manual)
                # By default, tensorflow-datasets takes an incomplete directory for a prepared one.
                again = tfds.download.DownloadConfig(download_mode=tfds.GenerateMode.REUSE_CACHE_IF_EXISTS)
                tfds.builder("mnist", data_dir=data_dir).download_and_prepare(download_config=again)
    return _read_prepared(tfds, data_dir)


def _read_mnist_files(paths: list[Path]) -> list[np.ndarray]:
    arrays, checksums = read_idx_files(paths)
    for path, found, sha256 in zip(paths, checksums, MNIST_SHA256):
        _check_mnist(path, found, sha256)
    return arrays


def _check_mnist(path: Path, found: str, sha256: str) -> None:
    if found != sha256:
        raise ValueError(f"{path} has the wrong SHA-256, so it is not MNIST's; delete it and try again.")


def _import_tfds() -> ModuleType:
    """Imports tensorflow-datasets with its log silenced; raises if a library that it needs is missing."""
    absl = logging.getLogger("absl")
    disabled, absl.disabled = absl.disabled, True
    try:
        return importlib.import_module("tensorflow_datasets.public_api")
    finally:
        absl.disabled = disabled


def _is_prepared(tfds: Any, data_dir: Path) -> bool:
    with _damage_explained(data_dir):
        builder = tfds.builder("mnist", data_dir=data_dir)
        return builder.data_path.exists() and builder.is_prepared()  # is_prepared warns about a missing directory


def _read_prepared(tfds: Any, data_dir: Path) -> list[np.ndarray]:
    import tensorflow.compat.v1 as tf

    # A separate graph leaves the caller's unchanged, and works in eager and in graph mode.
    with _damage_explained(data_dir), tf.Graph().as_default():
        builder = tfds.builder("mnist", data_dir=data_dir)
        train, test = tfds.as_numpy(builder.as_dataset(split=["train", "test"], batch_size=-1))
        arrays = [*_in_file_order(train, "train"), *_in_file_order(test, "test")]
        if hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest() != _PREPARED_SHA256:
            raise ValueError("the images or labels are not MNIST's")
    return arrays


@contextlib.contextmanager
def _damage_explained(data_dir: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # tensorflow-datasets, TensorFlow and Protocol Buffers each have errors of their own
        raise ValueError(
            f"What tensorflow-datasets prepared in {data_dir / 'mnist'} is damaged or incomplete "
            f"({type(error).__name__}); delete that directory and read the data again."
        ) from error


def _fetch(directory: Path, *others: Path) -> list[Path]:
    """Returns the paths of MNIST's four files; downloads those that no directory has to the first directory.

    Raises:
        UnreachableError: a download failed.
        ValueError: a file in the first directory is not MNIST's.
        OSError: the directory can't be written.
    """
    paths = []
    for name, sha256 in zip(IDX_FILES, MNIST_SHA256):
        paths.append(directory / name)
        if paths[-1].is_file():
            _check_mnist(paths[-1], sha256_of(paths[-1]), sha256)
            continue
        for path in (other / name for other in others):
            if path.is_file() and sha256_of(path) == sha256:
                paths[-1] = path
    missing = [(path, sha256) for path, sha256 in zip(paths, MNIST_SHA256) if not path.is_file()]
    if missing:
        check_reachable(MNIST_URL)
        check_writable(directory)
        for path, sha256 in missing:
            download(f"{MNIST_URL}{path.name}", path, sha256)
    return paths


def _in_file_order(rows: Mapping[str, np.ndarray], split: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns images and labels in the order of the original files; tensorflow-datasets sorts rows by a hash."""
    count = len(rows["label"])
    stored = sorted(range(count), key=lambda i: hashlib.md5(f"{split}{i}".encode()).digest())
    images = np.empty((count, 28, 28), np.uint8)
    labels = np.empty(count, np.uint8)
    images[stored], labels[stored] = rows["image"][..., 0], rows["label"]
    return images, labels
