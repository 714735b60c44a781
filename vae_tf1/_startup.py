"""Imports TensorFlow without the messages that it prints at its start, and silences one that tf-slim causes.

Its C++ code writes them (which CPU instructions it uses, that there is no GPU) before any of its settings is read, so
they are caught at the file descriptor. Set TF_CPP_MIN_LOG_LEVEL=0, or import TensorFlow first, to see them.
"""

import contextlib
import functools
import os
import sys
import tempfile
import warnings
from importlib.metadata import PackageNotFoundError, version

LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


@contextlib.contextmanager
def stderr_held_back():
    """Nothing reaches file descriptor 2 inside; what came is shown after all if an error leaves."""
    if os.environ.get(LOG_LEVEL) == "0":
        yield
        return
    try:
        stderr = os.dup(2)
    except OSError:  # closed: nothing is shown anyway
        yield
        return
    with tempfile.TemporaryFile() as held_back:
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        except Exception:
            held_back.seek(0)
            os.write(stderr, held_back.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def check_tensorflow_probability(tensorflow: str, probability: str) -> None:
    """tensorflow-probability says which TensorFlow it needs when it is imported, but pip does not know it.

    Raises:
        ImportError: the two versions do not go together; the message says what to install.
    """
    minor = int(tensorflow.split(".")[1])
    needed = {15: "0.23", 16: "0.24", 17: "0.24"}.get(minor)
    if tensorflow.startswith("2.") and needed and not probability.startswith(f"{needed}."):
        raise ImportError(
            f"TensorFlow {tensorflow} needs tensorflow-probability {needed}, but {probability} is installed; "
            f'install it with: pip install "tensorflow-probability=={needed}.*"'
        )


def import_tensorflow() -> None:
    if "tensorflow" in sys.modules:
        return
    chosen = os.environ.get(LOG_LEVEL)
    os.environ[LOG_LEVEL] = chosen or "2"  # errors alone
    try:
        with stderr_held_back():
            import tensorflow  # noqa: F401
    finally:
        if chosen is None:
            del os.environ[LOG_LEVEL]


@functools.cache
def look_for_devices() -> None:
    """Has TensorFlow look for devices, as it does once in a process; where there is no GPU, CUDA says so on stderr."""
    import tensorflow as tf

    with stderr_held_back():
        tf.config.list_physical_devices()


import_tensorflow()
with contextlib.suppress(PackageNotFoundError):  # a nightly build has another name
    check_tensorflow_probability(sys.modules["tensorflow"].__version__, version("tensorflow-probability"))
# TensorFlow announces this to tf-slim at each layer; whoever calls tf-slim can do nothing about it.
warnings.filterwarnings("ignore", message=r"`(layer\.apply|tf\.layers\.\w+)` is deprecated")
