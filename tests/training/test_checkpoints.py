"""Training that is stopped, killed or disturbed ends with the weights of undisturbed training, bit for bit."""

import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from training_runs import assert_same, build_and_train, seeded_digits

import vae_tf1
from vae_tf1 import build_vae, past_reports, read_data_sets, session_config, train
from vae_tf1.vae import variables_of

RECORDS = Path(__file__).parent.parent / "tf1_reference"


def run(directory, iterations=30, *, seed=0, **options):
    def build():
        return build_vae(seed=seed)

    return build_and_train(build, iterations, data=seeded_digits(seed), checkpoint_dir=directory, **options)


@pytest.fixture(scope="module")
def whole():
    """Reports and variables of an uninterrupted run of 30 iterations."""
    return run(None)


def newest(directory: Path) -> Path:
    return max(directory.glob("iterations-*"), key=lambda path: int(path.name.split("-")[1]))


# Resuming


def test_left_and_resumed_at_every_report(tmp_path, whole):
    reports = []
    for stop_at in 0, 7, 14, 21, None:
        some, variables = run(tmp_path, stop_at=stop_at)
        reports += some
    assert_same(variables, whole[1])
    assert [report.iteration for report in reports] == [0, 7, 14, 21, 28]
    for report, expected in zip(reports, whole[0]):
        assert report[:4] == expected[:4]
        np.testing.assert_array_equal(report.images, expected.images)
        np.testing.assert_array_equal(report.reconstructions, expected.reconstructions)


def test_resuming_with_more_iterations_between_two_reports(tmp_path, whole):
    run(tmp_path, 10)
    run(tmp_path, 19)
    reports, variables = run(tmp_path, 30)
    assert_same(variables, whole[1])
    assert reports[0][:4] == whole[0][3][:4]  # its means include iterations 15 to 18, of the previous run


def test_evaluating_between_reports_changes_nothing(whole):
    with tf.Graph().as_default(), tf.Session(config=session_config()) as session:
        vae, data = build_vae(seed=0), seeded_digits()
        for _ in train(session, vae, data, 30, 20, 7):
            vae_tf1.evaluate(session, vae, data.test.images[:10])
        variables = session.run({variable.op.name: variable for variable in tf.global_variables()})
    assert_same(variables, whole[1])


def test_epochs_are_crossed_exactly(tmp_path):
    kwargs = {"batch_size": 7000, "report_every": 2}
    _, expected = run(None, 7, **kwargs)
    for iterations in 3, 6, 7:
        _, variables = run(tmp_path, iterations, **kwargs)
    assert_same(variables, expected)


def test_resumed_in_the_same_session(tmp_path, whole):
    with tf.Graph().as_default(), tf.Session(config=session_config()) as session:
        vae = build_vae(seed=0)
        data = seeded_digits()
        for iterations in 11, 30:
            for _ in train(session, vae, data, iterations, 20, 7, checkpoint_dir=tmp_path):
                pass
        variables = session.run({variable.op.name: variable for variable in tf.global_variables()})
    assert_same(variables, whole[1])


def test_a_session_that_is_past_the_checkpoint_is_refused(tmp_path):
    with tf.Graph().as_default(), tf.Session(config=session_config()) as session:
        vae = build_vae(seed=0)
        data = seeded_digits()
        list(train(session, vae, data, 11, 20, 7, checkpoint_dir=tmp_path))
        list(train(session, vae, data, 5, 20, 7))
        with pytest.raises(ValueError, match=r"has drawn more noise .* open a new tf\.Session"):
            list(train(session, vae, data, 30, 20, 7, checkpoint_dir=tmp_path))


def test_a_finished_run_says_so_and_does_nothing(tmp_path, whole, capsys):
    run(tmp_path)
    reports, variables = run(tmp_path)
    assert reports == []
    assert_same(variables, whole[1])
    assert f"The run in {tmp_path} has already done all 30 iterations, so nothing is trained" in capsys.readouterr().out


