"""MNIST as `tensorflow.examples.tutorials.mnist.input_data` gave it.

An old notebook changes one line:

    from vae_tf1 import input_data        # was: from tensorflow.examples.tutorials.mnist
    mnist = input_data.read_data_sets("MNIST_data/", one_hot=True)
    images, labels = mnist.train.next_batch(100)

Pixels are float32 in [0, 1]. With a seed, batches are those of TensorFlow 1.15, byte for byte.
"""

import hashlib
import math
from collections import namedtuple
from functools import cached_property
from pathlib import Path

import numpy as np

from vae_tf1.idx import IDX_FILES as IDX_FILES
from vae_tf1.idx import read_idx_files
from vae_tf1.mnist import BUILTIN_DIR, MNIST_URL, find_data

NUM_CLASSES = 10
DEFAULT_SOURCE_URL = MNIST_URL
_NO_FAKE_DATA = 'There is no fake data here; read the built-in digits with source="builtin" instead.'


def binarize(images) -> np.ndarray:
    """Black-and-white images: 1 where a pixel is brighter than 0.5, 0 elsewhere.

    Args:
        images: [N, P], any real dtype, pixels in [0, 1].

    Returns:
        float32 [N, P] of 0 and 1.

    Raises:
        ValueError: the shape is not [N, P], or a pixel is outside [0, 1] or not a number.
    """
    images = np.asarray(images)
    if images.ndim != 2:
        raise ValueError(
            f"binarize takes images [N, pixels], not {list(images.shape)}; reshape them to one row per image."
        )
    if images.size and not (images.min() >= 0 and images.max() <= 1):  # NaN fails both
        raise ValueError(
            f"binarize takes pixels in [0, 1], but these span [{images.min()}, {images.max()}]; "
            "divide 8-bit pixels by 255, and replace NaNs."
        )
    return (images > 0.5).astype(np.float32)


