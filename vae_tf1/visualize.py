"""Pictures. In a notebook each function shows its figure at once, also in the middle of a loop, and returns it.

No figure stays open in pyplot, so none is drawn twice and a long loop gathers none.
"""

import math

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib import color_sequences
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

# Ten colours that people with any colour vision tell apart (Petroff 2021, "Accessible Color Sequences").
_COLOURS = color_sequences["petroff10"]


def visualize_row(image, reconstruction, img_width: int = 28, cmap: str = "gray") -> Figure:
    """Images in a column on the left, their reconstructions on the right.

    Args:
        image: [N, P], pixels in [0, 1]; grey is fine.
        reconstruction: the same shape and range.
        img_width: width of an image in pixels; P / img_width is its height.
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
            f"image has {len(image)} rows but reconstruction {len(reconstruction)}; pass one reconstruction per image."
        )
    height = max(len(image), 1) * image.shape[1] / img_width**2
    figure, axes = plt.subplots(1, 2, figsize=(2.3, 1.05 * height + 0.35), layout="constrained")
    for ax, column, title in zip(axes, (image, reconstruction), ("Original", "Reconstruction")):
        ax.imshow(column.reshape(-1, img_width), cmap=cmap, vmin=0, vmax=1)
        ax.set_title(title, fontsize="medium")
        ax.set_axis_off()
    return _shown(figure)


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
    return _shown(figure)


def visualize_grid(
    images, title: str, *, row_labels=None, column_labels=None, xlabel: str = "", img_width: int | None = None
) -> Figure:
    """Images in rows and columns, with thin white lines between them.

    Args:
        images: [R, C, P] in [0, 1]: R rows of C images.
        title: above the grid.
        row_labels: R texts or numbers, to the left of the rows.
        column_labels: C texts or numbers, below the columns.
        xlabel: what the column labels are.
        img_width: width of an image in pixels; None for square images.

    Returns:
        The figure.

    Raises:
        ValueError: a shape or a pixel is not as above.
    """
    images = np.asarray(images)
    if images.ndim != 3:
        raise ValueError(f"images is {list(images.shape)}, not [rows, columns, pixels]; reshape it.")
    rows, columns, pixels = images.shape
    width = img_width or math.isqrt(pixels)
    if img_width is None and width**2 != pixels:
        raise ValueError(f"images has {pixels} pixels per image, which is no square; pass img_width.")
    _checked_images(images.reshape(-1, pixels), "images", width)
    cell = np.array([pixels // width, width]) + 2  # an image and the line around it
    canvas = np.ones((rows, columns, *cell))
    canvas[:, :, 1:-1, 1:-1] = images.reshape(rows, columns, pixels // width, width)
    grid = canvas.swapaxes(1, 2).reshape(rows * cell[0], columns * cell[1])

    inches = min(8, 0.9 * columns)
    height = inches * grid.shape[0] / grid.shape[1] + 0.4 + 0.25 * (column_labels is not None) + 0.25 * bool(xlabel)
    figure, ax = plt.subplots(figsize=(inches + 0.4 * (row_labels is not None), height), layout="constrained")
    ax.imshow(grid, cmap="gray", vmin=0, vmax=1)
    for axis, size, labels in (ax.yaxis, cell[0], row_labels), (ax.xaxis, cell[1], column_labels):
        labels = [] if labels is None else [str(label) for label in labels]
        axis.set_ticks((np.arange(len(labels)) + 0.5) * size - 0.5, labels)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set(title=title, xlabel=xlabel)
    return _shown(figure)


def plot_latent_means(mu, labels) -> Figure:
    """The means of q(z|x), coloured by label: a code of two dimensions as it is, a longer one in the two directions in
    which it varies most (principal components).

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
        raise ValueError(f"mu is {list(mu.shape)} and labels {list(labels.shape)}; pass [N, D] and [N].")
    if mu.shape[1] == 2:
        x, y = mu.T
        axes = "z[0]", "z[1]"
    else:
        centred = mu - mu.mean(axis=0)
        _, singular_values, directions = np.linalg.svd(centred, full_matrices=False)
        x, y = (centred @ directions[:2].T).T
        share = singular_values**2 / (singular_values**2).sum()
        axes = f"first principal component ({share[0]:.0%} of the variance)", f"second one ({share[1]:.0%})"
    figure, ax = plt.subplots(figsize=(7, 6), layout="constrained")
    for label in np.unique(labels):
        chosen, colour = labels == label, _COLOURS[label % len(_COLOURS)]
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
    return _shown(figure)


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
    return _shown(figure)


def _shown(figure: Figure) -> Figure:
    if "inline" in matplotlib.get_backend():
        plt.show()
        # It stands in the output already; as the value of its cell it would come a second time.
        figure._ipython_display_ = lambda: None  # type: ignore[attr-defined]
    plt.close(figure)
    return figure


def _checked_images(images, name: str, img_width: int) -> np.ndarray:
    images = np.asarray(images)
    if images.ndim != 2 or images.shape[1] == 0 or images.shape[1] % img_width:
        raise ValueError(
            f"{name} is {list(images.shape)}, not [N, {img_width} * height]; "
            "reshape it to one row per image, or pass its img_width."
        )
    if images.size and not (images.min() >= 0 and images.max() <= 1):  # NaN fails both
        raise ValueError(f"{name} has pixels in [{images.min()}, {images.max()}], not in [0, 1]; scale or clip them.")
    return images