def test_fewer_iterations_than_are_done_are_refused(tmp_path):
    run(tmp_path, 10)
    with pytest.raises(ValueError, match="has already done 10 iterations, more than 9; pass"):
        run(tmp_path, 9)


def test_resumed_with_labels_read_in_another_way_and_outside_the_graph(tmp_path, whole):
    run(tmp_path, 10)
    with tf.Graph().as_default() as graph:
        vae = build_vae(seed=0)
    data = read_data_sets("unused", source="builtin", seed=0, one_hot=True)
    with tf.Session(graph=graph, config=session_config()) as session, tf.init_scope():
        for _ in train(session, vae, data, 30, 20, 7, checkpoint_dir=tmp_path, log_dir=tmp_path / "logs"):
            pass
        vae_tf1.export_saved_model(session, vae, tmp_path / "model")
    for name, value in whole[1].items():
        np.testing.assert_array_equal(tf.train.load_variable(tf.train.latest_checkpoint(str(tmp_path)), name), value)


def test_past_reports_are_those_of_all_parts(tmp_path, whole):
    assert past_reports(tmp_path) == []
    run(tmp_path, 10)
    run(tmp_path)
    for report, expected in zip(past_reports(tmp_path), whole[0], strict=True):
        assert report[:4] == expected[:4]
        np.testing.assert_array_equal(report.images, expected.images)
        np.testing.assert_array_equal(report.reconstructions, expected.reconstructions)


def test_the_last_few_are_kept_and_tensorflow_finds_the_newest(tmp_path):
    run(tmp_path)
    names = sorted(path.name for path in tmp_path.glob("iterations-*"))
    assert names == ["iterations-22", "iterations-29", "iterations-30"]
    assert tf.train.latest_checkpoint(str(tmp_path)) == str(tmp_path / "iterations-30" / "model.ckpt")


def test_checkpoints_are_written_as_often_as_asked(tmp_path, monkeypatch):
    written = []
    original = vae_tf1.training.checkpoints.write
    monkeypatch.setattr(
        vae_tf1.training.checkpoints, "write", lambda c, *args: (written.append(c.iterations), original(c, *args))
    )
    run(tmp_path / "between reports", checkpoint_every=11)
    assert written == [11, 22, 30]
    written.clear()
    run(tmp_path / "when left", checkpoint_every=1000, stop_at=14)
    assert written == [15]


@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["plain", "compiled"])
def test_iterations_lost_in_a_crash_are_repeated(tmp_path, monkeypatch, compiled):
    kwargs = {"compiled": compiled, "checkpoint_every": 11}
    whole = run(tmp_path / "whole", **kwargs)
    original = vae_tf1.training.run.Run.step

    def step(self, *args):
        if self.done == 15:
            raise RuntimeError("crash")
        return original(self, *args)

    monkeypatch.setattr(vae_tf1.training.run.Run, "step", step)
    with pytest.raises(RuntimeError, match="crash"):
        run(tmp_path / "crashed", **kwargs)
    monkeypatch.undo()
    assert newest(tmp_path / "crashed").name == "iterations-11"
    reports, variables = run(tmp_path / "crashed", **kwargs)
    assert_same(variables, whole[1])
    assert [report[:4] for report in reports] == [report[:4] for report in whole[0][2:]]
    for report, expected in zip(reports, whole[0][2:]):
        np.testing.assert_array_equal(report.reconstructions, expected.reconstructions)
    assert [report[:4] for report in past_reports(tmp_path / "crashed")] == [report[:4] for report in whole[0]]


def test_two_vaes_of_a_graph_are_kept_apart(tmp_path):
    with tf.Graph().as_default(), tf.Session(config=session_config()) as session:
        vaes = []
        for scope in "one", "two":
            with tf.variable_scope(scope):
                vaes.append(build_vae(seed=0))
        data = seeded_digits()
        names = [{variable.op.name for variable in variables_of(vae)} for vae in vaes]
        assert [len(some) for some in names] == [26, 26]
        assert not names[0] & names[1]
        list(train(session, vaes[0], data, 3, checkpoint_dir=tmp_path))
        list(train(session, vaes[1], data, 3))
        before = session.run(variables_of(vaes[1]))
        list(train(session, vaes[0], data, 5, checkpoint_dir=tmp_path))
        for value, expected in zip(session.run(variables_of(vaes[1])), before):
            np.testing.assert_array_equal(value, expected)


