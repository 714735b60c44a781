import errno
import multiprocessing
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import vae_tf1
from vae_tf1 import binarize, build_vae, evaluate, export_saved_model, log_likelihood, session_config, train

# Programs that use TensorFlow without this package.
TENSORFLOW_2 = """
import sys, numpy as np, tensorflow as tf
model, x, z = tf.saved_model.load("model"), np.load("x.npy"), np.load("z.npy")
encode, decode, reconstruct = (model.signatures[name] for name in ("encode", "decode", "reconstruct"))
for count in 1, 7:
    encoded = encode(images=tf.constant(x[:count]))
    decoded = decode(z=tf.constant(z[:count]))
    reconstructed = reconstruct(images=tf.constant(x[:count]))
np.savez("out.npz", **encoded, decoded=decoded["probabilities"], reconstructed=reconstructed["probabilities"])
print(encode.structured_input_signature, encode.structured_outputs)
assert "vae_tf1" not in sys.modules
"""
TENSORFLOW_1 = """
import sys, numpy as np, tensorflow.compat.v1 as tf
tf.disable_v2_behavior()
x, z = np.load("x.npy"), np.load("z.npy")
with tf.Session() as sess:
    signatures = tf.saved_model.load(sess, ["serve"], "model").signature_def
    def run(name, output, value):
        (source,) = signatures[name].inputs.values()
        return sess.run(signatures[name].outputs[output].name, {source.name: value})
    np.savez("out.npz", mean=run("encode", "mean", x), log_variance=run("encode", "log_variance", x),
             decoded=run("decode", "probabilities", z), reconstructed=run("reconstruct", "probabilities", x))
assert "vae_tf1" not in sys.modules
"""


@pytest.fixture
def small(graph):
    """A session and a model that is quickly exported."""
    with tf.Session(config=session_config()) as session:
        vae = build_vae(seed=0, hidden_units=4, latent_dimensions=2)
        session.run(tf.global_variables_initializer())
        yield session, vae


@pytest.fixture(params=["", "some/scope"])
def trained(request):
    with tf.Graph().as_default(), tf.Session(config=session_config()) as session:
        with tf.variable_scope(request.param):
            vae = build_vae(seed=0)
        session.run(tf.global_variables_initializer())
        yield session, vae


@pytest.mark.parametrize(
    ("trained", "program"),
    [("", TENSORFLOW_2), pytest.param("some/scope", TENSORFLOW_1, marks=pytest.mark.slow)],
    indirect=["trained"],
    ids=["tensorflow 2", "tensorflow 1"],
)
def test_a_program_without_this_package_runs_it(trained, program, digits, tmp_path):
    session, vae = trained
    export_saved_model(session, vae, tmp_path / "model")
    x = binarize(digits.test.images[:7])
    z = np.random.RandomState(0).normal(size=(7, 64)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "z.npy", z)
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr
    got = np.load(tmp_path / "out.npz")
    mu_logvar = session.run(vae.mu_logvar, {vae.x: x})
    np.testing.assert_allclose(np.hstack([got["mean"], got["log_variance"]]), mu_logvar, rtol=1e-4, atol=1e-5)
    probabilities = vae.x_dist.mean()
    for name, code in ("decoded", z), ("reconstructed", mu_logvar[:, :64]):
        np.testing.assert_allclose(got[name], session.run(probabilities, {vae.z: code}), rtol=1e-4, atol=1e-5)


def test_signatures_explain_themselves(trained, tmp_path):
    export_saved_model(*trained, tmp_path / "model")
    signatures = tf.saved_model.load(tf.Session(graph=tf.Graph()), ["serve"], str(tmp_path / "model")).signature_def
    described = {
        name: [
            {key: [dim.size for dim in tensor.tensor_shape.dim] for key, tensor in tensors.items()}
            for tensors in (signatures[name].inputs, signatures[name].outputs)
        ]
        for name in ("encode", "decode", "reconstruct")
    }
    assert described == {
        "encode": [{"images": [-1, 784]}, {"mean": [-1, 64], "log_variance": [-1, 64]}],
        "decode": [{"z": [-1, 64]}, {"probabilities": [-1, 784]}],
        "reconstruct": [{"images": [-1, 784]}, {"probabilities": [-1, 784]}],
    }


