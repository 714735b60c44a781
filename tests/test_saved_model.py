import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from vae_tf1 import binarize, build_vae, evaluate, export_saved_model, log_likelihood, session_config, train

# Programs that know TensorFlow and nothing of this package.
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


def test_what_is_no_saved_model_is_never_replaced(trained, tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(FileExistsError, match="holds other things than a SavedModel"):
        export_saved_model(*trained, tmp_path, overwrite=True)
    assert (tmp_path / "thesis.tex").exists()


def test_a_path_that_cannot_be_written(trained, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="can't be written to"):
        export_saved_model(*trained, tmp_path / "file" / "model")


def test_a_model_of_other_sizes_goes_all_the_way(digits, tmp_path):
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
