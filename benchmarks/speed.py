"""Measures how fast this model trains here and in other frameworks, side by side.

    python benchmarks/speed.py [--rounds 10] [--iterations 2000] [--only NAME ...] [--out DIR]

Every contender trains the same model on the same batches for the same number of iterations. Each peer has its own
environment, in `build/benchmarks`, with the packages that its file in `requirements/` lists. The contenders take turns
round by round, so a slowdown of the machine affects all of them. After the last round, each evaluates the negative ELBO
of the test images.

Writes `speed.md`, the table, and `speed.png`, the chart, to DIR, by default this script's directory.
"""

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np

from vae_tf1 import read_data_sets
from vae_tf1.training.run import SHOWN_IMAGES

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parent / "build" / "benchmarks"
BATCH_SIZE, SEED = 100, 0
ORIGINAL = "TensorFlow 1.15.5, the original"
ITERATIONS, BAND = 20_000, (87.3, 88.9)  # after 20000 iterations on MNIST, the test images' negative ELBO is in BAND


class Contender(NamedTuple):
    kind: str  # "this project", "peer" or "bound"
    script: str
    arguments: tuple[str, ...]
    environment: str | None  # a file in requirements/, or None for the environment of this script


CONTENDERS = {
    "vae_tf1, compiled": Contender("this project", "vae_this_project.py", ("compiled",), None),
    "vae_tf1, plain": Contender("this project", "vae_this_project.py", ("plain",), None),
    ORIGINAL: Contender("peer", "vae_tf1_original.py", (), "tensorflow1"),
    "PyTorch, eager": Contender("peer", "vae_torch.py", ("eager",), "torch"),
    "PyTorch, torch.compile": Contender("peer", "vae_torch.py", ("compile",), "torch"),
    "JAX, jit": Contender("peer", "vae_jax.py", ("jit",), "jax"),
    "JAX, lax.scan": Contender("peer", "vae_jax.py", ("scan",), "jax"),
    "Keras 3, fit": Contender("peer", "vae_keras.py", ("graph",), "keras"),
    "Keras 3, fit, jit_compile": Contender("peer", "vae_keras.py", ("jit",), "keras"),
    "matrix products, NumPy": Contender("bound", "matrix_products.py", ("numpy",), None),
    "matrix products, PyTorch": Contender("bound", "matrix_products.py", ("torch",), "torch"),
}


class Result(NamedTuple):
    rates: list[float]  # iterations per second in each round
    negative_elbo: float  # of the test images, in nats; NaN for a bound

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)


