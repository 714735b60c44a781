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
    """imageio converted floats to uint8: by 255 where they are in [0, 1], from their limits otherwise."""
    imageio = importlib.import_module("imageio")
    imwrite = imageio.imwrite

    def convert_and_write(uri, im, format=None, **named):
        im = np.asarray(im)
        if im.dtype.kind == "f":
            low, high = (0, 1) if im.min() >= 0 and im.max() <= 1 else (im.min(), im.max())
            im = ((im - low) / (high - low or 1) * 255 + 0.499999999).astype(np.uint8)
        return imwrite(uri, im, format=format, **named)

    imageio.imwrite = imageio.imsave = convert_and_write  # type: ignore[attr-defined]
