"""Old programs with one line changed. They run in other processes, because the import changes all of TensorFlow."""

import importlib.util
import json
import subprocess
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path

import nbclient
import nbformat
import numpy as np
import pytest
from cases import CASES
from old_notebook import IMPORT, ONE_LINE, PROGRAMS

from vae_tf1.data.mnist import BUILTIN_DIR

RECORDS = Path(__file__).parent.parent / "tf1_reference"

# Runs the programs, then the sentences, then the models in a process that has imported TensorFlow once.
RUNNER = """
import json, sys, traceback, warnings
from vae_tf1 import tensorflow1 as tf
warnings.simplefilter("error", append=True)
given = json.load(open("given.json"))
failed, said = {}, []
for name, program in given["programs"].items():
    try:
        exec(compile(program, name, "exec"), {"__name__": "__main__"})
    except BaseException:
        failed[name] = traceback.format_exc()
for touched in given["missing"]:
    try:
        exec(touched)
        said.append("nothing")
    except (AttributeError, ImportError) as error:
        said.append(str(error))
assert not hasattr(tf.contrib, "crf") and hasattr(tf.contrib, "slim") and "placeholder" in dir(tf)
sys.path.insert(0, given["records"])
import contrib_parts, distributions, old_programs, random_operations
from tensorflow.contrib import slim
from tensorflow.examples.tutorials.mnist import input_data
one_thread = tf.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
models = {
    model.__name__: old_programs.run(model, tf, slim, input_data.read_data_sets("MNIST_data", seed=1), one_thread)
    for model in old_programs.MODELS
}
recorded = {
    "models": models,
    "contrib_parts": contrib_parts.evaluate(tf),
    "distributions": distributions.evaluate(tf),
    "random_operations": random_operations.all_seeds(tf),
}
json.dump({"failed": failed, "said": said, **recorded}, open("got.json", "w"))
"""
# What is touched, and the name that the sentence about it begins with.
MISSING = {
    "tf.estimator.Estimator": "tf.estimator",
    "import tensorflow.estimator": "tf.estimator",
    "import tensorflow.python.estimator.estimator": "tf.python.estimator.estimator",
    "import tensorflow.models.rnn.ptb.reader": "tf.models.rnn.ptb.reader",
    "tf.contrib.factorization": "tf.contrib.factorization",
    "tf.contrib.eager.Variable": "tf.contrib.eager.Variable",
    "import tensorflow.contrib.crf as crf": "tf.contrib.crf",
    "from tensorflow.contrib.seq2seq import BeamSearchDecoder": "tf.contrib.seq2seq.BeamSearchDecoder",
    "tf.contrib.distributions.VectorLaplaceDiag": "tf.contrib.distributions.VectorLaplaceDiag",
    "tf.contrib.distributions.bijectors.ConditionalBijector": "tf.contrib.distributions.bijectors.ConditionalBijector",
    "tf.contrib.learn.datasets.base.load_iris": "tf.contrib.learn.datasets.base.load_iris",
    "tf.contrib.learn.preprocessing.ByteProcessor": "tf.contrib.learn.preprocessing.ByteProcessor",
    "tf.keras.utils.multi_gpu_model": "tf.keras.utils.multi_gpu_model",
    "tf.train.nonsense": "tf.train.nonsense",
    "tf.contrib.rnn.NASCell": "tf.contrib.rnn.NASCell",
    "tf.contrib.rnn.ConvLSTMCell": "tf.contrib.rnn.ConvLSTMCell",
    "tf.contrib.legacy_seq2seq.model_with_buckets": "tf.contrib.legacy_seq2seq.model_with_buckets",
    "tf.contrib.image.rotate": "tf.contrib.image",
    "tf.contrib.opt.AdamWOptimizer": "tf.contrib.opt",
    "tf.contrib.nn.alpha_dropout": "tf.contrib.nn.alpha_dropout",
    "import tensorflow.contrib.cudnn_rnn": "tf.contrib.cudnn_rnn",
    "tf.contrib.summary.scalar": "tf.contrib.summary",
    "from tensorflow.contrib.learn import DNNClassifier": "tf.contrib.learn.DNNClassifier",
    "tf.nonsense": "tf.nonsense",
}
if importlib.util.find_spec("tensorflow_estimator"):
    MISSING = {touched: name for touched, name in MISSING.items() if "stimator" not in touched and "DNN" not in touched}
