"""Figures for notebooks: each function returns its figure, and under an inline backend displays it immediately.

Displaying immediately also works in the middle of a loop. The figures are not pyplot's, so none is displayed twice, and
a long loop does not accumulate them.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter
from numpy.typing import ArrayLike

from vae_tf1._checks import as_array, as_count, as_pixels, shown
from vae_tf1.training.reports import Report

# Ten colours that are distinguishable with any colour vision (Petroff 2021, "Accessible Color Sequences for Data
# Visualization", the set of ten); matplotlib has them as "petroff10" from 3.10 on.
_COLOURS = (
    *("#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6"),
    *("#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd"),
)
_MAX_PANELS = 20


def show_figure(figure: Figure, alt: str) -> Figure:
    """Displays a figure under an inline backend, with a text for those who cannot see it, and closes it.

    Args:
        figure: of pyplot, or made without it.
        alt: what the figure shows, in a sentence.

    Returns:
        The figure.
    """
    if "inline" in plt.get_backend():
        from IPython.display import display

        display(figure, metadata={"image/png": {"alt": alt}})
        # As the value of its cell, the figure would be displayed a second time.
        figure._ipython_display_ = lambda: None  # type: ignore[attr-defined]
    plt.close(figure)
    return figure


def visualize_row(image: ArrayLike, reconstruction: ArrayLike, img_width: int = 28, cmap: str = "gray") -> Figure:
    """Draws images in a column on the left and their reconstructions on the right.

    Args:
        image: [N, P], pixels in [0, 1], grey values included.
        reconstruction: [N, P]; values outside [0, 1], such as samples of a Gaussian likelihood, are clipped.
        img_width: width of an image in pixels; its height is P / img_width.
        cmap: matplotlib colormap, which maps [0, 1].

    Returns:
        The figure.

    Raises:
        TypeError: an argument is not an array of real numbers, or `img_width` is not an integer.
        ValueError: the shapes differ or do not fit `img_width`, a pixel of `image` is outside [0, 1], or one of
            `reconstruction` is NaN.
    """
    img_width = as_count(img_width, "img_width", 1)
    originals = _check_images(image, "image", img_width)
    reconstructions = _check_images(
        np.clip(as_array(reconstruction, "reconstruction"), 0, 1), "reconstruction", img_width
    )
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
    figure, axes = _new_figure((2.3, 1.05 * height + 0.35), 1, 2)
    for ax, column, title in zip(axes, (originals, reconstructions), ("Original", "Reconstruction")):
        ax.imshow(column.reshape(-1, img_width), cmap=colormap, vmin=0, vmax=1)
        ax.set_title(title, fontsize="medium")
        ax.set_axis_off()
    return show_figure(figure, f"{len(originals)} images on the left, their reconstructions on the right")


def plot_losses(reports: Iterable[Report]) -> Figure:
    """Plots the training loss, the reconstruction term and the KL divergence over the iterations of a run.

    Args:
        reports: the `Report`s that `train` yielded; or the generator itself, which is then run to its end.

    Returns:
        The figure.

    Raises:
        TypeError: `reports` contains anything other than `Report`s.
    """
    reports = list(reports) if isinstance(reports, Iterable) else [reports]
    for report in reports:
        if not hasattr(report, "iteration"):
            raise TypeError(f"reports has {shown(report)}; pass the reports that train yields.")
    iterations = [report.iteration for report in reports]
    figure, ax = _new_figure((7, 4))
    for field, label, style in [
        ("loss", "loss", "-"),
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
    return show_figure(figure, "The loss, the reconstruction term and the KL divergence over the iterations")


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
        TypeError: `images` is not an array of real numbers, or `img_width` is not an integer.
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
    figure, ax = _new_figure((inches + 0.4 * (row_labels is not None), height))
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
    return show_figure(figure, _describe_grid(title, rows, columns, row_labels, column_labels))


def _describe_grid(title: str, rows: int, columns: int, row_labels: Any, column_labels: Any) -> str:
    parts = [f"{title}: {columns} columns and {rows} rows of images"]
    for what, labels in ("Rows", row_labels), ("Columns", column_labels):
        if labels is not None:
            parts.append(f"{what}: {', '.join(str(label) for label in labels if str(label))}")
    return ". ".join(parts)


def plot_latent_means(mu: ArrayLike, labels: ArrayLike) -> Figure:
    """Plots the means of q(z|x) in one panel for each label: its images in colour, the others in grey.

    A two-dimensional code is plotted as it is. A longer one is projected onto its first two principal components. The
    circle has a radius of 2, and contains 86.5% of the prior N(0, I).

    Args:
        mu: [N, D], the first half of `mu_logvar`; N at least 2.
        labels: [N], integers or strings, of at most 20 classes.

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
    points, centre, axes = _in_two_dimensions(mu)
    classes = np.unique(labels)
    if len(classes) > _MAX_PANELS:
        raise ValueError(f"labels has {len(classes)} classes, but at most {_MAX_PANELS} panels are drawn; choose some.")
    columns = min(5, len(classes))
    rows = -(-len(classes) // columns)
    figure, panels = _new_figure(
        (2 * columns, 2.1 * rows + 0.5), rows, columns, sharex=True, sharey=True, squeeze=False
    )
    for ax, label in zip(panels.flat, classes):
        chosen = labels == label
        ax.scatter(*points[~chosen].T, s=1, color="#d9d9d9", linewidths=0)
        ax.scatter(*points[chosen].T, s=1.5, color=_COLOURS[0], linewidths=0)
        ax.add_patch(Circle((float(centre[0]), float(centre[1])), 2, fill=False, linewidth=0.8))
        ax.set_title(str(label), fontsize="medium")
        ax.set_aspect("equal")
    for ax in panels.flat[len(classes) :]:
        ax.set_axis_off()
    figure.supxlabel(axes[0], fontsize="medium")
    figure.supylabel(axes[1], fontsize="medium")
    return show_figure(
        figure, f"Scatter plots of the latent means, one for each of the labels {', '.join(map(str, classes))}"
    )


def _in_two_dimensions(mu: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple[str, str]]:
    """The points [N, 2], where the origin of the code is, and what the two axes are."""
    if mu.shape[1] == 2:
        return mu, np.zeros(2), ("z[0]", "z[1]")
    mean = mu.mean(axis=0)
    _, singular_values, directions = np.linalg.svd(mu - mean, full_matrices=False)
    share = singular_values**2 / (singular_values**2).sum()
    axes = (
        f"first principal component ({share[0]:.0%} of the variance)",
        f"second principal component ({share[1]:.0%})",
    )
    return (mu - mean) @ directions[:2].T, -mean @ directions[:2].T, axes


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
    figure, ax = _new_figure((7, 3.5))
    ax.bar(np.arange(len(kl_divergence)), kl_divergence, color=_COLOURS[0])
    ax.set(
        title=f"{active} of {len(kl_divergence)} dimensions are active (at least {active_from:g} nats)",
        xlabel="dimension of the code, sorted",
        ylabel="KL divergence (nats)",
    )
    return show_figure(figure, f"Bars: the KL divergence of each dimension of the code, {active} of them active")


def _new_figure(size: tuple[float, float], rows: int = 1, columns: int = 1, **options: Any) -> tuple[Figure, Any]:
    figure = Figure(size, layout="constrained")
    return figure, figure.subplots(rows, columns, **options)


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
    return as_pixels(images, name)