def test_exporting_adds_nothing_to_the_graph(trained, tmp_path):
    session, vae = trained
    before = len(session.graph.get_operations())
    export_saved_model(session, vae, tmp_path / "model")
    assert len(session.graph.get_operations()) == before


def test_an_existing_model_is_replaced_only_when_asked(trained, tmp_path):
    path = tmp_path / "model"
    export_saved_model(*trained, path)
    with pytest.raises(FileExistsError, match="pass overwrite=True"):
        export_saved_model(*trained, path)
    before = (path / "saved_model.pb").stat().st_ino
    export_saved_model(*trained, path, overwrite=True)
    assert (path / "saved_model.pb").stat().st_ino != before


def test_a_directory_that_is_not_a_saved_model_is_never_replaced(trained, tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(FileExistsError, match=r"is not a SavedModel of this package \(it holds thesis\.tex\)"):
        export_saved_model(*trained, tmp_path, overwrite=True)
    assert (tmp_path / "thesis.tex").exists()


FOREIGN = {
    "assets": "assets/photo.jpg",
    "a note": "variables/notes.txt",
    "a directory": "unfinished/thesis.tex",
    "a model of another format": "saved_model.pbtxt",
}


@pytest.mark.parametrize("file", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("beside_a_model", [False, True], ids=["alone", "beside a model"])
def test_foreign_files_are_never_deleted(small, tmp_path, file, beside_a_model):
    path = tmp_path / "site"
    if beside_a_model:
        export_saved_model(*small, path)
    (path / file).parent.mkdir(parents=True, exist_ok=True)
    (path / file).write_text("mine")
    with pytest.raises(FileExistsError, match=rf"is not a SavedModel of this package \(it holds {file}\)"):
        export_saved_model(*small, path, overwrite=True)
    assert (path / file).read_text() == "mine"
    assert [entry.name for entry in tmp_path.iterdir()] == ["site"]


def test_only_a_directory_with_a_model_or_nothing_is_replaced(small, tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "weights" / "variables").mkdir(parents=True)
    (tmp_path / "weights" / "variables" / "variables.index").write_text("mine")
    for name, said in ("file", "it is not a directory"), ("weights", "saved_model.pb is missing"):
        with pytest.raises(FileExistsError, match=said):
            export_saved_model(*small, tmp_path / name, overwrite=True)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileExistsError, match="pass overwrite=True"):
        export_saved_model(*small, tmp_path / "empty")
    (tmp_path / ".empty.unfinished").mkdir()
    export_saved_model(*small, tmp_path / "empty", overwrite=True)
    assert (tmp_path / "empty" / "saved_model.pb").exists()
    assert (tmp_path / ".empty.unfinished").exists()


def test_a_symbolic_link_is_followed(small, tmp_path):
    export_saved_model(*small, tmp_path / "version1")
    (tmp_path / "model").symlink_to("version1")
    before = (tmp_path / "version1" / "saved_model.pb").stat().st_ino
    export_saved_model(*small, tmp_path / "model", overwrite=True)
    assert (tmp_path / "model").is_symlink()
    assert (tmp_path / "version1" / "saved_model.pb").stat().st_ino != before


@pytest.mark.parametrize("failing", [1, 2, 3])
def test_a_model_is_put_back_when_the_new_one_cannot_replace_it(small, tmp_path, monkeypatch, failing):
    """The first, second or third renaming fails: of the new one, of the old one aside, of the new one again."""
    export_saved_model(*small, tmp_path / "model")
    before = (tmp_path / "model" / "saved_model.pb").stat().st_ino
    calls = []

    def rename(self, target):
        calls.append(target)
        if len(calls) == failing:
            raise OSError(errno.EBUSY, "Device or resource busy")
        return original(self, target)

    original = Path.rename
    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(OSError, match=r"can't be written to .*model \(Device or resource busy\); pass another path"):
        export_saved_model(*small, tmp_path / "model", overwrite=True)
    assert (tmp_path / "model" / "saved_model.pb").stat().st_ino == before
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_an_old_model_that_cannot_be_deleted_is_named(small, tmp_path, monkeypatch):
    export_saved_model(*small, tmp_path / "model")
    before = (tmp_path / "model" / "saved_model.pb").stat().st_ino

    def rmtree(path, ignore_errors=False):
        if not ignore_errors:
            raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(shutil, "rmtree", rmtree)
    with pytest.warns(UserWarning, match=r"\.model\.\w+ can't be deleted \(Permission denied\); delete it by hand"):
        export_saved_model(*small, tmp_path / "model", overwrite=True)
    assert (tmp_path / "model" / "saved_model.pb").stat().st_ino != before


def test_a_mount_point_is_refused_before_anything_is_written(small, tmp_path, monkeypatch):
    export_saved_model(*small, tmp_path / "model")
    monkeypatch.setattr(os.path, "ismount", lambda path: os.path.basename(path) == "model")
    monkeypatch.setattr(vae_tf1.saved_model, "_write", None)
    with pytest.raises(OSError, match="a mount point cannot be replaced"):
        export_saved_model(*small, tmp_path / "model", overwrite=True)
    assert (tmp_path / "model" / "saved_model.pb").exists()


def export_again_and_again(directory, seed, start, counts):
    with tf.Graph().as_default(), tf.Session() as session:
        vae = build_vae(seed=seed, hidden_units=4, latent_dimensions=2)
        session.run(tf.global_variables_initializer())
        start.wait()
        done = 0
        for _ in range(counts):
            export_saved_model(session, vae, directory / "model", overwrite=True)
            done += 1
        (directory / f"done {seed}").write_text(str(done))


def test_two_processes_export_to_one_place(tmp_path):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["vae_tf1"])
    start = context.Barrier(2)
    processes = [context.Process(target=export_again_and_again, args=(tmp_path, i, start, 10)) for i in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["done 0", "done 1", "model"]
    assert [(tmp_path / f"done {i}").read_text() for i in range(2)] == ["10", "10"]
    with tf.Graph().as_default(), tf.Session() as session:
        tf.saved_model.load(session, ["serve"], str(tmp_path / "model"))


def test_the_home_directory_is_expanded(small, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    export_saved_model(*small, "~/model")
    assert (tmp_path / "model" / "saved_model.pb").exists()


@pytest.mark.parametrize("name", ["run [1]", "back\\slash"])
def test_paths_from_which_tensorflow_could_not_load_are_refused(small, tmp_path, name):
    with pytest.raises(ValueError, match=r"TensorFlow cannot load from .*; pass a path without brackets"):
        export_saved_model(*small, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_mistakes_are_one_sentence(small, tmp_path):
    session, vae = small
    for path, error in (None, TypeError), (b"model", TypeError), (7, TypeError), ("", ValueError):
        with pytest.raises(error, match=r"^path is "):
            export_saved_model(session, vae, path)
    with pytest.raises(ValueError, match=r"^path is 'gs://bucket/model', but only local files"):
        export_saved_model(session, vae, "gs://bucket/model")
    with pytest.raises(OSError, match="File name too long"):
        export_saved_model(session, vae, tmp_path / ("x" * 300))
    with pytest.raises(TypeError, match=r"^sess is None; pass an open"):
        export_saved_model(None, vae, tmp_path / "model")
    session.close()
    with pytest.raises(ValueError, match=r"^sess is closed"):
        export_saved_model(session, vae, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_cannot_be_written(trained, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="can't be written to"):
        export_saved_model(*trained, tmp_path / "file" / "model")


def test_a_model_of_other_sizes_is_trained_measured_and_exported(digits, tmp_path):
    with tf.Graph().as_default(), tf.Session(config=session_config()) as session:
        vae = build_vae(seed=0, hidden_units=32, latent_dimensions=3)
        reports = list(train(session, vae, digits, iterations=200, report_every=100))
        assert reports[1].loss < reports[0].loss
        negative_elbo = evaluate(session, vae, digits.test.images[:200]).negative_elbo
        assert log_likelihood(session, vae, digits.test.images[:200], 50).mean() > -negative_elbo
        export_saved_model(session, vae, tmp_path / "model")
        expected = session.run(vae.mu_logvar, {vae.x: binarize(digits.test.images[:4])})
    with tf.Graph().as_default(), tf.Session() as session:
        signature = tf.saved_model.load(session, ["serve"], str(tmp_path / "model")).signature_def["encode"]
        images = binarize(digits.test.images[:4])
        mean = session.run(signature.outputs["mean"].name, {signature.inputs["images"].name: images})
    np.testing.assert_allclose(mean, expected[:, :3], rtol=1e-5, atol=1e-5)
