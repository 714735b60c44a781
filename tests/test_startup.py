"""Importing the package changes no state and prints nothing; a mistake prints its one sentence only."""

import os
import subprocess
import sys

import pytest

IMPORT = """
import os
before = dict(os.environ)
import vae_tf1
assert dict(os.environ) == before
import tensorflow.compat.v1 as tf
assert tf.executing_eagerly()
assert tf.resource_variables_enabled()
assert not tf.get_default_graph().get_operations()
print("imported")
"""
MISTAKES = """
data = vae_tf1.read_data_sets("unused", source="builtin")
with tf.Graph().as_default(), tf.Session(config=vae_tf1.session_config()) as sess:
    vae = vae_tf1.build_vae()
    for function in vae_tf1.evaluate, vae_tf1.log_likelihood:
        try:
            function(sess, vae, data.test.images[:2])
        except ValueError as error:
            print(error)
    try:
        vae_tf1.build_vae()
    except ValueError as error:
        print(error)
"""


@pytest.fixture(scope="module")
def done() -> subprocess.CompletedProcess:
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    command = [sys.executable, "-c", IMPORT + MISTAKES]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_importing_changes_no_state_and_prints_nothing(done):
    assert done.stderr == ""
    assert done.stdout.startswith("imported\n")


def test_mistakes_come_without_tensorflows_own_messages(done):
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1 + 3


def test_a_process_that_dies_at_the_import_says_why():
    code = "import os, threading; threading.Timer(0.1, os.write, [2, b'from a thread\\n']).start(); import vae_tf1"
    environment = {**os.environ, "TF_XLA_FLAGS": "--nonsense"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode != 0
    thread, reason = done.stderr.splitlines()
    assert thread == "from a thread"
    assert "Unknown flag in TF_XLA_FLAGS: --nonsense" in reason
