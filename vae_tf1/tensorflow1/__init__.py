"""TensorFlow 1.15's `tf` on today's TensorFlow: the one line that an old program changes.

    from vae_tf1 import tensorflow1 as tf  # was: import tensorflow as tf

From then on, the program's other imports of TensorFlow give TensorFlow 1.15's modules too. To leave a
program unchanged, run it with `python -m vae_tf1.tensorflow1 program.py`; in a notebook, put
`%load_ext vae_tf1.tensorflow1` into the first cell.

It is `tensorflow.compat.v1` with TensorFlow 2's behaviour switched off, plus what that lacks: `tf.contrib` and
`tensorflow.examples.tutorials.mnist`, `tf.layers`, `tf.keras` and `tf.nn.rnn_cell` (tf-keras), and names that NumPy and
SciPy have dropped. A name without a counterpart raises an `AttributeError` or `ImportError` that says what to write
instead. notebooks/old_notebooks.md lists what is covered.

Importing it changes TensorFlow, tf-keras, tf-slim and NumPy for the whole process, so import it first.
"""

from vae_tf1 import input_data as _input_data  # noqa: F401  # first, because it imports TensorFlow  # isort: skip
import tensorflow.compat.v1 as _tf

from vae_tf1.tensorflow1._setup import contrib as contrib
from vae_tf1.tensorflow1._setup import examples as examples
from vae_tf1.tensorflow1._setup import get as __getattr__  # noqa: F401
from vae_tf1.tensorflow1._setup import keras as keras
from vae_tf1.tensorflow1._setup import layers as layers
from vae_tf1.tensorflow1._setup import python as python

__version__ = _tf.__version__


def __dir__() -> list[str]:
    return sorted({*dir(_tf), "contrib", "examples"})


__all__ = [name for name in __dir__() if not name.startswith("_")]  # of `from tensorflow import *`


def load_ipython_extension(ipython) -> None:
    """Called by `%load_ext vae_tf1.tensorflow1`; importing this module has already done the work."""
