"""The README's promises: its code runs verbatim, and an old notebook runs with one line changed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DIGITS = ROOT / "vae_tf1" / "data" / "digits"

# The first line is the changed one.
NEW_IMPORTS = """
from vae_tf1 import tensorflow1 as tf
import numpy as np
from tensorflow.contrib import slim
from tensorflow.examples.tutorials.mnist import input_data

Bernoulli = tf.contrib.distributions.Bernoulli
"""
OLD_CELLS = """
mnist = input_data.read_data_sets("MNIST_data/", one_hot=True)

def encoder(x):
    with slim.arg_scope([slim.fully_connected], weights_initializer=tf.truncated_normal_initializer(0.0, 0.1)):
        h = slim.fully_connected(x, 128, scope="fc1")
        return slim.fully_connected(h, 128, activation_fn=None, scope="fc2")

def decoder(mu_logvar):
    mu, logvar = tf.split(mu_logvar, num_or_size_splits=2, axis=1)
    stddev = tf.sqrt(tf.exp(logvar))
    z = mu + stddev * tf.random_normal(tf.shape(stddev))
    h = slim.fully_connected(z, 128, scope="fc1")
    x_logits = slim.fully_connected(h, 784, activation_fn=None, scope="fc2")
    return x_logits, Bernoulli(logits=x_logits, dtype=tf.float32)

tf.reset_default_graph()
x = tf.placeholder(tf.float32, shape=[None, 784])
with tf.variable_scope("encoder"):
    mu_logvar = encoder(x)
with tf.variable_scope("decoder"):
    x_logits, x_dist = decoder(mu_logvar)
    x_hat = x_dist.sample()
cross_entropy = tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(labels=x, logits=x_logits), 1)
mu, logvar = tf.split(mu_logvar, num_or_size_splits=2, axis=1)
kl = -0.5 * tf.reduce_sum(1.0 + logvar - tf.square(mu) - tf.exp(logvar), 1)
loss = tf.reduce_mean(cross_entropy + kl)
train_step = tf.train.AdamOptimizer().minimize(loss)

with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    for i in range(300):
        batch = mnist.train.next_batch(100)
        value, _ = sess.run([loss, train_step], feed_dict={x: (batch[0] > 0.5).astype(np.float32)})
        if i % 100 == 0:
            images, labels = mnist.validation.next_batch(5)
            reconstructions = sess.run(x_hat, feed_dict={x: (images > 0.5).astype(np.float32)})
            print("Iteration %d: %.1f" % (i, value), reconstructions.shape, labels.shape)
print("last", value)
"""


def run(program: str, directory: Path) -> str:
    environment = {**os.environ, "MPLBACKEND": "agg", "TQDM_DISABLE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=directory, capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def directory(tmp_path):
    (tmp_path / "MNIST_data").symlink_to(DIGITS)
    (tmp_path / "data").symlink_to(DIGITS)
    return tmp_path


def test_old_notebook_runs_with_one_line_changed(directory):
    said = run(NEW_IMPORTS + OLD_CELLS, directory)
    assert re.findall(r"Iteration (\d+): .* \(5, 784\) \(5, 10\)", said) == ["0", "100", "200"]
    assert 100 < float(said.split("last")[1]) < 200  # it starts at 600


def readme_code() -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)


def test_readme_code_runs(directory):
    """Each block runs in its own namespace, but all in the same process."""
    blocks = readme_code()
    assert len(blocks) == 6
    programs = [block.replace("20_000", "20") for block in blocks]
    run("\n".join(f"exec({program!r}, {{}})" for program in programs), directory)
    assert (directory / "model" / "saved_model.pb").exists()
    assert (directory / "checkpoints" / "iterations-20").exists()


@pytest.mark.parametrize("target", ["notebook", "test", "lint", "lab", "cluster"])
def test_readme_names_existing_make_targets(target):
    assert f"make {target}" in (ROOT / "README.md").read_text()
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)


def test_unsupported_python_gets_one_sentence(tmp_path):
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    for name in "requirements.txt", "pyproject.toml":
        (tmp_path / name).write_text("")
    fake = tmp_path / "python3"
    fake.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.18" && exit 0\nexit 1\n')
    fake.chmod(0o755)
    done = subprocess.run(
        ["make", "test", f"PYTHON={fake}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"]},
    )
    assert done.returncode != 0
    assert "This needs Python 3.10 to 3.13, but" in done.stderr
    assert "is Python 3.9.18; name a supported one" in done.stderr
    assert not (tmp_path / ".venv").exists()
