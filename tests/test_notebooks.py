"""The notebooks: what is committed, and that it still runs."""

import re
from pathlib import Path

import nbclient
import nbformat
import papermill
import pytest

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


def outputs(notebook, kind=None):
    return [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if kind is None or kind in output.get("data", {})
    ]


def printed(notebook) -> str:
    return "".join(output.text for output in outputs(notebook) if output.output_type == "stream")


def assert_clean(notebook):
    """No stderr, no warning, no progress bar that is frozen in the middle."""
    assert [output for output in outputs(notebook) if output.get("name") == "stderr"] == []
    assert outputs(notebook, "application/vnd.jupyter.widget-view+json") == []
    assert "Warning" not in printed(notebook)


@pytest.fixture
def quiet_kernel(monkeypatch):
    """As `make notebook` runs it; Jupyter's own debugger warns about frozen modules otherwise."""
    monkeypatch.setenv("TQDM_DISABLE", "1")


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_committed_notebook_ran_from_top_to_bottom(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))
    assert_clean(notebook)


def test_committed_vae_mnist_shows_the_whole_training():
    notebook = nbformat.read(NOTEBOOKS / "vae_mnist.ipynb", as_version=4)
    said = printed(notebook)
    assert re.findall(r"Iteration (\d+):", said) == [str(1000 * i) for i in range(20)]
    assert len(outputs(notebook, "image/png")) == 20 + 1  # reconstructions, and the loss curve
    assert "MNIST: 55000 images" in said
    (negative_elbo,) = re.findall(r"negative ELBO (\S+) ± ", said)
    assert 87.3 < float(negative_elbo) < 88.9


def test_vae_mnist_runs_each_cell_twice(tmp_path, quiet_kernel):
    """On the built-in digits: the four files are placed as a user would place MNIST's."""
    notebook = nbformat.read(NOTEBOOKS / "vae_mnist.ipynb", as_version=4)
    digits = Path(__file__).parent.parent / "vae_tf1" / "digits"
    parameters = nbformat.v4.new_code_cell(f"iterations = 1500\ndata_dir = {str(digits)!r}")
    cells = []
    for cell in notebook.cells:
        cells += [cell, cell] if cell.cell_type == "code" else [cell]
        if "parameters" in cell.metadata.get("tags", []):
            cells.append(parameters)
    notebook.cells = [nbformat.from_dict({**cell, "id": f"cell-{i}"}) for i, cell in enumerate(cells)]
    nbclient.NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert_clean(notebook)
    assert re.findall(r"Iteration (\d+):", printed(notebook)) == ["0", "1000"] * 2
    assert len(outputs(notebook, "image/png")) == 2 * (2 + 1)


def test_vae_mnist_takes_papermill_parameters(tmp_path, quiet_kernel, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # no network: it falls back to the built-in digits
    run = papermill.execute_notebook(
        NOTEBOOKS / "vae_mnist.ipynb",
        tmp_path / "run.ipynb",
        parameters={"iterations": 1, "seed": 5, "data_dir": str(tmp_path)},
        kernel_name="python3",
        cwd=tmp_path,
        progress_bar=False,
    )
    assert_clean(run)
    assert "NOT MNIST" in printed(run)
    assert re.findall(r"Iteration (\d+):", printed(run)) == ["0"]
