"""MNIST as `tensorflow.examples.tutorials.mnist.input_data` gave it.

An old notebook changes one line:

    from vae_tf1 import input_data        # was: from tensorflow.examples.tutorials.mnist
    mnist = input_data.read_data_sets("MNIST_data/", one_hot=True)
    images, labels = mnist.train.next_batch(100)

Pixels are float32 in [0, 1]. With a seed, batches are those of TensorFlow 1.15, byte for byte.
"""

import gzip
import hashlib
import math
import tempfile
import threading
import zlib
from collections import namedtuple
from functools import cached_property
from pathlib import Path

import filelock
import numpy as np

IDX_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
MNIST_SHA256 = (
    "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
)
MNIST_URL = "https://storage.googleapis.com/cvdf-datasets/mnist/"  # tensorflow-datasets has it from there too
BUILTIN_DIR = Path(__file__).parent / "digits"
NUM_CLASSES = 10

# No IDX file of this kind comes near it (EMNIST's largest has 5.5e8 bytes); it bounds what a header can make us read.
_MAX_PAYLOAD = 2**29 + 2**27
_REACH_SECONDS = 5.0


def binarize(images) -> np.ndarray:
    """Black-and-white images: 1 where a pixel is brighter than 0.5, 0 elsewhere.

    Args:
        images: [N, 784], any real dtype, pixels in [0, 1].

    Returns:
        float32 [N, 784] of 0 and 1.

    Raises:
        ValueError: the shape is not [N, 784], or a pixel is outside [0, 1] or not a number.
    """
    images = np.asarray(images)
    if images.ndim != 2 or images.shape[1] != 784:
        raise ValueError(f"binarize takes images [N, 784], not {list(images.shape)}; reshape them to one row an image.")
    if images.size and not (images.min() >= 0 and images.max() <= 1):  # NaN fails both
        raise ValueError(
            f"binarize takes pixels in [0, 1], but these span [{images.min()}, {images.max()}]; "
            "divide 8-bit pixels by 255, and replace what is not a number."
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
        images: [N, 784] (or [N, 28, 28, 1]), in the file's order whatever has been drawn.
        labels: [N] or [N, 10], in the same order.
        num_examples: N.
        epochs_completed: how often every row has been handed out.
    """

    def __init__(self, images, labels, random_state: np.random.RandomState, *, dtype=np.float32, reshape=True):
        if len(images) != len(labels):
            raise ValueError(f"There are {len(images)} images but {len(labels)} labels; give one label an image.")
        self._dtype = _image_dtype(dtype)
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
            fake_data: only False; the fake images of 2017 are not here, the built-in digits are.
            shuffle: False leaves the rows in their present order.

        Returns:
            images [batch_size, 784] and labels [batch_size] (or [batch_size, 10]); copies, safe to write to.

        Raises:
            ValueError: `batch_size` is out of range, or `fake_data` is set.
        """
        if fake_data:
            raise ValueError('next_batch has no fake data; read the built-in digits with source="builtin" instead.')
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
                f"batch_size is {batch_size}, but this set gives from 1 to {self.num_examples} rows at once."
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

    def get_state(self) -> dict[str, np.ndarray]:
        """What the coming batches depend on, beside the data: arrays that `set_state` takes."""
        generator = self._random_state.get_state(legacy=False)["state"]
        return {
            "order": self._order.astype(np.int32),
            "position": np.array([self._next, self.epochs_completed]),
            "generator": np.append(generator["key"], np.uint32(generator["pos"])),
        }

    def set_state(self, state) -> None:
        """Goes on from where `get_state` was called."""
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

    def fingerprint(self) -> str:
        """SHA-256 over all images and labels in the file's order, however they were asked for (`one_hot`, `dtype`)."""
        sha256 = hashlib.sha256()
        for data_set in self:
            labels = data_set.labels if data_set.labels.ndim == 1 else data_set.labels.argmax(axis=1)
            sha256.update(np.ascontiguousarray(data_set._bytes).data)
            sha256.update(labels.astype(np.uint8).data)
        return sha256.hexdigest()

    def get_state(self) -> dict[str, np.ndarray]:
        """What the coming batches depend on, beside the data: arrays that `set_state` takes."""
        return {
            f"{name}_{key}": value
            for name, data_set in zip(self._fields, self)
            for key, value in data_set.get_state().items()
        }

    def set_state(self, state) -> None:
        """Goes on from where `get_state` was called; further entries of `state` are ignored."""
        for name, data_set in zip(self._fields, self):
            data_set.set_state({key: state[f"{name}_{key}"] for key in data_set.get_state()})


def read_data_sets(
    train_dir,
    one_hot: bool = False,
    dtype=np.float32,
    reshape: bool = True,
    validation_size: int = 5000,
    seed: int | None = None,
    source: str = "auto",
) -> Datasets:
    """Reads MNIST, or any data set in the same four IDX files.

    It is taken from the first of these that is there:

    1. the four `.gz` files in `train_dir` (`train-images-idx3-ubyte.gz` and so on; Fashion-MNIST's too);
    2. tensorflow-datasets in `train_dir`, prepared there now if it was not (a download of 11.6 MB, checked);
    3. the built-in digits, when the files can't be downloaded (a host that can't be reached is found out within 5
       seconds). They are not MNIST, and losses on the two do not compare: a line is printed that says so.

    Args:
        train_dir: directory of the data; made when there is something to download.
        one_hot: labels as float64 [N, 10] instead of uint8 [N].
        dtype: of the images, float32 in [0, 1] or uint8 in 0 to 255 (TensorFlow's types are taken too).
        reshape: images as [N, 784] instead of [N, 28, 28, 1].
        validation_size: how many rows, from the front of the train file, become the validation set.
        seed: of the shuffling; with None every call shuffles differently.
        source: "auto" is the list above; "mnist" takes nothing but MNIST; "builtin" is the built-in digits.

    Returns:
        `Datasets` with `train` (55000 rows of MNIST), `validation` (5000), `test` (10000) and `name`.

    Raises:
        TypeError: `dtype` is neither float32 nor uint8.
        ValueError: `source` or `validation_size` is not one of those above, a file is damaged, two files do not
            belong together, or a file that was placed by hand does not have the checksum it should have.
        OSError: `train_dir` is a file, can't be written, or holds only some of the four files; or, with
            `source="mnist"`, MNIST can't be downloaded.
    """
    dtype = _image_dtype(dtype)
    if source == "builtin":
        name, arrays = "built-in digits", _read_idx_files(BUILTIN_DIR)
    elif source in ("auto", "mnist"):
        name, arrays = _find_data(Path(train_dir).expanduser(), source)
    else:
        raise ValueError(f'source is {source!r}; say "auto", "mnist" or "builtin".')
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


def _find_data(train_dir: Path, source: str):
    """(name, four arrays) from IDX files, tensorflow-datasets or, for source "auto", the built-in digits."""
    if train_dir.exists() and not train_dir.is_dir():
        raise NotADirectoryError(
            f"train_dir {train_dir} is a file; give the directory that holds the data, or that shall hold it."
        )
    present = [name for name in IDX_FILES if (train_dir / name).is_file()]
    if len(present) == len(IDX_FILES):
        is_mnist = all(_sha256(train_dir / name) == sha for name, sha in zip(IDX_FILES, MNIST_SHA256))
        if source == "mnist" and not is_mnist:
            raise ValueError(
                f"The IDX files in {train_dir} are not MNIST's (SHA-256); "
                'replace them, or say source="auto" to read what is there.'
            )
        return ("MNIST" if is_mnist else f"IDX files in {train_dir}"), _read_idx_files(train_dir)
    if present:
        missing = sorted(set(IDX_FILES) - set(present))
        raise FileNotFoundError(
            f"{train_dir} holds some of the four IDX files but not {', '.join(missing)}; add or remove files there."
        )
    try:
        return "MNIST", _read_tfds(train_dir)
    except _UnreachableError as error:
        if source == "mnist":
            raise ConnectionError(
                f"MNIST is not in {train_dir}, and {error}; put the four IDX files there by hand."
            ) from error
        print(
            f"These are the built-in digits, NOT MNIST: MNIST is not in {train_dir}, and {error}. "
            "Loss values do not compare with MNIST's.",
            flush=True,
        )
        return "built-in digits", _read_idx_files(BUILTIN_DIR)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read_idx_files(directory: Path):
    """The four arrays of a directory: uint8 [N, rows, columns] and [N], for training and for testing."""
    arrays = [_read_idx(directory / name, dimensions=3 if "images" in name else 1) for name in IDX_FILES]
    for i in (0, 2):
        images, labels = arrays[i], arrays[i + 1]
        if len(images) != len(labels):
            raise ValueError(
                f"{directory / IDX_FILES[i]} has {len(images)} images but {IDX_FILES[i + 1]} has {len(labels)} labels; "
                "take both from the same source."
            )
    if arrays[0].shape[1:] != arrays[2].shape[1:]:
        raise ValueError(
            f"The train images in {directory} are {arrays[0].shape[1:]} pixels "
            f"but the test images {arrays[2].shape[1:]}; take both from the same source."
        )
    return arrays


def _read_idx(path: Path, dimensions: int) -> np.ndarray:
    """One gzip-compressed IDX file of unsigned bytes with the given number of dimensions."""
    header_bytes = 4 * (1 + dimensions)
    try:
        with gzip.open(path) as file:
            content = file.read(header_bytes)
            if len(content) < header_bytes:
                raise EOFError("the header is not complete")
            header = np.frombuffer(content, ">u4")
            magic, shape = int(header[0]), [int(n) for n in header[1:]]
            if magic != 0x800 + dimensions:
                raise ValueError(
                    f"{path} begins with the number {magic}, not {0x800 + dimensions}: it is no IDX file "
                    f"of {'images' if dimensions == 3 else 'labels'}; replace it."
                )
            size = int(np.prod(shape, dtype=object))
            if size > _MAX_PAYLOAD:
                raise ValueError(f"{path} declares {shape} bytes, more than any data set of this kind has; replace it.")
            payload = np.empty(size, np.uint8)
            read = _fill(file, payload)
            more = file.read(1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path} is damaged ({error}); replace it.") from error
    if read < size or more:
        raise ValueError(f"{path} declares {size} bytes but has {'more' if more else f'only {read}'}; replace it.")
    return payload.reshape(shape)


def _fill(file, array: np.ndarray) -> int:
    """Reads into the array, a piece at a time, so that it is not held twice; returns how many bytes there were."""
    view, done = array.data, 0
    while done < len(array) and (count := file.readinto(view[done : done + 2**20])):
        done += count
    return done


class _UnreachableError(Exception):
    """Why MNIST can't be downloaded; half a sentence."""


def _read_tfds(data_dir: Path):
    """MNIST from tensorflow-datasets, rows in the order of the original files."""
    import tensorflow.compat.v1 as tf
    import tensorflow_datasets as tfds

    builder = tfds.builder("mnist", data_dir=data_dir)
    if not _is_prepared(builder):
        _check_writable(data_dir)
        with filelock.FileLock(data_dir / ".lock"):  # a second process waits, and finds what the first has prepared
            builder = tfds.builder("mnist", data_dir=data_dir)
            if not _is_prepared(builder):
                _prepare(builder, data_dir / "downloads" / "manual")
    # A graph of its own: the caller's default graph gets no operation, and both eager and graph mode work.
    with tf.Graph().as_default():
        train, test = tfds.as_numpy(builder.as_dataset(split=["train", "test"], batch_size=-1))
    return [*_in_file_order(train, "train"), *_in_file_order(test, "test")]


def _is_prepared(builder) -> bool:
    return builder.data_path.exists() and builder.is_prepared()  # is_prepared alone warns of what is not there


def _check_writable(data_dir: Path) -> None:
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=data_dir):
            pass
    except OSError as error:
        raise type(error)(
            f"train_dir {data_dir} can't be written ({error.strerror}); give another directory."
        ) from error


