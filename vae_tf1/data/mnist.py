"""Finds MNIST: in IDX files, prepared by tensorflow-datasets, by download; or else the built-in digits."""

import hashlib
import importlib
import logging
import os
import tempfile
import threading
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import filelock
import numpy as np

from vae_tf1._files import sha256_of
from vae_tf1.data.idx import IDX_FILES, read_idx_files

MNIST_SHA256 = (
    "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
)
DATA_DIR = "VAE_TF1_DATA_DIR"  # environment variable
MNIST_URL = "https://storage.googleapis.com/cvdf-datasets/mnist/"  # tensorflow-datasets uses the same mirror
_MNIST_URLS = (MNIST_URL, "http://yann.lecun.com/exdb/mnist/")  # old programs name the second, which is gone
BUILTIN_DIR = Path(__file__).parent / "digits"

_REACH_SECONDS = 5.0


def find_data(train_dir: Path, source: str, source_url: str) -> tuple[str, list[np.ndarray]]:
    """Returns the name and the four arrays of the data that `read_data_sets` describes.

    Args:
        train_dir: the caller's directory.
        source: "auto", which falls back on the built-in digits, or "mnist".
        source_url: where to download the four files from.
    """
    if train_dir.exists() and not train_dir.is_dir():
        raise NotADirectoryError(
            f"train_dir {train_dir} is a file; pass the directory that holds the data or is to hold it."
        )
    directories = [train_dir]
    if source_url not in _MNIST_URLS:
        _download_idx_files(source_url, train_dir)
    elif os.environ.get(DATA_DIR):
        directories.append(Path(os.environ[DATA_DIR]).expanduser())
    for directory in directories:
        if (found := _read_present(directory, source)) is not None:
            return found
    try:
        return "MNIST", _read_mnist(train_dir)
    except _UnreachableError as error:
        if source == "mnist":
            raise ConnectionError(
                f"MNIST is not in {train_dir}, and {error}; put the four IDX files there by hand."
            ) from error
        warnings.warn(
            f"These are the built-in digits, NOT MNIST: MNIST is not in {train_dir}, and {error}. "
            "Loss values are not comparable with MNIST's.",
            stacklevel=3,
        )
        return "built-in digits", read_idx_files(BUILTIN_DIR)


def maybe_download(filename: str, work_directory: str | os.PathLike[str], source_url: str) -> str:
    """Downloads `source_url` to `filename` in `work_directory` unless it exists, and returns its path.

    Raises:
        OSError: the file can't be downloaded or written.
    """
    path = Path(work_directory).expanduser() / filename
    if not path.exists():
        _check_writable(path.parent)
        try:
            _check_reachable(source_url)
            _download(source_url, path)
        except _UnreachableError as error:
            raise ConnectionError(f"{path} does not exist, and {error}; put it there by hand.") from error
    return str(path)


def _read_present(directory: Path, source: str) -> tuple[str, list[np.ndarray]] | None:
    """Returns the name and the four arrays of the data in the directory, or None if it has none."""
    present = [name for name in IDX_FILES if (directory / name).is_file()]
    if len(present) == len(IDX_FILES):
        is_mnist = all(sha256_of(directory / name) == sha for name, sha in zip(IDX_FILES, MNIST_SHA256))
        if source == "mnist" and not is_mnist:
            raise ValueError(
                f"The IDX files in {directory} are not MNIST's (SHA-256); "
                'replace them, or pass source="auto" to read what is there.'
            )
        return ("MNIST" if is_mnist else f"IDX files in {directory}"), read_idx_files(directory)
    if present:
        missing = sorted(set(IDX_FILES) - set(present))
        raise FileNotFoundError(
            f"{directory} holds some of the four IDX files but not {', '.join(missing)}; add or remove files there."
        )
    manual = directory / "downloads" / "manual"
    if any(directory.glob("mnist/*/dataset_info.json")) or all((manual / name).is_file() for name in IDX_FILES):
        return "MNIST", _read_mnist(directory)
    return None


def _download_idx_files(source_url: str, train_dir: Path) -> None:
    """Downloads those of the four files that `train_dir` lacks; they have no known checksums."""
    for name in IDX_FILES:
        maybe_download(name, train_dir, f"{source_url.rstrip('/')}/{name}")


class _UnreachableError(Exception):
    """A download failed; the message is a clause that says why."""


