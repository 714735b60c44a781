"""Images and labels in shuffled batches, as TensorFlow 1.15's `DataSet` hands them out."""

import copy
import hashlib
import math
from collections import namedtuple
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf
from numpy.typing import ArrayLike

NUM_CLASSES = 10
_FAKE_EXAMPLES = 10_000
_SEEDS = 2**31 - 1  # TensorFlow takes its seeds modulo this
_NUMPY_GENERATOR: np.random.RandomState = np.random.mtrand._rand  # the one that np.random.seed seeds


def binarize(images: ArrayLike) -> np.ndarray:
    """Returns black-and-white images: 1 where a pixel is brighter than 0.5, 0 elsewhere.

    Args:
        images: [N, P], any real dtype, pixels in [0, 1].

    Returns:
        float32 [N, P] of 0 and 1.

    Raises:
        ValueError: the shape is not [N, P], or a pixel is outside [0, 1] or NaN.
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


class _Rows:
    """The images or the labels of a set: an array of one row per example.

    The array stays as it was given, in the order of row numbers, and batches pick rows from it. Once it has been shown
    it is in the order of the batches, so that edits in place reach them, until the next shuffle.

    Args:
        array: [N, ...].
        scale: whether pixels 0 to 255 are to be scaled to [0, 1].
        shown_in: the row numbers of the array's rows, where somebody may hold it already.
    """

    def __init__(self, array: np.ndarray, *, scale: bool = False, shown_in: np.ndarray | None = None):
        self.array, self.scale = array, scale
        self._places = None if shown_in is None else _inverse(shown_in[: len(array)])

    def at(self, row_numbers: np.ndarray) -> np.ndarray:
        rows = self.array[row_numbers if self._places is None else self._places[row_numbers]]
        return _scaled(rows) if self.scale else rows

    def by_row_number(self) -> np.ndarray:
        """All rows, not scaled yet where `scale` is set."""
        return self.array if self._places is None else self.array[self._places]

    def show(self, order: np.ndarray) -> np.ndarray:
        if self._places is None:
            self.array, self.scale, self._places = self.at(order), False, _inverse(order)
        return self.array

    def put_back(self) -> None:
        """Undoes `show`; edits stay, but those made later to the array that was shown have no effect."""
        self.array, self._places = self.by_row_number(), None


class DataSet:
    """Images and labels that are handed out in shuffled batches, epoch after epoch.

    The attributes that programs reach for in TensorFlow 1.15's class of this name mean the same here: `_images`,
    `_labels`, `_num_examples`, `_epochs_completed` and `_index_in_epoch` can be read and set, edits of `images` and
    `labels` in place reach the batches, and both are shuffled before the first batch and at the end of each epoch.

    The number of a row is its position before the first shuffle.

    Args:
        images: [N, rows, columns] or [N, rows, columns, 1], pixels 0 to 255; with `reshape=False` of any shape.
        labels: [N], or one-hot [N, 10].
        fake_data: 10000 placeholder examples without data, drawn with `next_batch(n, fake_data=True)`.
        one_hot: whether the labels of fake data are one-hot; real labels are kept as they are.
        dtype: float32 scales pixels to [0, 1]; uint8 keeps them as they are.
        reshape: flatten each image to one row of rows * columns pixels.
        seed: seed of a private generator that shuffles; None shuffles with NumPy's global generator, as
            `seed_generator` describes.
        random_state: the generator that shuffles, instead of `seed`; the three sets of a `Datasets` share one.

    Attributes:
        images: [N, P] (or [N, rows, columns, 1]), in the current order.
        labels: [N] or [N, 10], in the same order.
        num_examples: N.
        image_shape: rows and columns of an image before it was flattened.
        epochs_completed: how many times every row has been handed out.

    Raises:
        TypeError: `dtype` is neither float32 nor uint8.
        ValueError: the numbers of images and labels differ, or `reshape` is set and the images do not have exactly
            one channel.
    """

    def __init__(
        self,
        images: ArrayLike,
        labels: ArrayLike,
        fake_data: bool = False,
        one_hot: bool = False,
        dtype: Any = np.float32,
        reshape: bool = True,
        seed: int | None = None,
        *,
        random_state: np.random.RandomState | None = None,
    ):
        images, labels = np.asarray(images), np.asarray(labels)
        self._dtype = image_dtype(dtype)
        if len(images) != len(labels):
            raise ValueError(f"There are {len(images)} images but {len(labels)} labels; pass one label per image.")
        self.image_shape = images.shape[1:3]
        if reshape and not fake_data:
            if images.ndim != 3 and (images.ndim != 4 or images.shape[3] != 1):
                raise ValueError(
                    f"The images are {list(images.shape)}; pass [N, rows, columns] or [N, rows, columns, 1], "
                    "or reshape=False."
                )
            images = images.reshape(len(images), math.prod(self.image_shape))
        self._order = np.arange(len(images))  # row numbers, in the order of the batches
        if self._dtype == np.uint8:
            self._image_rows = _Rows(images, shown_in=self._order)
        elif images.dtype == np.uint8:  # a copy, because edits of `images` must not reach the caller's array
            self._image_rows = _Rows(images.copy(), scale=True)
        else:
            self._image_rows = _Rows(_scaled(images))
        self._label_rows = _Rows(labels, shown_in=self._order)
        self._random_state = seed_generator(seed) if random_state is None else random_state
        self._fake_label = [1] + [0] * (NUM_CLASSES - 1) if one_hot else 0
        self._num_examples = _FAKE_EXAMPLES if fake_data else len(images)
        self._epochs_completed = 0
        self._index_in_epoch = 0

    @property
    def _images(self) -> np.ndarray:
        return self._image_rows.show(self._order)

    @_images.setter
    def _images(self, images: ArrayLike) -> None:
        images, labels = np.asarray(images), self._labels
        self._order = np.arange(len(images))
        self._image_rows = _Rows(images, shown_in=self._order)
        self._label_rows = _Rows(labels, shown_in=np.arange(len(labels)))

    @property
    def _labels(self) -> np.ndarray:
        return self._label_rows.show(self._order)

    @_labels.setter
    def _labels(self, labels: ArrayLike) -> None:
        self._label_rows = _Rows(np.asarray(labels), shown_in=self._order)

    @property
    def images(self) -> np.ndarray:
        return self._images

    @property
    def labels(self) -> np.ndarray:
        return self._labels

    @property
    def num_examples(self) -> int:
        return self._num_examples

    @property
    def epochs_completed(self) -> int:
        return self._epochs_completed

    @property
    def black_and_white(self) -> np.ndarray:
        """uint8 [N, pixels], by row number: 1 where a pixel is brighter than 0.5, as in `binarize`.

        Raises:
            ValueError: a pixel has been set to a value outside [0, 1].
        """
        images = self._image_rows.by_row_number()
        images = images.reshape(len(images), -1)
        if self._image_rows.scale or self._dtype == np.uint8:
            return (images > 127).view(np.uint8)
        return binarize(images).astype(np.uint8)

    def next_batch(self, batch_size: int, fake_data: bool = False, shuffle: bool = True):
        """Returns the next `batch_size` images and labels, those that TensorFlow 1.15's `next_batch` draws.

        Args:
            batch_size: from 0 to `num_examples`.
            fake_data: return lists of white images of 784 pixels, and of labels 0, instead.
            shuffle: False keeps the rows in their current order.

        Returns:
            images [batch_size, P] and labels [batch_size] (or [batch_size, 10]); copies, safe to write to.

        Raises:
            ValueError: `batch_size` is out of range, or the set has fewer images than examples.
        """
        if fake_data:
            return [[1] * 784] * batch_size, [self._fake_label] * batch_size
        return self.rows(self.next_rows(batch_size, shuffle=shuffle))

    def rows(self, row_numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The images and labels with these row numbers, as `next_batch` returns them."""
        return self._image_rows.at(row_numbers), self._label_rows.at(row_numbers)

    def next_rows(self, batch_size: int, *, shuffle: bool = True) -> np.ndarray:
        """Draws a batch like `next_batch`, but returns its row numbers.

        The rows are shuffled before the first batch. A batch that reaches past the end of an epoch takes the rows that
        are left; then the rows are shuffled again, and the first ones fill the batch.

        Args:
            batch_size: as in `next_batch`.
            shuffle: as in `next_batch`.

        Returns:
            int [batch_size], indices into `black_and_white`.

        Raises:
            ValueError: as in `next_batch`.
        """
        if len(self._order) < self._num_examples:
            raise ValueError(
                f"This set has {len(self._order)} images for its {self._num_examples} examples; "
                "draw from fake data with next_batch(batch_size, fake_data=True), or set _num_examples to that number."
            )
        if not 0 <= batch_size <= self._num_examples:
            raise ValueError(
                f"batch_size is {batch_size}; pass 0 to {self._num_examples}, the number of rows of this set."
            )
        if shuffle and self._index_in_epoch == 0 and self._epochs_completed == 0:
            self._shuffle()
        start, end = self._index_in_epoch, self._index_in_epoch + batch_size
        row_numbers = self._order[start : min(end, self._num_examples)].copy()
        if end > self._num_examples:
            self._epochs_completed += 1
            if shuffle:
                self._shuffle()
            end -= self._num_examples
            row_numbers = np.concatenate([row_numbers, self._order[:end]])
        self._index_in_epoch = end
        return row_numbers

    def _shuffle(self) -> None:
        permutation = np.arange(self._num_examples)
        self._random_state.shuffle(permutation)
        self._set_order(self._order[permutation])

    def _set_order(self, order: np.ndarray) -> None:
        self._image_rows.put_back()
        self._label_rows.put_back()
        self._order = order

    def part(
        self,
        *,
        labels: ArrayLike | None = None,
        rows: slice | ArrayLike | None = None,
        random_state: np.random.RandomState | None = None,
    ) -> "DataSet":
        """Returns some of the images with their labels as a data set of their own.

            zeros_and_ones = mnist.train.part(labels=[0, 1])
            first_thousand = mnist.train.part(rows=slice(1000))

        Args:
            labels: classes to keep, such as [0, 1]; None keeps all.
            rows: row numbers: a slice, whole numbers, or one truth value per image. With `labels` too, they count only
                the images with those labels.
            random_state: the generator that shuffles the part; None takes NumPy's global one.

        Returns:
            A `DataSet` from which no batch has been drawn.

        Raises:
            ValueError: no image has one of the `labels`.
        """
        chosen = np.sort(self._order[: self._num_examples])
        if labels is not None:
            classes = self._classes[chosen]
            missing = sorted(set(np.ravel(labels).tolist()) - set(classes.tolist()))
            if missing:
                raise ValueError(f"No image here has the label {missing[0]}; pass labels from 0 to {NUM_CLASSES - 1}.")
            chosen = chosen[np.isin(classes, labels)]
        if rows is not None:
            chosen = chosen[rows if isinstance(rows, slice) else np.asarray(rows)]
        part = copy.copy(self)
        part._image_rows = _Rows(self._image_rows.by_row_number()[chosen], scale=self._image_rows.scale)
        part._label_rows = _Rows(self._label_rows.by_row_number()[chosen])
        part._order = np.arange(len(chosen))
        part._num_examples, part._epochs_completed, part._index_in_epoch = len(chosen), 0, 0
        part._random_state = _NUMPY_GENERATOR if random_state is None else random_state
        return part

    @property
    def _classes(self) -> np.ndarray:
        """The labels as numbers, by row number."""
        labels = self._label_rows.by_row_number()
        return labels if labels.ndim == 1 else labels.argmax(axis=1)

    def update_hash(self, sha256: Any) -> None:
        """Feeds images and labels to the hash by row number, so that neither shuffling nor looking at them matters."""
        images = self._image_rows.by_row_number()
        if images.dtype == np.float32:
            pixels = np.rint(images * np.float32(255)).astype(np.uint8)
            if np.array_equal(_scaled(pixels), images):
                images = pixels
        sha256.update(np.ascontiguousarray(images).data)
        sha256.update(self._classes.astype(np.uint8).data)

    def get_state(self) -> dict[str, np.ndarray]:
        """Returns everything that the coming batches depend on except the data: arrays for `set_state`."""
        generator = self._random_state.get_state(legacy=False)["state"]
        return {
            "order": self._order.astype(np.int32),
            "position": np.array([self._index_in_epoch, self._epochs_completed]),
            "generator": np.append(generator["key"], np.uint32(generator["pos"])),
        }

    def set_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Continues from where `get_state` was called.

        Raises:
            KeyError, ValueError: the state is not one of this data set.
        """
        mine = self.get_state()
        if any(state[name].shape != mine[name].shape or state[name].dtype.kind not in "iu" for name in mine):
            raise ValueError("its arrays have other shapes or types")
        if not np.array_equal(np.sort(state["order"]), np.sort(mine["order"])):
            raise ValueError("its order is not one of these rows")
        (position, epochs), place = state["position"], state["generator"][-1]
        if not (0 <= position <= len(state["order"]) and epochs >= 0 and 0 <= place <= len(mine["generator"]) - 1):
            raise ValueError("its position is outside an epoch")
        self._set_order(state["order"].astype(np.int64))
        self._index_in_epoch, self._epochs_completed = (int(number) for number in state["position"])
        self._random_state.set_state(("MT19937", state["generator"][:-1], int(state["generator"][-1]), 0, 0.0))


class Datasets(namedtuple("Datasets", ["train", "validation", "test"])):
    """`train`, `validation` and `test`, each a `DataSet`.

    Attributes:
        name: which data it is.
        seed: seed of the shuffling, or None.
    """

    name: str = "data of your own"
    seed: int | None = None

    def __new__(
        cls, train: DataSet, validation: DataSet, test: DataSet, name: str = name, seed: int | None = None
    ) -> "Datasets":
        self = super().__new__(cls, train, validation, test)
        self.name = name
        self.seed = seed
        return self

    def __getnewargs__(self):
        return *self, self.name, self.seed

    def part(self, *, labels: ArrayLike | None = None, rows: slice | ArrayLike | None = None) -> "Datasets":
        """Returns `DataSet.part` of each of the three sets, shuffled with the same seed.

        digits_below_five = mnist.part(labels=range(5))
        """
        labels = None if labels is None else np.ravel(labels).tolist()
        random_state = _NUMPY_GENERATOR if self.seed is None else _seeded(self.seed)
        train, validation, test = (
            data_set.part(labels=labels, rows=rows, random_state=random_state) for data_set in self
        )
        suffix = "" if labels is None else f", labels {', '.join(map(str, labels))}"
        return Datasets(train, validation, test, f"a part of {self.name}{suffix}", self.seed)

    def fingerprint(self) -> str:
        """Returns the SHA-256 of all images and labels by row number; `one_hot` and `dtype` do not change it."""
        sha256 = hashlib.sha256()
        for data_set in self:
            data_set.update_hash(sha256)
        return sha256.hexdigest()

    def get_state(self) -> dict[str, np.ndarray]:
        """Returns everything that the coming batches depend on except the data: arrays for `set_state`."""
        return {
            f"{name}_{key}": value
            for name, data_set in zip(self._fields, self)
            for key, value in data_set.get_state().items()
        }

    def set_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Continues from where `get_state` was called; further entries of `state` are ignored."""
        for name, data_set in zip(self._fields, self):
            data_set.set_state({key: state[f"{name}_{key}"] for key in data_set.get_state()})


