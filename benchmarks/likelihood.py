"""Measures the time of `log_likelihood` with 500 samples for each of 1000 test images, here and in other frameworks.

    python benchmarks/likelihood.py [--rounds 5] [--images 1000] [--only NAME ...] [--out DIR]

The contenders take turns, as in `speed.py`. Writes `likelihood.md` to DIR, by default this script's directory.
"""

import argparse
import contextlib
import os
import statistics
import tempfile
from pathlib import Path

from speed import HERE, Contender, start_workers, write_data

BUILT_IN = "`log_likelihood`, the built-in model"
SAMPLES = 500
CONTENDERS = {
    BUILT_IN: Contender("this project", "vae_this_project.py", ("plain",), None),
    "`log_likelihood`, densities of its own": Contender("this project", "vae_this_project.py", ("densities",), None),
    "JAX, jit": Contender("peer", "vae_jax.py", ("jit",), "jax"),
    "PyTorch, eager": Contender("peer", "vae_torch.py", ("eager",), "torch"),
}


def measure(names: list[str], rounds: int, images: int) -> dict[str, list[float]]:
    """Returns the seconds of each round, by contender. A short run before the first round compiles what needs to be."""
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
        path = Path(temporary) / "data.npz"
        write_data(path, rounds=1, per_round=1)
        workers = start_workers({name: CONTENDERS[name] for name in names}, path, stack)
        for worker in workers.values():
            worker.ask("likelihood", 20, SAMPLES)
        seconds: dict[str, list[float]] = {name: [] for name in workers}
        for _ in range(rounds):
            for name, worker in workers.items():
                seconds[name].append(worker.ask("likelihood", images, SAMPLES))
        return seconds


def make_table(seconds: dict[str, list[float]], images: int) -> str:
    lines = ["| | seconds: median (lowest, highest) | \u00d7 the built-in model |", "|---|---|---|"]
    reference = statistics.median(seconds[BUILT_IN])
    for name, times in sorted(seconds.items(), key=lambda item: statistics.median(item[1])):
        median = statistics.median(times)
        lines.append(f"| {name} | {median:.2f} ({min(times):.2f}, {max(times):.2f}) | {median / reference:.2f} |")
    rounds = len(seconds[BUILT_IN])
    return "\n".join(
        [
            *lines,
            "",
            f"{images} images, {SAMPLES} samples each, {rounds} interleaved rounds. Measured on one machine "
            f"({os.cpu_count()} cores, no GPU).\n",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS), metavar="NAME")
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    text = make_table(measure(options.only, options.rounds, options.images), options.images)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "likelihood.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
