"""Pictures. Each function returns its matplotlib figure, which a notebook shows as the value of a cell.

No figure stays open in pyplot, so none is drawn twice and a long loop gathers none.
"""

import sys
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import color_sequences
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

# Ten colours that people with any colour vision tell apart (Petroff 2021, "Accessible Color Sequences").
_COLOURS = color_sequences["petroff10"]
_CELL = 28 + 2  # pixels: an image and the line around it


def visualize_row(image, reconstruction, img_width: int = 28, cmap: str = "gray") -> Figure:
    """Images in a column on the left, their reconstructions on the right.

    In a notebook it is shown at once, also in the middle of a loop.

    Args:
        image: [N, img_width * img_width], pixels in [0, 1]; grey is fine.
        reconstruction: the same shape and range.
        img_width: width and height of an image in pixels.
        cmap: matplotlib colormap, its ends standing for 0 and 1.

    Returns:
        The figure.

    Raises:
        ValueError: a shape or a pixel is not as above.
    """
    image = _checked_images(image, "image", img_width)
    reconstruction = _checked_images(reconstruction, "reconstruction", img_width)
    if len(image) != len(reconstruction):
        raise ValueError(
            f"image has {len(image)} rows but reconstruction {len(reconstruction)}; give one reconstruction an image."
        )
    height = max(len(image), 1)
    figure, axes = plt.subplots(1, 2, figsize=(2.3, 1.05 * height + 0.35), layout="constrained")
    for ax, column, title in zip(axes, (image, reconstruction), ("Original", "Reconstruction")):
        ax.imshow(column.reshape(-1, img_width), cmap=cmap, vmin=0, vmax=1)
        ax.set_title(title, fontsize="medium")
        ax.set_axis_off()
    _show_in_notebook(_closed(figure))
    return figure


def plot_losses(reports) -> Figure:
    """The negative ELBO and its two terms over the iterations of a training run.

    Args:
        reports: what `train` yielded: a sequence of `Report`s.

    Returns:
        The figure.
    """
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
    return _closed(figure)


def visualize_samples(probabilities, samples) -> Figure:
    """Two grids side by side: the probabilities that the decoder gives for codes from the prior, and binary samples.

    Args:
        probabilities: [N, 784] in [0, 1], mean of p(x|z) for z from N(0, I); N is best a square number.
        samples: [N, 784], 0 or 1, drawn from the same p(x|z).

    Returns:
        The figure.

    Raises:
        ValueError: a shape or a pixel is not as above.
    """
    columns = max(1, round(len(probabilities) ** 0.5))
    figure, axes = plt.subplots(1, 2, figsize=(8, 4.4), layout="constrained")
    for ax, images, title in zip(axes, (probabilities, samples), ("Probabilities of white", "Samples of them")):
        _draw_grid(ax, _checked_images(images, title.lower(), 28), columns)
        ax.set_title(title)
    figure.suptitle("Digits from the prior")
    return _closed(figure)


def visualize_reconstructions(images, means, samples) -> Figure:
    """Three rows: images, the mean of p(x|z) for each, and a sample of p(x|z) for each.

    Args:
        images, means, samples: [N, 784] each, in [0, 1].

    Returns:
        The figure.

    Raises:
        ValueError: a shape or a pixel is not as above.
    """
    rows = [
        _checked_images(row, name, 28) for row, name in ((images, "images"), (means, "means"), (samples, "samples"))
    ]
    figure, axes = plt.subplots(3, 1, figsize=(8, 2.9), layout="constrained")
    for ax, row, label in zip(axes, rows, ("input", "mean", "sample")):
        _draw_grid(ax, row, len(row))
        _label_rows(ax, [label])
    figure.suptitle("Inputs and their reconstructions")
    return _closed(figure)


def visualize_interpolation(images) -> Figure:
    """Rows of digits, each going from one code to another in a straight line.

    Args:
        images: [R, C, 784] in [0, 1]: R ways of C steps.

    Returns:
        The figure.

    Raises:
        ValueError: a shape or a pixel is not as above.
    """
    images = np.asarray(images)
    figure, ax = plt.subplots(figsize=(8, 8 * len(images) / images.shape[1] + 0.5), layout="constrained")
    _draw_grid(ax, _checked_images(images.reshape(-1, images.shape[-1]), "images", 28), images.shape[1])
    ax.set_title("From the code of the left digit to that of the right one")
    return _closed(figure)


def visualize_traversal(images, dimensions, values) -> Figure:
    """One row for each dimension of the code, which alone is varied along it.

    Args:
        images: [R, C, 784] in [0, 1].
        dimensions: R numbers of dimensions.
        values: C values that the dimension takes.

    Returns:
        The figure.

    Raises:
        ValueError: a shape or a pixel is not as above.
    """
    images = np.asarray(images)
    figure, ax = plt.subplots(figsize=(8, 8 * len(images) / images.shape[1] + 0.8), layout="constrained")
    _draw_grid(ax, _checked_images(images.reshape(-1, images.shape[-1]), "images", 28), images.shape[1])
    _label_rows(ax, [f"z[{dimension}]" for dimension in dimensions])
    ax.set_xticks(_centres(len(values)), [f"{value:+.1f}" for value in values])
    ax.set(title="One dimension of the code varied, the others kept", xlabel="value of the dimension")
    return _closed(figure)