# What TensorFlow 1.0 removed, and what to write instead.
REMOVED = {
    "tf.mul(1, 2)": "tf.multiply",
    "tf.train.SummaryWriter": "tf.summary.FileWriter",
    "tf.nn.rnn": "tf.nn.static_rnn",
    "tf.nn.seq2seq": "tf.contrib.legacy_seq2seq",
    "tf.image.per_image_whitening": "tf.image.per_image_standardization",
}


def python(code: str, *arguments, cwd=None) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


@pytest.fixture
def with_digits(tmp_path, monkeypatch):
    monkeypatch.setenv("VAE_TF1_DATA_DIR", str(BUILTIN_DIR))
    return tmp_path


def changed(program: str) -> str:
    """The program with its one line changed, first among the imports."""
    assert program.count(f"{IMPORT}\n") == 1
    lines = program.replace(f"{IMPORT}\n", "").splitlines(keepends=True)
    future = [line for line in lines if line.startswith("from __future__")]
    return "".join([*future, f"{ONE_LINE}\n", *(line for line in lines if line not in future)])


@pytest.fixture(scope="module")
def one_process(tmp_path_factory) -> tuple[dict, str]:
    """What `RUNNER` got, and what was on stderr."""
    directory = tmp_path_factory.mktemp("programs")
    programs = {name: changed(code) for name, code in {**PROGRAMS, **CASES}.items()}
    given = {"programs": programs, "missing": [*MISSING, *REMOVED], "records": str(RECORDS)}
    (directory / "given.json").write_text(json.dumps(given))
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("VAE_TF1_DATA_DIR", str(BUILTIN_DIR))
        done = python(RUNNER, cwd=directory)
    assert done.returncode == 0, done.stderr
    return json.loads((directory / "got.json").read_text()), done.stdout + done.stderr


def test_old_programs_run_as_scripts(one_process):
    got, printed = one_process
    assert got["failed"] == {}
    assert [line for line in printed.splitlines() if "deprecated" in line] == []


@pytest.mark.slow
def test_old_programs_run_as_notebook_cells_that_run_twice(with_digits):
    cells = [cell for program in PROGRAMS.values() for cell in changed(program).split("# %%\n") for _ in range(2)]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    resources = {"metadata": {"path": str(with_digits)}}
    nbclient.NotebookClient(notebook, kernel_name="python3", allow_errors=True, resources=resources).execute()
    outputs = [output for cell in notebook.cells for output in cell.outputs]
    assert [output.evalue for output in outputs if output.output_type == "error"] == []


# Largest relative difference of the first ten losses, of all 100, and of the loss at the end. Convolutions and
# batch normalization round differently today.
CLOSE = {
    "perceptron": (1e-6, 5e-6, 1e-6),
    "layers_cnn": (5e-5, 3e-2, 5e-3),
    "lstm": (1e-6, 5e-6, 1e-6),
    "slim_batch_norm": (5e-5, 3e-2, 5e-3),
}


def test_models_match_the_names_and_numbers_of_tensorflow_1(one_process):
    got, expected = one_process[0]["models"], json.loads((RECORDS / "models.json").read_text())
    assert got.keys() == expected.keys() == CLOSE.keys()
    for name, (first_ten, hundred, end) in CLOSE.items():
        assert list(got[name]["variables"].items()) == list(expected[name]["variables"].items())
        assert got[name]["initial_weights_sha256"] == expected[name]["initial_weights_sha256"]
        np.testing.assert_allclose(got[name]["losses"][:10], expected[name]["losses"][:10], rtol=first_ten)
        np.testing.assert_allclose(got[name]["losses"], expected[name]["losses"], rtol=hundred)
        assert got[name]["test_loss"] == pytest.approx(expected[name]["test_loss"], rel=end)


