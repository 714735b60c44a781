"""An interactive picture of a two-dimensional code: HTML that needs neither a kernel nor a network."""

import base64
import io
import json
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from numpy.typing import ArrayLike

_GRID = 20  # images in a row of the still plane
_SIZE = 560  # pixels of the still plane
_HTML = """
<div id="{name}" style="display: flex; flex-wrap: wrap; gap: 16px; align-items: flex-start">
<img src="data:image/png;base64,{still}" alt="{alt}" width="{size}" height="{size}" tabindex="0"
 style="touch-action: none; cursor: crosshair">
<div hidden style="width: 224px">
<canvas width="{side}" height="{side}" style="width: 224px; image-rendering: pixelated"></canvas>
<p style="font-family: monospace"></p>
<p>Move the pointer over the plane, or press the arrow keys.</p>
</div>
</div>
<script>
(() => {{
  const root = document.getElementById("{name}"), side = {side}, extent = {extent};
  const [plane, panel] = root.children, [canvas, label] = panel.children;
  const bytes = Uint8Array.from(atob("{weights}"), (c) => c.charCodeAt(0));
  const halves = new Uint16Array(bytes.buffer);

  function half(u) {{  // a number of IEEE half precision
    const sign = u >> 15 ? -1 : 1, exponent = (u >> 10) & 31, fraction = u & 1023;
    return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -24 * fraction);
  }}

  const layers = [];
  let used = 0;
  for (const [inputs, outputs] of {shapes}) {{
    const numbers = Float32Array.from(halves.subarray(used, used += (inputs + 1) * outputs), half);
    const size = inputs * outputs;
    layers.push({{outputs, weights: numbers.subarray(0, size), biases: numbers.subarray(size)}});
  }}

  function decode(z) {{  // the probability of white for each pixel
    layers.forEach(({{outputs, weights, biases}}, k) => {{
      const sums = Float32Array.from(biases);
      z.forEach((value, i) => {{
        for (let j = 0; j < outputs; j++) sums[j] += value * weights[i * outputs + j];
      }});
      z = sums.map(k < layers.length - 1 ? (s) => Math.max(s, 0) : (s) => 1 / (1 + Math.exp(-s)));
    }});
    return z;
  }}

  let z = [0, 0];
  function show() {{
    const context = canvas.getContext("2d"), image = context.createImageData(side, side);
    decode(z).forEach((p, i) => image.data.set([255 * p, 255 * p, 255 * p, 255], 4 * i));
    context.putImageData(image, 0, 0);
    label.textContent = "z = (" + z.map((value) => value.toFixed(2)).join(", ") + ")";
  }}

  plane.addEventListener("pointermove", (event) => {{
    const box = plane.getBoundingClientRect();
    const right = (event.clientX - box.left) / box.width, down = (event.clientY - box.top) / box.height;
    z = [extent * (2 * right - 1), extent * (1 - 2 * down)];
    show();
  }});
  const steps = {{ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowDown: [0, -0.1], ArrowUp: [0, 0.1]}};
  plane.addEventListener("keydown", (event) => {{
    if (!(event.key in steps)) return;
    event.preventDefault();
    z = z.map((value, i) => Math.max(-extent, Math.min(extent, value + steps[event.key][i])));
    show();
  }});
  panel.hidden = false;
  show();
}})();
</script>
"""


def show_plane(weights: Sequence[ArrayLike], extent: float = 4.5) -> str:
    """Displays the plane of a two-dimensional code: where the pointer is, the code is decoded.

    The prior's circles of radius 1, 2 and 3 contain 39%, 86% and 99% of N(0, I). Where scripts do not run, the still
    plane remains, a grid of decoded codes.

    Args:
        weights: of the decoder, layer by layer: weights [inputs, outputs] and biases [outputs], alternating. All layers
            but the last have ReLUs; the last gives the log-odds of the pixels of a square image. They are embedded in
            half precision.
        extent: the plane reaches from -extent to extent in both directions.

    Returns:
        The HTML.

    Raises:
        ValueError: the weights do not fit together, or do not lead from two numbers to a square image.
    """
    arrays = [np.asarray(array, np.float32) for array in weights]
    side = _check_layers(arrays)
    still = base64.b64encode(_still_plane(arrays, side, extent)).decode()
    halves = b"".join(array.astype("<f2").tobytes() for array in arrays)
    alt = f"A grid of decoded codes from {-extent:g} to {extent:g}, with circles of radius 1, 2 and 3"
    html = _HTML.format(
        name=f"plane-{np.frombuffer(halves, np.uint16).sum(dtype=np.uint32):x}",
        still=still,
        alt=alt,
        size=_SIZE,
        side=side,
        extent=extent,
        weights=base64.b64encode(halves).decode(),
        shapes=json.dumps([array.shape for array in arrays[::2]]),
    )
    data = {"text/html": html, "image/png": still, "text/plain": "The plane of codes"}
    from IPython.display import display

    display(data, raw=True, metadata={"image/png": {"alt": alt}})
    return html


def _check_layers(arrays: list[np.ndarray]) -> int:
    """Returns the width of the images."""
    width, fits = 2, len(arrays) >= 2 and len(arrays) % 2 == 0
    for matrix, biases in zip(arrays[::2], arrays[1::2]):
        fits = fits and matrix.ndim == 2 and matrix.shape[0] == width and biases.shape == matrix.shape[1:]
        width = biases.size
    side = round(width**0.5)
    if not fits or side**2 != width:
        raise ValueError(
            f"The weights are {[list(array.shape) for array in arrays]}; pass [2, H], [H], ..., [H, P], [P] for square "
            "images of P pixels."
        )
    return side


def _still_plane(arrays: list[np.ndarray], side: int, extent: float) -> bytes:
    """A PNG of decoded codes in a grid, each in the middle of its square, and the prior's circles."""
    values = extent * ((2 * np.arange(_GRID) + 1) / _GRID - 1)
    z = np.stack(np.meshgrid(values, values[::-1]), axis=-1).reshape(-1, 2)
    for matrix, biases in zip(arrays[:-2:2], arrays[1:-2:2]):
        z = np.maximum(z @ matrix + biases, 0)
    images = 1 / (1 + np.exp(-(z @ arrays[-2] + arrays[-1])))
    canvas = images.reshape(_GRID, _GRID, side, side).swapaxes(1, 2).reshape(_GRID * side, _GRID * side)
    figure = Figure(figsize=(_SIZE / 100, _SIZE / 100), dpi=100)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.imshow(canvas, cmap="gray", vmin=0, vmax=1, extent=(-extent, extent, -extent, extent))
    for radius in 1, 2, 3:
        ax.add_patch(Circle((0, 0), radius, fill=False, color="#ffa90e", linewidth=1.5))
    ax.set_axis_off()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
