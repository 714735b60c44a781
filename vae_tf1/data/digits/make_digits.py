"""Makes the four IDX files in this directory: handwritten digits that need no download.

Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998,
licensed under CC BY 4.0, in the copy that scikit-learn ships as `load_digits` (1797 images of 8x8 pixels).
Changes made here: each image is enlarged to 28x28, its contrast is raised, and it is drawn several times, each time
slightly rotated, sheared, scaled, thickened or thinned, and centred by its mass, as MNIST's digits are.

    python vae_tf1/data/digits/make_digits.py [DIRECTORY]

It needs scikit-learn, which brings SciPy, and writes the same bytes every time.
"""

import gzip
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy import ndimage
from sklearn.datasets import load_digits

SIZE = 28
# (images, originals) of each part. No two parts share an original.
# The train file is validation followed by train, because `read_data_sets` takes validation from its front.
VALIDATION, TRAIN, TEST = (5000, 400), (15000, 1150), (3000, 247)


def draw(original: np.ndarray, random_state: np.random.RandomState) -> np.ndarray:
    """Draws one digit like handwriting, uint8 [28, 28], from an [8, 8] image of 0 to 16."""
    angle = np.deg2rad(random_state.uniform(-10, 10))
    shear = random_state.uniform(-0.15, 0.3)
    scale_x, scale_y = random_state.uniform(1.0, 1.25), random_state.uniform(0.88, 1.12)
    threshold = random_state.uniform(0.48, 0.68)
    image = np.pad(original / 16.0, 2)
    # One pixel of the original becomes 2.5 pixels, so a digit is 20 pixels high, as in MNIST.
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = rotation @ np.array([[1 / scale_y, 0], [shear, 1 / scale_x]]) / 2.5
    centre = np.array(ndimage.center_of_mass(image))
    offset = centre - matrix @ np.full(2, (SIZE - 1) / 2)
    enlarged = ndimage.affine_transform(image, matrix, offset, output_shape=(SIZE, SIZE), order=3)
    stroke = np.clip((ndimage.gaussian_filter(enlarged, 0.4) - threshold) / 0.4 + 0.5, 0, 1)
    shift = (SIZE - 1) / 2 - np.array(ndimage.center_of_mass(stroke))
    return np.rint(255 * ndimage.shift(stroke, np.rint(shift), order=0)).astype(np.uint8)


def draw_part(
    originals: np.ndarray, labels: np.ndarray, count: int, random_state: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Draws `count` images, uint8 [count, 28, 28], and their labels in random order, each original equally often."""
    rows = random_state.permutation(np.arange(count) % len(originals))
    return np.stack([draw(originals[row], random_state) for row in rows]), labels[rows].astype(np.uint8)


def write_idx(path: Path, array: np.ndarray) -> None:
    header = struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes(), compresslevel=9, mtime=0))


def draw_parts() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields images and labels of validation, train and test, in that order."""
    random_state = np.random.RandomState(0)
    digits = load_digits()
    order = random_state.permutation(len(digits.images))
    start = 0
    for count, originals in (VALIDATION, TRAIN, TEST):
        rows = order[start : start + originals]
        yield draw_part(digits.images[rows], digits.target[rows], count, random_state)
        start += originals


def main(directory: Path) -> None:
    (validation_images, validation_labels), (train_images, train_labels), test = draw_parts()
    train = np.concatenate([validation_images, train_images]), np.concatenate([validation_labels, train_labels])
    for prefix, (images, labels) in ("train", train), ("t10k", test):
        write_idx(directory / f"{prefix}-images-idx3-ubyte.gz", images)
        write_idx(directory / f"{prefix}-labels-idx1-ubyte.gz", labels)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
