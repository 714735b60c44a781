"""Imports TensorFlow without its start-up messages, and silences one warning that tf-slim causes.

TensorFlow's C++ code writes these messages (CPU instructions, missing GPU) before it reads any setting, so they are
filtered at the file descriptor. To see them, set TF_CPP_MIN_LOG_LEVEL=0 or import TensorFlow first.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


# TensorFlow's messages that say nothing about the program: its progress, CPU instructions, a missing GPU.
_NOISE = (
    r"^(WARNING: All log messages before absl::InitializeLog|To enable the following instructions:"
    r"|([0-9-]+ [0-9:.]+: )?([IW][0-9 ]|E[0-9 ].*(cuda|cuInit|cuDNN|cuBLAS|cuFFT|computation_placer)))"
)


@contextlib.contextmanager
def stderr_without_noise() -> Iterator[None]:
    """Passes file descriptor 2 through `grep`, which drops TensorFlow's noise.

    All other lines reach stderr: those of other threads, and the last words of a process that dies in the block.
    """
    try:
        stderr, grep = os.dup(2), shutil.which("grep")
    except OSError:  # stderr is closed
        yield
        return
    if grep is None or os.environ.get(LOG_LEVEL) == "0":
        os.close(stderr)
        yield
        return
    command = [grep, "--line-buffered", "-Ev", _NOISE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=stderr, env={"LC_ALL": "C"}) as filtered:
        assert filtered.stdin is not None
        os.dup2(filtered.stdin.fileno(), 2)
        filtered.stdin.close()
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def check_tensorflow_probability(tensorflow: str, probability: str) -> None:
    """Checks that the two versions are compatible, which pip's metadata does not ensure.

    Raises:
        ImportError: they are not; the message says what to install.
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
    os.environ[LOG_LEVEL] = chosen or "2"  # errors only
    try:
        with stderr_without_noise():
            import tensorflow_probability  # before TensorFlow, so that its parts are loaded lazily  # isort: skip
            import tensorflow

            tensorflow.config.list_physical_devices()  # without a GPU, CUDA complains on stderr the first time
    finally:
        if chosen is None:
            del os.environ[LOG_LEVEL]
    with contextlib.suppress(ModuleNotFoundError):  # it chooses its Keras here, which TF_USE_LEGACY_KERAS would break
        import tensorflow_probability.python.internal.tf_keras  # noqa: F401


def import_tqdm() -> None:
    """Imports tqdm without its warning that a notebook without ipywidgets gets a bar of plain text."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")
        import tqdm.auto  # noqa: F401


def restore_names_for_tf_slim() -> None:
    """Restores names that tf-slim expects in TensorFlow's internal modules, where newer versions lack them."""
    import tensorflow.compat.v1 as tf
    from tensorflow.python.framework import ops
    from tensorflow.python.ops import array_ops, control_flow_ops, variable_scope

    for module, names in (
        (ops, ("Tensor", "IndexedSlices")),
        (control_flow_ops, ("cond", "case", "while_loop", "Assert")),
        (array_ops, ("stack", "unstack")),
    ):
        for name in names:
            if not hasattr(module, name):
                setattr(module, name, getattr(tf, name))
    if not hasattr(variable_scope, "variable"):
        variable_scope.variable = tf.Variable


import_tensorflow()
import_tqdm()
restore_names_for_tf_slim()
with contextlib.suppress(PackageNotFoundError):  # a nightly build has another name
    check_tensorflow_probability(sys.modules["tensorflow"].__version__, version("tensorflow-probability"))
# TensorFlow warns tf-slim about this at every layer; the caller of tf-slim cannot do anything about it.
warnings.filterwarnings("ignore", message=r"`(layer\.apply|tf\.layers\.\w+)` is deprecated")