class DataSet:
    """Images and labels that are handed out in shuffled batches, epoch after epoch.

    Args:
        images: uint8 [N, rows, columns], pixels 0 to 255.
        labels: uint8 [N], or one-hot float64 [N, 10].
        random_state: what shuffles; the three sets of a `Datasets` share one, as in TensorFlow 1.15.
        dtype: float32 scales pixels to [0, 1]; uint8 leaves them as they are.
        reshape: flatten an image to one row of rows * columns pixels; otherwise it keeps [rows, columns, 1].

    Attributes:
        images: [N, P] (or [N, rows, columns, 1]), in the file's order whatever has been drawn.
        labels: [N] or [N, 10], in the same order.
        num_examples: N.
        image_shape: rows and columns of an image, which are in `images` one after another.
        epochs_completed: how often every row has been handed out.
    """

    def __init__(self, images, labels, random_state: np.random.RandomState, *, dtype=np.float32, reshape=True):
        if len(images) != len(labels):
            raise ValueError(f"There are {len(images)} images but {len(labels)} labels; pass one label per image.")
        self._dtype = _image_dtype(dtype)
        self.image_shape = images.shape[1:3]
        self._bytes = images.reshape(len(images), math.prod(images.shape[1:])) if reshape else images[..., np.newaxis]
        self.labels = labels
        self.num_examples = len(images)
        self.epochs_completed = 0
        self._random_state = random_state
        self._order = np.arange(self.num_examples)
        self._next = 0

    @cached_property
    def images(self) -> np.ndarray:
        return self._pixels(self._bytes)

    def _pixels(self, images: np.ndarray) -> np.ndarray:
        if self._dtype == np.uint8:
            return images
        # Multiplied, not divided: the last bit is TensorFlow 1.15's.
        return np.multiply(images, np.float32(1.0 / 255.0), dtype=np.float32)

    def _shuffle(self) -> None:
        permutation = np.arange(self.num_examples)
        self._random_state.shuffle(permutation)
        self._order = self._order[permutation]

    @cached_property
    def black_and_white(self) -> np.ndarray:
        """uint8 [N, pixels], in the file's order: 1 where a pixel is brighter than 0.5, as `binarize` has it."""
        return (self._bytes > 127).view(np.uint8).reshape(self.num_examples, -1)

    def next_batch(self, batch_size: int, fake_data: bool = False, shuffle: bool = True):
        """The next `batch_size` images and labels, as TensorFlow 1.15's `next_batch` draws them.

        Args:
            batch_size: from 1 to `num_examples`.
            fake_data: only False; for data without a download there are the built-in digits.
            shuffle: False leaves the rows in their present order.

        Returns:
            images [batch_size, P] and labels [batch_size] (or [batch_size, 10]); copies, safe to write to.

        Raises:
            ValueError: `batch_size` is out of range, or `fake_data` is set.
        """
        if fake_data:
            raise ValueError(_NO_FAKE_DATA)
        rows = self.next_rows(batch_size, shuffle=shuffle)
        return self._pixels(self._bytes[rows]), self.labels[rows]

    def next_rows(self, batch_size: int, *, shuffle: bool = True) -> np.ndarray:
        """The rows of the next batch: which images `next_batch` would have given; it then gives those after them.

        The rows are shuffled before the first batch. A batch that reaches over the end of an epoch takes what is
        left, then the rows are shuffled again and it is filled from their front.

        Args:
            batch_size, shuffle: as of `next_batch`.

        Returns:
            int [batch_size], positions in `images` and `labels`.

        Raises:
            ValueError: `batch_size` is out of range.
        """
        if not 1 <= batch_size <= self.num_examples:
            raise ValueError(
                f"batch_size is {batch_size}; pass 1 to {self.num_examples}, the number of rows of this set."
            )
        if shuffle and self._next == 0 and self.epochs_completed == 0:
            self._shuffle()
        end = self._next + batch_size
        rows = self._order[self._next : end].copy()
        if end > self.num_examples:
            self.epochs_completed += 1
            if shuffle:
                self._shuffle()
            end -= self.num_examples
            rows = np.concatenate([rows, self._order[:end]])
        self._next = end
        return rows

    def part(self, *, labels=None, rows=None, random_state: np.random.RandomState | None = None) -> "DataSet":
        """Some of the images with their labels, as a data set of their own.

            zeros_and_ones = mnist.train.part(labels=[0, 1])
            first_thousand = mnist.train.part(rows=slice(1000))

        Args:
            labels: classes to keep, such as [0, 1]; None keeps all.
            rows: positions in `images`: a slice, whole numbers, or one truth value per image. Given both, of the images
                with those labels.
            random_state: what shuffles the part; None takes a new generator, without a seed.

        Returns:
            A `DataSet`, from whose batches nothing has been drawn.

        Raises:
            ValueError: there is no image with one of the `labels`.
        """
        chosen = np.arange(self.num_examples)
        if labels is not None:
            missing = sorted(set(np.ravel(labels).tolist()) - set(self._classes.tolist()))
            if missing:
                raise ValueError(f"No image here has the label {missing[0]}; pass labels from 0 to {NUM_CLASSES - 1}.")
            chosen = np.flatnonzero(np.isin(self._classes, labels))
        if rows is not None:
            chosen = chosen[rows]
        flat = self._bytes.ndim == 2
        images = self._bytes[chosen].reshape(-1, *self.image_shape)
        random_state = random_state or np.random.RandomState()
        return DataSet(images, self.labels[chosen], random_state, dtype=self._dtype, reshape=flat)

    @property
    def _classes(self) -> np.ndarray:
        return self.labels if self.labels.ndim == 1 else self.labels.argmax(axis=1)

    def get_state(self) -> dict[str, np.ndarray]:
        """What the coming batches depend on, beside the data: arrays that `set_state` takes."""
        generator = self._random_state.get_state(legacy=False)["state"]
        return {
            "order": self._order.astype(np.int32),
            "position": np.array([self._next, self.epochs_completed]),
            "generator": np.append(generator["key"], np.uint32(generator["pos"])),
        }

    def set_state(self, state) -> None:
        """Continues from where `get_state` was called."""
        self._order = state["order"].astype(np.int64)
        self._next, self.epochs_completed = (int(number) for number in state["position"])
        self._random_state.set_state(("MT19937", state["generator"][:-1], int(state["generator"][-1]), 0, 0.0))


class Datasets(namedtuple("Datasets", ["train", "validation", "test"])):
    """`train`, `validation` and `test`, each a `DataSet`.

    Attributes:
        name: which data it is.
        seed: of the shuffling, or None.
    """

    name: str
    seed: int | None

    def __new__(cls, train: DataSet, validation: DataSet, test: DataSet, name: str, seed: int | None = None):
        self = super().__new__(cls, train, validation, test)
        self.name = name
        self.seed = seed
        return self

    def __getnewargs__(self):
        return *self, self.name, self.seed

    def part(self, *, labels=None, rows=None) -> "Datasets":
        """The part of each of the three sets that `DataSet.part` gives, shuffled with the same seed.

        digits_below_five = mnist.part(labels=range(5))
        """
        labels = None if labels is None else np.ravel(labels).tolist()
        random_state = np.random.RandomState(self.seed)
        parts = [data_set.part(labels=labels, rows=rows, random_state=random_state) for data_set in self]
        said = "" if labels is None else f", labels {', '.join(map(str, labels))}"
        train, validation, test = parts
        return Datasets(train, validation, test, f"a part of {self.name}{said}", self.seed)

    def fingerprint(self) -> str:
        """SHA-256 over all images and labels in the file's order, however they were asked for (`one_hot`, `dtype`)."""
        sha256 = hashlib.sha256()
        for data_set in self:
            sha256.update(np.ascontiguousarray(data_set._bytes).data)
            sha256.update(data_set._classes.astype(np.uint8).data)
        return sha256.hexdigest()

    def get_state(self) -> dict[str, np.ndarray]:
        """What the coming batches depend on, beside the data: arrays that `set_state` takes."""
        return {
            f"{name}_{key}": value
            for name, data_set in zip(self._fields, self)
            for key, value in data_set.get_state().items()
        }

    def set_state(self, state) -> None:
        """Continues from where `get_state` was called; further entries of `state` are ignored."""
        for name, data_set in zip(self._fields, self):
            data_set.set_state({key: state[f"{name}_{key}"] for key in data_set.get_state()})