def _prepare(builder, manual: Path) -> None:
    """Has tensorflow-datasets prepare the four files of `manual`, where those are put that are not there."""
    import tensorflow_datasets as tfds

    missing = [(name, sha256) for name, sha256 in zip(IDX_FILES, MNIST_SHA256) if not (manual / name).is_file()]
    if missing:
        _check_reachable(MNIST_URL)
        manual.mkdir(parents=True, exist_ok=True)
        for name, sha256 in missing:
            _download(f"{MNIST_URL}{name}", manual / name, sha256)
    try:
        builder.download_and_prepare()
    except tfds.download.download_manager.NonMatchingChecksumError as error:
        raise ValueError(
            f"A file of MNIST has the wrong SHA-256 ({error}); delete it from {manual} and try again."
        ) from error


def _check_reachable(url: str) -> None:
    """Asks the host for an answer, whatever it is, for at most 5 seconds; proxies of the environment are used."""
    import requests

    failure: list[Exception | None] = []

    def ask():
        try:
            requests.head(url, timeout=_REACH_SECONDS, allow_redirects=False)
            failure.append(None)
        except Exception as error:  # whatever it is, it is why there is no answer
            failure.append(error)

    # A thread, because a timeout of the connection does not bound the time that looking up its name takes.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_REACH_SECONDS)
    if not failure:
        raise _UnreachableError(f"{url} did not answer within {_REACH_SECONDS:.0f} seconds")
    if failure[0] is not None:
        raise _UnreachableError(f"{url} can't be reached ({type(failure[0]).__name__})") from failure[0]


def _download(url: str, path: Path, sha256: str) -> None:
    """Puts the file at `path` when it is whole and has its checksum; tensorflow-datasets would wait for ever.

    Raises:
        _UnreachableError: it can't be had; nothing is left of it.
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
        if _sha256(part) != sha256:
            raise _UnreachableError(f"what {url} gives is not MNIST's file (SHA-256)")
        part.replace(path)
    except requests.RequestException as error:
        raise _UnreachableError(f"{url} can't be downloaded ({type(error).__name__})") from error
    except OSError as error:
        raise type(error)(
            f"{path} can't be written ({error.strerror or error}); make room there, or give another directory."
        ) from error
    finally:
        part.unlink(missing_ok=True)


def _in_file_order(rows, split: str):
    """Images and labels as the original file has them; tfds stores row i at the place of its hash."""
    count = len(rows["label"])
    stored = sorted(range(count), key=lambda i: hashlib.md5(f"{split}{i}".encode()).digest())
    images = np.empty((count, 28, 28), np.uint8)
    labels = np.empty(count, np.uint8)
    images[stored], labels[stored] = rows["image"][..., 0], rows["label"]
    return images, labels
