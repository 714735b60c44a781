"""Restores what Matplotlib and imageio did in 2017, when a program imports them."""

import importlib
import re

import numpy as np

_EIGHT_BITS = re.compile(r"(^|\.)(png|jpe?g|bmp|gif)(-\w+)?$")  # a suffix, or a format such as PNG-PIL


def restore_matplotlib() -> None:
    matplotlib, cm = importlib.import_module("matplotlib"), importlib.import_module("matplotlib.cm")

    def get_cmap(name=None, lut: int | None = None):
        """Returns the colour map of that name, with `lut` colours."""
        if isinstance(name, importlib.import_module("matplotlib.colors").Colormap):
            return name
        colours = matplotlib.colormaps[name or matplotlib.rcParams["image.cmap"]]
        return colours if lut is None else colours.resampled(lut)

    cm.get_cmap = get_cmap  # type: ignore[attr-defined]  # Matplotlib 3.8 has one that warns


def restore_imageio() -> None:
    """Makes imageio write floats and signed integers as uint8 into pictures of 8 bits.

    Floats in [0, 1] are multiplied by 255; other values are scaled so that the least is 0 and the greatest 255.
    """
    imageio = importlib.import_module("imageio")
    imwrite = imageio.imwrite

    def convert_and_write(uri, im, format=None, **named):
        im = np.asarray(im)
        if im.dtype.kind in "fi" and _EIGHT_BITS.search(str(format or uri).lower()):
            if not np.isfinite(im).all():
                raise ValueError(f"The image for {uri} has NaN or infinite values; pass finite ones.")
            in_unit = im.dtype.kind == "f" and im.min() >= 0 and im.max() <= 1
            low, high = (0, 1) if in_unit else (im.min(), im.max())
            scaled = im if low == high else (im.astype(float) - low) / (float(high) - low) * 255 + 0.499999999
            im = scaled.astype(np.uint8)
        return imwrite(uri, im, format=format, **named)

    imageio.imwrite = imageio.imsave = convert_and_write  # type: ignore[attr-defined]
