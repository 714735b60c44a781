"""The interactive plane, in a headless browser where one is installed."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from vae_tf1 import show_plane

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# Moves the pointer to (1/4, 3/4) of the plane, presses an arrow key, and writes what the canvas shows after each.
MOVE = """
<pre id="shown"></pre>
<script>
const plane = document.querySelector("img"), canvas = document.querySelector("canvas"), shown = [];
function record() {
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  shown.push([document.querySelector("p").textContent, Array.from(pixels).filter((_, i) => i % 4 == 0)]);
}
const box = plane.getBoundingClientRect();
const place = {clientX: box.left + box.width / 4, clientY: box.top + 3 * box.height / 4};
plane.dispatchEvent(new PointerEvent("pointermove", place));
record();
plane.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowUp"}));
record();
document.getElementById("shown").textContent = JSON.stringify(shown);
</script>
"""


@pytest.fixture
def weights():
    random_state = np.random.RandomState(0)
    return [random_state.normal(size=shape) for shape in ((2, 6), (6,), (6, 16), (16,))]


def decode(weights, z):
    w1, b1, w2, b2 = (array.astype(np.float16).astype(np.float64) for array in weights)
    return 1 / (1 + np.exp(-(np.maximum(z @ w1 + b1, 0) @ w2 + b2)))


@pytest.mark.skipif(BROWSER is None, reason="needs Chromium")
def test_the_digit_at_the_pointer_is_decoded(weights, tmp_path):
    page = tmp_path / "plane.html"
    page.write_text(f"<!DOCTYPE html><html><body>{show_plane(weights, extent=4.0)}{MOVE}</body></html>")
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    dom = subprocess.run(
        [BROWSER, *options, page.as_uri()], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    first, second = json.loads(re.search(r'<pre id="shown">(.*?)</pre>', dom)[1])
    for (label, pixels), z, said in (
        (first, [-2.0, -2.0], "z = (-2.00, -2.00)"),
        (second, [-2.0, -1.9], "z = (-2.00, -1.90)"),
    ):
        assert label == said
        np.testing.assert_allclose(np.array(pixels) / 255, decode(weights, np.array(z)), atol=1 / 255)


def test_the_still_plane_stands_where_scripts_do_not_run(weights):
    html = show_plane(weights)
    before_the_script = html[: html.index("<script>")]
    assert '<img src="data:image/png;base64,' in before_the_script
    assert "alt=" in before_the_script
    assert "<div hidden" in before_the_script
    assert not re.search(r"https?://", html)


@pytest.mark.parametrize("shapes", [[(3, 6), (6,), (6, 16), (16,)], [(2, 6), (6,), (6, 15), (15,)], [(2, 6)]])
def test_weights_that_do_not_fit_are_refused(shapes):
    with pytest.raises(ValueError, match=r"^The weights are \[\["):
        show_plane([np.zeros(shape) for shape in shapes])
