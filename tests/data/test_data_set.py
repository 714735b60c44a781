"""Custom data sets: colour images, no labels, scaled and unusual arrays, arrays larger than memory."""

import copy
import hashlib

import numpy as np
import pytest

from vae_tf1 import Datasets, binarize, input_data
from vae_tf1.input_data import DataSet

GREY = np.random.RandomState(0).randint(0, 256, [50, 4, 3], np.uint8)
COLOUR = np.random.RandomState(1).randint(0, 256, [50, 4, 3, 3], np.uint8)
LABELS = np.arange(50) % 10


def fingerprint(data_set: DataSet) -> str:
    return Datasets(data_set, data_set, data_set).fingerprint()


# Shapes, and no labels


def test_images_in_colour_are_flattened_and_keep_their_shape():
    data_set = DataSet(COLOUR, np.arange(50), seed=0)
    assert data_set.image_shape == (4, 3, 3)
    assert DataSet(GREY, LABELS).image_shape == DataSet(GREY[..., None], LABELS).image_shape == (4, 3)
    images, labels = data_set.next_batch(50)
    scaled = COLOUR.reshape(50, 36) * np.float32(1 / 255)
    np.testing.assert_array_equal(images[np.argsort(labels, kind="stable")], scaled)
    np.testing.assert_array_equal(np.sort(labels), np.arange(50))


def test_images_without_labels():
    data_set, labelled = DataSet(GREY, None, seed=0), DataSet(GREY, LABELS, seed=0)
    for size in 20, 40, 7:
        images, labels = data_set.next_batch(size)
        assert labels is None
        assert images.tobytes() == labelled.next_batch(size)[0].tobytes()
    assert data_set.labels is None
    assert data_set.part(rows=slice(5)).labels is None
    assert fingerprint(data_set) != fingerprint(labelled)
    data_set.set_state(labelled.get_state())
    data_set._images = data_set._images[:10]
    assert data_set.labels is None
    with pytest.raises(ValueError, match=r"has no labels; choose its rows with rows="):
        data_set.part(labels=[1])


# Rows by number


@pytest.mark.parametrize("look", [False, True])
@pytest.mark.parametrize("labels", [LABELS, np.eye(10)[LABELS], np.random.RandomState(2).normal(size=[50, 2, 3])])
def test_rows_are_those_of_the_batch(labels, look):
    one, other = DataSet(GREY, labels, seed=0), DataSet(GREY, labels, seed=0)
    for size in 20, 20, 20, 50:
        images, batch_labels = one.next_batch(size)
        if look:
            assert other.images.shape == (50, 12)
        rows = other.next_rows(size)
        if look:
            assert len(other.labels) == 50
        got_images, got_labels = other.rows(rows)
        assert got_images.tobytes() == images.tobytes()
        assert got_labels.tobytes() == batch_labels.tobytes()
        every_image, every_label = other.rows(slice(None))
        np.testing.assert_array_equal(every_image[rows], images)
        np.testing.assert_array_equal(every_label, labels)
        every_image[:] = 7
        assert other.rows(rows)[0].tobytes() == images.tobytes()


# Pixels


