"""Reads MNIST as `tensorflow.examples.tutorials.mnist.input_data` did.

An old notebook changes one line:

    from vae_tf1 import input_data  # was: from tensorflow.examples.tutorials.mnist
    mnist = input_data.read_data_sets("MNIST_data/", one_hot=True)
    images, labels = mnist.train.next_batch(100)

Pixels are float32 in [0, 1]. With a seed, batches equal TensorFlow 1.15's byte for byte.
"""

import os
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from vae_tf1._checks import as_array, as_count, as_path
from vae_tf1.data import base as base
from vae_tf1.data.data_set import NUM_CLASSES, DataSet, Datasets
from vae_tf1.data.generators import as_seed, graph_seed, seed_generator
from vae_tf1.data.idx import IDX_FILES as IDX_FILES
from vae_tf1.data.idx import read_idx
from vae_tf1.data.mnist import MNIST_URL, find_data, read_builtin_digits
from vae_tf1.data.pixels import binarize as binarize
from vae_tf1.data.pixels import image_dtype

DEFAULT_SOURCE_URL = SOURCE_URL = MNIST_URL


def read_data_sets(
    train_dir: str | os.PathLike[str],
    fake_data: bool = False,
    one_hot: bool = False,
    dtype: Any = np.float32,
    reshape: bool = True,
    validation_size: int = 5000,
    seed: int | None = None,
    source_url: str = DEFAULT_SOURCE_URL,
    *,
    source: str = "auto",
) -> Datasets:
    """Reads MNIST, or any data set in the same four IDX files; arguments in the order of TensorFlow 1.15.

    The first of these that exists is used:

    1. the four `.gz` files in `train_dir` (`train-images-idx3-ubyte.gz` and so on; Fashion-MNIST's have the same
       names), or MNIST that tensorflow-datasets has prepared there;
    2. the same in the directory that the environment variable VAE_TF1_DATA_DIR names;
    3. a download of MNIST into `train_dir` (11.6 MB, with checksums), which tensorflow-datasets prepares there; if a
       directory holds some of MNIST's four files, only the others are downloaded;
    4. the built-in digits, if the download fails (an unreachable host is detected within 5 seconds). They are not
       MNIST, and losses on the two are not comparable: a `UserWarning` says so.

    Args:
        train_dir: directory of the data; created for a download.
        fake_data: return three sets of 10000 placeholder examples, for `next_batch(n, fake_data=True)`; nothing is
            read.
        one_hot: return labels as float64 [N, 10] instead of uint8 [N].
        dtype: type of the images: float32 for pixels in [0, 1], or uint8 for 0 to 255; TensorFlow's types are accepted.
        reshape: return images as [N, rows * columns], 784 for MNIST, instead of [N, rows, columns, 1].
        validation_size: how many rows, from the front of the train file, become the validation set.
        seed: seed of a private generator that shuffles all three sets. With None, as in TensorFlow 1.15, NumPy's
            global generator shuffles them. This function seeds that generator with the graph's seed
            (`tf.set_random_seed`) if there is one, and a later `np.random.seed` also determines the batches.
        source_url: where to download the four files from if `train_dir` lacks them, such as the address in
            Fashion-MNIST's README. They have no known checksums. With the default, the list above applies.
        source: "auto" follows the list above; "mnist" accepts only MNIST; "builtin" reads the built-in digits.

    Returns:
        `Datasets` with `train` (55000 rows of MNIST), `validation` (5000), `test` (10000) and `name`.

    Raises:
        TypeError: `dtype` is neither float32 nor uint8, `train_dir` is not a path, or `seed` or `validation_size` is
            not an integer.
        ValueError: `source` is not one of those above, `validation_size` is negative or exceeds the train file, a file
            is damaged, two files do not belong together, a file in `train_dir`/downloads/manual does not have MNIST's
            checksum, or the data that tensorflow-datasets prepared is damaged.
        OSError: `train_dir` is a file, can't be written, or holds only some of four files that are not MNIST's; or the
            download failed and `source` is "mnist" or `source_url` is given.
    """
    dtype = image_dtype(dtype)
    random_state = seed_generator(seed)
    seed = graph_seed() if seed is None else as_seed(seed)
    validation_size = as_count(validation_size, "validation_size")

    def data_set(images: np.ndarray, labels: np.ndarray) -> DataSet:
        return DataSet(images, labels, fake_data, one_hot, dtype, reshape, random_state=random_state)

    if fake_data:
        train, validation, test = (data_set(np.zeros([0]), np.zeros([0])) for _ in range(3))
        return Datasets(train, validation, test, name="fake data", seed=seed)
    if source == "builtin":
        name, arrays = read_builtin_digits()
    elif source in ("auto", "mnist"):
        name, arrays = find_data(as_path(train_dir, "train_dir"), source, source_url or DEFAULT_SOURCE_URL)
    else:
        raise ValueError(f'source is {source!r}; pass "auto", "mnist" or "builtin".')
    train_images, train_labels, test_images, test_labels = arrays
    if validation_size > len(train_images):
        raise ValueError(
            f"validation_size is {validation_size}; pass 0 to {len(train_images)}, "
            f"the number of rows in the train file of {name}."
        )
    train_images, test_images = train_images[..., np.newaxis], test_images[..., np.newaxis]
    if one_hot:
        train_labels, test_labels = (dense_to_one_hot(labels, NUM_CLASSES) for labels in (train_labels, test_labels))
    return Datasets(
        train=data_set(train_images[validation_size:], train_labels[validation_size:]),
        validation=data_set(train_images[:validation_size], train_labels[:validation_size]),
        test=data_set(test_images, test_labels),
        name=name,
        seed=seed,
    )