def test_distributions_match_the_numbers_of_tensorflow_1(one_process):
    got, expected = one_process[0]["distributions"], json.loads((RECORDS / "distributions.json").read_text())
    assert got.keys() == expected.keys()
    for text, value in expected.items():
        np.testing.assert_allclose(got[text], value, rtol=1e-5, atol=1e-6, err_msg=text)


# Functions that make other operations than TensorFlow 1.15's after their last seed: later seeds differ.
OTHER_SEEDS = {"keras.layers.LSTM"}


def test_random_operations_match_the_seeds_of_tensorflow_1(one_process):
    got, expected = one_process[0]["random_operations"], json.loads((RECORDS / "random_operations.json").read_text())
    assert got.keys() == expected.keys()
    assert {name for name in got if got[name] != expected[name]} == OTHER_SEEDS
    assert all(got[name][:-1] == expected[name][:-1] for name in OTHER_SEEDS)


def test_missing_names_say_what_to_write_instead(one_process):
    said = dict(zip([*MISSING, *REMOVED], one_process[0]["said"], strict=True))
    for touched, name in MISSING.items():
        assert said[touched].startswith(f"{name} has no counterpart in TensorFlow 2."), (touched, said[touched])
        assert said[touched].endswith(".")
    for touched, instead in REMOVED.items():
        name = touched.partition("(")[0]
        assert said[touched] == f"{name} was removed in TensorFlow 1.0; write {instead}."


def test_parts_of_contrib_match_the_variables_and_numbers_of_tensorflow_1(one_process):
    got, expected = one_process[0]["contrib_parts"], json.loads((RECORDS / "contrib_parts.json").read_text())
    assert got.keys() == expected.keys()
    for name, (variables, values) in expected.items():
        assert got[name][0] == variables, name
        for one, other in zip(got[name][1], values, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=3e-6, err_msg=name)


PROGRAM = """
import sys
import numpy as np
assert np.array([1.5]).astype(np.int)[0] == 1
import tensorflow as tf
from tensorflow import nn
import model
x = tf.placeholder(tf.float32, [None, 2])
tf.InteractiveSession(), tf.InteractiveSession()
with tf.Session() as sess:
    print(sys.argv[1:], __name__, model.tf is tf, sess.run(nn.softmax(x), {x: [[0.0, 0.0]]}).tolist())
"""


def test_an_unchanged_program_runs(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "model.py").write_text("import tensorflow as tf")
    command = [sys.executable, "-m", "vae_tf1.tensorflow1", str(tmp_path / "program.py"), "--steps", "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "['--steps', '3'] __main__ True [[0.5, 0.5]]\n", done.stderr
    assert done.stderr == ""


IN_A_NOTEBOOK = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
for cell in (
    "%load_ext vae_tf1.tensorflow1",
    "import tensorflow as tf; from tensorflow.contrib import slim",
    "assert slim.flatten(tf.placeholder(tf.float32, [None, 2, 3])).shape.as_list() == [None, 6]",
):
    shell.run_cell(cell).raise_error()
"""


def test_load_ext_makes_a_notebook_tensorflow_1():
    done = python(IN_A_NOTEBOOK)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""


@pytest.mark.parametrize("arguments", [[], ["nope.py"]])
def test_a_missing_program_prints_what_to_pass(arguments, tmp_path):
    command = [sys.executable, "-m", "vae_tf1.tensorflow1", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("nope.py is not a file" if arguments else "usage: python -m vae_tf1.tensorflow1")


ESTIMATOR = """
import tempfile
import numpy as np
from vae_tf1 import tensorflow1 as tf
from tensorflow.contrib import learn
from tensorflow.python.estimator.export.export import ServingInputReceiver

def model_fn(features, labels, mode):
    logits = tf.layers.dense(features["x"], 2)
    loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
    train_op = tf.train.AdamOptimizer(0.1).minimize(loss, tf.train.get_global_step())
    accuracy = tf.metrics.accuracy(labels, tf.argmax(logits, 1))
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op, eval_metric_ops={"accuracy": accuracy})