@pytest.mark.parametrize(
    "images",
    [GREY / 255, (GREY / 255).astype(np.float16), GREY // 128, (GREY // 128).astype(np.int64)],
    ids=["float64", "float16", "uint8", "int64"],
)
def test_images_that_are_already_scaled_are_warned_about(images):
    with pytest.warns(
        UserWarning, match=r"^The brightest pixel of these .* 0 to 255 .* multiply them by 255 first\.$"
    ) as said:
        data_set = DataSet(images, LABELS)
    assert len(said) == 1
    assert said[0].filename == __file__
    assert data_set.images.max() <= np.float32(1 / 255)  # as TensorFlow 1


@pytest.mark.parametrize("images", [GREY, GREY.astype(np.float32), GREY * 0], ids=["uint8", "float32", "black"])
def test_other_images_are_not_warned_about(images):
    DataSet(images, LABELS)
    DataSet(GREY // 128, LABELS, dtype=np.uint8)  # which scales nothing


def test_truth_values_are_black_and_white():
    white = GREY > 100
    data_set = DataSet(white, LABELS)
    np.testing.assert_array_equal(data_set.black_and_white, white.reshape(50, 12))
    np.testing.assert_array_equal(data_set.images, white.reshape(50, 12))
    np.testing.assert_array_equal(DataSet(white, LABELS, dtype=np.uint8).images, white.reshape(50, 12) * 255)
    assert fingerprint(DataSet(white, LABELS)) == fingerprint(DataSet(white * np.uint8(255), LABELS))


def test_no_dtype_of_the_same_pixels_changes_a_batch_or_the_fingerprint():
    expected = DataSet(GREY, LABELS, seed=0)
    for dtype in np.float32, np.float64, np.int16, np.uint64:
        data_set = DataSet(GREY.astype(dtype), LABELS, seed=0)
        assert fingerprint(data_set) == fingerprint(expected)
        assert data_set.next_batch(20)[0].tobytes() == copy.deepcopy(expected).next_batch(20)[0].tobytes()


# The fingerprint


def test_the_fingerprint_is_the_one_that_checkpoints_have():
    """Checkpoints of earlier versions hold the SHA-256 of the pixels as bytes followed by the classes as bytes."""
    sha256 = hashlib.sha256()
    for _ in range(3):
        sha256.update(GREY.tobytes() + LABELS.astype(np.uint8).tobytes())
    for labels in LABELS, LABELS.astype(np.float64), np.eye(10)[LABELS]:
        assert fingerprint(DataSet(GREY, labels)) == sha256.hexdigest()


def test_the_fingerprint_tells_all_labels_apart():
    labels = [LABELS, LABELS + 256, LABELS - 10, LABELS / 7, LABELS[:, None], np.eye(10)[LABELS] / 2, LABELS * np.nan]
    assert len({fingerprint(DataSet(GREY, some)) for some in labels}) == len(labels)


# Arrays larger than memory


@pytest.fixture
def mapped(tmp_path):
    """A function that maps an array from a file."""

    def save(array, mode="r"):
        np.save(tmp_path / "array.npy", array)
        return np.load(tmp_path / "array.npy", mmap_mode=mode)

    return save


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64, np.int16, bool])
@pytest.mark.parametrize("images", [GREY, COLOUR], ids=["grey", "colour"])
def test_mapped_images_give_the_batches_of_those_in_memory(mapped, images, dtype):
    images = (images > 127) if dtype is bool else images.astype(dtype)
    data_set, expected = DataSet(mapped(images), LABELS, seed=0), DataSet(images, LABELS, seed=0)
    assert fingerprint(data_set) == fingerprint(expected)
    for size in 20, 20, 20, 50:
        got, want = data_set.next_batch(size), expected.next_batch(size)
        assert got[0].tobytes() == want[0].tobytes()
        assert got[1].tobytes() == want[1].tobytes()
        assert data_set.rows(data_set.next_rows(4))[0].tobytes() == expected.next_batch(4)[0].tobytes()
        assert data_set.mapped
    np.testing.assert_array_equal(data_set.black_and_white, expected.black_and_white)
    np.testing.assert_array_equal(data_set.part(rows=[3, 1]).images, expected.part(rows=[3, 1]).images)
    np.testing.assert_array_equal(data_set.images, expected.images)
    assert data_set.next_batch(50)[0].tobytes() == expected.next_batch(50)[0].tobytes()
    assert fingerprint(data_set) == fingerprint(expected)


def test_a_view_of_mapped_images_stays_in_the_file(mapped):
    images = mapped(GREY)
    for view in images[5:], np.asarray(images)[::2], images[..., None], images.transpose(0, 2, 1)[:, ::-1]:
        data_set = DataSet(view, None, reshape=False)
        data_set.next_batch(3)
        assert data_set.mapped
    assert not DataSet(GREY).mapped
    with pytest.raises(ValueError, match="not in one piece in the file of images"):
        DataSet(images[:, ::-1])


@pytest.mark.parametrize("mode", ["r+", "c"])
def test_edits_of_a_map_that_can_be_written_survive(mapped, mode):
    images = mapped(GREY, mode)
    images[7] = 255
    data_set = DataSet(images, LABELS)
    data_set.next_batch(20)
    assert (data_set.rows(np.array([7]))[0] == 1).all()
    assert (images[7] == 255).all()


