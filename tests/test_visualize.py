from types import SimpleNamespace

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

from vae_tf1 import plot_losses, visualize_row

matplotlib.use("agg")


@pytest.fixture
def images():
    return np.random.RandomState(0).uniform(size=(5, 784))


def test_row_shows_originals_left_and_reconstructions_right(images):
    reconstructions = np.round(images)
    figure = visualize_row(images, reconstructions)
    left, right = figure.axes
    assert [ax.get_title() for ax in (left, right)] == ["Original", "Reconstruction"]
    for ax, column in ((left, images), (right, reconstructions)):
        (shown,) = ax.get_images()
        np.testing.assert_array_equal(shown.get_array(), column.reshape(140, 28))
        assert shown.get_clim() == (0, 1)
        assert shown.get_cmap().name == "gray"
        assert ax.get_aspect() == 1


def test_row_of_another_width_and_colormap(images):
    figure = visualize_row(images[:, :64], images[:, :64], img_width=8, cmap="viridis")
    (shown,) = figure.axes[0].get_images()
    assert shown.get_array().shape == (40, 8)
    assert shown.get_cmap().name == "viridis"


def test_no_figure_stays_open(images):
    for _ in range(25):
        visualize_row(images, images)
    plot_losses([])
    assert plt.get_fignums() == []


@pytest.mark.parametrize("shape", [(784,), (5, 28, 28), (5, 783)])
def test_other_shapes_are_refused(images, shape):
    with pytest.raises(ValueError, match=r"^reconstruction is .*, not \[N, 784\]"):
        visualize_row(images, np.zeros(shape))


@pytest.mark.parametrize("pixel", [-0.1, 1.1, np.nan])
def test_other_ranges_are_refused(images, pixel):
    images[2, 2] = pixel
    with pytest.raises(ValueError, match=r"^image has pixels in .*, not in \[0, 1\]"):
        visualize_row(images, np.zeros((5, 784)))


def test_counts_that_differ_are_refused(images):
    with pytest.raises(ValueError, match="image has 5 rows but reconstruction 4"):
        visualize_row(images, images[:4])


def test_losses_are_plotted_over_iterations():
    reports = [
        SimpleNamespace(iteration=i, loss=30.0 - i, reconstruction=20.0 - i, kl_divergence=10.0) for i in range(3)
    ]
    (ax,) = plot_losses(reports).axes
    lines = {line.get_label(): line.get_xydata() for line in ax.get_lines()}
    np.testing.assert_array_equal(lines["negative ELBO"], [[0, 30], [1, 29], [2, 28]])
    np.testing.assert_array_equal(lines["reconstruction"], [[0, 20], [1, 19], [2, 18]])
    np.testing.assert_array_equal(lines["KL divergence"], [[0, 10], [1, 10], [2, 10]])
    assert ax.get_ylabel() == "nats per image"
