"""What several workers cost and bring on one machine, and from which batch size a second machine pays.

    python benchmarks/cluster.py [--rounds 3] [--seconds 3] [--workers 1 2 4] [--batch-sizes 50 200 ...] [--out DIR]

A cluster of `python -m vae_tf1.cluster` for each number of workers and batch size of each worker, beside the plain loop
in one process with the same images an iteration. Into DIR (here, by default) goes `cluster.md`.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tensorflow.compat.v1 as tf
from growth import measure

from vae_tf1 import build_vae
from vae_tf1.cluster.__main__ import roles_here

HERE = Path(__file__).parent
PLAIN = "vae_tf1, plain"
NETWORKS = {"1 Gbit/s": 1e9, "10 Gbit/s": 10e9}


def iterations_per_second(workers: int, batch_size: int, rounds: int, per_round: int) -> float:
    """Of a cluster, the median of some rounds; a first one, in which it gathers, does not count."""
    with tempfile.TemporaryDirectory() as temporary:
        directory = os.environ.get("VAE_TF1_DATA_DIR") or HERE.parent / "data"
        command = [sys.executable, "-m", "vae_tf1.cluster", "--data-dir", directory, "--checkpoint-dir", temporary]
        command += [f"--batch-size={batch_size}", f"--report-every={per_round}"]
        command += [f"--iterations={(rounds + 1) * per_round + 1}"]
        processes = {
            member: subprocess.Popen(
                list(map(str, command)),
                env={**os.environ, "TF_CONFIG": role, "TQDM_DISABLE": "1"},
                stdout=subprocess.PIPE,
                text=True,
            )
            for member, role in roles_here(workers).items()
        }
        times = []
        output = processes["chief", 0].stdout
        assert output is not None
        for line in output:
            if line.startswith("Iteration"):
                times.append(time.perf_counter())
        if any(process.wait() for process in processes.values()):
            raise RuntimeError("A process of the cluster has failed; its message is above.")
    return per_round / statistics.median(np.diff(times)[1:])


def weights() -> int:
    """Bytes of the notebook's weights, which are those of their gradients."""
    with tf.Graph().as_default():
        build_vae()
        return sum(4 * variable.shape.num_elements() for variable in tf.trainable_variables())


def pays_from(alone: dict[int, float], overhead: float, bandwidth: float) -> int:
    """The batch size of one machine from which two with half of it each are faster.

    Each of the two gets the weights and sends its gradients in every iteration, and both through the one connection of
    the parameter server. By the line through the times of one machine, a batch of n takes a + b * n seconds; two
    machines take a + b * n / 2, the transfer, and what the runtime takes besides.

    Args:
        alone: iterations per second of one process, by batch size.
        overhead: of the runtime, seconds an iteration.
        bandwidth: bits per second.
    """
    per_image, _ = np.polyfit(list(alone), [1 / rate for rate in alone.values()], 1)
    transfer = 2 * 2 * 8 * weights() / bandwidth
    return int(np.ceil(2 * (transfer + overhead) / per_image / 100) * 100)


def conclusion(alone: dict[int, float], of_clusters: dict[tuple[int, int], float]) -> str:
    """What the table says of the network.

    Args:
        alone: iterations per second of one process, by batch size.
        of_clusters: the same of clusters, by workers and the batch size of each.
    """
    overheads = [1 / rate - 1 / alone[size] for (workers, size), rate in of_clusters.items() if workers == 1]
    said = (
        f"Every iteration takes the weights to each worker and its gradients back, {weights() / 1e6:.2f} MB each way."
    )
    if not overheads or len(alone) < 2:
        return said
    overhead = statistics.median(overheads)
    sizes = " and ".join(f"{pays_from(alone, overhead, speed)} at {name}" for name, speed in NETWORKS.items())
    return (
        f"{said} On paper, a second machine pays from a batch size, of both together, of {sizes}: where half the time "
        f"of one process is more than the transfer and the {1000 * overhead:.1f} ms that the runtime takes of an "
        "iteration (one worker against one process, median)."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3, help="of a round, about")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[50, 200, 800, 3200], help="of each worker")
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    lines = [
        "| workers | batch size of each | iterations/s | images/s | one process, same images: iterations/s | ratio |"
        " MB an iteration moves |",
        "|---|---|---|---|---|---|---|",
    ]
    alone: dict[int, float] = {}
    of_clusters: dict[tuple[int, int], float] = {}
    for batch_size in options.batch_sizes:
        for workers in options.workers:
            images = workers * batch_size
            per_round = max(5, round(options.seconds * 20_000 / images))
            if images not in alone:
                alone[images] = measure(images, 128, [PLAIN], options.rounds, 1)[PLAIN].rate
            rate = iterations_per_second(workers, batch_size, options.rounds, per_round)
            of_clusters[workers, batch_size] = rate
            moved = 2 * workers * weights() / 1e6
            lines.append(
                f"| {workers} | {batch_size} | {rate:.1f} | {rate * images:.0f} | {alone[images]:.1f} | "
                f"{rate / alone[images]:.2f} | {moved:.1f} |"
            )
            print(lines[-1], flush=True)
    lines += [
        "",
        f"Medians of {options.rounds}; one machine ({os.cpu_count()} cores, no GPU), which runs all processes.",
    ]
    lines += [conclusion(alone, of_clusters)]
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "cluster.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