def test_scaled_images_in_a_file_are_warned_about(mapped):
    with pytest.warns(UserWarning, match="multiply them by 255 first"):
        DataSet(mapped(GREY / 255), LABELS)


def test_mapped_labels(mapped):
    labels = np.random.RandomState(0).normal(size=[50, 6])
    data_set, expected = DataSet(GREY, mapped(labels), seed=0), DataSet(GREY, labels, seed=0)
    for _ in range(4):
        np.testing.assert_array_equal(data_set.next_batch(20)[1], expected.next_batch(20)[1])
    np.testing.assert_array_equal(data_set.labels, expected.labels)


def resident_megabytes() -> int:
    with open("/proc/self/status") as status:
        (line,) = (line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1]) // 1024


def test_the_memory_of_the_process_does_not_grow_with_a_mapped_array(tmp_path):
    """20 GB of zeros in a sparse file: batches, and a shuffle at the end of an epoch."""
    path, count = tmp_path / "zeros.npy", 1_630_000
    np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(count, 64, 64, 3))
    data_set = DataSet(np.load(path, mmap_mode="r"), np.zeros(count, np.uint8), seed=0)
    assert data_set.image_shape == (64, 64, 3)
    data_set.next_batch(10)
    before = resident_megabytes()
    for _ in range(100):
        assert not data_set.next_batch(100)[0].any()
    data_set._index_in_epoch = count - 50
    assert data_set.next_batch(100)[0].shape == (100, 64 * 64 * 3)
    assert data_set.epochs_completed == 1
    assert resident_megabytes() - before < 100


# Arguments


@pytest.mark.parametrize("batch_size", [np.uint8(100), np.int8(100), np.int64(100), np.array(100, np.uint8)])
def test_narrow_integers_do_not_overflow(batch_size):
    images = np.zeros([300, 2, 2], np.uint8)
    one, other = DataSet(images, np.arange(300), seed=0), DataSet(images, np.arange(300), seed=0)
    one._num_examples, one._index_in_epoch = np.int16(300), np.uint8(200)
    other._index_in_epoch = 200
    for _ in range(10):
        assert one.next_batch(batch_size)[1].tolist() == other.next_batch(100)[1].tolist()
    images, _ = DataSet([], [], True).next_batch(np.uint8(3), fake_data=True)
    assert len(images) == 3


@pytest.mark.parametrize("batch_size", [2.0, "2", None, [2], True])
def test_a_batch_size_that_is_not_a_whole_number(batch_size):
    with pytest.raises(TypeError, match=r"^batch_size is .*; pass an integer\.$"):
        DataSet(GREY, LABELS).next_batch(batch_size)


def masked(array):
    return np.ma.masked_equal(array, 3)


@pytest.mark.parametrize(
    ("images", "labels", "says"),
    [
        (masked(GREY), LABELS, "images is a masked array"),
        (GREY, masked(LABELS), "labels is a masked array"),
        (GREY.astype(object), LABELS, "images has the dtype object; pass"),
        (GREY.astype(complex), LABELS, "images has the dtype complex128; pass"),
        (GREY, LABELS.astype(str), "labels has the dtype <U21; pass"),
        (None, LABELS, "images is a NoneType; pass"),
        ("digits.npy", LABELS, "images is a str; pass"),
        ([[1, 2], [3]], LABELS, "images is .*, which is not an array of numbers"),
    ],
)
def test_what_is_not_an_array_of_numbers(images, labels, says):
    with pytest.raises(TypeError, match=rf"^{says}.*\.$"):
        DataSet(images, labels)


@pytest.mark.parametrize(
    ("images", "labels", "says"),
    [
        (GREY, LABELS[:-1], r"50 images but the labels are \[49\]"),
        (GREY, 3, r"50 images but the labels are \[\]"),
        (5, LABELS, r"The images are \[\]; pass"),
        (COLOUR[None], LABELS, r"The images are \[1, 50, 4, 3, 3\]; pass"),
    ],
)
def test_arrays_of_the_wrong_shape(images, labels, says):
    with pytest.raises(ValueError, match=says):
        DataSet(images, labels)


def test_binarize_takes_real_numbers_alone():
    for images in np.zeros([2, 3], complex), masked(np.ones([2, 3])), np.zeros([2, 3], object):
        with pytest.raises(TypeError, match="images"):
            binarize(images)


