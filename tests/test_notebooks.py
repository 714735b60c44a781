"""The notebooks: what is committed, and that it still runs."""

import re
from pathlib import Path

import nbclient
import nbformat
import papermill
import pytest

import vae_tf1

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


@pytest.fixture(autouse=True)
def kernel(tmp_path, monkeypatch):
    """Kernels started here have no bars, no network, checkpoints in a directory of the test, and built-in digits.

    The digits are placed as a user would place MNIST's files.
    """
    monkeypatch.setenv("TQDM_DISABLE", "1")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("VAE_TF1_DATA_DIR", str(vae_tf1.input_data.BUILTIN_DIR))
    monkeypatch.setenv("VAE_TF1_CHECKPOINT_DIR", str(tmp_path / "checkpoints"))


def run_notebook(name, directory, **parameters):
    notebook = papermill.execute_notebook(
        NOTEBOOKS / f"{name}.ipynb",
        directory / "run.ipynb",
        parameters=parameters,
        kernel_name="python3",
        cwd=directory,
        progress_bar=False,
    )
    assert_clean(notebook)
    return notebook


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


def with_cells(notebook, around) -> nbformat.NotebookNode:
    """The notebook with each code cell replaced by the cells that `around(cell)` gives."""
    cells = [new for cell in notebook.cells for new in (around(cell) if cell.cell_type == "code" else [cell])]
    notebook.cells = [nbformat.from_dict({**cell, "id": f"cell-{i}"}) for i, cell in enumerate(cells)]
    return notebook


def is_parameters(cell) -> bool:
    return "parameters" in cell.metadata.get("tags", [])


def execute(notebook, directory, **options):
    resources = {"metadata": {"path": str(directory)}}
    return nbclient.NotebookClient(notebook, kernel_name="python3", resources=resources, **options).execute()


def test_vae_mnist_runs_each_cell_twice_and_goes_on_after_the_stop_button(tmp_path):
    """Training is stopped the first time; the second time it goes on."""
    stop = "import signal, threading; threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT)).start()"

    def twice(cell):
        before = [nbformat.v4.new_code_cell(stop)] if "train(sess" in cell.source else []
        after = [nbformat.v4.new_code_cell("iterations = 2500")] if is_parameters(cell) else []
        return [*before, cell, cell, *after]

    notebook = with_cells(nbformat.read(NOTEBOOKS / "vae_mnist.ipynb", as_version=4), twice)
    execute(notebook, tmp_path, allow_errors=True)
    errors = [output.ename for output in outputs(notebook) if output.output_type == "error"]
    assert errors == ["KeyboardInterrupt"]
    assert_clean(notebook)
    (done,) = re.findall(r"Going on after (\d+) iterations", printed(notebook))
    assert 0 < int(done) < 2500
    assert re.findall(r"Iteration (\d+):", printed(notebook))[-3:] == ["0", "1000", "2000"]
    assert len(outputs(notebook, "image/png")) >= 1 + 3 + 2  # before the stop, after it, and two loss curves


def test_vae_mnist_goes_on_after_a_restart_and_explore_latent_space_after_it(tmp_path):
    """Without data and network, too: the built-in digits step in."""
    parameters = {"seed": 5, "data_dir": str(tmp_path)}
    first = run_notebook("vae_mnist", tmp_path, iterations=300, **parameters)
    assert "NOT MNIST" in printed(first)
    assert "built-in digits: 15000 images" in printed(first)
    assert re.findall(r"Iteration (\d+):", printed(first)) == ["0"]
    second = run_notebook("vae_mnist", tmp_path, iterations=1001, **parameters)
    assert "Going on after 300 iterations" in printed(second)
    assert re.findall(r"Iteration (\d+):", printed(second)) == ["0", "1000"]
    third = run_notebook("explore_latent_space", tmp_path, evaluated_images=50, **parameters)
    assert "built-in digits: the weights of iterations-1001" in printed(third)
    assert len(outputs(third, "image/png")) == 6


def test_cells_in_another_order_work_or_say_what_to_do(tmp_path):
    """The graph built again after training, a test before it, checkpoints and data deleted in between."""
    notebook = nbformat.read(NOTEBOOKS / "vae_mnist.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]

    def cell_with(text):
        (cell,) = [cell for cell in code if text in cell.source]
        return cell

    imports, data = cell_with("import tensorflow.compat.v1"), cell_with("read_data_sets(")
    graph, training, test = cell_with("vae = build_vae("), cell_with("in train(sess"), cell_with("test = evaluate(")

    def own(source):
        return nbformat.v4.new_code_cell(source)

    setup = [imports, *[cell for cell in code if is_parameters(cell)], own("iterations, seed = 200, 5"), data]
    notebook.cells = [
        nbformat.from_dict({**cell, "id": f"cell-{i}"})
        for i, cell in enumerate(
            [
                training,  # after a restart of the kernel: NameError, as in any notebook
                *setup,
                graph,
                own("sess = tf.Session()"),
                test,  # before training
                training,
                test,
                graph,
                test,  # of a graph that is not the session's
                training,  # goes on
                test,
                own("import shutil; shutil.rmtree(checkpoint_dir); iterations = 100"),
                graph,
                training,  # from the start
                own("data_dir = 'gone'; iterations = 300"),
                data,
                training,  # on the built-in digits
                test,
            ]
        )
    ]
    execute(notebook, tmp_path, allow_errors=True)
    errors = [f"{output.ename}: {output.evalue}" for output in outputs(notebook) if output.output_type == "error"]
    assert [error.split(":")[0] for error in errors] == ["NameError", "ValueError", "ValueError"]
    assert "The weights of vae have no values in sess yet; iterate over train(sess, vae, ...)" in errors[1]
    assert "sess runs another graph than the one vae was built in" in errors[2]
    said = printed(notebook)
    assert said.count("test images after 200 iterations") == 2
    assert said.count("Going on after 200 iterations") == 1
    assert "NOT MNIST" in said
    assert "test images after 300 iterations" in said


@pytest.mark.slow
def test_explore_latent_space_trains_where_there_is_no_checkpoint(tmp_path):
    notebook = run_notebook(
        "explore_latent_space", tmp_path, evaluated_images=20, iterations_without_checkpoint=101, seed=3
    )
    assert "iteration 0:" in printed(notebook)
    assert len(outputs(notebook, "image/png")) == 6


def test_your_own_images(tmp_path):
    notebook = run_notebook("your_own_images", tmp_path, iterations=701, images_per_class=60)
    assert len(outputs(notebook, "image/png")) == 3
    (right,) = re.findall(r"right for (\S+)% of 120", printed(notebook))
    assert float(right) > 85