def _read_mnist(data_dir: Path) -> list[np.ndarray]:
    """Returns MNIST's four arrays as tensorflow-datasets prepares them, in the order of the original files.

    Where tensorflow-datasets can't be imported, they are read from these files.
    """
    import tensorflow.compat.v1 as tf

    manual = data_dir / "downloads" / "manual"
    try:
        tfds = _import_tfds()
    except Exception as error:  # any library that it needs may raise anything
        print(
            f"tensorflow-datasets can't be imported ({type(error).__name__}), so MNIST's files in {manual} are read "
            "without it.",
            flush=True,
        )
        _fetch(manual)
        return read_idx_files(manual)
    builder = tfds.builder("mnist", data_dir=data_dir)
    if not _is_prepared(builder):
        _check_writable(data_dir)
        with filelock.FileLock(data_dir / ".lock"):  # a second process waits, then reads what the first prepared
            builder = tfds.builder("mnist", data_dir=data_dir)
            if not _is_prepared(builder):
                _fetch(manual)
                builder.download_and_prepare()
    # A separate graph adds no operation to the caller's, and works in eager and in graph mode.
    with tf.Graph().as_default():
        train, test = tfds.as_numpy(builder.as_dataset(split=["train", "test"], batch_size=-1))
    return [*_in_file_order(train, "train"), *_in_file_order(test, "test")]


def _import_tfds() -> ModuleType:
    """Imports tensorflow-datasets; a library that it lacks is an error here, where it would only log a message."""
    absl = logging.getLogger("absl")
    disabled, absl.disabled = absl.disabled, True
    try:
        return importlib.import_module("tensorflow_datasets.public_api")
    finally:
        absl.disabled = disabled


def _is_prepared(builder: Any) -> bool:
    return builder.data_path.exists() and builder.is_prepared()  # is_prepared alone warns about a missing directory


def _check_writable(data_dir: Path) -> None:
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=data_dir):
            pass
    except OSError as error:
        raise type(error)(
            f"train_dir {data_dir} can't be written ({error.strerror}); pass another directory."
        ) from error


def _fetch(manual: Path) -> None:
    """Downloads those of MNIST's four files that the directory lacks, and checks all four."""
    files = list(zip(IDX_FILES, MNIST_SHA256))
    missing = [(name, sha256) for name, sha256 in files if not (manual / name).is_file()]
    if missing:
        _check_reachable(MNIST_URL)
        _check_writable(manual)
        for name, sha256 in missing:
            _download(f"{MNIST_URL}{name}", manual / name, sha256)
    for name, sha256 in files:
        if sha256_of(manual / name) != sha256:
            raise ValueError(f"{manual / name} has the wrong SHA-256, so it is not MNIST's; delete it and try again.")


def _check_reachable(url: str) -> None:
    """Waits at most 5 seconds for any response from the host; the environment's proxies are used.

    Raises:
        _UnreachableError: there was none.
    """
    import requests

    outcomes: list[Exception | None] = []

    def request() -> None:
        try:
            requests.head(url, timeout=_REACH_SECONDS, allow_redirects=False)
            outcomes.append(None)
        except Exception as error:  # whatever it is, the host gave no response
            outcomes.append(error)

    # In a thread, because the timeout of a connection does not cover the lookup of the host's name.
    thread = threading.Thread(target=request, daemon=True)
    thread.start()
    thread.join(_REACH_SECONDS)
    if not outcomes:
        raise _UnreachableError(f"{url} did not answer within {_REACH_SECONDS:.0f} seconds")
    if (error := outcomes[0]) is not None:
        raise _UnreachableError(f"{url} can't be reached ({type(error).__name__})") from error


def _download(url: str, path: Path, sha256: str | None = None) -> None:
    """Downloads to `path`, which appears only when it is complete and has its checksum.

    (tensorflow-datasets has no timeout, so it does not do this here.)

    Raises:
        _UnreachableError: the download failed; nothing is left of it.
    """
    import requests

    part = path.with_suffix(".part")
    retry = requests.adapters.Retry(3, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504], raise_on_status=False)
    try:
        with requests.Session() as session:
            session.mount(url, requests.adapters.HTTPAdapter(max_retries=retry))
            with session.get(url, stream=True, timeout=_REACH_SECONDS) as response, part.open("wb") as file:
                if not response.ok:
                    raise _UnreachableError(f"{url} answers {response.status_code} {response.reason}")
                for block in response.iter_content(2**16):
                    file.write(block)
        if sha256 is not None and sha256_of(part) != sha256:
            raise _UnreachableError(f"the file from {url} is not MNIST's file: its SHA-256 differs")
        part.replace(path)
    except requests.RequestException as error:
        raise _UnreachableError(f"{url} can't be downloaded ({type(error).__name__})") from error
    except OSError as error:
        raise type(error)(
            f"{path} can't be written ({error.strerror or error}); make room there, or pass another directory."
        ) from error
    finally:
        part.unlink(missing_ok=True)


def _in_file_order(rows: Mapping[str, np.ndarray], split: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns images and labels in the original file's order; tensorflow-datasets sorts rows by a hash."""
    count = len(rows["label"])
    stored = sorted(range(count), key=lambda i: hashlib.md5(f"{split}{i}".encode()).digest())
    images = np.empty((count, 28, 28), np.uint8)
    labels = np.empty(count, np.uint8)
    images[stored], labels[stored] = rows["image"][..., 0], rows["label"]
    return images, labels
