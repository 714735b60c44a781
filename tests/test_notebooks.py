"""The notebooks as committed, run again, and run with edited cells."""

import re
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import nbclient
import nbformat
import numpy as np
import pytest

import vae_tf1

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


def read(name) -> nbformat.NotebookNode:
    return nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)


def code_of(notebook) -> str:
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")


def outputs(notebook, kind=None):
    return [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if kind is None or kind in output.get("data", {})
    ]


def printed(notebook) -> str:
    return "".join(output.text for output in outputs(notebook) if output.output_type == "stream")


def errors_of(notebook) -> list[str]:
    return [f"{output.ename}: {output.evalue}" for output in outputs(notebook) if output.output_type == "error"]


def assert_clean(notebook):
    """Asserts that there is no stderr, no warning, and no unfinished progress bar."""
    assert [output for output in outputs(notebook) if output.get("name") == "stderr"] == []
    assert outputs(notebook, "application/vnd.jupyter.widget-view+json") == []
    assert "Warning" not in printed(notebook)


@pytest.fixture(autouse=True)
def kernel(tmp_path, monkeypatch):
    """Gives kernels no progress bars, no network, a backend without display, and the built-in digits.

    The digits are where a user would place MNIST's files, and checkpoints are in a directory of the test.
    """
    monkeypatch.setenv("TQDM_DISABLE", "1")
    monkeypatch.setenv("MPLBACKEND", "Agg")  # as in many containers
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("VAE_TF1_DATA_DIR", str(vae_tf1.data.mnist.BUILTIN_DIR))
    monkeypatch.setenv("VAE_TF1_CHECKPOINT_DIR", str(tmp_path / "checkpoints"))


def run(notebook, directory, *, around=lambda cell: [cell], **parameters):
    """Runs a notebook with other parameters, replacing each code cell by the cells of `around(cell)`."""
    cells = []
    for cell in notebook.cells:
        cells += around(cell) if cell.cell_type == "code" else [cell]
        if "parameters" in cell.metadata.get("tags", []):
            cells.append(own("\n".join(f"{name} = {value!r}" for name, value in parameters.items())))
    notebook.cells = [nbformat.from_dict({**cell, "id": f"cell-{i}"}) for i, cell in enumerate(cells)]
    resources = {"metadata": {"path": str(directory)}}
    return nbclient.NotebookClient(notebook, kernel_name="python3", resources=resources, allow_errors=True).execute()


def own(source):
    return nbformat.v4.new_code_cell(source)


# As committed


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_committed_notebook_ran_from_top_to_bottom(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))
    assert_clean(notebook)
    assert errors_of(notebook) == []
    assert outputs(notebook, "image/png")


def test_committed_vae_mnist_shows_the_whole_training():
    notebook = read("vae_mnist")
    said = printed(notebook)
    assert re.findall(r"Iteration (\d+): .* reconstruction", said) == [str(1000 * i) for i in range(20)]
    assert len(outputs(notebook, "image/png")) == 20 + 3  # reconstructions, the five digits, losses, new digits
    assert "MNIST: 55000 images" in said
    (negative_elbo,) = re.findall(r"negative ELBO (\S+) ± ", said)
    assert 87.3 < float(negative_elbo) < 88.9
    pairs = re.findall(r"(\S+) nats from train, (\S+) from the cells", said)
    assert len(pairs) == 2
    assert all(theirs == ours for theirs, ours in pairs)


def test_the_lesson_is_in_the_cells():
    code = code_of(read("vae_mnist"))
    for text in (
        "def encoder(x):",
        "def decoder(mu_logvar):",
        "def negative_elbo(",
        "def optimizer(x_logits, x, mu_logvar):",
        "train_step_unlabeled = optimizer(x_logits, x, mu_logvar)",
        "def visualize_row(",
        "slim.fully_connected",
        "tf.random_normal",
        "tf.train.AdamOptimizer()",
        "tf.reset_default_graph()",
        "tf.placeholder(",
        "tf.Session(",
        "tf.global_variables_initializer()",
        "mnist.train.next_batch(100)",
        "mnist.validation.next_batch(5)",
        "binarize(images)",
        "feed_dict={x:",
        "if i % 1000 == 0:",
        "%matplotlib inline",
    ):
        assert text in code, text
    assert "inspect" not in code


def test_the_original_is_named():
    text = read("vae_mnist").cells[0].source
    for words in "03A", "Kevin J Liang and contributors", "kevinjliang/Duke-Tsinghua-MLSS-2017", "Apache-2.0":
        assert words in text


@pytest.mark.slow
def test_pictures_of_the_readme_are_made_from_the_notebooks(tmp_path):
    subprocess.run([sys.executable, NOTEBOOKS / "make_pictures.py", "--out", tmp_path], check=True)
    for name in "reconstructions.png", "latent_space.png":
        made, committed = (plt.imread(directory / name) for directory in (tmp_path, NOTEBOOKS))
        np.testing.assert_allclose(made, committed, atol=0.1)


# Run again