@pytest.mark.parametrize("labels", [[-1], [10], [0.5], [np.nan], [256], np.array([200], np.uint8)])
def test_one_hot_of_what_is_not_a_class(labels):
    with pytest.raises(ValueError, match=r"one_hot needs whole numbers from 0 to 9"):
        input_data.dense_to_one_hot(labels, 10)


def test_one_hot_of_other_dtypes():
    for labels in [2, 0], np.float64([2, 0]), np.uint8([2, 0]), np.int8([[2], [0]]):
        assert input_data.dense_to_one_hot(labels, np.int64(3)).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert input_data.dense_to_one_hot([], 10).shape == (0, 10)
    with pytest.raises(TypeError, match="labels_dense has the dtype"):
        input_data.dense_to_one_hot(["a"], 10)


# Generators and parts


def test_a_whole_number_seeds_the_generator():
    for seed in 0, np.uint8(0), 7:
        batches = [DataSet(GREY, LABELS).part(rows=slice(20), random_state=seed).next_batch(5)[1] for _ in range(2)]
        np.testing.assert_array_equal(*batches)
        expected = DataSet(GREY[:20], LABELS[:20], random_state=np.random.RandomState(seed)).next_batch(5)[1]
        np.testing.assert_array_equal(batches[0], expected)
        np.testing.assert_array_equal(DataSet(GREY[:20], LABELS[:20], seed=seed).next_batch(5)[1], expected)


@pytest.mark.parametrize("random_state", [0.5, "0", np.random.default_rng(0), np.array([1, 2])])
def test_another_generator_is_refused(random_state):
    with pytest.raises(TypeError, match=r"^random_state is .*; pass an integer"):
        DataSet(GREY, LABELS).part(random_state=random_state)
    with pytest.raises(TypeError, match=r"^seed is 0\.5; pass an integer"):
        DataSet(GREY, LABELS, seed=0.5)


def test_a_part_does_not_seed_numpys_generator(graph):
    import tensorflow.compat.v1 as tf

    data_set = DataSet(GREY, LABELS)
    tf.set_random_seed(5)
    before = np.random.get_state()[1].tobytes()
    data_set.part(rows=slice(5))
    assert np.random.get_state()[1].tobytes() == before


@pytest.mark.parametrize("labels", [["a"], [None, 1], {1: 2}])
def test_labels_of_a_part_that_are_not_numbers(labels):
    with pytest.raises(TypeError, match="labels"):
        DataSet(GREY, LABELS).part(labels=labels)


@pytest.mark.parametrize("rows", [5, 2.5, "all", [0.5], [[1, 2]], [None]])
def test_rows_of_a_part_that_are_not_rows(rows):
    with pytest.raises(TypeError, match="rows"):
        DataSet(GREY, LABELS).part(rows=rows)


@pytest.mark.parametrize("rows", [[50], [-51], [True]])
def test_rows_of_a_part_that_are_not_there(rows):
    with pytest.raises(IndexError, match=r"^rows does not fit the 50 images to choose from"):
        DataSet(GREY, LABELS).part(rows=rows)


def test_parts_of_no_rows_and_by_truth_values():
    assert DataSet(GREY, LABELS).part(rows=[]).num_examples == 0
    assert DataSet(GREY, LABELS).part(rows=LABELS == 4).labels.tolist() == [4] * 5
    with pytest.raises(ValueError, match=r"labels are \[50, 2, 3\], not \[N\] or one-hot"):
        DataSet(GREY, np.zeros([50, 2, 3])).part(labels=[0])


def test_a_part_by_labels_in_a_column():
    column = DataSet(GREY, LABELS[:, None])
    np.testing.assert_array_equal(column.part(labels=[3]).images, DataSet(GREY, LABELS).part(labels=[3]).images)


def test_labels_that_are_several_classes_are_refused():
    several = np.eye(10)[LABELS] + np.eye(10)[(LABELS + 1) % 10]
    with pytest.raises(ValueError, match=r"not \[N\] or one-hot"):
        DataSet(GREY, several).part(labels=[0])


def test_only_the_generator_of_tensorflow_1_is_taken():
    with pytest.raises(TypeError, match="another generator than MT19937"):
        DataSet(GREY, LABELS, random_state=np.random.RandomState(np.random.PCG64(0)))
