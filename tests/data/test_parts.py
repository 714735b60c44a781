"""Parts of a data set, by label and by rows."""

import numpy as np
import pytest

from vae_tf1 import read_data_sets


def test_a_part_by_label_and_by_rows(digits):
    part = digits.part(labels=range(3))
    assert part.name == "a part of built-in digits, labels 0, 1, 2"
    for whole, some in zip(digits, part):
        rows = whole.labels < 3
        np.testing.assert_array_equal(some.images, whole.images[rows])
        np.testing.assert_array_equal(some.labels, whole.labels[rows])
    few = digits.train.part(labels=[7], rows=slice(5))
    assert few.labels.tolist() == [7] * 5
    np.testing.assert_array_equal(digits.test.part(rows=[3, 1]).images, digits.test.images[[3, 1]])
    one_hot = read_data_sets("unused", source="builtin", one_hot=True).part(labels=[4])
    assert (one_hot.test.labels.argmax(axis=1) == 4).all()
    with pytest.raises(ValueError, match="No image here has the label 12"):
        digits.part(labels=[12])


def test_a_part_is_shuffled_with_the_seed():
    batches = [read_data_sets("unused", source="builtin", seed=3).part(labels=[1, 2]).train.next_batch(5) for _ in "ab"]
    np.testing.assert_array_equal(batches[0][0], batches[1][0])
