import copy
import gzip
import hashlib
import io
import shutil
import sys
import time
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from hypothesis import strategies as st
from idx_files import write_idx

import vae_tf1.data.download
import vae_tf1.data.mnist
from vae_tf1 import binarize, input_data, read_data_sets
from vae_tf1.data.idx import IDX_FILES
from vae_tf1.data.mnist import BUILTIN_DIR
from vae_tf1.input_data import DataSet

TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = IDX_FILES


@pytest.fixture
def tiny(tmp_path):
    """A directory with 12 train images and 4 test images, each with its own grey value and label."""
    for prefix, count in ("train", 12), ("t10k", 4):
        images = np.arange(count, dtype=np.uint8)[:, None, None] * np.ones((1, 28, 28), np.uint8)
        images[:, -1, -1] = 200  # images without a pixel above 1 would be warned about
        write_idx(tmp_path / f"{prefix}-images-idx3-ubyte.gz", images)
        write_idx(tmp_path / f"{prefix}-labels-idx1-ubyte.gz", np.arange(count, dtype=np.uint8) % 10)
    return tmp_path


def read_tiny(directory, **kwargs):
    return read_data_sets(directory, validation_size=2, **kwargs)


def no_network(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nothing listens there
    monkeypatch.delenv("no_proxy", raising=False)


# What is read


def test_shapes_and_dtypes(digits):
    assert [data_set.num_examples for data_set in digits] == [15000, 5000, 3000]
    assert digits.train.images.shape == (15000, 784)
    assert digits.train.images.dtype == np.float32
    assert digits.train.labels.shape == (15000,)
    assert digits.train.labels.dtype == np.uint8
    assert digits.train.images.min() == 0
    assert digits.train.images.max() == 1


def test_one_hot_labels_are_float64_rows(tiny):
    plain, one_hot = read_tiny(tiny).train.labels, read_tiny(tiny, one_hot=True).train.labels
    assert one_hot.dtype == np.float64
    np.testing.assert_array_equal(one_hot, np.arange(10)[None, :] == plain[:, None])


@pytest.mark.parametrize("dtype", [np.uint8, "uint8", tf.uint8])
def test_uint8_images_keep_their_values(tiny, dtype):
    images = read_tiny(tiny, dtype=dtype).train.images
    assert images.dtype == np.uint8
    assert images[3, 0] == 5


def test_float32_images_are_multiplied_by_one_over_255(tiny):
    images = read_tiny(tiny).train.images
    assert images[3, 0] == np.float32(5) * np.float32(1 / 255)


def test_images_keep_their_dimensions_without_reshape(tiny):
    assert read_tiny(tiny, reshape=False).test.images.shape == (4, 28, 28, 1)


def test_validation_is_the_front_of_the_train_file(tiny):
    data = read_tiny(tiny)
    np.testing.assert_array_equal(data.validation.labels, [0, 1])
    np.testing.assert_array_equal(data.train.labels, [2, 3, 4, 5, 6, 7, 8, 9, 0, 1])
    np.testing.assert_array_equal(data.test.labels, [0, 1, 2, 3])


def test_arguments_are_in_the_order_of_tensorflow_1(tiny):
    data = read_data_sets(tiny, False, True, np.uint8, False, 3, 7)
    assert data.train.labels.shape == (9, 10)
    assert data.train.images.dtype == np.uint8
    assert data.train.images.shape == (9, 28, 28, 1)
    assert data.seed == 7


def test_datasets_unpack_into_three_and_have_a_name(tiny):
    data = read_tiny(tiny)
    train, validation, test = data
    assert (train, validation, test) == (data.train, data.validation, data.test)
    assert data.name == f"IDX files in {tiny}"


def test_mnist_is_named_by_its_checksums(mnist):
    assert mnist.name == "MNIST"
    assert [data_set.num_examples for data_set in mnist] == [55000, 5000, 10000]
    np.testing.assert_array_equal(mnist.validation.labels[:5], [5, 0, 4, 1, 9])


def test_builtin_digits_look_at_no_directory(monkeypatch):
    no_network(monkeypatch)
    assert read_data_sets("/nowhere", source="builtin").name == "built-in digits"


# next_batch


def tf1_batches(images, labels, sizes, random_state):
    """Batches as TensorFlow 1.15's `DataSet` draws them, written from its description: it shuffles whole arrays."""
    count, start = len(images), 0
    order = np.arange(count)
    random_state.shuffle(order)
    images, labels = images[order], labels[order]
    for size in sizes:
        left_images, left_labels = images[start : start + size], labels[start : start + size]
        missing = size - len(left_images)
        start += size
        if missing:
            order = np.arange(count)
            random_state.shuffle(order)
            images, labels, start = images[order], labels[order], missing
            left_images = np.concatenate([left_images, images[:missing]])
            left_labels = np.concatenate([left_labels, labels[:missing]])
        yield left_images, left_labels


def test_next_batch_draws_the_rows_that_tensorflow_1_drew(tiny):
    data = read_tiny(tiny, one_hot=True, seed=3)
    sizes = [3, 3, 3, 3, 10, 1, 10, 7, 2, 1, 1]
    expected = tf1_batches(data.train.images, data.train.labels, sizes, np.random.RandomState(3))
    for size, (images, labels) in zip(sizes, expected):
        got_images, got_labels = data.train.next_batch(size)
        assert got_images.tobytes() == images.tobytes()
        assert got_labels.tobytes() == labels.tobytes()


def test_the_three_sets_share_one_generator(tiny):
    random_state = np.random.RandomState(5)
    data = read_tiny(tiny, seed=5)
    for data_set in data.test, data.train, data.validation:
        (expected, _) = next(tf1_batches(data_set.images, data_set.labels, [2], random_state))
        np.testing.assert_array_equal(data_set.next_batch(2)[0], expected)


def test_every_epoch_has_every_row_once(tiny):
    train = read_tiny(tiny).train
    labels = np.concatenate([train.next_batch(4)[0][:, 0] for _ in range(15)])
    for epoch in labels.reshape(6, 10):
        np.testing.assert_array_equal(np.sort(epoch), np.sort(train.images[:, 0]))
    assert train.epochs_completed == 5  # TensorFlow 1.15 counts an epoch when the next one begins


@hypothesis.settings(deadline=None)
@hypothesis.given(st.data(), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_every_epoch_of_any_batches_is_a_permutation(data, count, seed):
    data_set = DataSet(np.zeros([count, 1, 1], np.uint8), np.arange(count), seed=seed)
    sizes = data.draw(st.lists(st.integers(1, count), max_size=60))
    drawn = [row for size in sizes for row in data_set.next_batch(size)[1].tolist()]
    for epoch in range(0, len(drawn) - count + 1, count):
        assert sorted(drawn[epoch : epoch + count]) == list(range(count))
    assert len(set(drawn[len(drawn) // count * count :])) == len(drawn) % count
    assert data_set.epochs_completed == max(0, len(drawn) - 1) // count


@hypothesis.settings(deadline=None)
@hypothesis.given(st.data(), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_state_taken_anywhere_repeats_what_follows(data, count, seed):
    def new():
        return DataSet(np.zeros([count, 1, 1], np.uint8), np.arange(count), seed=seed)

    sizes = data.draw(st.lists(st.integers(1, count), max_size=30))
    cut = data.draw(st.integers(0, len(sizes)))
    whole, first, second = new(), new(), new()
    expected = [whole.next_rows(size).tolist() for size in sizes]
    got = [first.next_rows(size).tolist() for size in sizes[:cut]]
    second.set_state(first.get_state())
    got += [second.next_batch(size)[1].tolist() for size in sizes[cut:]]
    assert got == expected


def test_next_batch_without_shuffling_is_in_order(tiny):
    train = read_tiny(tiny).train
    np.testing.assert_array_equal(train.next_batch(8, shuffle=False)[1], [2, 3, 4, 5, 6, 7, 8, 9])
    np.testing.assert_array_equal(train.next_batch(4, shuffle=False)[1], [0, 1, 2, 3])


def test_global_generator_is_left_alone(tiny):
    before = np.random.get_state()[1].tobytes()
    read_tiny(tiny, seed=0).train.next_batch(5)
    assert np.random.get_state()[1].tobytes() == before


def test_unseeded_sets_differ(tiny):
    batches = {read_tiny(tiny).train.next_batch(10)[1].tobytes() for _ in range(5)}
    assert len(batches) > 1


def test_writing_to_a_batch_does_not_change_the_data(tiny):
    train = read_tiny(tiny).train
    train.next_batch(10)[0][:] = 7
    assert train.images.max() < 1


@pytest.mark.parametrize(("batch_size", "advice"), [(-1, "pass 0 or more"), (11, "pass 0 to 10")])
def test_batch_size_out_of_range(tiny, batch_size, advice):
    with pytest.raises(ValueError, match=f"batch_size is {batch_size}; {advice}"):
        read_tiny(tiny).train.next_batch(batch_size)


def test_an_empty_batch_has_empty_arrays(tiny):
    images, labels = read_tiny(tiny, one_hot=True).train.next_batch(0)
    assert images.shape == (0, 784)
    assert labels.shape == (0, 10)


@pytest.mark.parametrize("one_hot", [False, True])
def test_fake_data(one_hot):
    data = read_data_sets("/nowhere", fake_data=True, one_hot=one_hot)
    assert data.name == "fake data"
    assert [data_set.num_examples for data_set in data] == [10000] * 3
    assert len(data.train.images) == 0
    images, labels = data.train.next_batch(3, fake_data=True)
    assert images == [[1] * 784] * 3
    assert labels == ([[1] + [0] * 9] * 3 if one_hot else [0] * 3)
    with pytest.raises(ValueError, match=r"0 images for its 10000 examples; draw from fake data with"):
        data.train.next_batch(3)


# In-place edits


def test_images_and_labels_are_in_the_order_of_the_batches(tiny):
    train = read_tiny(tiny, seed=0).train
    images, labels = train.next_batch(10)
    assert labels.tolist() != [2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    np.testing.assert_array_equal(train.labels, labels)
    np.testing.assert_array_equal(train.images, images)
    assert train.images is train.images


def test_reading_images_changes_no_batch(tiny):
    looked_at, other = read_tiny(tiny, seed=0), read_tiny(tiny, seed=0)
    for size in [3, 4, 5, 10, 10, 1, 9]:
        assert looked_at.train.images.shape == (10, 784)
        assert looked_at.train.next_batch(size)[0].tobytes() == other.train.next_batch(size)[0].tobytes()
        assert looked_at.train.next_rows(size).tolist() == other.train.next_rows(size).tolist()
    assert looked_at.fingerprint() == other.fingerprint()
    np.testing.assert_array_equal(looked_at.train.black_and_white, other.train.black_and_white)
    parts = [data.train.part(labels=[3, 4]).images for data in (looked_at, other)]
    np.testing.assert_array_equal(*parts)


def test_edits_reach_the_training_loops_and_the_fingerprint(tiny):
    data, other = read_tiny(tiny, seed=0), read_tiny(tiny, seed=0)
    data.train.next_batch(4)
    data.train.images[:] = 0
    data.train.images[data.train.labels == 7] = 0.75  # of row number 5
    np.testing.assert_array_equal(np.flatnonzero(data.train.black_and_white.all(axis=1)), [5])
    assert data.fingerprint() != other.fingerprint()
    assert data.train.part(labels=[7]).images.min() == 0.75
    data.train.images[0] = 2
    with pytest.raises(ValueError, match=r"^images has pixels in \[.*\], not in \[0, 1\]; divide 8-bit pixels by 255"):
        _ = data.train.black_and_white


def test_state_does_not_depend_on_which_arrays_have_been_read(tiny):
    first, second = read_tiny(tiny, seed=0), read_tiny(tiny, seed=1)
    first.train.next_batch(3)
    assert first.train.images.shape == (10, 784)
    first.train.next_batch(9)
    second.train.next_batch(7)
    assert second.train.labels.shape == (10,)
    second.set_state(first.get_state())
    for size in [1, 8, 10]:
        assert second.train.next_batch(size)[1].tolist() == first.train.next_batch(size)[1].tolist()
    np.testing.assert_array_equal(second.train.images, first.train.images)


def test_a_custom_data_set(tiny):
    images, labels = np.full([6, 28, 28, 1], 255, np.uint8), np.arange(6)
    train = DataSet(images, labels, False, True, tf.float32, True, 3)
    assert train.images.shape == (6, 784)
    assert train.images.max() == 1
    assert DataSet(images, labels, reshape=False).images.shape == (6, 28, 28, 1)
    assert DataSet(images, labels, dtype=np.uint8).next_batch(2)[0].max() == 255
    assert sorted(train.next_batch(6)[1].tolist()) == [0, 1, 2, 3, 4, 5]
    data = input_data.base.Datasets(train=train, validation=train, test=train)
    assert data.name == "data of your own"
    with pytest.raises(ValueError, match=r"The images are \[6, 784\]; pass \[N, rows, columns\] or"):
        DataSet(np.zeros([6, 784]), labels)


def test_a_set_cut_short_by_its_attributes(tiny):
    train = read_tiny(tiny, seed=0).train
    kept = train.labels < 4
    train._images, train._labels, train._num_examples = train.images[kept], train.labels[kept], int(kept.sum())
    assert train.num_examples == 4
    assert sorted(train.next_batch(4)[1].tolist()) == [0, 1, 2, 3]
    assert train.black_and_white.shape == (4, 784)
    assert train.part(labels=[2]).num_examples == 1


def test_the_graphs_seed_and_numpys_determine_unseeded_batches(tiny, graph):
    def batches(numpy_seed=None):
        data = read_tiny(tiny)
        if numpy_seed is not None:
            np.random.seed(numpy_seed)
        return data.seed, data.train.next_batch(10)[1].tolist()

    by_numpy = batches(5)
    np.random.seed(None)
    assert batches(5) == by_numpy
    assert by_numpy[0] is None
    tf.set_random_seed(5)
    assert batches() == (5, by_numpy[1])
    assert read_tiny(tiny, seed=5).train.next_batch(10)[1].tolist() == by_numpy[1]


# The functions beside read_data_sets


def test_extract_images_and_labels(tiny):
    with tf.gfile.Open(str(tiny / TRAIN_IMAGES), "rb") as file:
        images = input_data.extract_images(file)
    assert images.shape == (12, 28, 28, 1)
    assert images[3, 0, 0, 0] == 3
    with (tiny / TRAIN_LABELS).open("rb") as file:
        np.testing.assert_array_equal(input_data.extract_labels(file, one_hot=True), np.eye(10)[np.arange(12) % 10])
    np.testing.assert_array_equal(input_data.extract_labels(tiny / TEST_LABELS), [0, 1, 2, 3])
    assert input_data.dense_to_one_hot(np.array([2, 0]), 3).tolist() == [[0, 0, 1], [1, 0, 0]]
    with (tiny / TRAIN_LABELS).open("rb") as file, pytest.raises(ValueError, match=f"{TRAIN_LABELS} begins with"):
        input_data.extract_images(file)
    assert input_data.extract_images(io.BytesIO((tiny / TRAIN_IMAGES).read_bytes())).tobytes() == images.tobytes()
    with pytest.raises(ValueError, match=r"^The file begins with"):
        input_data.extract_images(io.BytesIO((tiny / TRAIN_LABELS).read_bytes()))
    with pytest.raises(TypeError, match=r"^source is None; pass a path"):
        input_data.extract_images(None)


def test_load_mnist_reads_with_the_defaults(tiny):
    shutil.copytree(BUILTIN_DIR, tiny / "digits")
    assert input_data.load_mnist(tiny / "digits").train.num_examples == 15000


# binarize


def test_binarize_is_one_above_a_half():
    images = np.tile(np.float32([0, 0.25, 0.5, 0.50001, 1, 0, 0]), (2, 112))
    binary = binarize(images)
    assert binary.dtype == np.float32
    np.testing.assert_array_equal(binary[0, :5], [0, 0, 0, 1, 1])


@pytest.mark.parametrize("shape", [(784,), (2, 28, 28)])
def test_binarize_refuses_other_shapes(shape):
    with pytest.raises(ValueError, match=r"takes images \[N, pixels\]"):
        binarize(np.zeros(shape))


@pytest.mark.parametrize("pixel", [-0.1, 1.1, 255, np.nan])
def test_binarize_refuses_other_ranges(pixel):
    images = np.zeros((2, 784))
    images[1, 3] = pixel
    with pytest.raises(ValueError, match=r"^images has pixels in .* not in \[0, 1\]"):
        binarize(images)


# Bad files and arguments


@pytest.mark.parametrize("name", IDX_FILES)
@pytest.mark.parametrize("kept", [0, 5, 15, 0.5, -1])
def test_truncated_gzip(tiny, name, kept):
    content = (tiny / name).read_bytes()
    (tiny / name).write_bytes(content[: int(len(content) * kept) if kept == 0.5 else kept])
    with pytest.raises(ValueError, match=f"{name} is damaged"):
        read_tiny(tiny)


def test_corrupt_gzip(tiny):
    content = bytearray((tiny / TRAIN_IMAGES).read_bytes())
    content[len(content) // 2] ^= 0xFF
    (tiny / TRAIN_IMAGES).write_bytes(content)
    with pytest.raises(ValueError, match=f"{TRAIN_IMAGES} (is damaged|declares|begins)"):
        read_tiny(tiny)


def test_gzip_of_a_few_bytes(tiny):
    (tiny / TEST_LABELS).write_bytes(gzip.compress(b"abc"))
    with pytest.raises(ValueError, match=f"{TEST_LABELS} is damaged"):
        read_tiny(tiny)


def test_datasets_can_be_copied(tiny):
    data = copy.deepcopy(read_tiny(tiny, seed=1))
    assert data.seed == 1
    assert data.train.next_batch(2)[0].tobytes() == read_tiny(tiny, seed=1).train.next_batch(2)[0].tobytes()


def test_not_gzip_at_all(tiny):
    (tiny / TEST_LABELS).write_bytes(b"<html>404 Not Found</html>")
    with pytest.raises(ValueError, match=f"{TEST_LABELS} is damaged"):
        read_tiny(tiny)


def test_wrong_magic_number(tiny):
    shutil.copy(tiny / TRAIN_LABELS, tiny / TRAIN_IMAGES)
    with pytest.raises(ValueError, match=f"{TRAIN_IMAGES} begins with the number 2049, not 2051"):
        read_tiny(tiny)


@pytest.mark.parametrize(("declared", "has"), [(13, "only 9408"), (11, "more")])
def test_other_size_than_declared(tiny, declared, has):
    write_idx(tiny / TRAIN_IMAGES, np.zeros((12, 28, 28), np.uint8), declared_shape=(declared, 28, 28))
    with pytest.raises(ValueError, match=f"{TRAIN_IMAGES} declares {declared * 784} bytes but has {has}"):
        read_tiny(tiny)


def test_absurd_size_is_refused_before_it_is_read(tiny):
    write_idx(tiny / TRAIN_IMAGES, np.zeros((1, 28, 28), np.uint8), declared_shape=(2**32 - 1, 28, 28))
    with pytest.raises(ValueError, match="larger than any data set of this kind"):
        read_tiny(tiny)


def test_image_and_label_counts_differ(tiny):
    write_idx(tiny / TRAIN_LABELS, np.zeros(11, np.uint8))
    with pytest.raises(ValueError, match=f"12 images but {TRAIN_LABELS} has 11 labels"):
        read_tiny(tiny)


def test_train_and_test_images_differ_in_size(tiny):
    write_idx(tiny / TEST_IMAGES, np.zeros((4, 8, 8), np.uint8))
    with pytest.raises(ValueError, match="take both from the same source"):
        read_tiny(tiny)


def test_labels_past_the_classes_of_one_hot(tiny):
    write_idx(tiny / TRAIN_LABELS, np.full(12, 10, np.uint8))
    with pytest.raises(ValueError, match="from 10 to 10, but one_hot needs whole numbers from 0 to 9"):
        read_tiny(tiny, one_hot=True)


@pytest.mark.parametrize("validation_size", [-1, 13])
def test_validation_size_out_of_range(tiny, validation_size):
    with pytest.raises(ValueError, match=f"validation_size is {validation_size}"):
        read_data_sets(tiny, validation_size=validation_size)


@pytest.mark.parametrize("dtype", [np.float64, "int32", tf.float16, None, "nonsense"])
def test_dtype_neither_uint8_nor_float32(tiny, dtype):
    with pytest.raises(TypeError, match="images are read as float32 or uint8"):
        read_tiny(tiny, dtype=dtype)


def test_unknown_source(tiny):
    with pytest.raises(ValueError, match="source is 'MNIST'"):
        read_tiny(tiny, source="MNIST")


def test_other_idx_files_are_not_mnist(tiny):
    with pytest.raises(ValueError, match="are not MNIST's"):
        read_tiny(tiny, source="mnist")


def test_one_of_four_files_that_are_not_mnists_is_missing(tiny):
    (tiny / TEST_LABELS).unlink()
    with pytest.raises(FileNotFoundError, match=f"not {TEST_LABELS}, and {TRAIN_IMAGES} is not MNIST's; add the"):
        read_tiny(tiny)


@pytest.mark.parametrize(
    ("train_dir", "error"), [(None, TypeError), (7, TypeError), (b"data", TypeError), ("", ValueError)]
)
def test_train_dir_is_not_a_path(train_dir, error):
    with pytest.raises(error, match=r"^train_dir is .*; pass .*\.$"):
        read_data_sets(train_dir)
    with pytest.raises(ValueError, match=r"only local files"):
        read_data_sets("gs://bucket/mnist")


def test_numbers_of_other_types(tiny):
    data = read_data_sets(tiny, validation_size=np.uint8(2), seed=np.int64(3))
    assert type(data.seed) is int
    assert data.train.next_batch(5)[1].tolist() == read_tiny(tiny, seed=3).train.next_batch(5)[1].tolist()
    for name in "validation_size", "seed":
        for value in 2.0, "2", True:
            with pytest.raises(TypeError, match=f"{name} is .*; pass an integer"):
                read_data_sets(tiny, **{name: value})


def test_files_are_what_they_were_when_their_checksums_were_taken(tiny, monkeypatch):
    """Another process replaces each file as soon as it has been read."""
    expected, read_bytes = read_tiny(tiny), Path.read_bytes
    checksums = [hashlib.sha256((tiny / name).read_bytes()).hexdigest() for name in IDX_FILES]
    monkeypatch.setattr(vae_tf1.data.mnist, "MNIST_SHA256", checksums)

    def read_and_replace(path):
        content = read_bytes(path)
        path.write_bytes(b"another file")
        return content

    monkeypatch.setattr(Path, "read_bytes", read_and_replace)
    data = read_tiny(tiny, source="mnist")
    assert data.name == "MNIST"
    assert data.fingerprint() == expected.fingerprint()


def test_train_dir_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="is a file"):
        read_data_sets(tmp_path / "file")


def test_train_dir_cannot_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr(vae_tf1.data.mnist, "check_reachable", lambda url: None)
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="can't be written"):
        read_data_sets(tmp_path / "file" / "below")


# Missing data


def test_unreachable_host_gives_the_builtin_digits_and_says_so(tmp_path, monkeypatch):
    no_network(monkeypatch)
    with pytest.warns(UserWarning, match="NOT MNIST") as warned:
        assert read_data_sets(tmp_path).name == "built-in digits"
    assert len(warned) == 1
    assert warned[0].filename == __file__
    said = str(warned[0].message)
    assert str(tmp_path) in said
    assert "can't be reached" in said
    assert "Loss values are not comparable" in said


def test_source_mnist_raises_when_the_host_is_unreachable(tmp_path, monkeypatch):
    no_network(monkeypatch)
    with pytest.raises(ConnectionError, match="put the four IDX files there by hand"):
        read_data_sets(tmp_path, source="mnist")


def test_the_data_directory_of_the_environment_is_read_where_train_dir_has_none(tiny, tmp_path, monkeypatch):
    no_network(monkeypatch)
    monkeypatch.setenv("VAE_TF1_DATA_DIR", str(tiny))
    assert read_data_sets(tmp_path / "MNIST_data", validation_size=2).name == f"IDX files in {tiny}"
    assert not (tmp_path / "MNIST_data").exists()
    assert read_data_sets(BUILTIN_DIR).train.num_examples == 15000  # train_dir takes precedence
    with pytest.raises(ConnectionError):
        read_data_sets(tmp_path / "fashion", source_url="http://127.0.0.1:9/")


def test_a_host_that_never_answers_times_out(monkeypatch):
    monkeypatch.setattr(vae_tf1.data.download, "_REACH_SECONDS", 0.2)
    monkeypatch.setattr("requests.head", lambda *args, **kwargs: time.sleep(60))
    with pytest.raises(vae_tf1.data.download.UnreachableError, match="did not answer within"):
        vae_tf1.data.download.check_reachable("https://example.invalid/")


# tensorflow-datasets


@pytest.fixture(scope="module")
def prepared(mnist_dir, tmp_path_factory):
    """A directory in which tensorflow-datasets has prepared MNIST, from files placed by hand."""
    directory = tmp_path_factory.mktemp("tfds")
    manual = directory / "downloads" / "manual"
    manual.mkdir(parents=True)
    for name in IDX_FILES:
        shutil.copy(mnist_dir / name, manual)
    read_data_sets(directory, source="mnist")
    return directory


@pytest.mark.slow
def test_prepared_mnist_has_the_rows_of_the_files_in_their_order(prepared, mnist, graph, monkeypatch):
    no_network(monkeypatch)
    data = read_data_sets(prepared, source="mnist")
    assert data.name == "MNIST"
    for read, expected in zip(data, mnist):
        np.testing.assert_array_equal(read.images, expected.images)
        np.testing.assert_array_equal(read.labels, expected.labels)
    assert graph.get_operations() == []


DAMAGE = {
    "dataset_info.json is empty": lambda path: (path / "dataset_info.json").write_text(""),
    "dataset_info.json is of another kind": lambda path: (path / "dataset_info.json").write_text('{"name": 7}'),
    "dataset_info.json has no splits": lambda path: (path / "dataset_info.json").write_text('{"name": "mnist"}'),
    "a file is missing": lambda path: next(path.glob("mnist-train.*")).unlink(),
    "a file is empty": lambda path: next(path.glob("mnist-train.*")).write_bytes(b""),
    "a file is cut": lambda path: cut(next(path.glob("mnist-train.*"))),
    "a file is cut between records": lambda path: cut_at_a_record(next(path.glob("mnist-test.*"))),
    "a byte is wrong": lambda path: flip(next(path.glob("mnist-test.*"))),
    "two files are exchanged": lambda path: next(path.glob("mnist-test.*")).write_bytes(
        next(path.glob("mnist-train.*")).read_bytes()
    ),
}


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_at_a_record(path):
    content, place = path.read_bytes(), 0
    while place < len(content) // 2:
        place += 8 + 4 + int.from_bytes(content[place : place + 8], "little") + 4  # length, its CRC, record, its CRC
    path.write_bytes(content[:place])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGE)
def test_prepared_mnist_that_is_damaged(prepared, tmp_path, monkeypatch, damage):
    no_network(monkeypatch)
    shutil.copytree(prepared / "mnist", tmp_path / "mnist")
    (version,) = (tmp_path / "mnist").iterdir()
    DAMAGE[damage](version)
    with pytest.raises(
        ValueError, match=rf"^What tensorflow-datasets prepared in {tmp_path / 'mnist'} is damaged or .*\.$"
    ):
        read_data_sets(tmp_path)


@pytest.mark.slow
def test_prepared_mnist_without_its_description_is_prepared_again(prepared, mnist, mnist_dir, tmp_path):
    shutil.copytree(prepared / "mnist", tmp_path / "mnist")
    next((tmp_path / "mnist").glob("*/dataset_info.json")).unlink()
    shutil.copytree(prepared / "downloads" / "manual", tmp_path / "downloads" / "manual")
    assert read_data_sets(tmp_path, source="mnist").fingerprint() == mnist.fingerprint()


@pytest.mark.slow
def test_prepared_mnist_is_read_where_tensorflow_executes_eagerly(prepared, mnist):
    with tf.init_scope():
        assert read_data_sets(prepared, source="mnist").fingerprint() == mnist.fingerprint()


def test_file_with_a_wrong_checksum_is_refused(mnist_dir, tmp_path):
    manual = tmp_path / "downloads" / "manual"
    manual.mkdir(parents=True)
    for name in IDX_FILES:
        shutil.copy(mnist_dir / name, manual)
    shutil.copy(BUILTIN_DIR / TRAIN_IMAGES, manual)
    with pytest.raises(ValueError, match="wrong SHA-256"):
        read_data_sets(tmp_path)


def test_mnist_is_read_where_tensorflow_datasets_cannot_be_imported(mnist_dir, mnist, tmp_path, monkeypatch, capsys):
    no_network(monkeypatch)
    monkeypatch.setitem(sys.modules, "tensorflow_datasets.public_api", None)
    manual = tmp_path / "downloads" / "manual"
    manual.mkdir(parents=True)
    for name in IDX_FILES:
        shutil.copy(mnist_dir / name, manual)
    data = read_data_sets(tmp_path, source="mnist")
    assert data.name == "MNIST"
    assert data.fingerprint() == mnist.fingerprint()
    said = capsys.readouterr().out
    assert "tensorflow-datasets can't be imported (ModuleNotFoundError), so MNIST's files in" in said
    assert said.count("\n") == 1


# The built-in digits


def test_builtin_validation_digits_are_what_their_script_draws():
    from vae_tf1.data.digits import make_digits

    images, labels = next(make_digits.draw_parts())
    shipped = read_data_sets("unused", source="builtin", dtype=np.uint8).validation
    np.testing.assert_array_equal(images.reshape(-1, 784), shipped.images)
    np.testing.assert_array_equal(labels, shipped.labels)


@pytest.mark.slow
def test_builtin_digits_are_what_their_script_makes(tmp_path):
    from vae_tf1.data.digits import make_digits

    make_digits.main(tmp_path)
    for name in IDX_FILES:
        made, shipped = (gzip.decompress((directory / name).read_bytes()) for directory in (tmp_path, BUILTIN_DIR))
        assert hashlib.sha256(made).digest() == hashlib.sha256(shipped).digest(), name


def test_builtin_digits_are_small():
    assert sum((BUILTIN_DIR / name).stat().st_size for name in IDX_FILES) <= 5e6


@pytest.mark.slow
def test_nearest_builtin_digit_reads_mnist(digits, mnist):
    known = np.concatenate([digits.validation.images, digits.train.images])
    labels = np.concatenate([digits.validation.labels, digits.train.labels])
    half_squares = (known**2).sum(axis=1) / 2
    # argmin |q - k|^2 = argmax q k - |k|^2 / 2
    nearest = [np.argmax(rows @ known.T - half_squares, axis=1) for rows in np.split(mnist.test.images, 20)]
    assert (labels[np.concatenate(nearest)] == mnist.test.labels).mean() >= 0.70


def test_fingerprint_is_of_the_data_and_nothing_else(tiny):
    data = read_tiny(tiny)
    same = [read_tiny(tiny, one_hot=True, dtype=np.uint8, reshape=False, seed=3), data]
    data.train.next_batch(3)
    assert {read.fingerprint() for read in same} == {read_tiny(tiny).fingerprint()}
    assert read_data_sets(tiny, validation_size=3).fingerprint() != data.fingerprint()
