"""Checkpoint directories with foreign files, damaged checkpoints and hostile ones: nothing is lost, nothing trusted."""

import json
import os
import shutil
import zipfile

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from training_runs import assert_same, build_and_train, seeded_digits, train_vae

import vae_tf1
from vae_tf1 import build_vae, past_reports, read_data_sets, session_config, train
from vae_tf1._files import sha256_of


def build_small():
    return build_vae(seed=0, hidden_units=4, latent_dimensions=2)


def run(directory, iterations, **options):
    """Trains with checkpoints after 1, 6, 11, 16, ... iterations, and at the end."""
    return build_and_train(build_small, iterations, report_every=5, checkpoint_dir=directory, **options)


def visible(directory):
    return {path.name for path in directory.iterdir() if not path.name.startswith(".")}


def damage(path):
    (path / "model.ckpt.index").write_bytes(b"damaged")


def rewrite(path, **changes):
    """Rewrites `training.npz` with changed arrays, and with its JSON changed in place by a function."""
    arrays = dict(np.load(path / "training.npz"))
    document = json.loads(str(arrays.pop("json")))
    change = changes.pop("json", lambda document: None)
    changed = change(document)
    np.savez(path / "training.npz", json=json.dumps(document if changed is None else changed), **{**arrays, **changes})


# Files that are kept


def test_a_restored_backup_and_checkpoints_trained_from_it_are_kept_beside_damaged_ones(tmp_path):
    run(tmp_path / "run", 6)
    shutil.copytree(tmp_path / "run" / "iterations-6", tmp_path / "backup")
    run(tmp_path / "run", 20)
    for path in (tmp_path / "run").glob("iterations-*"):
        damage(path)
    shutil.copytree(tmp_path / "backup", tmp_path / "run" / "iterations-6")
    with pytest.warns(UserWarning, match=r"iterations-11 is damaged .*; iterations-6 is used instead"):
        run(tmp_path / "run", 10)
    assert {"iterations-6", "iterations-10", "iterations-11", "iterations-16", "iterations-20"} < visible(
        tmp_path / "run"
    )
    with pytest.warns(UserWarning, match="iterations-10 is used instead"):
        _, variables = run(tmp_path / "run", 30)
    assert_same(variables, run(None, 30)[1])
    assert visible(tmp_path / "run") == {"checkpoint", "iterations-21", "iterations-26", "iterations-30"}


def test_three_whole_checkpoints_are_kept_whatever_is_damaged(tmp_path):
    run(tmp_path, 16)
    assert visible(tmp_path) == {"checkpoint", "iterations-6", "iterations-11", "iterations-16"}
    damage(tmp_path / "iterations-11")
    run(tmp_path, 20)
    assert visible(tmp_path) == {"checkpoint", "iterations-6", "iterations-11", "iterations-16", "iterations-20"}
    run(tmp_path, 21)
    assert visible(tmp_path) == {"checkpoint", "iterations-16", "iterations-20", "iterations-21"}


def test_foreign_files_are_left_alone(tmp_path):
    foreign = [
        "unfinished/thesis.tex",
        ".iterations-3.unfinished/a",
        "iterations-²/a",
        "iterations-007/a",
        "iterations-99",
    ]
    foreign += ["checkpoint.new", ".lock", "iterations-6.old/a"]
    for name in foreign:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    run(tmp_path, 6)
    (tmp_path / "iterations-6" / "notes.txt").write_text("mine")
    run(tmp_path, 25)
    for name in foreign:
        assert (tmp_path / name).read_text() == name
    assert (tmp_path / "iterations-6" / "notes.txt").exists()
    assert not (tmp_path / "iterations-11").exists()


def test_leftovers_of_a_killed_process_are_deleted_by_the_next(tmp_path):
    leftover = tmp_path / ".iterations-5.0123456789abcdef"
    leftover.mkdir()
    (leftover / "model.ckpt.index").touch()
    run(tmp_path, 1)
    assert not leftover.exists()


def test_the_note_of_another_saver_is_not_replaced(tmp_path):
    with tf.Graph().as_default(), tf.Session() as session:
        tf.get_variable("v", [])
        session.run(tf.global_variables_initializer())
        path = tf.train.Saver().save(session, str(tmp_path / "mine"))
    with pytest.warns(
        UserWarning, match=r"checkpoint is not written \(it already exists and belongs to another Saver\)"
    ):
        run(tmp_path, 6)
    assert tf.train.latest_checkpoint(str(tmp_path)) == path
    with pytest.warns(UserWarning, match="is not written"):
        assert_same(run(tmp_path, 10)[1], run(None, 10)[1])


