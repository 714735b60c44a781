"""Images and labels in shuffled batches, drawn as TensorFlow 1.15's `DataSet` draws them."""

import copy
import hashlib
import math
import warnings
from collections import namedtuple
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from vae_tf1._checks import as_array, as_count, shown
from vae_tf1.data.generators import NUMPY_GENERATOR, as_random_state, seed_generator, seeded
from vae_tf1.data.pixels import binarize, image_dtype, scaled
from vae_tf1.data.rows import Rows, hash_images, hash_labels, is_one_hot, memory_map, release

NUM_CLASSES = 10
_FAKE_EXAMPLES = 10_000
_SAMPLE = 1000  # rows of a mapped file that are checked


class DataSet:
    """Images and labels in shuffled batches, epoch after epoch.

    The attributes that programs use of TensorFlow 1.15's class of this name mean the same here: `_images`, `_labels`,
    `_num_examples`, `_epochs_completed` and `_index_in_epoch` can be read and set, in-place edits of `images` and
    `labels` reach the batches, and both are shuffled before the first batch and at the end of each epoch.

    The number of a row is its position before the first shuffle.

    Images that NumPy maps from a file (`np.load(..., mmap_mode="r")`) may be larger than memory: batches read their
    rows from the file. Only `images`, `black_and_white` and `part` copy what they return into memory.

    Drawing from one set in several threads at once is not safe; use a lock, or a set per thread.

    Args:
        images: [N, rows, columns] or [N, rows, columns, channels], pixels 0 to 255 or booleans; with
            `reshape=False`, [N, ...].
        labels: [N], one-hot [N, classes] or any other numbers [N, ...]; None if there are none.
        fake_data: 10000 placeholder examples without data, drawn with `next_batch(n, fake_data=True)`.
        one_hot: whether the labels of fake data are one-hot; real labels are kept unchanged.
        dtype: float32 multiplies pixels by 1/255; uint8 keeps them unchanged.
        reshape: flatten each image to one row of P = rows * columns * channels pixels.
        seed: seed of a private generator that shuffles; None shuffles with NumPy's global generator, as
            `seed_generator` describes.
        random_state: the generator that shuffles, or its seed, instead of `seed`; the three sets of a `Datasets` share
            one generator.

    Attributes:
        images: float32 in [0, 1] or uint8, [N, P] (or of the given shape), in the current order.
        labels: [N, ...], in the same order, or None.
        num_examples: N.
        image_shape: rows and columns, and channels if there are several, of an image before it was flattened.
        epochs_completed: how many times all rows have been drawn.

    Raises:
        TypeError: `dtype` is neither float32 nor uint8, `images` or `labels` is not an array of real numbers or has a
            mask, or a seed is not an integer.
        ValueError: the numbers of images and labels differ, or `reshape` is set and the images have another number of
            dimensions, or are mapped from a file in which an image is not contiguous.

    Warns:
        UserWarning: no pixel is brighter than 1, so the images were probably scaled to [0, 1] already.
    """

    def __init__(
        self,
        images: ArrayLike,
        labels: ArrayLike | None = None,
        fake_data: bool = False,
        one_hot: bool = False,
        dtype: Any = np.float32,
        reshape: bool = True,
        seed: int | None = None,
        *,
        random_state: np.random.RandomState | int | None = None,
    ):
        images = as_array(images, "images")
        self._dtype = image_dtype(dtype)
        flatten = reshape and not fake_data
        if images.ndim == 0 or (flatten and images.ndim not in (3, 4)):
            raise ValueError(
                f"The images are {list(images.shape)}; pass [N, rows, columns] or [N, rows, columns, channels], "
                "or reshape=False."
            )
        self.image_shape = images.shape[1:3] if images.shape[3:] in ((), (1,)) else images.shape[1:]
        if flatten:
            if memory_map(images) is not None and not images[:1].flags.c_contiguous:
                raise ValueError("An image is not in one piece in the file of images; pass the mapped array as it is.")
            images = images.reshape(len(images), math.prod(self.image_shape))
        self._order = np.arange(len(images))  # row numbers, in the order of the batches
        self._image_rows = _image_rows(images, self._dtype)
        self._label_rows = None if labels is None else _label_rows(as_array(labels, "labels"), len(images))
        self._random_state = seed_generator(seed) if random_state is None else as_random_state(random_state)
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
        self._image_rows = Rows(images, shown_in=self._order)
        self._label_rows = None if labels is None else Rows(labels, shown_in=np.arange(len(labels)))

    @property
    def _labels(self) -> np.ndarray | None:
        return None if self._label_rows is None else self._label_rows.show(self._order)

    @_labels.setter
    def _labels(self, labels: ArrayLike) -> None:
        self._label_rows = Rows(np.asarray(labels), shown_in=self._order)

    @property
    def images(self) -> np.ndarray:
        return self._images

    @property
    def labels(self) -> np.ndarray | None:
        return self._labels

    @property
    def num_examples(self) -> int:
        return self._num_examples

    @property
    def epochs_completed(self) -> int:
        return self._epochs_completed

    @property
    def mapped(self) -> bool:
        """Whether NumPy maps the images from a file, so that `rows` reads them from there."""
        return memory_map(self._image_rows.array) is not None

    @property
    def black_and_white(self) -> np.ndarray:
        """uint8 [N, pixels], by row number: 1 where a pixel is brighter than 0.5, as in `binarize`.

        Raises:
            ValueError: a pixel has been set to a value outside [0, 1].
        """
        bytes_kept = self._image_rows.scale or self._dtype == np.uint8

        def threshold(images: np.ndarray) -> np.ndarray:
            images = images.reshape(len(images), -1)
            if bytes_kept and images.dtype == np.uint8:
                return images > 127
            return binarize(scaled(images) if bytes_kept else images)

        return np.concatenate([threshold(images).astype(np.uint8) for images in self._image_rows.pieces()])

    def next_batch(self, batch_size: int, fake_data: bool = False, shuffle: bool = True) -> tuple[Any, Any]:
        """Returns the next `batch_size` images and labels, as TensorFlow 1.15's `next_batch` does.

        Args:
            batch_size: from 0 to `num_examples`.
            fake_data: return placeholders instead: lists of white images of 784 pixels, and of labels 0.
            shuffle: False keeps the rows in their current order.

        Returns:
            images [batch_size, P] and labels [batch_size, ...] or None; copies, safe to write to.

        Raises:
            TypeError: `batch_size` is not an integer.
            ValueError: `batch_size` is out of range, or the set has fewer images than examples.
        """
        if fake_data:
            batch_size = as_count(batch_size, "batch_size")
            return [[1] * 784] * batch_size, [self._fake_label] * batch_size
        return self.rows(self.next_rows(batch_size, shuffle=shuffle))

    def rows(self, row_numbers: np.ndarray | slice) -> tuple[np.ndarray, np.ndarray | None]:
        """Returns the images and labels with these row numbers, as `next_batch` would.

        Args:
            row_numbers: int [n], from `next_rows`, or a slice; `slice(None)` returns all rows by row number.

        Returns:
            images [n, P] and labels [n, ...] or None; copies, safe to write to.
        """
        if isinstance(row_numbers, slice):
            row_numbers = np.arange(len(self._image_rows))[row_numbers]
        labels = None if self._label_rows is None else self._label_rows.at(row_numbers)
        return self._image_rows.at(row_numbers), labels

    def next_rows(self, batch_size: int, *, shuffle: bool = True) -> np.ndarray:
        """Draws a batch like `next_batch`, but returns its row numbers.

        The rows are shuffled before the first batch. A batch that reaches past the end of an epoch takes the remaining
        rows; then the rows are shuffled again, and the first ones fill the batch.

        Args:
            batch_size: as in `next_batch`.
            shuffle: as in `next_batch`.

        Returns:
            int [batch_size], for `rows`; also indices into `black_and_white`.

        Raises:
            TypeError: as in `next_batch`.
            ValueError: as in `next_batch`.
        """
        batch_size, num_examples = as_count(batch_size, "batch_size"), int(self._num_examples)
        if len(self._order) < num_examples:
            raise ValueError(
                f"This set has {len(self._order)} images for its {num_examples} examples; draw from fake data with "
                "next_batch(batch_size, fake_data=True), or set _num_examples to the number of images."
            )
        if batch_size > num_examples:
            raise ValueError(f"batch_size is {batch_size}; pass 0 to {num_examples}, the number of rows of this set.")
        if shuffle and self._index_in_epoch == 0 and self._epochs_completed == 0:
            self._shuffle()
        start = int(self._index_in_epoch)
        end = start + batch_size
        row_numbers = self._order[start : min(end, num_examples)].copy()
        if end > num_examples:
            self._epochs_completed += 1
            if shuffle:
                self._shuffle()
            end -= num_examples
            row_numbers = np.concatenate([row_numbers, self._order[:end]])
        self._index_in_epoch = end
        return row_numbers

    def _shuffle(self) -> None:
        permutation = np.arange(int(self._num_examples))
        self._random_state.shuffle(permutation)
        self._set_order(self._order[permutation])

    def _set_order(self, order: np.ndarray) -> None:
        self._image_rows.put_back()
        if self._label_rows is not None:
            self._label_rows.put_back()
        self._order = order

    def part(
        self,
        *,
        labels: ArrayLike | None = None,
        rows: slice | ArrayLike | None = None,
        random_state: np.random.RandomState | int | None = None,
    ) -> "DataSet":
        """Returns some of the images, with their labels, as another data set.

            zeros_and_ones = mnist.train.part(labels=[0, 1])
            first_thousand = mnist.train.part(rows=slice(1000))

        Args:
            labels: classes to keep, such as [0, 1]; None keeps all.
            rows: row numbers: a slice, integers [n], or a boolean mask with one entry per image. With `labels`
                too, they count only the images with those labels.
            random_state: the generator that shuffles the part, or its seed; None takes NumPy's global generator.

        Returns:
            A `DataSet` from which no batch has been drawn.

        Raises:
            TypeError: `labels` or `rows` is not one of those above, or `random_state` is not a generator or a seed.
            ValueError: one of the `labels` does not occur, or `labels` is given for a set whose own labels are missing
                or neither [N] nor [N, classes].
            IndexError: `rows` does not fit the number of images.
        """
        chosen = np.sort(self._order[: int(self._num_examples)])
        if labels is not None:
            labels = as_array(labels, "labels")
            classes = self._classes[chosen]
            missing = sorted(set(np.ravel(labels).tolist()) - set(classes.tolist()))
            if missing:
                raise ValueError(f"No image here has the label {missing[0]}; pass labels that occur in this set.")
            chosen = chosen[np.isin(classes, labels)]
        if rows is not None:
            chosen = _chosen(chosen, rows)
        part = copy.copy(self)
        part._image_rows = Rows(self._image_rows.by_row_number()[chosen], scale=self._image_rows.scale)
        if self._label_rows is not None:
            part._label_rows = Rows(self._label_rows.by_row_number()[chosen])
        part._order = np.arange(len(chosen))
        part._num_examples, part._epochs_completed, part._index_in_epoch = len(chosen), 0, 0
        part._random_state = NUMPY_GENERATOR if random_state is None else as_random_state(random_state)
        return part

    @property
    def _classes(self) -> np.ndarray:
        """The labels as numbers, by row number."""
        if self._label_rows is None:
            raise ValueError("This set has no labels; choose its rows with rows=...")
        labels = self._label_rows.by_row_number()
        labels = labels[:, 0] if labels.shape[1:] == (1,) else labels
        if labels.ndim > 1 and not is_one_hot(labels):
            raise ValueError(f"The labels are {list(labels.shape)}, not [N] or one-hot [N, classes]; choose rows=...")
        return labels if labels.ndim == 1 else labels.argmax(axis=1)

    def update_hash(self, sha256: Any) -> None:
        """Updates the hash with images and labels by row number, so that neither shuffling nor reading changes it."""
        hash_images(sha256, self._image_rows)
        if self._label_rows is not None:
            hash_labels(sha256, self._label_rows.by_row_number())

    def get_state(self) -> dict[str, np.ndarray]:
        """Returns everything except the data that the next batches depend on: arrays for `set_state`."""
        generator = self._random_state.get_state(legacy=False)["state"]
        return {
            "order": self._order.astype(np.int32),
            "position": np.array([self._index_in_epoch, self._epochs_completed]),
            "generator": np.append(generator["key"], np.uint32(generator["pos"])),
        }

    def set_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Continues from where `get_state` was called.

        Raises:
            KeyError, ValueError: the state is not that of such a data set.
        """
        mine = self.get_state()
        if any(state[name].shape != mine[name].shape or state[name].dtype.kind not in "iu" for name in mine):
            raise ValueError("its arrays have other shapes or types")
        if not np.array_equal(np.sort(state["order"]), np.sort(mine["order"])):
            raise ValueError("its order is not a permutation of these rows")
        (position, epochs), place = state["position"], state["generator"][-1]
        if not (0 <= position <= len(state["order"]) and epochs >= 0 and 0 <= place <= len(mine["generator"]) - 1):
            raise ValueError("its position is outside an epoch")
        self._set_order(state["order"].astype(np.int64))
        self._index_in_epoch, self._epochs_completed = (int(number) for number in state["position"])
        self._random_state.set_state(("MT19937", state["generator"][:-1], int(state["generator"][-1]), 0, 0.0))


class Datasets(namedtuple("Datasets", ["train", "validation", "test"])):
    """`train`, `validation` and `test`, each a `DataSet`.

    Attributes:
        name: name of the data, such as "MNIST".
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

    def __getnewargs__(self) -> tuple:
        return *self, self.name, self.seed

    def part(self, *, labels: ArrayLike | None = None, rows: slice | ArrayLike | None = None) -> "Datasets":
        """Returns `DataSet.part` of each of the three sets, with the seed of the whole.

        `mnist.part(labels=range(5))`, for example, has the digits below five. Raises as `DataSet.part`.
        """
        labels = None if labels is None else np.ravel(labels).tolist()
        random_state = NUMPY_GENERATOR if self.seed is None else seeded(self.seed)
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
        """Returns everything except the data that the next batches depend on: arrays for `set_state`."""
        return {
            f"{name}_{key}": value
            for name, data_set in zip(self._fields, self)
            for key, value in data_set.get_state().items()
        }

    def set_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Continues from where `get_state` was called; other entries of `state` are ignored."""
        for name, data_set in zip(self._fields, self):
            data_set.set_state({key: state[f"{name}_{key}"] for key in data_set.get_state()})


def _image_rows(images: np.ndarray, dtype: np.dtype) -> Rows:
    mapped, scale = memory_map(images) is not None, dtype == np.float32
    if scale and images.dtype != bool:
        _warn_if_scaled(images[:_SAMPLE] if mapped else images)
        release(images)
    if images.dtype == bool and not (mapped and scale):
        images = images * np.uint8(255)
    if mapped:
        return Rows(images, scale=scale)
    if not scale:
        return Rows(images, shown_in=np.arange(len(images)))
    # A copy, so that edits of `images` do not reach the caller's array.
    return Rows(images.copy(), scale=True) if images.dtype == np.uint8 else Rows(scaled(images))


def _warn_if_scaled(images: np.ndarray) -> None:
    brightest = images.max(initial=0)
    if 0 < brightest <= 1:
        warnings.warn(
            f"The brightest pixel of these {images.dtype} images is {brightest}, but DataSet takes pixels from 0 to "
            "255 and multiplies them by 1/255, which makes these almost black; multiply them by 255 first.",
            stacklevel=4,
        )


def _label_rows(labels: np.ndarray, num_images: int) -> Rows:
    if labels.shape[:1] != (num_images,):
        raise ValueError(
            f"There are {num_images} images but the labels are {list(labels.shape)}; pass one label per image."
        )
    return Rows(labels, shown_in=np.arange(num_images) if memory_map(labels) is None else None)


def _chosen(row_numbers: np.ndarray, rows: Any) -> np.ndarray:
    """Returns the row numbers that `rows` selects, as `DataSet.part` describes."""
    if not isinstance(rows, slice):
        rows = as_array(rows, "rows")
        rows = rows if rows.size else rows.astype(int)
        if rows.ndim != 1 or rows.dtype.kind not in "iub":
            raise TypeError(
                f"rows is {shown(rows)}; pass a slice, row numbers [n], or a boolean mask with one entry per image."
            )
    try:
        return row_numbers[rows]
    except (IndexError, TypeError) as error:
        raise IndexError(f"rows does not fit the {len(row_numbers)} images to choose from ({error}).") from error