# Interrupts


def test_an_interrupt_saves_after_the_iteration_and_is_raised(tmp_path, whole, monkeypatch):
    steps = []
    original = vae_tf1.training.run.Run.step

    def step(self, *args):
        steps.append(self.done)
        if self.done == 10:
            os.kill(os.getpid(), signal.SIGINT)
        return original(self, *args)

    monkeypatch.setattr(vae_tf1.training.run.Run, "step", step)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    assert steps[-1] == 10
    assert newest(tmp_path).name == "iterations-11"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    _, variables = run(tmp_path)
    assert steps[11] == 11
    assert_same(variables, whole[1])


def live(directory, started, iterations):
    """One process of the run that is killed again and again."""
    kwargs = {"batch_size": 100, "report_every": 100}
    with tf.Graph().as_default(), tf.Session(config=session_config()) as session:
        vae = build_vae(seed=0)
        data = seeded_digits()
        reports = train(session, vae, data, iterations, **kwargs, checkpoint_dir=directory)
        started.set()
        for _ in reports:
            pass
        np.savez(directory / "end.npz", **session.run({v.op.name.replace("/", "|"): v for v in tf.global_variables()}))


@pytest.mark.parametrize(("times", "iterations"), [(3, 400), pytest.param(30, 3000, marks=pytest.mark.slow)])
def test_killed_again_and_again(tmp_path, times, iterations):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["vae_tf1"])
    choose = random.Random(0)
    kills = 0
    (tmp_path / "killed").mkdir()
    (tmp_path / "whole").mkdir()
    while not (tmp_path / "killed" / "end.npz").exists():
        started = context.Event()
        process = context.Process(target=live, args=(tmp_path / "killed", started, iterations))
        process.start()
        started.wait()
        # Until so many lives are over, one lasts from nothing to some 200 iterations.
        process.join(choose.uniform(0, 0.7) if kills < times else None)
        if process.is_alive():
            process.kill()
            process.join()
            kills += 1
    assert kills >= times
    started = context.Event()
    process = context.Process(target=live, args=(tmp_path / "whole", started, iterations))
    process.start()
    process.join()
    ends = [dict(np.load(tmp_path / name / "end.npz")) for name in ("killed", "whole")]
    assert_same(*ends)


# Faults


FILES = ["training.npz", "model.ckpt.data-00000-of-00001", "model.ckpt.index"]
FAULTS = ["truncated", "changed", "missing"]


@pytest.mark.parametrize(
    ("file", "fault"),
    [
        pytest.param(file, fault, marks=() if i == j else pytest.mark.slow)
        for i, file in enumerate(FILES)
        for j, fault in enumerate(FAULTS)
    ],
)
def test_a_damaged_newest_checkpoint_is_skipped_with_a_warning(tmp_path, whole, file, fault):
    run(tmp_path, 20)
    path = newest(tmp_path) / file
    content = path.read_bytes()
    if fault == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif fault == "changed":
        path.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
    else:
        path.unlink()
    with pytest.warns(UserWarning, match=r"iterations-20 is damaged .*; iterations-15 is used instead"):
        run(tmp_path, 20)
    assert_same(run(tmp_path, 30)[1], whole[1])


