"""The sliders of explore_latent_space.ipynb, moved in JupyterLab in a headless browser where one is installed."""

import contextlib
import itertools
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
import requests
import websocket

NOTEBOOK = Path(__file__).parent.parent / "notebooks" / "explore_latent_space.ipynb"
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# A code of two dimensions, whose first is the brightness of the whole image.
CELLS = """
import io, ipywidgets, matplotlib, numpy as np
matplotlib.use("Agg")
import matplotlib.pyplot as plt
from IPython.display import display
codes = np.array([[0.0, 1.0], [4.0, -1.0]])
decode = lambda code: np.full([1, 784], np.clip(code[0, 0] / 8 + 0.5, 0, 1))
"""
KERNEL_IS_READY = """
window.jupyterapp && [...jupyterapp.serviceManager.sessions.running()].length == 1
&& document.querySelector(".jp-Notebook-ExecutionIndicator")?.dataset.status == "idle"
"""
# The brightness of the picture's middle, and the texts beside the sliders.
STATE = """
(() => {
  const picture = document.querySelector(".jp-OutputArea-output img");
  if (!picture || !picture.complete || !picture.naturalWidth) return null;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [picture.naturalWidth, picture.naturalHeight];
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  const readouts = [...document.querySelectorAll(".widget-readout")].map(element => element.textContent);
  const labels = [...document.querySelectorAll(".widget-label")].map(element => element.textContent);
  return {brightness: context.getImageData(14, 14, 1, 1).data[0], readouts, labels};
})()
"""


class Page:
    """A page of a headless browser, through the Chrome DevTools Protocol."""

    def __init__(self, address: str):
        self._socket = websocket.create_connection(address, timeout=60, suppress_origin=True)
        self._numbers = itertools.count()

    def close(self) -> None:
        self._socket.close()

    def send(self, method: str, **parameters) -> dict:
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (answer := json.loads(self._socket.recv())).get("id") != number:
            pass
        return answer["result"]

    def value(self, expression: str):
        result = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        return result["result"].get("value")

    def wait_for(self, expression: str, condition=bool):
        for _ in range(240):
            if condition(value := self.value(expression)):
                return value
            time.sleep(0.25)
        raise AssertionError(f"{expression} stayed {value}")


@contextlib.contextmanager
def process(command, said: str, **options):
    """Runs `command`; yields the match of the pattern `said` in its stderr."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **options) as running:
        try:
            assert running.stderr
            yield next(match for line in running.stderr if (match := re.search(said, line)))
        finally:
            running.kill()


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="needs Chromium")
def test_a_slider_moved_in_jupyterlab_changes_the_digit(tmp_path):
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    (sliders,) = [cell.source for cell in cells if "class DigitSliders" in cell.source]
    sources = [CELLS, sliders.partition("\n\n\nif ")[0], "display(DigitSliders(codes, [0, 1], decode).box())"]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    notebook = nbformat.v4.new_notebook(metadata=kernel, cells=list(map(nbformat.v4.new_code_cell, sources)))
    nbformat.write(notebook, tmp_path / "s.ipynb")
    lab = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--expose-app-in-browser"]
    lab += ["--ServerApp.token=", "--ServerApp.port_retries=50"]
    browser = [BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
    browser += [f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1100,900", "about:blank"]
    with (
        process(lab, r"(http://localhost:\d+)/lab", cwd=tmp_path) as server,
        process(browser, r"ws://([^/]+)/") as devtools,
        contextlib.ExitStack() as stack,
    ):
        (target,) = [t for t in requests.get(f"http://{devtools[1]}/json").json() if t["type"] == "page"]
        page = stack.enter_context(contextlib.closing(Page(target["webSocketDebuggerUrl"])))
        page.send("Page.navigate", url=f"{server[1]}/lab/tree/s.ipynb")
        page.wait_for(KERNEL_IS_READY)
        page.value("void jupyterapp.commands.execute('notebook:run-all-cells')")
        state = page.wait_for(STATE)
        assert state["readouts"] == ["0.00", "1.00"]
        assert state["brightness"] == pytest.approx(127, abs=2)
        page.value("document.querySelector('.noUi-handle').focus()")
        for _ in range(10):  # steps of 0.1
            for kind in "keyDown", "keyUp":
                page.send("Input.dispatchKeyEvent", type=kind, key="ArrowRight", code="ArrowRight")
        moved = page.wait_for(STATE, lambda state: state and state["brightness"] > 150)
        assert moved["readouts"] == ["1.00", "1.00"]
        assert "own value +0.00" in moved["labels"]
        page.value("document.querySelector('.jp-OutputArea-output button').click()")
        new = page.wait_for(STATE, lambda state: state and state["brightness"] > 250)
        assert new["readouts"] == ["4.00", "−1.00"]
        assert "own value +4.00" in new["labels"]