def read_data_sets(
    train_dir,
    fake_data: bool = False,
    one_hot: bool = False,
    dtype=np.float32,
    reshape: bool = True,
    validation_size: int = 5000,
    seed: int | None = None,
    source_url: str = DEFAULT_SOURCE_URL,
    *,
    source: str = "auto",
) -> Datasets:
    """Reads MNIST, or any data set in the same four IDX files; arguments in the order of TensorFlow 1.15.

    It is taken from the first of these that is there:

    1. the four `.gz` files in `train_dir` (`train-images-idx3-ubyte.gz` and so on; Fashion-MNIST's too);
    2. tensorflow-datasets in `train_dir`, prepared there now if it was not (a download of 11.6 MB, checked);
    3. the built-in digits, when the files can't be downloaded (an unreachable host is detected within 5
       seconds). They are not MNIST, and losses on the two are not comparable: a line is printed that says so.

    Args:
        train_dir: directory of the data; made when there is something to download.
        fake_data: only False; for data without a download there are the built-in digits.
        one_hot: labels as float64 [N, 10] instead of uint8 [N].
        dtype: of the images, float32 in [0, 1] or uint8 in 0 to 255 (TensorFlow's types are taken too).
        reshape: images as [N, 784] instead of [N, 28, 28, 1]; files of images of another size give [N, rows * columns].
        validation_size: how many rows, from the front of the train file, become the validation set.
        seed: of the shuffling; with None every call shuffles differently.
        source_url: where to download the four files from into `train_dir`, unless they are there; such as the address
            that Fashion-MNIST's README gives. They have no known checksums. The default is the list above.
        source: "auto" is the list above; "mnist" takes nothing but MNIST; "builtin" is the built-in digits.

    Returns:
        `Datasets` with `train` (55000 rows of MNIST), `validation` (5000), `test` (10000) and `name`.

    Raises:
        TypeError: `dtype` is neither float32 nor uint8.
        ValueError: `fake_data` is set, `source` or `validation_size` is not one of those above, a file is damaged, two
            files do not belong together, or a file that was placed by hand does not have the checksum it should have.
        OSError: `train_dir` is a file, can't be written, or holds only some of the four files; or, with
            `source="mnist"` or a `source_url`, the files can't be downloaded.
    """
    if fake_data:
        raise ValueError(_NO_FAKE_DATA)
    dtype = _image_dtype(dtype)
    if source == "builtin":
        name, arrays = "built-in digits", read_idx_files(BUILTIN_DIR)
    elif source in ("auto", "mnist"):
        name, arrays = find_data(
            Path(train_dir).expanduser(), source, None if source_url == DEFAULT_SOURCE_URL else source_url
        )
    else:
        raise ValueError(f'source is {source!r}; pass "auto", "mnist" or "builtin".')
    train_images, train_labels, test_images, test_labels = arrays
    if not 0 <= validation_size <= len(train_images):
        raise ValueError(
            f"validation_size is {validation_size}; the train file of {name} has 0 to {len(train_images)} rows to give."
        )
    if one_hot:
        train_labels, test_labels = _one_hot(train_labels, name), _one_hot(test_labels, name)
    random_state = np.random.RandomState(seed)

    def data_set(images, labels):
        return DataSet(images, labels, random_state, dtype=dtype, reshape=reshape)

    return Datasets(
        train=data_set(train_images[validation_size:], train_labels[validation_size:]),
        validation=data_set(train_images[:validation_size], train_labels[:validation_size]),
        test=data_set(test_images, test_labels),
        name=name,
        seed=seed,
    )


def _image_dtype(dtype) -> np.dtype:
    given, dtype = dtype, getattr(dtype, "as_numpy_dtype", dtype)  # tf.float32 and its like
    if dtype is None or dtype not in (np.float32, np.uint8, "float32", "uint8"):
        raise TypeError(f"dtype is {given!r}; images are read as float32 or uint8.")
    return np.dtype(dtype)


def _one_hot(labels: np.ndarray, name: str) -> np.ndarray:
    if labels.size and labels.max() >= NUM_CLASSES:
        raise ValueError(
            f"Labels of {name} reach {labels.max()}, past the {NUM_CLASSES} classes of one_hot; "
            "read it with one_hot=False."
        )
    return np.eye(NUM_CLASSES)[labels]