def test_damaged_checkpoints_alone_are_an_error_rather_than_a_new_start(tmp_path):
    run(tmp_path, 3)
    for path in tmp_path.glob("iterations-*"):
        (path / "model.ckpt.index").unlink()
    with pytest.raises(
        ValueError, match=r"No checkpoint in .* can be read: iterations-3 is damaged .*model.ckpt.index"
    ):
        run(tmp_path, 3)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seed": 1}, "graph seed is 1 here, 0 there"),
        ({"batch_size": 21}, "batch_size is 21 here, 20 there"),
    ],
)
def test_another_run_is_refused(tmp_path, change, said):
    run(tmp_path, 3)
    with pytest.raises(ValueError, match=f"belongs to another run: {said}"):
        run(tmp_path, 30, **change)


def test_other_data_are_refused(tmp_path):
    run(tmp_path, 3)
    with tf.Graph().as_default(), tf.Session() as session:
        vae = build_vae(seed=0)
        data = read_data_sets("unused", source="builtin", seed=0, validation_size=4000)
        with pytest.raises(ValueError, match=r"belongs to another run: data \(SHA-256\) is \w+ here, \w+ there"):
            list(train(session, vae, data, 30, 20, checkpoint_dir=tmp_path))
        data = seeded_digits(1)
        with pytest.raises(ValueError, match="belongs to another run: data seed is 1 here, 0 there"):
            list(train(session, vae, data, 30, 20, checkpoint_dir=tmp_path))


def test_another_model_is_refused(tmp_path):
    run(tmp_path, 3)
    with tf.Graph().as_default(), tf.Session() as session:
        with tf.variable_scope("other"):
            vae = build_vae(seed=0)
        data = seeded_digits()
        with pytest.raises(
            ValueError,
            match="belongs to another model: other has Placeholder here, which is missing there",
        ):
            list(train(session, vae, data, 30, 20, checkpoint_dir=tmp_path))


def test_a_second_run_in_the_directory_is_refused(tmp_path):
    with tf.Graph().as_default(), tf.Session() as session:
        vae = build_vae(seed=0)
        data = seeded_digits()
        first = train(session, vae, data, checkpoint_dir=tmp_path)
        next(first)
        with pytest.raises(RuntimeError, match=f"Another training run is using checkpoint_dir {tmp_path}"):
            run(tmp_path)
        first.close()


def test_checkpoint_dir_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="can't be written"):
        run(tmp_path / "file")


