"""Measures the time from starting Python to the first picture of reconstructions.

    python benchmarks/startup.py [--rounds 5] [--out DIR]

Each round is a fresh process that times every step. Writes `startup.md` to DIR, by default this script's directory.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
# A user's program. It imports TensorFlow first, so that the time of this package is measured separately.
STEPS = """
import json, os, sys, time
start = time.perf_counter()
times = {}
def lap(step):
    global start
    times[step] = time.perf_counter() - start
    start = time.perf_counter()
import tensorflow
lap("import TensorFlow")
import matplotlib; matplotlib.use("agg")
import vae_tf1, tensorflow.compat.v1 as tf
lap("import vae_tf1")
data = vae_tf1.read_data_sets(sys.argv[1], seed=0)
lap("read the data")
with tf.Graph().as_default():
    vae = vae_tf1.build_vae(seed=0)
    lap("build the graph")
    compiled = sys.argv[2] == "compiled"
    with tf.Session(config=vae_tf1.session_config(compiled=compiled)) as sess:
        report = next(vae_tf1.train(sess, vae, data, compiled=compiled))
        lap("train to the first report")
        figure = vae_tf1.visualize_row(report.images, report.reconstructions)
        lap("draw its reconstructions")
times["all but importing TensorFlow"] = sum(times.values()) - times["import TensorFlow"]
print(json.dumps(times))
"""


def measure(rounds: int) -> dict[str, dict[str, list[float]]]:
    """Returns the seconds of each step in each round, for both loops."""
    data = os.environ.get("VAE_TF1_DATA_DIR") or HERE.parent / "data"
    seconds: dict[str, dict[str, list[float]]] = {"plain": {}, "compiled": {}}
    for _ in range(rounds):
        for loop, steps in seconds.items():
            command = [sys.executable, "-c", STEPS, str(data), loop]
            env = {**os.environ, "TQDM_DISABLE": "1", "TF_ENABLE_ONEDNN_OPTS": "0"}
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env, check=True)
            for step, time in json.loads(done.stdout.splitlines()[-1]).items():
                steps.setdefault(step, []).append(time)
    return seconds


def make_table(seconds: dict[str, dict[str, list[float]]]) -> str:
    lines = ["| step | " + " | ".join(f"{loop}, s" for loop in seconds) + " |", "|---|" + "---|" * len(seconds)]
    for step in seconds["plain"]:
        cells = [f"{statistics.median(s[step]):.2f} ({min(s[step]):.2f}, {max(s[step]):.2f})" for s in seconds.values()]
        lines.append(f"| {step} | {' | '.join(cells)} |")
    rounds = len(seconds["plain"]["read the data"])
    lines += [
        "",
        f"Median (lowest, highest) of {rounds} fresh processes on one machine ({os.cpu_count()} cores, no GPU).",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    text = make_table(measure(options.rounds))
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "startup.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
