import numpy as np
import pytest
import tensorflow.compat.v1 as tf
import tensorflow_probability as tfp
import tf_slim as slim
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from training_runs import build_and_train

from vae_tf1 import DataSet, Datasets, build_vae, read_data_sets, session_config, train


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


@pytest.mark.parametrize(
    ("images", "reshape", "shape"),
    [(np.zeros([40, 4, 4, 3]), True, (20, 8, 3)), (np.zeros([40, 48]), False, (5, 96, 1))],
)
def test_pictures_of_colours_of_flat_images_and_of_values_outside_the_range(tmp_path, images, reshape, shape):
    images = images.astype(np.uint8)
    images[..., ::3] = 255  # red
    data = Datasets(*(DataSet(images, reshape=reshape, seed=0) for _ in range(3)))
    with tf.Graph().as_default(), tf.Session(config=session_config()) as session:
        list(train(session, build_vae(seed=0, image_pixels=48, decode=outside), data, 1, 10, log_dir=tmp_path))
    (event,) = read(tmp_path).Images("reconstructions")
    picture = tf.io.decode_png(event.encoded_image_string).numpy()
    assert picture.shape == shape
    original, reconstruction = np.split(picture, 2, axis=1)
    np.testing.assert_array_equal(original.reshape(5, 48), np.tile([255, 0, 0], [5, 16]))
    assert set(np.unique(reconstruction)) == {0, 255}


def outside(z):
    """A Gaussian likelihood of pixels far below 0 and far above 1."""
    means = tf.reshape(tf.tile([-5.0, 5.0], [24]), [1, 48]) + 0 * slim.fully_connected(z, 48, scope="fc1")
    return means, tfp.distributions.Normal(means, 1e-3)
