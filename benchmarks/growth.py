"""How the cost of training grows with the size of the batch and the width of the hidden layers.

    python benchmarks/growth.py [--seconds 4] [--sizes 100 128 ...] [--out DIR]

For each size and each loop, a process of its own trains for some seconds and says how fast it went,
and how much memory it took at most. Into DIR (here, by default) go `growth.md` and `growth.png`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.ticker import LogLocator

HERE = Path(__file__).parent
LOOPS = ("compiled", "plain")
BATCH_SIZES = (25, 50, 100, 200, 400, 800, 1600, 3200)
WIDTHS = (128, 256, 512, 1024, 2048)
PER_LAP = 100  # iterations that are timed together, a report included


def one(loop: str, batch_size: int, hidden_units: int, seconds: float) -> dict:
    """Iterations per second, and the most memory that this process has taken, in MB."""
    import resource

    import vae_tf1  # before TensorFlow, whose messages it holds back  # isort: skip
    import tensorflow.compat.v1 as tf

    compiled = loop == "compiled"
    data = vae_tf1.read_data_sets(os.environ.get("VAE_TF1_DATA_DIR") or HERE.parent / "data", seed=0)
    with tf.Graph().as_default(), tf.Session(config=vae_tf1.session_config(compiled=compiled)) as sess:
        vae = vae_tf1.build_vae(seed=0, hidden_units=hidden_units)
        reports = vae_tf1.train(sess, vae, data, 10**9, batch_size, report_every=PER_LAP, compiled=compiled)
        next(reports)
        next(reports)
        times: list[float] = []
        begin = time.perf_counter()
        while len(times) < 2 or time.perf_counter() - begin < seconds:
            start = time.perf_counter()
            next(reports)
            times.append(time.perf_counter() - start)
    return {
        "rate": PER_LAP / statistics.median(times),
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def measure(sizes: list[tuple[int, int]], seconds: float) -> dict[tuple[str, int, int], dict]:
    results = {}
    for batch_size, hidden_units in sizes:
        for loop in LOOPS:
            command = [sys.executable, __file__, "--one", loop, str(batch_size), str(hidden_units)]
            done = subprocess.run(
                [*command, "--seconds", str(seconds)],
                stdout=subprocess.PIPE,
                env={**os.environ, "TQDM_DISABLE": "1", "TF_ENABLE_ONEDNN_OPTS": "0"},
                check=True,
            )
            results[loop, batch_size, hidden_units] = result = json.loads(done.stdout.splitlines()[-1])
            print(f"{loop}, batch {batch_size}, width {hidden_units}: {result['rate']:.1f} iterations/s", flush=True)
    return results


def table(results: dict[tuple[str, int, int], dict]) -> str:
    lines = [
        "| batch size | hidden width | "
        + " | ".join(f"{loop}: iterations/s | images/s | memory, MB" for loop in LOOPS)
        + " |",
        "|---|---|" + "---|" * 3 * len(LOOPS),
    ]
    for batch_size, hidden_units in dict.fromkeys(key[1:] for key in results):
        cells = [str(batch_size), str(hidden_units)]
        for loop in LOOPS:
            result = results[loop, batch_size, hidden_units]
            cells += [f"{result['rate']:.1f}", f"{result['rate'] * batch_size:,.0f}", f"{result['memory']:.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", f"Absolute numbers are those of one machine ({os.cpu_count()} cores, no GPU)."]
    return "\n".join(lines) + "\n"


def chart(results: dict[tuple[str, int, int], dict], path: Path) -> None:
    figure, axes = plt.subplots(2, 2, figsize=(9, 6.5), layout="constrained", sharex="col")
    for loop, colour in zip(LOOPS, ("tab:orange", "tab:blue")):
        batches = sorted(key for key in results if key[0] == loop and key[2] == min(WIDTHS))
        widths = sorted(key for key in results if key[0] == loop and key[1] == 100)
        for column, (keys, position) in enumerate([(batches, 1), (widths, 2)]):
            x = [key[position] for key in keys]
            rates = [results[key]["rate"] for key in keys]
            axes[0, column].plot(x, rates, "o-", color=colour, label=loop)
            axes[1, column].plot(x, [r * key[1] for r, key in zip(rates, keys)], "o-", color=colour, label=loop)
    for column, (values, label) in enumerate(
        [(BATCH_SIZES, "batch size, with a hidden width of 128"), (WIDTHS, "hidden width, with a batch size of 100")]
    ):
        axes[0, column].set_ylabel("iterations per second")
        axes[1, column].set_ylabel("images per second")
        axes[1, column].set_xlabel(label)
        for row in (0, 1):
            axes[row, column].set_xscale("log", base=2)
            axes[row, column].set_xticks(values, values)
            axes[row, column].grid(alpha=0.3)
            axes[row, column].yaxis.set_major_formatter("{x:,.0f}")
        axes[1, column].set_ylim(0)
        axes[0, column].set_yscale("log")
        axes[0, column].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes[0, column].yaxis.set_major_formatter("{x:,.0f}")
        axes[0, column].minorticks_off()
    axes[0, 0].legend(frameon=False)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=4, help="for each size and loop")
    parser.add_argument("--sizes", type=int, nargs="+", help="batch size and hidden width, in turns")
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        loop, batch_size, hidden_units = options.one
        print(json.dumps(one(loop, int(batch_size), int(hidden_units), options.seconds)))
        return
    sizes = [(batch_size, 128) for batch_size in BATCH_SIZES] + [(100, width) for width in WIDTHS[1:]]
    if options.sizes:
        sizes = list(zip(options.sizes[::2], options.sizes[1::2]))
    results = measure(sizes, options.seconds)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "growth.md").write_text(table(results))
    chart(results, options.out / "growth.png")


if __name__ == "__main__":
    main()
