"""Figures for notebooks: each function returns its figure, and under an inline backend displays it immediately.

Displaying immediately also works in the middle of a loop. Every figure is closed in pyplot, so none is displayed twice
and a long loop does not accumulate them.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter
from numpy.typing import ArrayLike

from vae_tf1._checks import as_array, as_count, shown
from vae_tf1.training.reports import Report

# Ten colours that are distinguishable with any colour vision (Petroff 2021, "Accessible Color Sequences for Data
# Visualization", the set of ten); matplotlib has them as "petroff10" from 3.10 on.
_COLOURS = (
    *("#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6"),
    *("#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd"),
)


def visualize_row(image: ArrayLike, reconstruction: ArrayLike, img_width: int = 28, cmap: str = "gray") -> Figure:
    """Draws images in a column on the left and their reconstructions on the right.

    Args:
        image: [N, P], pixels in [0, 1], grey values included.
        reconstruction: [N, P], pixels in [0, 1].
        img_width: width of an image in pixels; its height is P / img_width.
        cmap: matplotlib colormap, which maps [0, 1].

    Returns:
        The figure.

    Raises:
        TypeError: an argument is not an array of real numbers, or `img_width` is not a whole number.
        ValueError: the shapes differ or do not fit `img_width`, or a pixel is outside [0, 1].
    """
    img_width = as_count(img_width, "img_width", 1)
    originals = _check_images(image, "image", img_width)
    reconstructions = _check_images(reconstruction, "reconstruction", img_width)
    if len(originals) != len(reconstructions):
        raise ValueError(
            f"image has {len(originals)} rows but reconstruction {len(reconstructions)}; "
            "pass one reconstruction per image."
        )
    try:
        colormap = plt.get_cmap(cmap)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f'cmap is {shown(cmap)}; pass the name of a colormap of matplotlib, such as "gray".'
        ) from error
    height = max(len(originals), 1) * originals.shape[1] / img_width**2
    figure, axes = plt.subplots(1, 2, figsize=(2.3, 1.05 * height + 0.35), layout="constrained")
    for ax, column, title in zip(axes, (originals, reconstructions), ("Original", "Reconstruction")):
        ax.imshow(column.reshape(-1, img_width), cmap=colormap, vmin=0, vmax=1)
        ax.set_title(title, fontsize="medium")
        ax.set_axis_off()
    return _display(figure)


def plot_losses(reports: Iterable[Report]) -> Figure:
    """Plots the negative ELBO and its two terms over the iterations of a training run.

    Args:
        reports: the `Report`s that `train` yielded; of the generator itself, all that it has still to yield.

    Returns:
        The figure.

    Raises:
        TypeError: `reports` has something else than `Report`s.
    """
    reports = list(reports) if isinstance(reports, Iterable) else [reports]
    for report in reports:
        if not hasattr(report, "iteration"):
            raise TypeError(f"reports has {shown(report)}; pass the reports that train yields.")
    iterations = [report.iteration for report in reports]
    figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
    for field, label, style in [
        ("loss", "negative ELBO", "-"),
        ("reconstruction", "reconstruction", "--"),
        ("kl_divergence", "KL divergence", ":"),
    ]:
        ax.plot(iterations, [getattr(report, field) for report in reports], style, marker=".", label=label)
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(ScalarFormatter())
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set(title="Training loss, mean since the last report", xlabel="iteration", ylabel="nats per image")
    ax.grid(alpha=0.3)
    ax.legend()
    return _display(figure)


def visualize_grid(
    images: ArrayLike,
    title: str,
    *,
    row_labels: Sequence[object] | None = None,
    column_labels: Sequence[object] | None = None,
    xlabel: str = "",
    img_width: int | None = None,
) -> Figure:
    """Draws images in rows and columns, separated by thin white lines.

    Args:
        images: [R, C, P], pixels in [0, 1]: R rows of C images.
        title: printed above the grid.
        row_labels: R labels, printed with `str` to the left of the rows.
        column_labels: C labels, printed with `str` below the columns.
        xlabel: what the column labels mean.
        img_width: width of an image in pixels; None for square images.

    Returns:
        The figure.

    Raises:
        TypeError: `images` is not an array of real numbers, or `img_width` is not a whole number.
        ValueError: `images` is not [R, C, P], P does not fit `img_width`, a pixel is outside [0, 1], or there is not
            one label for each row or column.
    """
    images = as_array(images, "images")
    if images.ndim != 3 or not images.size:
        raise ValueError(f"images is {list(images.shape)}, not [rows, columns, pixels]; reshape it.")
    rows, columns, pixels = images.shape
    width = math.isqrt(pixels) if img_width is None else as_count(img_width, "img_width", 1)
    if img_width is None and width**2 != pixels:
        raise ValueError(f"images has {pixels} pixels per image, which is not a square; pass img_width.")
    _check_images(images.reshape(-1, pixels), "images", width)
    cell = np.array([pixels // width, width]) + 2  # an image and the line around it
    canvas = np.ones((rows, columns, *cell))
    canvas[:, :, 1:-1, 1:-1] = images.reshape(rows, columns, pixels // width, width)
    grid = canvas.swapaxes(1, 2).reshape(rows * cell[0], columns * cell[1])

    inches = min(8, 0.9 * columns)
    height = inches * grid.shape[0] / grid.shape[1] + 0.4 + 0.25 * (column_labels is not None) + 0.25 * bool(xlabel)
    figure, ax = plt.subplots(figsize=(inches + 0.4 * (row_labels is not None), height), layout="constrained")
    ax.imshow(grid, cmap="gray", vmin=0, vmax=1)
    for axis, name, count, size, labels in (
        (ax.yaxis, "row", rows, cell[0], row_labels),
        (ax.xaxis, "column", columns, cell[1], column_labels),
    ):
        texts = [] if labels is None else _texts(labels, f"{name}_labels", count)
        axis.set_ticks((np.arange(len(texts)) + 0.5) * size - 0.5, texts)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set(title=title, xlabel=xlabel)
    return _display(figure)


def plot_latent_means(mu: ArrayLike, labels: ArrayLike) -> Figure:
    """Plots the means of q(z|x), coloured by label.

    A two-dimensional code is plotted as it is. A longer one is projected onto its first two principal components.

    Args:
        mu: [N, D], the first half of `mu_logvar`; N at least 2.
        labels: [N], integers or strings.

    Returns:
        The figure.

    Raises:
        TypeError: `mu` is not an array of real numbers.
        ValueError: `mu` is not [N, D] with N and D of at least 2, is not finite or the same
            for all images, or `labels` is not [N].
    """
    mu, labels = as_array(mu, "mu").astype(np.float64), np.asarray(labels)
    if mu.ndim != 2 or min(mu.shape) < 2 or labels.shape != mu.shape[:1]:
        raise ValueError(
            f"mu is {list(mu.shape)} and labels {list(labels.shape)}; pass [N, D] and [N], N and D of at least 2."
        )
    if not np.isfinite(mu).all() or not mu.std():
        raise ValueError("mu is not finite or is the same for all images; plot the means of a trained model.")
    if mu.shape[1] == 2:
        x, y = mu.T
        axes = "z[0]", "z[1]"
    else:
        centred = mu - mu.mean(axis=0)
        _, singular_values, directions = np.linalg.svd(centred, full_matrices=False)
        x, y = (centred @ directions[:2].T).T
        share = singular_values**2 / (singular_values**2).sum()
        axes = (
            f"first principal component ({share[0]:.0%} of the variance)",
            f"second principal component ({share[1]:.0%})",
        )
    figure, ax = plt.subplots(figsize=(7, 6), layout="constrained")
    for number, label in enumerate(np.unique(labels)):
        chosen, colour = labels == label, _COLOURS[number % len(_COLOURS)]
        ax.scatter(x[chosen], y[chosen], s=5, alpha=0.5, color=colour, linewidths=0)
        place = np.median(x[chosen]), np.median(y[chosen])
        circle = {"boxstyle": "circle", "facecolor": "white", "edgecolor": colour, "linewidth": 2}
        ax.annotate(str(label), place, ha="center", va="center", weight="bold", bbox=circle)
    ax.set(
        title="Latent means of the images, numbered by label",
        xlabel=axes[0],
        ylabel=axes[1],
        aspect="equal",
    )
    return _display(figure)


def plot_kl_per_dimension(kl_divergence: ArrayLike, active_from: float = 0.1) -> Figure:
    """Plots the KL divergence of each dimension of the code in descending order.

    Args:
        kl_divergence: [D], in nats, from `kl_per_dimension`.
        active_from: a dimension with at least this many nats counts as active.

    Returns:
        The figure, whose title gives the number of active dimensions.

    Raises:
        TypeError: `kl_divergence` is not an array of real numbers.
        ValueError: it is not [D], or not finite.
    """
    kl_divergence = as_array(kl_divergence, "kl_divergence")
    if kl_divergence.ndim != 1 or not kl_divergence.size or not np.isfinite(kl_divergence).all():
        raise ValueError(
            f"kl_divergence is {shown(kl_divergence)}; pass the finite values [D] that kl_per_dimension returns."
        )
    kl_divergence = np.sort(kl_divergence)[::-1]
    active = int((kl_divergence >= active_from).sum())
    figure, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
    ax.bar(np.arange(len(kl_divergence)), kl_divergence, color=_COLOURS[0])
    ax.set(
        title=f"{active} of {len(kl_divergence)} dimensions are active (at least {active_from:g} nats)",
        xlabel="dimension of the code, sorted",
        ylabel="KL divergence (nats)",
    )
    return _display(figure)


def _display(figure: Figure) -> Figure:
    if "inline" in matplotlib.get_backend():
        plt.show()
        # As the value of its cell, the figure would be displayed a second time.
        figure._ipython_display_ = lambda: None  # type: ignore[attr-defined]
    plt.close(figure)
    return figure


def _texts(labels: Any, name: str, count: int) -> list[str]:
    if not isinstance(labels, Iterable):
        raise TypeError(f"{name} is {shown(labels)}; pass a list of {count} labels.")
    texts = [str(label) for label in labels]
    if len(texts) != count:
        raise ValueError(f"{name} has {len(texts)} labels; pass {count}, one for each.")
    return texts


def _check_images(images: ArrayLike, name: str, img_width: int) -> np.ndarray:
    images = as_array(images, name)
    if images.ndim != 2 or images.shape[1] == 0 or images.shape[1] % img_width:
        raise ValueError(
            f"{name} is {list(images.shape)}, not [N, {img_width} * height]; "
            "reshape it to one row per image, or pass its img_width."
        )
    if images.size and not (images.min() >= 0 and images.max() <= 1):  # NaN fails both
        raise ValueError(f"{name} has pixels in [{images.min()}, {images.max()}], not in [0, 1]; scale or clip them.")
    return images