def load_mnist(train_dir: str | os.PathLike[str] = "MNIST-data") -> Datasets:
    """Reads MNIST with the defaults of `read_data_sets`, like `tensorflow.contrib.learn.datasets.mnist.load_mnist`."""
    return read_data_sets(train_dir)


def load_dataset(name: str) -> Datasets:
    """Reads the data set "mnist", like `tensorflow.contrib.learn.datasets.load_dataset`.

    Raises:
        ValueError: `name` is not "mnist"; scikit-learn has iris and the like.
    """
    if name != "mnist":
        raise ValueError(f'name is {name!r}; pass "mnist", or use sklearn.datasets for others.')
    return load_mnist()


def extract_images(f: Any) -> np.ndarray:
    """Reads the images of a gzip-compressed IDX file: uint8 [N, rows, columns, 1].

    Args:
        f: a path, or a file open for reading bytes.

    Raises:
        ValueError: it is damaged, or is not a file of images.
    """
    return read_idx(f, dimensions=3)[..., np.newaxis]


def extract_labels(f: Any, one_hot: bool = False, num_classes: int = NUM_CLASSES) -> np.ndarray:
    """Reads the labels of a gzip-compressed IDX file: uint8 [N], or one-hot float64 [N, num_classes].

    Args:
        f: a path, or a file open for reading bytes.
        one_hot: whether to return one-hot labels.
        num_classes: width of one-hot labels.

    Raises:
        ValueError: it is damaged, is not a file of labels, or a label is not below `num_classes`.
    """
    labels = read_idx(f, dimensions=1)
    return dense_to_one_hot(labels, num_classes) if one_hot else labels


def dense_to_one_hot(labels_dense: ArrayLike, num_classes: int) -> np.ndarray:
    """Returns labels [N] as one-hot float64 [N, num_classes].

    Raises:
        TypeError: `labels_dense` is not an array of real numbers, or `num_classes` is not an integer.
        ValueError: a label is not a whole number from 0 to `num_classes` - 1.
    """
    labels_dense = as_array(labels_dense, "labels_dense").ravel()
    num_classes = as_count(num_classes, "num_classes", 1)
    if not ((labels_dense >= 0) & (labels_dense < num_classes) & (labels_dense == np.floor(labels_dense))).all():
        raise ValueError(
            f"The labels are from {labels_dense.min()} to {labels_dense.max()}, but one_hot needs whole numbers "
            f"from 0 to {num_classes - 1}; read them with one_hot=False."
        )
    one_hot = np.zeros([len(labels_dense), num_classes])
    one_hot[np.arange(len(labels_dense)), labels_dense.astype(np.int64)] = 1
    return one_hot
