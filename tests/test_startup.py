"""What TensorFlow prints at its start and on a mistake is held back."""

import os
import subprocess
import sys


def test_mistakes_come_without_tensorflows_own_messages():
    program = """
import vae_tf1, tensorflow.compat.v1 as tf
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
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 3
