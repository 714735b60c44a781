from types import SimpleNamespace

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

from vae_tf1 import (
    kl_per_dimension,
    plot_kl_per_dimension,
    plot_latent_means,
    plot_losses,
    visualize_grid,
    visualize_row,
)

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
    with pytest.raises(ValueError, match=r"^reconstruction is .*, not \[N, 28 \* height\]"):
        visualize_row(images, np.zeros(shape))


@pytest.mark.parametrize("pixel", [-0.1, 1.1, np.nan])
def test_other_ranges_are_refused(images, pixel):
    images[2, 2] = pixel
    with pytest.raises(ValueError, match=r"^image has pixels in .*, not in \[0, 1\]"):
        visualize_row(images, np.zeros((5, 784)))


def test_reconstructions_are_clipped_as_in_the_original(images):
    figure = visualize_row(images, 3 * images - 1)
    (shown,) = figure.axes[1].get_images()
    np.testing.assert_allclose(shown.get_array(), np.clip(3 * images - 1, 0, 1).reshape(140, 28))
    with pytest.raises(ValueError, match=r"^reconstruction has pixels in .*nan"):
        visualize_row(images, np.full([5, 784], np.nan))


def test_counts_that_differ_are_refused(images):
    with pytest.raises(ValueError, match="image has 5 rows but reconstruction 4"):
        visualize_row(images, images[:4])


def test_losses_are_plotted_over_iterations():
    reports = [
        SimpleNamespace(iteration=i, loss=30.0 - i, reconstruction=20.0 - i, kl_divergence=10.0) for i in range(3)
    ]
    (ax,) = plot_losses(reports).axes
    lines = {line.get_label(): line.get_xydata() for line in ax.get_lines()}
    np.testing.assert_array_equal(lines["loss"], [[0, 30], [1, 29], [2, 28]])
    np.testing.assert_array_equal(lines["reconstruction"], [[0, 20], [1, 19], [2, 18]])
    np.testing.assert_array_equal(lines["KL divergence"], [[0, 10], [1, 10], [2, 10]])
    assert ax.get_ylabel() == "nats per image"


def cell(ax, row: int, column: int, shape=(28, 28)) -> np.ndarray:
    """Returns one image of a grid, without the line around it."""
    (shown,) = ax.get_images()
    assert shown.get_clim() == (0, 1)
    assert ax.get_aspect() == 1
    height, width = shape[0] + 2, shape[1] + 2
    return shown.get_array()[height * row : height * (row + 1), width * column : width * (column + 1)][1:-1, 1:-1]


@pytest.fixture
def many():
    return np.random.RandomState(0).uniform(size=(12, 784))


def test_a_grid_has_images_in_rows_and_columns_with_labels(many):
    figure = visualize_grid(
        many.reshape(3, 4, 784), "Rows", row_labels=["a", 60, 2], column_labels=[-3, -1, 1, 3], xlabel="value"
    )
    (ax,) = figure.axes
    for row in range(3):
        for column in range(4):
            np.testing.assert_array_equal(cell(ax, row, column), many[4 * row + column].reshape(28, 28))
    assert [text.get_text() for text in ax.get_yticklabels()] == ["a", "60", "2"]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["-3", "-1", "1", "3"]
    assert (ax.get_title(), ax.get_xlabel()) == ("Rows", "value")


def test_a_grid_of_images_that_are_not_square(many):
    (ax,) = visualize_grid(many[:6, :24].reshape(2, 3, 24), "Small", img_width=4).axes
    np.testing.assert_array_equal(cell(ax, 1, 2, (6, 4)), many[5, :24].reshape(6, 4))


def test_a_grid_refuses_other_shapes_and_ranges(many):
    with pytest.raises(ValueError, match=r"not in \[0, 1\]"):
        visualize_grid(many.reshape(3, 4, 784) + 1, "")
    with pytest.raises(ValueError, match=r"\[12, 784\], not \[rows, columns, pixels\]"):
        visualize_grid(many, "")
    with pytest.raises(ValueError, match="700 pixels per image, which is not a square"):
        visualize_grid(many.reshape(3, 4, 784)[..., :700], "")


def test_latent_means_are_the_principal_components():
    """Points that vary along two known directions are plotted at their coordinates, up to sign."""
    random_state = np.random.RandomState(0)
    coordinates = random_state.normal(size=(100, 2)) * [5, 2]
    coordinates -= coordinates.mean(axis=0)
    u, singular_values, _ = np.linalg.svd(coordinates, full_matrices=False)
    coordinates = u * singular_values
    directions = np.linalg.qr(random_state.normal(size=(10, 2)))[0].T
    labels = np.arange(100) % 3
    figure = plot_latent_means(coordinates @ directions + 7, labels)
    assert [ax.get_title() for ax in figure.axes] == ["0", "1", "2"]
    for label, ax in enumerate(figure.axes):
        for points, chosen in zip(ax.collections, (labels != label, labels == label), strict=True):
            np.testing.assert_allclose(np.abs(points.get_offsets()), np.abs(coordinates[chosen]), atol=1e-9)
    shares = (coordinates**2).sum(axis=0) / (coordinates**2).sum()
    assert f"({shares[0]:.0%} of the variance)" in figure.get_supxlabel()
    with pytest.raises(ValueError, match=r"mu is \[100, 2\] and labels \[99\]"):
        plot_latent_means(coordinates, labels[:99])


def test_latent_means_of_two_dimensions_are_not_turned():
    mu = np.random.RandomState(0).normal(size=(20, 2))
    figure = plot_latent_means(mu, np.zeros(20, int))
    (ax,) = figure.axes
    np.testing.assert_array_equal(ax.collections[1].get_offsets(), mu)
    (circle,) = ax.patches
    assert (*circle.center, circle.radius) == (0, 0, 2)
    assert (figure.get_supxlabel(), figure.get_supylabel()) == ("z[0]", "z[1]")


def test_kl_per_dimension_is_sorted_and_counted():
    (ax,) = plot_kl_per_dimension(np.array([0.05, 2.0, 0.0, 0.5])).axes
    assert [bar.get_height() for bar in ax.patches] == [2.0, 0.5, 0.05, 0.0]
    assert ax.get_title().startswith("2 of 4 dimensions are active")


def test_kl_per_dimension_is_the_closed_form():
    mu_logvar = np.array([[1.0, 0.0, 0.0, np.log(4.0)], [3.0, 0.0, 0.0, 0.0]])
    # 1/2 mu^2 for unit variance; 1/2 (4 - 1 - log 4) for variance 4
    np.testing.assert_allclose(kl_per_dimension(mu_logvar), [(0.5 + 4.5) / 2, 0.5 * (3 - np.log(4)) / 2])