def fill_disk_and_train(directory):
    """Trains in a new process in which no file may exceed 1 MB, as if the disk were full."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
    try:
        run(directory, 30)
    except OSError as error:
        (directory / "error").write_text(str(error))


def test_a_full_disk_is_named_and_the_previous_checkpoint_is_whole(tmp_path, whole):
    run(tmp_path, 10)
    process = multiprocessing.get_context("forkserver").Process(target=fill_disk_and_train, args=(tmp_path,))
    process.start()
    process.join()
    error = (tmp_path / "error").read_text()
    assert error.startswith(f"The checkpoint after 15 iterations can't be written to {tmp_path / 'iterations-15'} (")
    assert "\n" not in error
    assert not list(tmp_path.glob(".iterations-*"))
    assert newest(tmp_path).name == "iterations-10"
    assert_same(run(tmp_path)[1], whole[1])


def test_a_lost_directory_is_named(tmp_path, monkeypatch):
    directory = tmp_path / "checkpoints"

    def write(*args):
        shutil.rmtree(directory)
        directory.write_text("a file is in its place")
        return original(*args)

    original = vae_tf1.training.checkpoints.write
    monkeypatch.setattr(vae_tf1.training.checkpoints, "write", write)
    with pytest.raises(OSError, match=f"The checkpoint after 1 iterations can't be written to {directory}"):
        run(directory)


# Foreign checkpoints


def start_from(path) -> dict:
    with tf.Graph().as_default(), tf.Session(config=session_config()) as session:
        vae = build_vae(seed=0)
        data = seeded_digits()
        list(train(session, vae, data, 0, initial_checkpoint=path))
        return session.run({variable.op.name: variable for variable in tf.global_variables()})


def test_training_starts_from_a_checkpoint_of_tensorflow_1():
    path = str(RECORDS / "digits_seed1.ckpt")
    variables = start_from(path)
    for name, value in variables.items():
        np.testing.assert_array_equal(value, tf.train.load_variable(path, name))


def test_training_starts_from_weights_alone(tmp_path):
    with tf.Graph().as_default(), tf.Session() as session:
        build_vae(seed=5)
        session.run(tf.global_variables_initializer())
        path = tf.train.Saver(tf.trainable_variables()).save(session, str(tmp_path / "weights"))
    variables = start_from(path)
    for name, value in variables.items():
        if name.startswith("unlabeled/optimizer/encoder"):
            assert not value.any()
        elif name.startswith("encoder"):
            np.testing.assert_array_equal(value, tf.train.load_variable(path, name))


def test_checkpoint_dir_takes_precedence_over_the_initial_checkpoint(tmp_path, whole):
    run(tmp_path, 10)
    _, variables = run(tmp_path, initial_checkpoint=str(RECORDS / "digits_seed1.ckpt"))
    assert_same(variables, whole[1])


def test_an_initial_checkpoint_is_found_by_its_directory_and_index_too(tmp_path):
    run(tmp_path, 3)
    for path in tmp_path, tmp_path / "iterations-3", tmp_path / "iterations-3" / "model.ckpt.index":
        assert start_from(path)["encoder/fc1/biases"].any()


class Spy:
    """Writes a file when it is unpickled."""

    def __init__(self, note):
        self.note = note

    def __reduce__(self):
        return Path.touch, (self.note,)


def test_no_pickle_is_read(tmp_path):
    run(tmp_path / "run", iterations=3)
    state = newest(tmp_path / "run") / "training.npz"
    arrays = dict(np.load(state))
    np.savez(state, **{**arrays, "json": np.array([Spy(tmp_path / "unpickled")], object)})
    with pytest.warns(UserWarning, match="Object arrays cannot be loaded"):
        run(tmp_path / "run")
    assert not (tmp_path / "unpickled").exists()


def test_a_checkpoint_does_not_lead_out_of_its_directory(tmp_path):
    run(tmp_path / "run", iterations=3)
    state = newest(tmp_path / "run") / "training.npz"
    arrays = dict(np.load(state))
    document = json.loads(str(arrays["json"]))
    document["files"]["../../elsewhere"] = "0" * 64
    (tmp_path / "elsewhere").touch()
    np.savez(state, **{**arrays, "json": json.dumps(document)})
    with pytest.warns(UserWarning, match=r"\.\./\.\./elsewhere is outside its directory"):
        run(tmp_path / "run")


def test_a_directory_that_is_deleted_during_training_is_created_again(tmp_path, whole):
    with tf.Graph().as_default(), tf.Session(config=session_config()) as session:
        vae = build_vae(seed=0)
        data = seeded_digits()
        for report in train(session, vae, data, 30, 20, 7, checkpoint_dir=tmp_path / "run"):
            if report.iteration == 14:
                shutil.rmtree(tmp_path / "run")
    assert newest(tmp_path / "run").name == "iterations-30"
    assert_same(run(tmp_path / "run")[1], whole[1])


def test_a_damaged_initial_checkpoint(tmp_path):
    run(tmp_path, 3)
    (tmp_path / "iterations-3" / "model.ckpt.data-00000-of-00001").unlink()
    with pytest.raises(ValueError, match="There is no readable checkpoint at"):
        start_from(tmp_path)


def test_an_ignored_interrupt_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with vae_tf1.training.interrupts.defer():
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_initial_checkpoint_that_does_not_fit(tmp_path):
    with tf.Graph().as_default(), tf.Session() as session:
        tf.get_variable("encoder/fc1/weights", [2, 2])
        session.run(tf.global_variables_initializer())
        path = tf.train.Saver().save(session, str(tmp_path / "other"))
    with pytest.raises(ValueError, match=r"encoder/fc1/weights is \[784, 128\] here but \[2, 2\] there"):
        start_from(path)
    with pytest.raises(ValueError, match="There is no readable checkpoint at"):
        start_from(str(tmp_path / "nothing"))
