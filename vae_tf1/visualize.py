"""Pictures. Each function returns its matplotlib figure, which a notebook shows as the value of a cell.

No figure stays open in pyplot, so none is drawn twice and a long loop gathers none.
"""

import sys
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter


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
    plt.close(figure)
    _show_in_notebook(figure)
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
