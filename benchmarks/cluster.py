"""Measures clusters of several workers on one machine, and estimates when a second machine pays off.

    python benchmarks/cluster.py [--rounds 3] [--seconds 3] [--workers 1 2 4] [--batch-sizes 50 200 ...] [--out DIR]

For each number of workers and batch size of each worker, a cluster of `python -m vae_tf1.cluster` is compared with the
plain loop in one process that trains on as many images per iteration. Writes `cluster.md` to DIR, by default this
script's directory.
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
    """Returns the speed of a cluster, the median of some rounds; the first round, while it warms up, does not count."""
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
            raise RuntimeError("A process of the cluster failed; its message is above.")
    return per_round / statistics.median(np.diff(times)[1:])


def count_weight_bytes() -> int:
    """Returns the size of the notebook's weights in bytes, which is also that of their gradients."""
    with tf.Graph().as_default():
        build_vae()
        return sum(4 * variable.shape.num_elements() for variable in tf.trainable_variables())


def find_break_even(alone: dict[int, float], overhead: float, bandwidth: float) -> int:
    """Returns the total batch size from which two machines, with half of it each, are faster than one.

    In every iteration, each of the two gets the weights and sends its gradients, and both share the one connection of
    the parameter server. A line fitted to the times of one machine gives a + b * n seconds for a batch of n; two
    machines take a + b * n / 2, plus the transfer and the overhead of the runtime.

    Args:
        alone: iterations per second of one process, by batch size.
        overhead: of the runtime, in seconds per iteration.
        bandwidth: bits per second.
    """
    per_image, _ = np.polyfit(list(alone), [1 / rate for rate in alone.values()], 1)
    transfer = 2 * 2 * 8 * count_weight_bytes() / bandwidth
    return int(np.ceil(2 * (transfer + overhead) / per_image / 100) * 100)


def describe_network(alone: dict[int, float], of_clusters: dict[tuple[int, int], float]) -> str:
    """Says what an iteration transfers and, where the measurements suffice, when a second machine pays off.

    Args:
        alone: iterations per second of one process, by batch size.
        of_clusters: iterations per second of clusters, by number of workers and batch size of each.
    """
    overheads = [1 / rate - 1 / alone[size] for (workers, size), rate in of_clusters.items() if workers == 1]
    megabytes = count_weight_bytes() / 1e6
    transfer = f"Every iteration sends the weights to each worker and its gradients back, {megabytes:.2f} MB each way."
    if not overheads or len(alone) < 2:
        return transfer
    overhead = statistics.median(overheads)
    sizes = " and ".join(f"{find_break_even(alone, overhead, speed)} at {name}" for name, speed in NETWORKS.items())
    return (
        f"{transfer} On paper, a second machine pays off from a total batch size of {sizes}, where half the time of "
        f"one process exceeds the transfer plus the {1000 * overhead:.1f} ms per iteration that the runtime adds "
        "(one worker against one process, median)."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3, help="approximate length of a round")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[50, 200, 800, 3200], help="of each worker")
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    lines = [
        "| workers | batch size of each | iterations/s | images/s | one process, same images: iterations/s | ratio |"
        " MB per iteration |",
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
            moved = 2 * workers * count_weight_bytes() / 1e6
            lines.append(
                f"| {workers} | {batch_size} | {rate:.1f} | {rate * images:.0f} | {alone[images]:.1f} | "
                f"{rate / alone[images]:.2f} | {moved:.1f} |"
            )
            print(lines[-1], flush=True)
    lines += [
        "",
        f"Medians of {options.rounds}; one machine ({os.cpu_count()} cores, no GPU), which runs all processes.",
    ]
    lines += [describe_network(alone, of_clusters)]
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "cluster.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
