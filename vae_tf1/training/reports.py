"""The reports of training, and how they are stored."""

from typing import Any, NamedTuple

import numpy as np


class Report(NamedTuple):
    """What `train` yields. Losses are in nats per image, means over the iterations since the last report."""

    iteration: int  # counted from 0; the report is made after its training step
    loss: float  # what training minimizes: the negative ELBO, unless it has another beta or other terms
    reconstruction: float  # -log p(x|z)
    kl_divergence: float  # KL(q(z|x) || p(z)), or an estimate of it
    images: np.ndarray  # float32 [5, P]: the next five validation images, grey, pixels in [0, 1]
    reconstructions: np.ndarray  # float32 [5, P]: a sample of p(x|z) for each; 0 or 1 if it is Bernoulli


def pack(reports: list[Report]) -> tuple[list, dict[str, np.ndarray]]:
    """Splits reports into their numbers, which JSON can hold, and their images as arrays."""
    images = 255 * np.array([report.images for report in reports])
    reconstructions = np.array([report.reconstructions for report in reports], np.float32)
    black_and_white = reconstructions.astype(np.uint8)  # a quarter of the size, if nothing is lost
    return [report[:4] for report in reports], {
        "images": np.rint(images).astype(np.uint8),
        "reconstructions": black_and_white if np.array_equal(black_and_white, reconstructions) else reconstructions,
    }


def unpack(numbers: list, arrays: dict[str, Any]) -> list[Report]:
    """Inverse of `pack`; exact if the images came from 8-bit pixels."""
    images = np.multiply(arrays["images"], np.float32(1.0 / 255.0), dtype=np.float32)  # as `DataSet` scales them
    pictures = zip(images, arrays["reconstructions"].astype(np.float32))
    return [Report._make([*line, *pair]) for line, pair in zip(numbers, pictures)]
