"""Makes the README's pictures from the committed outputs of the notebooks.

    python notebooks/make_pictures.py [--out DIR]

DIR defaults to the directory of this script.
"""

import argparse
import base64
import io
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat

HERE = Path(__file__).parent


def read_pictures(notebook: str) -> list:
    """The pictures in a notebook's outputs, in order, as arrays [height, width, 4]."""
    outputs = [output for cell in nbformat.read(HERE / notebook, 4).cells for output in cell.get("outputs", [])]
    encoded = [output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    return [plt.imread(io.BytesIO(base64.b64decode(picture))) for picture in encoded]


def draw_rows(rows: list[list[tuple]], path: Path, width: float) -> None:
    """Draws rows of pictures with their titles; each row fills the width."""
    heights = [width / sum(picture.shape[1] / picture.shape[0] for picture, _ in row) for row in rows]
    titled = any(title for row in rows for _, title in row)
    figure = plt.figure(figsize=(width, sum(heights) + 0.3 * titled * len(rows)), layout="constrained")
    for part, row in zip(figure.subfigures(len(rows), 1, height_ratios=heights, squeeze=False)[:, 0], rows):
        ratios = [picture.shape[1] / picture.shape[0] for picture, _ in row]
        for ax, (picture, title) in zip(part.subplots(1, len(row), width_ratios=ratios, squeeze=False)[0], row):
            ax.imshow(picture)
            ax.set_title(title)
            ax.set_axis_off()
    figure.savefig(path, dpi=100)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE)
    out = parser.parse_args().out
    rows = read_pictures("vae_mnist.ipynb")
    shown = [(rows[i // 1000], f"iteration {i}") for i in (0, 1000, 5000, 19000)]
    draw_rows([shown], out / "reconstructions.png", 8)
    explored, varied = read_pictures("explore_latent_space.ipynb"), read_pictures("variations.ipynb")
    plane, by_label = (varied[k] for k in (1, 4))
    lines, one_dimension = (explored[k] for k in (4, 5))
    rows = [[(plane, "The plane of a two-dimensional code"), (one_dimension, "")], [(by_label, ""), (lines, "")]]
    draw_rows(rows, out / "latent_space.png", 14)


if __name__ == "__main__":
    main()
