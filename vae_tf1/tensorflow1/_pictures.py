"""What Matplotlib and imageio did in 2017, for programs that import them."""

import importlib

import numpy as np


def restore_matplotlib() -> None:
    matplotlib, cm = importlib.import_module("matplotlib"), importlib.import_module("matplotlib.cm")

    def get_cmap(name=None, lut: int | None = None):
        """The colour map of that name, with `lut` colours."""
        if isinstance(name, importlib.import_module("matplotlib.colors").Colormap):
            return name
        colours = matplotlib.colormaps[name or matplotlib.rcParams["image.cmap"]]
        return colours if lut is None else colours.resampled(lut)

    if not hasattr(cm, "get_cmap"):
        cm.get_cmap = get_cmap  # type: ignore[attr-defined]


def restore_imageio() -> None:
    """imageio wrote floats and signed integers as uint8: times 255 if floats are in [0, 1], else from their limits."""
    imageio = importlib.import_module("imageio")
    imwrite = imageio.imwrite

    def convert_and_write(uri, im, format=None, **named):
        im = np.asarray(im)
        if im.dtype.kind in "fi":
            in_unit = im.dtype.kind == "f" and im.min() >= 0 and im.max() <= 1
            low, high = (0, 1) if in_unit else (im.min(), im.max())
            scaled = im if low == high else (im.astype(float) - low) / (float(high) - low) * 255 + 0.499999999
            im = scaled.astype(np.uint8)
        return imwrite(uri, im, format=format, **named)

    imageio.imwrite = imageio.imsave = convert_and_write  # type: ignore[attr-defined]