@pytest.mark.parametrize("name", ["run [1]", "back\\slash", "a*b?c"])
def test_directories_whose_names_are_patterns(tmp_path, name):
    expected = run(None, 12)[1]
    run(tmp_path / name, 6)
    assert_same(run(tmp_path / name, 12)[1], expected)
    assert [report.iteration for report in past_reports(tmp_path / name)] == [0, 5, 10]
    for path in tmp_path / name, tmp_path / name / "iterations-12" / "model.ckpt":
        _, variables = build_and_train(build_small, 0, initial_checkpoint=path)
        assert_same(variables, expected)


# Contents that are not trusted


def deflate(path):
    arrays = dict(np.load(path / "training.npz"))
    np.savez_compressed(path / "training.npz", **arrays, bomb=np.zeros(2**20))


def pipe(name):
    def change(path):
        (path / name).unlink()
        os.mkfifo(path / name)

    return change


def with_json(change):
    return lambda path: rewrite(path, json=change)


def set_item(value, *keys):
    def change(document):
        for key in keys[:-1]:
            document = document[key]
        document[keys[-1]] = value

    return with_json(change)


HOSTILE = {
    "compressed": (deflate, "it is compressed"),
    "no zip": (lambda path: (path / "training.npz").write_bytes(b"PK"), "training.npz: "),
    "a pipe": (pipe("training.npz"), "is missing, or is not a file"),
    "a pipe of weights": (pipe("model.ckpt.index"), "is missing, or is not a file"),
    "a list": (with_json(lambda document: [document]), "the form of a checkpoint"),
    "nested": (
        lambda path: rewrite(path, json=lambda document: eval("[" * 90 + "]" * 90)),
        "the form of a checkpoint",
    ),
    "no files": (set_item({}, "files"), "the form of a checkpoint"),
    "files of numbers": (set_item({"a": 1}, "files"), "the form of a checkpoint"),
    "no run": (set_item(None, "run"), "the form of a checkpoint"),
    "odd operations": (set_item({"x": ["Relu"]}, "run", "computation", "loss"), "the form of a checkpoint"),
    "odd losses": (set_item([[1.0, 2.0]], "state", "losses"), "the form of a checkpoint"),
    "odd reports": (set_item([[0, 1.0, 2.0, "x"]], "state", "reports"), "the form of a checkpoint"),
    "more reports": (set_item([[0, 1.0, 2.0, 3.0]] * 5, "state", "reports"), "lacks the images of reports"),
    "images of text": (lambda path: rewrite(path, images=np.array(["x"])), "lacks the images of reports"),
    "other iterations": (set_item(4, "iterations"), "the form of a checkpoint"),
    "negative iterations": (set_item(-3, "iterations"), "the form of a checkpoint"),
    "noise without end": (
        set_item({"decoder/random_normal": 10**15}, "state", "noise"),
        "an impossible amount of noise",
    ),
    "negative noise": (set_item({"decoder/random_normal": -1}, "state", "noise"), "an impossible amount of noise"),
    "noise of text": (set_item({"decoder/random_normal": "1"}, "state", "noise"), "the form of a checkpoint"),
}


@pytest.fixture(scope="module")
def three_iterations(tmp_path_factory):
    directory = tmp_path_factory.mktemp("run")
    run(directory, 3)
    shutil.rmtree(directory / "iterations-1")
    return directory


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_checkpoints_count_as_damaged(tmp_path, three_iterations, case):
    change, said = HOSTILE[case]
    directory = tmp_path / "run"
    shutil.copytree(three_iterations, directory)
    change(directory / "iterations-3")
    with pytest.raises(ValueError, match=rf"No checkpoint in .* can be read: iterations-3 is damaged \(.*{said}"):
        vae_tf1.training.checkpoints.read_newest(directory)
    assert past_reports(directory) == []


def test_deeply_nested_json_counts_as_damage(tmp_path, three_iterations):
    shutil.copytree(three_iterations, tmp_path / "run")
    np.savez(tmp_path / "run" / "iterations-3" / "training.npz", json="[" * 10**6)
    with pytest.raises(ValueError, match="iterations-3 is damaged"):
        vae_tf1.training.checkpoints.read_newest(tmp_path / "run")