class Worker:
    """The process of one contender."""

    def __init__(self, name: str, contender: Contender, data: Path, stack: contextlib.ExitStack):
        self._name = name
        self._log = stack.enter_context(tempfile.TemporaryFile("w+"))  # noqa: SIM115 (it is entered)
        # TensorFlow 2 sets TF2_BEHAVIOR when this process imports it; TensorFlow 1.15 would obey it.
        environment = {name: value for name, value in os.environ.items() if name != "TF2_BEHAVIOR"}
        python = prepare_environment(contender.environment)
        self._process = subprocess.Popen(
            [python, HERE / "contenders" / contender.script, data, *contender.arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={**environment, "TQDM_DISABLE": "1"},
        )
        stack.callback(self._process.kill)
        self._answer()

    def ask(self, *words) -> float:
        with contextlib.suppress(BrokenPipeError):  # `_answer` raises, with the reason
            print(*words, file=self._process.stdin, flush=True)
        return float(self._answer())

    def _answer(self) -> str:
        assert self._process.stdout is not None
        answer = self._process.stdout.readline()
        if not answer:
            self._log.seek(0)
            raise RuntimeError(f"{self._name} ended early; its output was:\n{self._log.read()}")
        return answer


def prepare_environment(environment: str | None) -> str:
    """Creates an environment unless it exists, and returns its interpreter.

    Raises:
        LookupError: TensorFlow 1 needs Python 3.7, which was not found.
        OSError: the packages could not be installed.
    """
    if environment is None:
        return sys.executable
    python = ENVIRONMENTS / environment / "bin" / "python"
    ready = ENVIRONMENTS / environment / "ready"
    needed = HERE / "requirements" / f"{environment}.txt"
    if not ready.exists() or ready.read_text() != needed.read_text():
        print(f"Setting up {ENVIRONMENTS / environment}", flush=True)
        shutil.rmtree(ready.parent, ignore_errors=True)
        subprocess.run([find_base_python(environment), "-m", "venv", ready.parent])
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(needed)]
        done = subprocess.run(install, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise OSError(f"its packages could not be installed ({done.stderr.strip()[-200:]})")
        ready.write_text(needed.read_text())
    return str(python)


def find_base_python(environment: str) -> str:
    if environment != "tensorflow1":
        return sys.executable
    pyenv = sorted(Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob("versions/3.7.*/bin/python"))
    for candidate in [*map(str, pyenv), "python3.7"]:  # the python3.7 on PATH may be pyenv's stub, which fails
        with contextlib.suppress(OSError):
            if subprocess.run([candidate, "-c", "import venv"], capture_output=True).returncode == 0:
                return candidate
    raise LookupError("Python 3.7 was not found")


def write_data(path: Path, rounds: int, per_round: int, batch_size: int = BATCH_SIZE, hidden_units: int = 128) -> str:
    """Writes the file that `worker.Data` reads, and returns the name of the data."""
    directory = Path(os.environ.get("VAE_TF1_DATA_DIR") or HERE.parent / "data").absolute()
    data = read_data_sets(directory, seed=SEED, dtype=np.uint8)
    rows = []
    for i in range(1 + rounds * per_round):
        rows.append(data.train.next_rows(batch_size))
        if i % per_round == 0:  # as a report of `train` does; the sets share one random generator
            data.validation.next_rows(SHOWN_IMAGES)
    np.savez(
        path,
        train=data.train.images,
        test=data.test.images,
        rows=np.array(rows, np.int32),
        train_dir=str(directory),
        seed=SEED,
        per_round=per_round,
        hidden_units=hidden_units,
    )
    return data.name


def start_workers(contenders: dict[str, Contender], data: Path, stack: contextlib.ExitStack) -> dict[str, Worker]:
    """Starts the contenders that are available and runs their first iteration, which compiles, before any round."""
    workers = {}
    for name, contender in contenders.items():
        try:
            workers[name] = Worker(name, contender, data, stack)
        except (LookupError, OSError) as error:
            print(f"Skipping {name}: {error}.", flush=True)
    for worker in workers.values():
        worker.ask("train", 0, 1)
    return workers


def measure(names: list[str], rounds: int, per_round: int) -> tuple[dict[str, Result], str]:
    """Returns the results of the contenders that are available, and the name of the data."""
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
        path = Path(temporary) / "data.npz"
        data_name = write_data(path, rounds, per_round)
        workers = start_workers({name: CONTENDERS[name] for name in names}, path, stack)
        rates: dict[str, list[float]] = {name: [] for name in workers}
        for number in range(rounds):
            begin = 1 + number * per_round
            for name, worker in workers.items():
                rates[name].append(per_round / worker.ask("train", begin, begin + per_round))
            print(
                f"Round {number + 1} of {rounds}: " + ", ".join(f"{n} {r[-1]:.0f}" for n, r in rates.items()),
                flush=True,
            )
        return {n: Result(rates[n], w.ask("test")) for n, w in workers.items()}, data_name


def format_ratio(rate: float, reference: float) -> str:
    return f"{rate / reference:.2f}"


def make_table(results: dict[str, Result], data_name: str, per_round: int) -> str:
    rounds = len(next(iter(results.values())).rates)
    peers = [r.rate for n, r in results.items() if CONTENDERS[n].kind == "peer"]
    bounds = [r.rate for n, r in results.items() if CONTENDERS[n].kind == "bound"]
    original, bound = results.get(ORIGINAL), max(bounds, default=None)
    lines = [
        "| | iterations/s: median (lowest, highest) | × the original | × the bound | test −ELBO |",
        "|---|---|---|---|---|",
    ]
    for name, result in sorted(results.items(), key=lambda item: -item[1].rate):
        is_bound = CONTENDERS[name].kind == "bound"
        cells = [
            f"**{name}**" if CONTENDERS[name].kind == "this project" else name,
            f"{result.rate:.0f} ({min(result.rates):.0f}, {max(result.rates):.0f})",
            format_ratio(result.rate, original.rate) if original else "",
            format_ratio(result.rate, bound) if bound else "",
            "" if is_bound else f"{result.negative_elbo:.2f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        f"{data_name}, batch size {BATCH_SIZE}, {1 + rounds * per_round} iterations each in {rounds} interleaved "
        f"rounds. −ELBO in nats. Measured on one machine ({os.cpu_count()} cores, no GPU): compare the ratios.",
    ]
    if data_name == "MNIST" and peers and rounds * per_round >= ITERATIONS:
        trained = {name: r.negative_elbo for name, r in results.items() if CONTENDERS[name].kind != "bound"}
        outside = [name for name, nats in trained.items() if not BAND[0] < nats < BAND[1]]
        lines.append(
            f"Contenders that end between {BAND[0]} and {BAND[1]} nats: "
            f"{'all but ' + ', '.join(outside) if outside else 'all'}."
        )
    compiled, plain = results.get("vae_tf1, compiled"), results.get("vae_tf1, plain")
    if compiled and peers:
        lines.append(
            f"The compiled loop runs at {compiled.rate / max(peers):.2f} times the speed of the fastest peer (medians)."
        )
    torch = [r.rate for n, r in results.items() if n.startswith("PyTorch")]
    if plain and torch:
        lines.append(
            f"The plain loop runs at {plain.rate / max(torch):.2f} times the speed of PyTorch's faster variant "
            "(medians)."
        )
    return "\n".join(lines) + "\n"


def draw_chart(results: dict[str, Result], path: Path) -> None:
    ordered = sorted(results.items(), key=lambda item: item[1].rate)
    colours = {"this project": "tab:orange", "peer": "tab:blue", "bound": "lightgrey"}
    reference = results.get(ORIGINAL) or ordered[0][1]
    figure, axes = plt.subplots(figsize=(8, 0.4 * len(ordered) + 1.2), layout="constrained")
    for position, (name, result) in enumerate(ordered):
        spread = [[result.rate - min(result.rates)], [max(result.rates) - result.rate]]
        axes.barh(position, result.rate, xerr=spread, color=colours[CONTENDERS[name].kind], ecolor="dimgrey", capsize=2)
        axes.annotate(
            f" {format_ratio(result.rate, reference.rate)} ×",
            (max(result.rates), position),
            va="center",
            ha="left",
            fontsize=9,
        )
    axes.set_yticks(range(len(ordered)), [name for name, _ in ordered])
    axes.set_xlim(0, 1.12 * max(max(result.rates) for result in results.values()))
    figure.supxlabel("iterations per second: median, slowest and fastest round; × = speed of the original", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--iterations", type=int, default=2000, help="per round")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS), metavar="NAME")
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    results, data_name = measure(options.only, options.rounds, options.iterations)
    options.out.mkdir(parents=True, exist_ok=True)
    text = make_table(results, data_name, options.iterations)
    (options.out / "speed.md").write_text(text)
    draw_chart(results, options.out / "speed.png")
    print(text)


if __name__ == "__main__":
    main()
