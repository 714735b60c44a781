import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from training_runs import build_and_train

from vae_tf1 import build_vae, read_data_sets, session_config, train


def write_summaries(directory, iterations, **options):
    return build_and_train(
        lambda: build_vae(seed=0), iterations, batch_size=100, report_every=5, log_dir=directory, **options
    )[0]


def read(directory) -> EventAccumulator:
    accumulator = EventAccumulator(str(directory), size_guidance={"images": 0, "scalars": 0})
    accumulator.Reload()
    return accumulator


def test_tensorboard_reads_losses_pictures_and_graph(tmp_path):
    reports = write_summaries(tmp_path, 11)
    accumulator = read(tmp_path)
    for name in "loss", "reconstruction", "kl_divergence":
        events = accumulator.Scalars(name)
        assert [event.step for event in events] == [0, 5, 10]
        assert [event.value for event in events] == pytest.approx([getattr(report, name) for report in reports])
    assert {node.name for node in accumulator.Graph().node} > {"x", "encoder/fc1/weights", "unlabeled/optimizer/Adam"}
    for event, report in zip(accumulator.Images("reconstructions"), reports, strict=True):
        picture = tf.io.decode_png(event.encoded_image_string).numpy()[..., 0]
        np.testing.assert_array_equal(picture[:, :28], np.round(255 * report.images.reshape(140, 28)))
        np.testing.assert_array_equal(picture[:, 28:], 255 * report.reconstructions.reshape(140, 28))


def test_a_log_dir_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"log_dir .* can't be written"):
        write_summaries(tmp_path / "file", 1)


def test_a_resumed_run_continues_the_same_curves(tmp_path):
    write_summaries(tmp_path / "logs", 6, checkpoint_dir=tmp_path / "checkpoints")
    write_summaries(tmp_path / "logs", 11, checkpoint_dir=tmp_path / "checkpoints")
    assert [event.step for event in read(tmp_path / "logs").Scalars("loss")] == [0, 5, 10]


def test_a_restarted_run_supersedes_its_curves(tmp_path):
    kwargs = {"checkpoint_dir": tmp_path / "checkpoints", "checkpoint_every": 100}
    with tf.Graph().as_default(), tf.Session(config=session_config()) as session:
        vae = build_vae(seed=0)
        data = read_data_sets("unused", source="builtin", seed=0)
        reports = train(session, vae, data, 11, report_every=5, log_dir=tmp_path / "logs", **kwargs)
        assert [next(reports).iteration for _ in range(2)] == [0, 5]
        with pytest.raises(RuntimeError, match="crash"):
            reports.throw(RuntimeError("crash"))
    write_summaries(tmp_path / "logs", 11, **kwargs)
    assert [event.step for event in read(tmp_path / "logs").Scalars("loss")] == [0, 5, 10]
