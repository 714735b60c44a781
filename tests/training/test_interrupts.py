"""Ctrl-C loses nothing, at any moment and when pressed again."""

import os
import signal

import pytest
import tensorflow.compat.v1 as tf
from interrupt_sweep import sweep
from training_runs import assert_same, build_and_train, seeded_digits

import vae_tf1
from vae_tf1 import build_vae, session_config, train

FILES = ["_files.py", "saved_model.py", *(f"training/{name}.py" for name in ("checkpoints", "loop", "interrupts"))]


def raise_at_once(*_):
    """A handler of the caller, which `defer` leaves in place."""
    raise KeyboardInterrupt


def test_a_second_interrupt_does_not_abort_the_save(tmp_path, monkeypatch):
    def press():
        os.kill(os.getpid(), signal.SIGINT)

    def step(self, *args):
        if self.done == 10:
            press()
        return original_step(self, *args)

    def write(*args):
        press()
        original_write(*args)
        press()

    original_step, original_write = vae_tf1.training.run.Run.step, vae_tf1.training.checkpoints.write
    monkeypatch.setattr(vae_tf1.training.run.Run, "step", step)
    with pytest.raises(KeyboardInterrupt):
        build_and_train(lambda: build_vae(seed=0), 30, checkpoint_dir=tmp_path, checkpoint_every=100)
    assert [path.name for path in tmp_path.glob("iterations-*")] == ["iterations-11"]
    # Interrupted while it is saved because the loop over the reports is left.
    monkeypatch.setattr(vae_tf1.training.checkpoints, "write", write)
    with tf.Graph().as_default(), tf.Session(config=session_config()) as session:
        reports = train(
            session, build_vae(seed=0), seeded_digits(), 30, 20, 7, checkpoint_dir=tmp_path, checkpoint_every=100
        )
        assert next(reports).iteration == 14
        with pytest.raises(KeyboardInterrupt):
            reports.close()
    monkeypatch.undo()
    assert (tmp_path / "iterations-15").exists()
    _, variables = build_and_train(lambda: build_vae(seed=0), 30, checkpoint_dir=tmp_path)
    assert_same(variables, build_and_train(lambda: build_vae(seed=0), 30)[1])


HANDLERS = pytest.mark.parametrize("handler", [signal.default_int_handler, raise_at_once], ids=["Python's", "own"])


# An interrupt between opening a file and its `with` leaves the closing to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@HANDLERS
@pytest.mark.parametrize("step", [37, pytest.param(1, marks=pytest.mark.slow)], ids=["every 37th line", "every line"])
def test_an_interrupt_at_any_line_of_saving_loses_nothing(tmp_path, handler, step):
    with tf.Graph().as_default(), tf.Session(config=session_config()) as session:
        vae = build_vae(
            hidden_units=4, latent_dimensions=2
        )  # unseeded, so that a session can resume from an earlier state
        data = seeded_digits()
        told = {}

        def interrupted(n):
            for report in train(session, vae, data, 4, 20, 2, checkpoint_dir=tmp_path / str(n)):
                told[n] = report.iteration

        for n in sweep(FILES, step, interrupted, handler):
            directory = tmp_path / str(n)
            whole = vae_tf1.training.checkpoints.read_newest(directory)
            assert (whole.iterations if whole else 0) >= told.get(n, -1) + 1, n
            list(train(session, vae, data, 5, 20, 2, checkpoint_dir=directory))
            assert vae_tf1.training.checkpoints.read_newest(directory).iterations == 5
            assert not [path for path in directory.iterdir() if path.name.startswith(".iterations")]
        assert n > 100


@HANDLERS
@pytest.mark.parametrize("step", [3, pytest.param(1, marks=pytest.mark.slow)], ids=["every third line", "every line"])
def test_an_interrupt_at_any_line_of_exporting_leaves_a_model(tmp_path, monkeypatch, handler, step):
    def write(session, vae, path, feed):
        (path / "saved_model.pb").write_text("new")

    monkeypatch.setattr(vae_tf1.saved_model, "_write", write)
    with tf.Graph().as_default(), tf.Session() as session:
        vae = build_vae(hidden_units=4, latent_dimensions=2)

        def interrupted(n):
            (tmp_path / str(n) / "model").mkdir(parents=True)
            (tmp_path / str(n) / "model" / "saved_model.pb").write_text("old")
            vae_tf1.export_saved_model(session, vae, tmp_path / str(n) / "model", overwrite=True)

        for n in sweep(FILES, step, interrupted, handler):
            assert (tmp_path / str(n) / "model" / "saved_model.pb").read_text() in ("old", "new"), n
            if handler is signal.default_int_handler:
                assert os.listdir(tmp_path / str(n)) == ["model"], n
        assert n > 30
