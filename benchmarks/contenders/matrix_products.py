"""The eleven matrix products of an iteration and nothing else, in one library: roughly the upper bound of any loop."""

import sys
from functools import partial

import numpy as np
import worker


def products(batch_size, hidden_units):
    """Yields the pairs to multiply: x W forward and x' g backward for each layer, and g W' for all but the first."""
    generator = np.random.default_rng(0)

    def random(*shape):
        return generator.random(shape, dtype=np.float32)

    layers = [(784, hidden_units), (hidden_units, 128), (64, hidden_units), (hidden_units, 784)]
    for number, (rows, columns) in enumerate(layers):
        x, w, g = random(batch_size, rows), random(rows, columns), random(batch_size, columns)
        yield x, w
        yield x.T, g
        if number:
            yield g, w.T


def make(data, *, library):
    pairs = list(products(data.rows.shape[1], data.hidden_units))
    multiply = np.matmul
    if library == "torch":
        import torch

        pairs = [tuple(map(torch.from_numpy, pair)) for pair in pairs]
        multiply = torch.matmul
    outs = [multiply(a, b) for a, b in pairs]

    def train(first, last):
        for _ in range(first, last):
            for (a, b), out in zip(pairs, outs):
                multiply(a, b, out=out)

    return train, lambda: float("nan")


if __name__ == "__main__":
    worker.serve(partial(make, library=sys.argv[2]))