def seed_generator(seed: int | None) -> np.random.RandomState:
    """Seeds the generator that shuffles, as TensorFlow 1.15's `DataSet` does, and returns it.

    With a seed it is a private one. With None it is NumPy's global generator: the graph's seed (`tf.set_random_seed`)
    seeds it now if there is one, and `np.random.seed` can seed it at any time.
    """
    if seed is not None:
        return _seeded(seed)
    if (seed_of_graph := graph_seed()) is not None:
        np.random.seed(seed_of_graph % _SEEDS)
    return _NUMPY_GENERATOR


def _seeded(seed: int) -> np.random.RandomState:
    return np.random.RandomState(seed % _SEEDS)


def graph_seed() -> int | None:
    """Returns the seed that `tf.set_random_seed` has set for the default graph."""
    return tf.get_default_graph().seed


def image_dtype(dtype: Any) -> np.dtype:
    """Returns float32 or uint8 as NumPy's dtype; TensorFlow's types are accepted too.

    Raises:
        TypeError: it is another one.
    """
    given, dtype = dtype, getattr(dtype, "as_numpy_dtype", dtype)
    if dtype is None or dtype not in (np.float32, np.uint8, "float32", "uint8"):
        raise TypeError(f"dtype is {given!r}; images are read as float32 or uint8.")
    return np.dtype(dtype)


def _inverse(order: np.ndarray) -> np.ndarray:
    """Returns where each row number is in `order`."""
    places = np.zeros(order.max(initial=-1) + 1, np.int64)
    places[order] = np.arange(len(order))
    return places


def _scaled(images: np.ndarray) -> np.ndarray:
    # Multiplied, not divided: the last bit is TensorFlow 1.15's.
    return np.multiply(images, np.float32(1.0 / 255.0), dtype=np.float32)
