"""Measures how speed and memory change with batch size and hidden width, for this project and its peers.

    python benchmarks/growth.py [--rounds 3] [--seconds 1] [--sizes 100 128 ...] [--only NAME ...] [--out DIR]

The contenders are those of `speed.py` and take turns in the same way, at each size. Writes `growth.md` and
`growth.png` to DIR, by default this script's directory.
"""

import argparse
import contextlib
import os
import statistics
import tempfile
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
from matplotlib.ticker import LogLocator
from speed import CONTENDERS, start_workers, write_data

HERE = Path(__file__).parent
OURS, PEERS = ("vae_tf1, compiled", "vae_tf1, plain"), ("JAX, lax.scan", "PyTorch, eager")
COLOURS = dict(zip((*OURS, *PEERS), ("tab:orange", "tab:red", "tab:blue", "tab:green")))
BATCH_SIZES = (25, 50, 100, 200, 400, 800, 1600, 3200)
WIDTHS = (128, 256, 512, 1024, 2048)
SIZES = [*((batch_size, 128) for batch_size in BATCH_SIZES), *((100, width) for width in WIDTHS[1:]), (1000, 1024)]


class Result(NamedTuple):
    rate: float  # iterations per second, median of the rounds
    memory: float  # peak, in MB


def measure(batch_size: int, hidden_units: int, names: list[str], rounds: int, seconds: float) -> dict[str, Result]:
    """Measures the contenders that are available, in rounds that take the fastest one roughly `seconds`."""
    per_round = max(5, min(2000, round(seconds * 1e7 / (batch_size * hidden_units))))
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
        path = Path(temporary) / "data.npz"
        write_data(path, rounds, per_round, batch_size, hidden_units)
        workers = start_workers({name: CONTENDERS[name] for name in names}, path, stack)
        rates: dict[str, list[float]] = {name: [] for name in workers}
        for begin in range(1, 1 + rounds * per_round, per_round):
            for name, worker in workers.items():
                rates[name].append(per_round / worker.ask("train", begin, begin + per_round))
        results = {name: Result(statistics.median(rates[name]), workers[name].ask("memory")) for name in workers}
    rates_text = ", ".join(f"{name} {result.rate:.1f}" for name, result in results.items())
    print(f"Batch size {batch_size}, width {hidden_units}, {per_round} iterations per round: {rates_text}", flush=True)
    return results


def contenders_in(results: dict[tuple[int, int], dict[str, Result]]) -> list[str]:
    """Returns the contenders that have a result at any size."""
    return [name for name in COLOURS if any(name in of for of in results.values())]


def make_table(results: dict[tuple[int, int], dict[str, Result]]) -> str:
    names = contenders_in(results)
    lines = [
        f"| batch size | hidden width | {' | '.join(f'{name}: iterations/s (MB)' for name in names)} | compiled: × the "
        "fastest peer | plain: × PyTorch |",
        "|---|---|" + "---|" * (len(names) + 2),
    ]
    for (batch_size, hidden_units), of in results.items():
        cells = [
            str(batch_size),
            str(hidden_units),
            *(f"{of[name].rate:.1f} ({of[name].memory:.0f})" if name in of else "" for name in names),
        ]
        peers = [name for name in of if CONTENDERS[name].kind == "peer"]
        for ours, others in zip(OURS, (peers, [name for name in peers if name.startswith("PyTorch")])):
            has_both = ours in of and others
            cells.append(f"{of[ours].rate / max(of[name].rate for name in others):.2f}" if has_both else "")
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", f"Medians, measured on one machine ({os.cpu_count()} cores, no GPU)."]
    return "\n".join(lines) + "\n"


def draw_chart(results: dict[tuple[int, int], dict[str, Result]], path: Path) -> None:
    figure, axes = plt.subplots(2, 2, figsize=(9, 6.5), layout="constrained", sharex="col")
    for name in contenders_in(results):
        measured = sorted(size for size, of in results.items() if name in of)
        batches = [size for size in measured if size[1] == min(WIDTHS)]
        widths = [size for size in measured if size[0] == 100]
        for column, (sizes, position) in enumerate([(batches, 0), (widths, 1)]):
            if not sizes:
                continue
            x = [size[position] for size in sizes]
            rates = [results[size][name].rate for size in sizes]
            axes[0, column].plot(x, rates, "o-", color=COLOURS[name], label=name)
            axes[1, column].plot(x, [r * size[0] for r, size in zip(rates, sizes)], "o-", color=COLOURS[name])
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
        if not axes[0, column].lines:  # a logarithmic scale needs data
            continue
        axes[0, column].set_yscale("log")
        axes[0, column].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes[0, column].yaxis.set_major_formatter("{x:,.0f}")
        axes[0, column].minorticks_off()
    next(panel for panel in axes[0] if panel.lines).legend(frameon=False)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="per size")
    parser.add_argument("--seconds", type=float, default=1, help="approximate length of the fastest contender's round")
    parser.add_argument("--sizes", type=int, nargs="+", help="pairs: batch size, hidden width, batch size, ...")
    parser.add_argument("--only", nargs="+", choices=COLOURS, default=list(COLOURS), metavar="NAME")
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    sizes = list(zip(options.sizes[::2], options.sizes[1::2])) if options.sizes else SIZES
    results = {
        (batch_size, hidden_units): measure(batch_size, hidden_units, options.only, options.rounds, options.seconds)
        for batch_size, hidden_units in sizes
    }
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "growth.md").write_text(make_table(results))
    draw_chart(results, options.out / "growth.png")


if __name__ == "__main__":
    main()