def plot_latent_means(mu, labels) -> Figure:
    """The means of q(z|x) in the two directions in which they vary most (principal components), coloured by label.

    Args:
        mu: [N, D], the first half of `mu_logvar`; N at least 2.
        labels: [N], whole numbers from 0 to 9.

    Returns:
        The figure.

    Raises:
        ValueError: `mu` and `labels` do not have the same N.
    """
    mu, labels = np.asarray(mu, np.float64), np.asarray(labels)
    if mu.ndim != 2 or labels.shape != mu.shape[:1]:
        raise ValueError(f"mu is {list(mu.shape)} and labels {list(labels.shape)}; give [N, D] and [N].")
    centred = mu - mu.mean(axis=0)
    _, singular_values, directions = np.linalg.svd(centred, full_matrices=False)
    x, y = (centred @ directions[:2].T).T
    share = singular_values**2 / (singular_values**2).sum()
    figure, ax = plt.subplots(figsize=(7, 6), layout="constrained")
    for label in np.unique(labels):
        chosen, colour = labels == label, _COLOURS[label % len(_COLOURS)]
        ax.scatter(x[chosen], y[chosen], s=5, alpha=0.5, color=colour, linewidths=0)
        place = np.median(x[chosen]), np.median(y[chosen])
        circle = {"boxstyle": "circle", "facecolor": "white", "edgecolor": colour, "linewidth": 2}
        ax.annotate(str(label), place, ha="center", va="center", weight="bold", bbox=circle)
    ax.set(
        title="Latent means of the images, numbered by label",
        xlabel=f"first principal component ({share[0]:.0%} of the variance)",
        ylabel=f"second principal component ({share[1]:.0%})",
        aspect="equal",
    )
    return _closed(figure)


def plot_kl_per_dimension(kl_divergence, active_from: float = 0.1) -> Figure:
    """The KL divergence of each dimension of the code, the largest first.

    Args:
        kl_divergence: [D], in nats, from `kl_per_dimension`.
        active_from: from how many nats on a dimension counts as active.

    Returns:
        The figure; its title says how many dimensions are active.
    """
    kl_divergence = np.sort(kl_divergence)[::-1]
    active = int((kl_divergence >= active_from).sum())
    figure, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
    ax.bar(np.arange(len(kl_divergence)), kl_divergence, color=_COLOURS[0])
    ax.set(
        title=f"{active} of {len(kl_divergence)} dimensions are active (at least {active_from:g} nats)",
        xlabel="dimension of the code, sorted",
        ylabel="KL divergence (nats)",
    )
    return _closed(figure)


def _draw_grid(ax, images: np.ndarray, columns: int) -> None:
    """[N, 784] in rows of `columns` images, with white lines between them."""
    rows = -(-len(images) // columns)
    canvas = np.ones((rows * columns, _CELL, _CELL))
    canvas[: len(images), 1:-1, 1:-1] = images.reshape(-1, 28, 28)
    grid = canvas.reshape(rows, columns, _CELL, _CELL).swapaxes(1, 2).reshape(rows * _CELL, columns * _CELL)
    ax.imshow(grid, cmap="gray", vmin=0, vmax=1)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)


def _label_rows(ax, labels: list[str]) -> None:
    ax.set_yticks(_centres(len(labels)), labels)
    ax.tick_params(length=0)


def _centres(count: int) -> np.ndarray:
    return (np.arange(count) + 0.5) * _CELL - 0.5


def _closed(figure: Figure) -> Figure:
    plt.close(figure)
    return figure


def _show_in_notebook(figure: Any) -> None:
    """Shows it now; as the value of this same cell it is then not shown a second time."""
    if "IPython" not in sys.modules:
        return
    from IPython import get_ipython
    from IPython.display import display

    ipython: Any = get_ipython()
    if not hasattr(ipython, "kernel"):
        return
    display(figure)
    cell = ipython.execution_count

    def show_as_value():
        del figure._ipython_display_
        if ipython.execution_count != cell:
            display(figure)

    figure._ipython_display_ = show_as_value


def _checked_images(images, name: str, img_width: int) -> np.ndarray:
    images = np.asarray(images)
    if images.ndim != 2 or images.shape[1] != img_width**2:
        raise ValueError(f"{name} is {list(images.shape)}, not [N, {img_width**2}]; reshape it to one row an image.")
    if images.size and not (images.min() >= 0 and images.max() <= 1):  # NaN fails both
        raise ValueError(f"{name} has pixels in [{images.min()}, {images.max()}], not in [0, 1]; scale or clip them.")
    return images
