"""Which values pass as counts, paths, arrays and sessions, and which are refused in one sentence."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from vae_tf1._checks import as_array, as_count, as_path, check_session


@pytest.mark.parametrize("value", [3, np.int8(3), np.uint64(3), np.array(3)], ids=repr)
def test_whole_numbers_of_any_type_are_counts(value):
    count = as_count(value, "iterations")
    assert (count, type(count)) == (3, int)


@pytest.mark.parametrize("value", [3.0, np.float32(3), "3", None, True, np.True_, [3], np.arange(3), 3j, object()])
def test_what_is_not_a_whole_number_is_refused(value):
    with pytest.raises(TypeError, match=r"^iterations is [^\n]*; pass an integer\.$"):
        as_count(value, "iterations")
    with tf.Graph().as_default(), pytest.raises(TypeError, match="pass an integer"):
        as_count(tf.constant(3), "iterations")


def test_a_count_below_the_minimum_is_refused():
    assert as_count(1, "batch_size", 1) == 1
    for value in 0, np.int8(-5):
        with pytest.raises(ValueError, match=rf"^batch_size is {value}; pass 1 or more\.$"):
            as_count(value, "batch_size", 1)


def test_paths_are_expanded_alike(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    for path in "~/run", Path("~/run"):
        assert as_path(path, "log_dir") == Path("/home/someone/run")
    assert as_path("run [1]", "log_dir") == Path("run [1]")


@pytest.mark.parametrize("value", [None, 3, b"run", ["run"]], ids=repr)
def test_what_is_not_a_path_is_refused(value):
    with pytest.raises(TypeError, match=r"^log_dir is .*; pass a path, as a string"):
        as_path(value, "log_dir")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("gs://bucket/run", "only local files"),
        (Path("gs://bucket/run"), "only local files"),
        ("file:///run", "only local files"),
        ("", "pass the path"),
        ("a\0b", "pass the path"),
        ("~nobody-of-this-name/run", "no known home directory"),
    ],
    ids=repr,
)
def test_paths_that_lead_nowhere_are_refused(value, said):
    with pytest.raises(ValueError, match=f"^log_dir is .*{said}"):
        as_path(value, "log_dir")


def test_arrays_of_real_numbers_pass():
    for value in [[0, 1]], np.ones([2, 3], bool), np.float16(2):
        np.testing.assert_array_equal(as_array(value, "images"), value)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "is a NoneType"),
        ("x", "is a str"),
        ([[1], [1, 2]], "not an array of numbers"),
        (np.ones(3, complex), "dtype complex128"),
        (np.ma.masked_array([1, 2], [False, True]), "mask would be ignored"),
    ],
    ids=["None", "string", "ragged", "complex", "masked"],
)
def test_what_is_not_an_array_of_real_numbers_is_refused(value, said, graph):
    with pytest.raises(TypeError, match=f"^images .*{said}"):
        as_array(value, "images")
    with pytest.raises(TypeError, match=r"^images is a tensor"):
        as_array(tf.constant([1.0]), "images")


def test_sessions_that_can_run_nothing_are_refused(graph):
    tf.constant(1)
    for value in None, tf.Session, "session":
        with pytest.raises(TypeError, match=r"^sess is .*; pass an open tf\.Session"):
            check_session(value, graph)
    with tf.Session() as session:
        check_session(session, graph)
        with pytest.raises(ValueError, match=r"^sess runs another graph"):
            check_session(session, tf.Graph())
    with pytest.raises(ValueError, match=r"^sess is closed"):
        check_session(session, graph)
    session = tf.InteractiveSession()
    check_session(session, graph)
    session.close()
    with tf.train.MonitoredSession() as session:
        check_session(session, graph)


def test_a_forked_process_refuses_to_run_a_session(monkeypatch):
    with tf.Graph().as_default() as graph, tf.Session() as session:
        tf.constant(1)
        check_session(session, graph)
        monkeypatch.setattr("os.getpid", lambda: -1)
        with pytest.raises(RuntimeError, match=r'^This process was forked .*get_context\("spawn"\)\.$'):
            check_session(session, graph)
