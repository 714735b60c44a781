"""Measures the models of notebooks/variations.ipynb in both loops, and `log_likelihood` against its matrix products.

    python benchmarks/variations.py [--rounds 3] [--iterations 200] [--images 10000] [--out DIR]

Each measurement is a fresh process. Writes `variations.md` to DIR, by default this script's directory.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
MODELS = ("the notebook's", "twice the width", "a code of two dimensions", "KL divergence times four", "convolutions")
LOOPS = ("plain", "compiled")
SAMPLES = 500


def build(name: str):
    """Builds one of `MODELS`."""
    import tensorflow.compat.v1 as tf
    import tensorflow_probability as tfp
    import tf_slim as slim

    import vae_tf1

    def encoder(x):
        with slim.arg_scope([slim.conv2d], kernel_size=4, stride=2):
            hidden = slim.conv2d(tf.reshape(x, [-1, 28, 28, 1]), 8, scope="conv1")
            hidden = slim.conv2d(hidden, 16, scope="conv2")
        return slim.fully_connected(slim.flatten(hidden), 128, activation_fn=None, scope="fc1")

    def decode(z):
        hidden = slim.fully_connected(z, 7 * 7 * 16, scope="fc1")
        with slim.arg_scope([slim.conv2d_transpose], kernel_size=4, stride=2):
            hidden = slim.conv2d_transpose(tf.reshape(hidden, [-1, 7, 7, 16]), 8, scope="conv1")
            hidden = slim.conv2d_transpose(hidden, 1, activation_fn=None, scope="conv2")
        x_logits = slim.flatten(hidden)
        return x_logits, tfp.distributions.Bernoulli(logits=x_logits, dtype=tf.float32)

    arguments: dict[str, dict] = dict(zip(MODELS, ({}, {"hidden_units": 256}, {"latent_dimensions": 2}, {"beta": 4.0})))
    return vae_tf1.build_vae(seed=0, **arguments.get(name, {"encoder": encoder, "decode": decode}))


def open_and_read(loop: str):  # imports here, because TensorFlow's settings apply to a whole process
    import vae_tf1  # before TensorFlow, whose messages it filters  # isort: skip
    import tensorflow.compat.v1 as tf

    tf.disable_eager_execution()
    data = vae_tf1.read_data_sets(os.environ.get("VAE_TF1_DATA_DIR") or HERE.parent / "data", seed=0)
    return vae_tf1, tf.Session(config=vae_tf1.session_config(compiled=loop == "compiled")), data


def training(loop: str, name: str, iterations: int) -> float:
    """Returns the iterations per second of one of `MODELS`."""
    vae_tf1, sess, data = open_and_read(loop)
    reports = vae_tf1.train(sess, build(name), data, 10**6, report_every=iterations, compiled=loop == "compiled")
    next(reports)
    start = time.perf_counter()
    next(reports)
    return iterations / (time.perf_counter() - start)


def likelihood(loop: str, images: int) -> float:
    """Returns the seconds that the first `images` test images take; the first session is configured for `loop`."""
    vae_tf1, sess, data = open_and_read(loop)
    vae = build(MODELS[0])
    for _ in vae_tf1.train(sess, vae, data, 1, compiled=loop == "compiled"):
        pass
    vae_tf1.log_likelihood(sess, vae, data.test.images[:2], SAMPLES)
    start = time.perf_counter()
    vae_tf1.log_likelihood(sess, vae, data.test.images[:images], SAMPLES)
    return time.perf_counter() - start


def products(library: str, images: int) -> float:
    """Returns the seconds that the decoder's two products take for as many samples, in NumPy, 50000 rows at a time."""
    import numpy as np

    shapes = [(50_000, 64), (64, 128), (128, 784)]
    z, first, second = (np.random.rand(*shape).astype(np.float32) for shape in shapes)
    hidden, logits = z @ first, np.empty([50_000, 784], np.float32)
    start = time.perf_counter()
    for _ in range(images * SAMPLES // 50_000):
        np.matmul(z, first, out=hidden)
        np.matmul(hidden, second, out=logits)
    return time.perf_counter() - start


def measure(rounds: int, *arguments) -> float:
    command = [sys.executable, __file__, "--one", *map(str, arguments)]
    environment = {**os.environ, "TQDM_DISABLE": "1", "TF_ENABLE_ONEDNN_OPTS": "0"}
    done = [subprocess.run(command, stdout=subprocess.PIPE, env=environment, check=True) for _ in range(rounds)]
    result = statistics.median(float(process.stdout.split()[-1]) for process in done)
    print(*arguments, f"{result:.2f}", flush=True)
    return result


def make_table(rounds: int, iterations: int, images: int) -> str:
    lines = ["| model | plain: iterations/s | compiled: iterations/s | compiled / plain |", "|---|---|---|---|"]
    for name in MODELS:
        plain, compiled = (measure(rounds, "training", loop, name, iterations) for loop in LOOPS)
        lines.append(f"| {name} | {plain:.0f} | {compiled:.0f} | {compiled / plain:.2f} |")
    alone = measure(rounds, "products", "numpy", images)
    lines += ["", "| log-likelihood | seconds | × the products |", "|---|---|---|"]
    lines.append(f"| the decoder's matrix products alone, NumPy | {alone:.1f} | 1.00 |")
    for loop in LOOPS:
        seconds = measure(rounds, "likelihood", loop, images)
        lines.append(f"| `log_likelihood`, first session for the {loop} loop | {seconds:.1f} | {seconds / alone:.2f} |")
    lines += [
        "",
        f"{images} images, {SAMPLES} samples each. "
        f"Medians of {rounds}, measured on one machine ({os.cpu_count()} cores, no GPU).",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--iterations", type=int, default=200)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("--one", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        what, loop, *name, count = options.one
        functions: dict[str, Callable[..., float]] = {f.__name__: f for f in (training, likelihood, products)}
        print(functions[what](loop, *name, int(count)))
        return
    text = make_table(options.rounds, options.iterations, options.images)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "variations.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
