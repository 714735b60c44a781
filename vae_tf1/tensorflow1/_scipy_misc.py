"""The pictures of `scipy.misc`, which SciPy had until 1.2, on Pillow; and its functions that moved to scipy.special."""

import importlib

import numpy as np
from PIL import Image

_INTERPOLATION = {
    "nearest": Image.Resampling.NEAREST,
    "lanczos": Image.Resampling.LANCZOS,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "cubic": Image.Resampling.BICUBIC,
}
_MOVED = {
    **dict.fromkeys(("comb", "factorial", "factorial2", "factorialk", "logsumexp"), "scipy.special"),
    **dict.fromkeys(("ascent", "face", "electrocardiogram"), "scipy.datasets"),
}


def __getattr__(name: str):
    if name in _MOVED:
        return getattr(importlib.import_module(_MOVED[name]), name)
    if name.startswith("__"):
        raise AttributeError(name)
    raise AttributeError(f"SciPy has removed scipy.misc.{name}; PIL.Image and imageio read and write pictures.")


def bytescale(data, cmin=None, cmax=None, high: int = 255, low: int = 0) -> np.ndarray:
    """Scales [cmin, cmax] (the data's own limits if None) to uint8 [low, high]; uint8 data stay as they are."""
    data = np.asarray(data)
    if data.dtype == np.uint8:
        return data
    if not 0 <= low <= high <= 255:
        raise ValueError(f"low is {low} and high is {high}; pass 0 <= low <= high <= 255.")
    cmin = data.min() if cmin is None else cmin
    cmax = data.max() if cmax is None else cmax
    if cmax < cmin:
        raise ValueError(f"cmax is {cmax} and cmin is {cmin}; pass cmin <= cmax.")
    scaled = (data - cmin) * ((high - low) / float(cmax - cmin or 1)) + low
    return (scaled.clip(low, high) + 0.5).astype(np.uint8)


def toimage(arr, high=255, low=0, cmin=None, cmax=None, pal=None, mode=None, channel_axis=None) -> Image.Image:
    """Makes a PIL image of a matrix [rows, columns], or of three or four of them (RGB, RGBA) along one axis.

    Raises:
        ValueError: the array has another shape, is complex, or has no such `mode`.
    """
    data = np.asarray(arr)
    if np.iscomplexobj(data):
        raise ValueError("arr is complex; pass real numbers.")
    if data.ndim == 2 and mode == "F":
        return Image.fromarray(data.astype(np.float32))
    scaled = bytescale(data, cmin, cmax, high, low)
    if data.ndim == 2 and mode in (None, "L", "P"):
        image = Image.fromarray(scaled)
        if mode == "P" or pal is not None:
            palette = np.arange(256)[:, None].repeat(3, 1) if pal is None else pal
            image.putpalette(np.asarray(palette, np.uint8).tobytes())
        return image
    axes = [axis for count in (3, 4) for axis in range(data.ndim) if data.shape[axis] == count]
    axis = axes[0] if channel_axis is None and axes else channel_axis
    modes = {3: ("RGB", "YCbCr"), 4: ("RGBA", "CMYK")}.get(
        data.shape[axis] if data.ndim == 3 and axis is not None else 0
    )
    if modes is None or mode not in (None, *modes):
        raise ValueError(f"arr has shape {data.shape} and mode is {mode}; pass a matrix, or three or four for colours.")
    colours = np.ascontiguousarray(np.moveaxis(scaled, axis, -1))
    return Image.frombytes(mode or modes[0], colours.shape[1::-1], colours.tobytes())


def fromimage(im: Image.Image, flatten: bool = False, mode: str | None = None) -> np.ndarray:
    """Returns the image as an array; `flatten` makes it float32 grey values."""
    if mode is not None:
        im = im.convert(mode)
    elif im.mode == "P":
        im = im.convert("RGBA" if "transparency" in im.info else "RGB")
    if flatten:
        im = im.convert("F")
    elif im.mode == "1":
        im = im.convert("L")
    return np.array(im)


def imread(name, flatten: bool = False, mode: str | None = None) -> np.ndarray:
    with Image.open(name) as image:
        return fromimage(image, flatten, mode)


def imsave(name, arr, format: str | None = None) -> None:
    """Writes a picture; anything but uint8 is scaled so that its least value is black and its greatest white."""
    toimage(arr, channel_axis=2).save(name, format)


def imresize(arr, size, interp: str = "bilinear", mode: str | None = None) -> np.ndarray:
    """Resizes to uint8: by percent if `size` is an int, by a factor if a float, to (rows, columns) if a tuple."""
    image = toimage(arr, mode=mode)
    if isinstance(size, int | np.integer):
        size = size / 100.0
    if isinstance(size, float | np.floating):
        wide, high = (int(length * size) for length in image.size)
    else:
        high, wide = (int(length) for length in size[:2])
    return fromimage(image.resize((wide, high), _INTERPOLATION[interp]))


def imrotate(arr, angle: float, interp: str = "bilinear") -> np.ndarray:
    """Rotates counter-clockwise by degrees, to uint8 of the same size."""
    return fromimage(toimage(np.asarray(arr)).rotate(angle, resample=_INTERPOLATION[interp]))