x = np.random.RandomState(0).normal(size=[200, 3]).astype(np.float32)
y = (x[:, 0] > 0).astype(np.int32)
inputs = tf.estimator.inputs.numpy_input_fn({"x": x}, y, 50, num_epochs=50, shuffle=True)
once = tf.estimator.inputs.numpy_input_fn({"x": x}, y, num_epochs=1, shuffle=False)
columns = [tf.feature_column.numeric_column("x", shape=[3])]
for estimator in (
    tf.estimator.Estimator(model_fn, tempfile.mkdtemp()),
    learn.DNNClassifier([5], columns, model_dir=tempfile.mkdtemp()),
):
    estimator.train(inputs)
    result = estimator.evaluate(once)
    assert result["global_step"] == 200 and result["accuracy"] > 0.9, result
assert result["loss"] < 2 * result["average_loss"], result  # contrib.learn took the mean over a batch, not the sum
try:
    estimator.fit
except AttributeError as error:
    print(error)
"""


@pytest.mark.skipif(find_spec("tensorflow_estimator") is None, reason="an extra adds it")
def test_estimators_train():
    done = python(ESTIMATOR)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("tf.estimator lacks the fit of tf.contrib.learn's estimators; write train(")
    said = done.stderr.splitlines()  # TensorFlow 1.15 warned of its own canned estimator's metric, too
    assert [line for line in said if not line.startswith("WARNING:tensorflow:Trapezoidal rule")] == []


IMPORTED_ALONE = """
import sys
from vae_tf1 import tensorflow1 as tf
assert "tensorflow_probability.python.distributions" not in sys.modules
assert "tensorflow_probability.python.experimental" not in sys.modules
posterior = tf.contrib.distributions.MultivariateNormalDiag([0.0], [1.0])
assert posterior.reparameterization_type is tf.distributions.Normal(0.0, 1.0).reparameterization_type
"""


def test_tensorflow_probability_is_loaded_once_it_is_touched():
    done = python(IMPORTED_ALONE)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


EAGER_BEFORE = """
import tensorflow as tf2
tensor = tf2.constant(1)
from vae_tf1 import tensorflow1 as tf
"""


def test_eager_tensors_made_before_the_import_cause_a_warning():
    done = python(EAGER_BEFORE)
    assert done.returncode == 0, done.stderr
    assert "TensorFlow 2 has run operations eagerly before vae_tf1.tensorflow1 was imported" in done.stderr


IMPORTED_LATE = """
import tensorflow as tf2
from tensorflow.keras import layers
import keras
tf2.keras.layers.Dense(1)
import vae_tf1
assert not hasattr(tf2, "contrib") and tf2.executing_eagerly()
from vae_tf1 import tensorflow1 as tf
assert not tf2.executing_eagerly()
assert tf.layers.dense(tf.placeholder(tf.float32, [None, 3]), 2).shape.as_list() == [None, 2]
assert tf.nn.rnn_cell.GRUCell(3) and tf.keras.__name__.startswith("tf_keras")
"""


@pytest.mark.slow
def test_an_import_after_keras_works_and_warns_of_keras_3():
    done = python(IMPORTED_LATE)
    assert done.returncode == 0, done.stderr
    assert "tensorflow.keras was imported before vae_tf1.tensorflow1 and stays Keras 3" in done.stderr
    assert "restart Python and import vae_tf1.tensorflow1 first" in done.stderr
