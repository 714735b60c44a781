"""Fixtures that all tests share: a fresh graph, the built-in digits, and MNIST if it is present."""

import copy
import os
import signal
from pathlib import Path

# Like the notebooks: TensorFlow's own kernels instead of oneDNN's, because they round as TensorFlow 1.15 did.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("TQDM_DISABLE", "1")

# A shell starts background jobs with Ctrl-C ignored, but some tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)

import pytest

import vae_tf1  # before TensorFlow, to suppress the messages that TensorFlow prints on import

import tensorflow.compat.v1 as tf  # isort: skip


DATA = Path(os.environ.get("VAE_TF1_DATA_DIR", Path(__file__).parent.parent / "data"))


@pytest.fixture(autouse=True)
def _no_data_directory(monkeypatch):
    """Hides the environment's data directory from the tests, some of which need directories without data."""
    monkeypatch.delenv("VAE_TF1_DATA_DIR", raising=False)


@pytest.fixture
def graph():
    """A new graph, which is the default graph during the test."""
    with tf.Graph().as_default() as graph:
        yield graph


@pytest.fixture(scope="session")
def _digits():
    return vae_tf1.read_data_sets("unused", source="builtin")


@pytest.fixture
def digits(_digits):
    """The built-in digits, unseeded: for tests that draw no batches, or any batches."""
    return copy.deepcopy(_digits)


@pytest.fixture(scope="session")
def mnist_dir() -> Path:
    """The directory of MNIST's four IDX files; without them, the test is skipped."""
    for directory in DATA, DATA / "downloads" / "manual":
        if all((directory / name).is_file() for name in vae_tf1.input_data.IDX_FILES):
            return directory
    pytest.skip(f"MNIST's IDX files are not in {DATA}; set VAE_TF1_DATA_DIR")


@pytest.fixture(scope="session")
def mnist(mnist_dir):
    return vae_tf1.read_data_sets(mnist_dir, source="mnist")
