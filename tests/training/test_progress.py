"""Training continues if the progress bar, stdout or TensorBoard's files can't be written."""

import errno
import functools
import io
import json
import os
import resource
import signal
import subprocess
import sys

import pytest
import tensorflow.compat.v1 as tf
from training_runs import seeded_digits

from vae_tf1 import build_vae, session_config, train


class Unwritable(io.StringIO):
    """A terminal that has been closed, a pipe without a reader, or a full disk."""

    def __init__(self, number):
        super().__init__()
        self._number = number

    def write(self, text):
        raise OSError(self._number, os.strerror(self._number))

    def flush(self):
        self.write("")


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


STREAMS = {
    "none": lambda: None,
    "closed": closed,
    **{
        errno.errorcode[n]: functools.partial(Unwritable, n)
        for n in (errno.EPIPE, errno.ENOSPC, errno.EIO, errno.EBADF)
    },
}


@pytest.mark.parametrize("stream", STREAMS)
def test_training_continues_without_stderr_and_stdout(tmp_path, monkeypatch, stream):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    with tf.Graph().as_default(), tf.Session(config=session_config()) as session:
        vae = build_vae(hidden_units=4, latent_dimensions=2)
        data = seeded_digits()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stderr", STREAMS[stream]())
            patch.setattr(sys, "stdout", STREAMS[stream]())
            reports = [list(train(session, vae, data, n, 20, 5, checkpoint_dir=tmp_path)) for n in (7, 20, 20)]
    assert [report.iteration for some in reports for report in some] == [0, 5, 10, 15]


PROGRAM = """
import json, sys, vae_tf1, tensorflow.compat.v1 as tf
data = vae_tf1.read_data_sets("unused", source="builtin", seed=0)
with tf.Graph().as_default(), tf.Session() as session:
    reports = vae_tf1.train(session, vae_tf1.build_vae(hidden_units=4, latent_dimensions=2), data, 20, 20, 1)
    with open("losses.json", "w") as file:
        json.dump([report.loss for report in reports], file)
"""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_program_trains_to_the_end_when_its_messages_cannot_be_written(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "TQDM_DISABLE"}
    with open("/dev/full", "w") as full:
        subprocess.run([sys.executable, "-c", PROGRAM], cwd=tmp_path, stderr=full, env=environment)
    assert len(json.loads((tmp_path / "losses.json").read_text())) == 20


def test_a_full_disk_under_log_dir_is_a_warning(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with tf.Graph().as_default(), tf.Session(config=session_config()) as session:
            vae = build_vae(hidden_units=4, latent_dimensions=2)
            reports = train(session, vae, seeded_digits(), 20, 20, 1, log_dir=tmp_path)
            next(reports)
            (file,) = tmp_path.iterdir()
            resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + 2000, hard))
            with pytest.warns(
                UserWarning, match=rf"^log_dir {tmp_path} can no longer be written .*File too large"
            ) as said:
                assert [report.iteration for report in reports] == list(range(1, 20))
            assert len(said) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
