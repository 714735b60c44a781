"""Images and labels in shuffled batches, as TensorFlow 1.15's `DataSet` hands them out."""

import copy
import hashlib
import math
from collections import namedtuple

import numpy as np
import tensorflow.compat.v1 as tf

NUM_CLASSES = 10
_FAKE_EXAMPLES = 10_000
_SEEDS = 2**31 - 1  # TensorFlow takes its seeds modulo this


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

    What TensorFlow 1.15's class of this name kept, this keeps, with the same meaning: `_images`, `_labels`,
    `_num_examples`, `_epochs_completed` and `_index_in_epoch` can be read and set, edits of `images` and `labels` in
    place reach the batches, and both are shuffled before the first batch and at the end of each epoch.

    A row's number is its place before the first shuffle. The pixels stay bytes until somebody asks for `images`.

    Args:
        images: [N, rows, columns] or [N, rows, columns, 1], pixels 0 to 255; with `reshape=False` of any shape.
        labels: [N], or one-hot [N, 10].
        fake_data: 10000 placeholder examples with no data, drawn with `next_batch(n, fake_data=True)`.
        one_hot: whether the labels of fake data are one-hot; real ones are taken as they are.
        dtype: float32 scales pixels to [0, 1]; uint8 leaves them as they are.
        reshape: flatten an image to one row of rows * columns pixels.
        seed: of a generator of its own. None shuffles with NumPy's global one, which the graph's seed
            (`tf.set_random_seed`) seeds now if there is one, and which `np.random.seed` seeds at any time.
        random_state: in place of `seed`, the generator to shuffle with; the three sets of a `Datasets` share one.

    Attributes:
        images: [N, P] (or [N, rows, columns, 1]), in their present order.
        labels: [N] or [N, 10], in the same order.
        num_examples: N.
        image_shape: rows and columns of an image, which are in `images` one after another.
        epochs_completed: how often every row has been handed out.

    Raises:
        TypeError: `dtype` is neither float32 nor uint8.
        ValueError: images and labels differ in number, or `reshape` is set and the images are not of one channel.
    """

    def __init__(
        self,
        images,
        labels,
        fake_data: bool = False,
        one_hot: bool = False,
        dtype=np.float32,
        reshape: bool = True,
        seed: int | None = None,
        *,
        random_state: np.random.RandomState | None = None,
    ):
        self._dtype = image_dtype(dtype)
        self._fake_label = [1] + [0] * (NUM_CLASSES - 1) if one_hot else 0
        self._random_state = random_state or generator(seed)
        images, labels = np.asarray(images), np.asarray(labels)
        if self._dtype == np.float32:  # a copy, so that the caller's array is not edited through `images`
            images = images.copy() if images.dtype == np.uint8 else _scaled(images)
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
        self._keep(images, labels, scaled=self._dtype != np.float32 or images.dtype != np.uint8)
        self._seen = True  # by the caller, whose arrays they are until they are shuffled
        self._num_examples = _FAKE_EXAMPLES if fake_data else len(images)
        self._epochs_completed = 0
        self._index_in_epoch = 0

    # The kept arrays hold the rows in some order (`_row_numbers`, unless it is the first), and batches take them from
    # there in `_order`. Once somebody has seen the arrays, the two are one, and edits in place reach the batches.

    def _keep(self, images: np.ndarray, labels: np.ndarray, *, scaled: bool) -> None:
        self._kept_images, self._kept_labels, self._scaled = images, labels, scaled
        self._rows: int = len(images)
        self._row_numbers: np.ndarray | None = None
        self._order, self._in_order, self._seen = np.arange(len(images)), True, False

    def _put_in_order(self) -> None:
        """Keeps new arrays, in the present order; references to the old ones are detached."""
        self._row_numbers = self._numbers_at(self._order)
        self._kept_images, self._kept_labels = self._kept_images[self._order], self._kept_labels[self._order]
        self._order, self._in_order, self._seen = np.arange(len(self._order)), True, False

    def _set_order(self, order: np.ndarray) -> None:
        self._order, self._in_order = order, False
        if self._seen:
            self._put_in_order()

    def _show(self) -> None:
        if not self._in_order:
            self._put_in_order()
        self._seen = True

    def _numbers_at(self, positions: np.ndarray) -> np.ndarray:
        return positions if self._row_numbers is None else self._row_numbers[positions]

    def _by_row_number(self, kept: np.ndarray) -> np.ndarray:
        if self._row_numbers is None:
            return kept
        array = np.zeros([self._rows, *kept.shape[1:]], kept.dtype)
        array[self._row_numbers] = kept
        return array

    def _pixels(self, images: np.ndarray) -> np.ndarray:
        return images if self._scaled else _scaled(images)

    @property
    def _images(self) -> np.ndarray:
        self._show()
        if not self._scaled:
            self._kept_images, self._scaled = self._pixels(self._kept_images), True
        return self._kept_images

    @_images.setter
    def _images(self, images) -> None:
        self._keep(np.asarray(images), self._labels, scaled=True)
        self._seen = True

    @property
    def _labels(self) -> np.ndarray:
        self._show()
        return self._kept_labels

    @_labels.setter
    def _labels(self, labels) -> None:
        self._show()
        self._kept_labels = np.asarray(labels)

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
        """uint8 [N, pixels], by row number: 1 where a pixel is brighter than 0.5, as `binarize` has it.

        Raises:
            ValueError: a pixel has been set to a value outside [0, 1].
        """
        kept = self._by_row_number(self._kept_images)
        kept = kept.reshape(len(kept), -1)
        if self._scaled and self._dtype == np.float32:
            return binarize(kept).astype(np.uint8)
        return (kept > 127).view(np.uint8)

    def next_batch(self, batch_size: int, fake_data: bool = False, shuffle: bool = True):
        """The next `batch_size` images and labels, as TensorFlow 1.15's `next_batch` draws them.

        Args:
            batch_size: from 0 to `num_examples`.
            fake_data: return lists of white images of 784 pixels, and of labels 0, instead.
            shuffle: False leaves the rows in their present order.

        Returns:
            images [batch_size, P] and labels [batch_size] (or [batch_size, 10]); copies, safe to write to.

        Raises:
            ValueError: `batch_size` is out of range, or the set has fewer images than examples.
        """
        if fake_data:
            return [[1] * 784] * batch_size, [self._fake_label] * batch_size
        drawn = self._draw(batch_size, shuffle, lambda i: (self._pixels(self._kept_images[i]), self._kept_labels[i]))
        images, labels = zip(*drawn)
        return (images[0], labels[0]) if len(drawn) == 1 else (np.concatenate(images), np.concatenate(labels))

    def next_rows(self, batch_size: int, *, shuffle: bool = True) -> np.ndarray:
        """The rows of the next batch: which images `next_batch` would have given; it then gives those after them.

        The rows are shuffled before the first batch. A batch that reaches over the end of an epoch takes what is
        left, then the rows are shuffled again and it is filled from their front.

        Args:
            batch_size, shuffle: as of `next_batch`.

        Returns:
            int [batch_size], row numbers: places in `black_and_white`.

        Raises:
            ValueError: as `next_batch`.
        """
        return np.concatenate(self._draw(batch_size, shuffle, self._numbers_at))

    def _draw(self, batch_size: int, shuffle: bool, take) -> list:
        """What `take` gives for the positions of the next batch: before the end of an epoch, and after it."""
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
        drawn = [take(self._order[start : min(end, self._num_examples)])]
        if end > self._num_examples:
            self._epochs_completed += 1
            if shuffle:
                self._shuffle()
            end -= self._num_examples
            drawn.append(take(self._order[:end]))
        self._index_in_epoch = end
        return drawn

    def _shuffle(self) -> None:
        permutation = np.arange(self._num_examples)
        self._random_state.shuffle(permutation)
        self._set_order(self._order[permutation])

    def part(self, *, labels=None, rows=None, random_state: np.random.RandomState | None = None) -> "DataSet":
        """Some of the images with their labels, as a data set of their own.

            zeros_and_ones = mnist.train.part(labels=[0, 1])
            first_thousand = mnist.train.part(rows=slice(1000))

        Args:
            labels: classes to keep, such as [0, 1]; None keeps all.
            rows: row numbers: a slice, whole numbers, or one truth value per image. Given both, of the images with
                those labels.
            random_state: what shuffles the part; None takes NumPy's global generator, as `seed=None` does.

        Returns:
            A `DataSet`, from whose batches nothing has been drawn.

        Raises:
            ValueError: there is no image with one of the `labels`.
        """
        chosen = np.sort(self._numbers_at(self._order[: self._num_examples]))
        if labels is not None:
            classes = self._classes[chosen]
            missing = sorted(set(np.ravel(labels).tolist()) - set(classes.tolist()))
            if missing:
                raise ValueError(f"No image here has the label {missing[0]}; pass labels from 0 to {NUM_CLASSES - 1}.")
            chosen = chosen[np.isin(classes, labels)]
        if rows is not None:
            chosen = chosen[rows]
        part = copy.copy(self)
        images, part_labels = self._by_row_number(self._kept_images), self._by_row_number(self._kept_labels)
        part._keep(images[chosen], part_labels[chosen], scaled=self._scaled)
        part._num_examples, part._epochs_completed, part._index_in_epoch = len(chosen), 0, 0
        part._random_state = random_state or generator(None)
        return part

    @property
    def _classes(self) -> np.ndarray:
        """The labels as numbers, by row number."""
        labels = self._by_row_number(self._kept_labels)
        return labels if labels.ndim == 1 else labels.argmax(axis=1)

    def update(self, sha256) -> None:
        """Feeds the hash with images and labels by row number: the same whether or not somebody has looked at them."""
        images = self._by_row_number(self._kept_images)
        if images.dtype == np.float32:
            pixels = np.rint(images * np.float32(255)).astype(np.uint8)
            if np.array_equal(_scaled(pixels), images):
                images = pixels
        sha256.update(np.ascontiguousarray(images).data)
        sha256.update(self._classes.astype(np.uint8).data)

    def get_state(self) -> dict[str, np.ndarray]:
        """What the coming batches depend on, beside the data: arrays that `set_state` takes."""
        generator = self._random_state.get_state(legacy=False)["state"]
        return {
            "order": self._numbers_at(self._order).astype(np.int32),
            "position": np.array([self._index_in_epoch, self._epochs_completed]),
            "generator": np.append(generator["key"], np.uint32(generator["pos"])),
        }

    def set_state(self, state) -> None:
        """Continues from where `get_state` was called."""
        order = state["order"].astype(np.int64)
        if self._row_numbers is not None:
            positions = np.zeros(self._rows, np.int64)
            positions[self._row_numbers] = np.arange(len(self._row_numbers))
            order = positions[order]
        self._set_order(order)
        self._index_in_epoch, self._epochs_completed = (int(number) for number in state["position"])
        self._random_state.set_state(("MT19937", state["generator"][:-1], int(state["generator"][-1]), 0, 0.0))


class Datasets(namedtuple("Datasets", ["train", "validation", "test"])):
    """`train`, `validation` and `test`, each a `DataSet`.

    Attributes:
        name: which data it is.
        seed: of the shuffling, or None.
    """

    name: str = "data of your own"
    seed: int | None = None

    def __new__(cls, train, validation, test, name: str = name, seed: int | None = None):
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
        random_state = generator(self.seed)
        parts = [data_set.part(labels=labels, rows=rows, random_state=random_state) for data_set in self]
        said = "" if labels is None else f", labels {', '.join(map(str, labels))}"
        train, validation, test = parts
        return Datasets(train, validation, test, f"a part of {self.name}{said}", self.seed)

    def fingerprint(self) -> str:
        """SHA-256 over all images and labels in the file's order, however they were asked for (`one_hot`, `dtype`)."""
        sha256 = hashlib.sha256()
        for data_set in self:
            data_set.update(sha256)
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


def generator(seed: int | None) -> np.random.RandomState:
    """What shuffles: a generator of its own for a seed, or NumPy's global one, which the graph's seed seeds now."""
    if seed is not None:
        return np.random.RandomState(seed % _SEEDS)
    if (seed_of_graph := graph_seed()) is not None:
        np.random.seed(seed_of_graph % _SEEDS)
    return np.random.mtrand._rand


def graph_seed() -> int | None:
    """What `tf.set_random_seed` has set for the default graph."""
    return tf.get_default_graph().seed


def _scaled(images: np.ndarray) -> np.ndarray:
    # Multiplied, not divided: the last bit is TensorFlow 1.15's.
    return np.multiply(images, np.float32(1.0 / 255.0), dtype=np.float32)


def image_dtype(dtype) -> np.dtype:
    given, dtype = dtype, getattr(dtype, "as_numpy_dtype", dtype)  # of tf.float32 and similar
    if dtype is None or dtype not in (np.float32, np.uint8, "float32", "uint8"):
        raise TypeError(f"dtype is {given!r}; images are read as float32 or uint8.")
    return np.dtype(dtype)