def test_unreadable_weights_with_the_right_checksum_raise_one_sentence(tmp_path, three_iterations):
    path = tmp_path / "run" / "iterations-3"
    shutil.copytree(three_iterations, tmp_path / "run")
    damage(path)

    def change(document):
        document["files"]["model.ckpt.index"] = sha256_of(path / "model.ckpt.index")

    rewrite(path, json=change)
    with pytest.raises(
        ValueError, match=r"^The variables in .*iterations-3 can't be restored \([^\n]*\); pass another"
    ):
        run(tmp_path / "run", 6)


def test_an_initial_checkpoint_that_is_a_pipe_is_refused(tmp_path, three_iterations):
    shutil.copytree(three_iterations / "iterations-3", tmp_path / "run")
    pipe("model.ckpt.index")(tmp_path / "run")
    with pytest.raises(ValueError, match=r"There is no readable checkpoint at .* \(model\.ckpt\.index is not a file\)"):
        build_and_train(build_small, 0, initial_checkpoint=tmp_path / "run" / "model.ckpt")


@pytest.mark.parametrize("name", ["train_order", "train_position", "validation_generator"])
def test_an_impossible_state_of_the_data_is_refused(tmp_path, three_iterations, name):
    path = tmp_path / "run" / "iterations-3"
    shutil.copytree(three_iterations, tmp_path / "run")
    arrays = dict(np.load(path / "training.npz"))
    for wrong in arrays[name][:1], np.full_like(arrays[name], 10**6), np.zeros_like(arrays[name]) - 1, np.array("x"):
        rewrite(path, **{name: wrong})
        with pytest.raises(ValueError, match="The checkpoint after 3 iterations does not fit the data"):
            run(tmp_path / "run", 6)


# Written and read again


def test_numpy_integers_are_integers(tmp_path):
    data = read_data_sets("unused", source="builtin", seed=np.int64(0))
    with tf.Graph().as_default():
        vae = build_vae(seed=np.int64(0), hidden_units=4, latent_dimensions=2)
        train_vae(vae, np.uint8(6), np.uint8(20), np.int16(5), data=data, checkpoint_dir=tmp_path)
    assert_same(run(tmp_path, 12)[1], run(None, 12)[1])


def test_the_same_model_is_resumed_with_and_without_the_shapes_of_tensorflow_2(tmp_path):
    expected = run(None, 12)[1]
    run(tmp_path, 6)
    state = tmp_path / "iterations-6" / "training.npz"
    assert "(None, 784)" in str(np.load(state)["json"])
    arrays = dict(np.load(state))
    text = str(arrays.pop("json")).replace(
        "(None, 784)", "(?, 784)"
    )  # as earlier versions wrote it after `tf.disable_v2_behavior()`
    np.savez(state, json=text, **arrays)
    tf.disable_v2_tensorshape()
    try:
        run(tmp_path, 9)
        assert "?" not in str(np.load(tmp_path / "iterations-9" / "training.npz")["json"])
    finally:
        tf.enable_v2_tensorshape()
    assert_same(run(tmp_path, 12)[1], expected)


def test_a_run_of_this_process_that_has_not_ended_is_named(tmp_path):
    with tf.Graph().as_default(), tf.Session(config=session_config()) as session:
        reports = train(session, build_small(), seeded_digits(), 30, 20, 5, checkpoint_dir=tmp_path)
        next(reports)
        with pytest.raises(RuntimeError, match=r"an earlier call of train in this process.*`reports\.close\(\)`"):
            run(tmp_path, 30)
        reports.close()
    assert len(run(tmp_path, 30)[0]) == 5


def test_a_failed_loop_in_a_reference_cycle_does_not_hold_the_lock(tmp_path):
    with tf.Graph().as_default(), tf.Session(config=session_config()) as session:
        vae = build_small()

        def fail():
            reports = train(session, vae, seeded_digits(), 30, 20, 5, checkpoint_dir=tmp_path)
            next(reports)
            cycle = [reports]
            cycle.append(cycle)

        fail()
        assert len(run(tmp_path, 30)[0]) == 5


def test_zip_files_are_longer_than_their_contents(three_iterations):
    """The check against compressed files relies on this."""
    path = three_iterations / "iterations-3" / "training.npz"
    with zipfile.ZipFile(path) as archive:
        assert sum(entry.file_size for entry in archive.infolist()) < path.stat().st_size