# Trains with the package's own functions on the batches of the cells, and compares the losses.
COMPARISON = """
mnist.set_state(start)
with tf.Graph().as_default(), tf.Session(config=vae_tf1.session_config()) as session:
    vae = vae_tf1.build_vae(seed=seed)
    session.run(tf.global_variables_initializer())
    theirs = []
    for i in range(100):
        feed = {vae.x: binarize(mnist.train.next_batch(100)[0])}
        theirs.append(session.run([vae.loss, vae.train_step], feed)[0])
        if i == 0:
            session.run(vae.x_hat, {vae.x: binarize(mnist.validation.next_batch(5)[0])})
print("equal to the bit:", np.array_equal([loss for loss, *_ in losses[:100]], theirs))
"""


def test_the_cells_and_the_package_are_the_same_model_and_run_twice(tmp_path, monkeypatch):
    """Each cell runs twice, training is interrupted the first time, and the built-in digits replace missing data."""

    def twice(cell):
        if "for i in range(iterations)" not in cell.source:
            return [cell, cell]
        stop = own("import signal, threading; threading.Timer(4, os.kill, (os.getpid(), signal.SIGINT)).start()")
        return [stop, own(cell.source.replace("range(iterations)", "range(10**6)")), cell]

    monkeypatch.delenv("VAE_TF1_DATA_DIR")
    notebook = read("vae_mnist")
    notebook.cells.append(own(COMPARISON))
    parameters = {"iterations": 120, "data_dir": str(tmp_path), "seed": 5}
    run(notebook, tmp_path, around=twice, **parameters)
    assert [error.split(":")[0] for error in errors_of(notebook)] == ["KeyboardInterrupt"]
    assert_clean(notebook)
    said = printed(notebook)
    assert said.count("These are the built-in digits, NOT MNIST") == 2  # its cell runs twice
    assert "built-in digits: 15000 images" in said
    assert said.count("equal to the bit: True") == 2
    theirs, ours = re.findall(r"(\S+) nats from train, (\S+) from the cells", said)[-1]
    assert theirs == ours
    assert "has already done all 120 iterations" in said  # printed by the last section, whose cell runs twice
    assert len(outputs(notebook, "image/png")) >= 2 + 2 + 1


@pytest.mark.slow
def test_an_edited_cell_takes_effect(tmp_path):
    """Editing the encoder and running its cell and the graph again in the same kernel changes the numbers."""
    notebook = read("vae_mnist")
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    cells = cells[: next(i for i, cell in enumerate(cells) if "for i in range(iterations)" in cell.source) + 1]
    first = next(i for i, cell in enumerate(cells) if "def encoder" in cell.source)
    edited = [own(cell.source.replace("tf.nn.relu", "tf.nn.tanh")) for cell in cells[first:]]
    last_loss = own("print('last loss', losses[-1][0])")
    notebook.cells = [*cells, last_loss, *cells[first:], last_loss, *edited, last_loss]
    run(notebook, tmp_path, iterations=60)
    assert errors_of(notebook) == []
    first_run, same_again, after_the_edit = re.findall(r"last loss (\S+)", printed(notebook))
    assert first_run == same_again != after_the_edit


@pytest.mark.slow
def test_explore_latent_space_trains_and_resumes(tmp_path):
    for iterations, said in (101, "iteration 0:"), (201, "Resuming after 101 iterations"):
        notebook = run(read("explore_latent_space"), tmp_path, iterations=iterations, evaluated_images=20)
        assert errors_of(notebook) == []
        assert_clean(notebook)
        assert said in printed(notebook)
        assert len(outputs(notebook, "image/png")) == 7


@pytest.mark.slow
def test_variations(tmp_path):
    notebook = run(read("variations"), tmp_path, iterations=60)
    assert errors_of(notebook) == []
    assert_clean(notebook)
    table = printed(notebook).split("KL divergence\n")[1].splitlines()
    assert len(table) == 10
    assert len(outputs(notebook, "image/png")) == 6


@pytest.mark.slow
def test_priors(tmp_path):
    notebook = run(read("priors"), tmp_path, iterations=60, measured_images=20)
    assert errors_of(notebook) == []
    assert_clean(notebook)
    table = printed(notebook).split("CPU seconds\n")[1].splitlines()
    assert [line[:3] for line in table[:6]] == ["(a)", "(b)", "(c)", "(d)", "(e)", "(e)"]
    assert len(outputs(notebook, "image/png")) == 2


@pytest.mark.slow
def test_few_labels(tmp_path):
    notebook = run(read("few_labels"), tmp_path, iterations=60)
    assert errors_of(notebook) == []
    assert_clean(notebook)
    assert len(re.findall(r"^(?:network alone|M1|M2) .*%", printed(notebook), re.MULTILINE)) == 3
    assert outputs(notebook, "image/png")


@pytest.mark.slow
def test_your_own_images(tmp_path):
    notebook = run(read("your_own_images"), tmp_path, iterations=701, images_per_group=60)
    assert errors_of(notebook) == []
    assert_clean(notebook)
    assert len(outputs(notebook, "image/png")) == 2
    (right,) = re.findall(r"right for (\S+)% of 120", printed(notebook))
    assert float(right) > 85
