"""Runs the tests that depend on libraries in several environments: each Python, each TensorFlow, lowest versions.

    python tests/matrix.py [NAME ...]      # such as "locked 3.12", "lowest" or "tensorflow 2.17"

By default, all rows run except TensorFlow 2.15 to 2.17, which need additional constraints. "locked" has the versions of
requirements.txt, "lowest" the lowest versions that pyproject.toml allows for all dependencies together, and the others
have what a plain installation selects for that TensorFlow. Environments and the output of the tests are written to
build/matrix/, and a table of the results is printed at the end. Pythons come from pyenv or PATH; uv creates the
environments.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
BUILD = ROOT / "build" / "matrix"
TESTS = [
    *(f"tests/test_{name}.py" for name in ("parity", "model", "saved_model", "visualize")),
    *(f"tests/training/test_{name}.py" for name in ("numerics", "compiled")),
    "tests/data/test_input_data.py",
    "tests/tensorflow1/test_tensorflow1.py",
    "tests/cluster/test_cluster.py",
]
SHOWN = ("tensorflow", "tensorflow-probability", "tf-keras", "numpy", "protobuf")


class Row(NamedTuple):
    python: str
    installs: list[list[str]]  # the arguments of uv pip, one command after another
    by_default: bool = True
    pytest_options: tuple[str, ...] = ()


def plain_row(tensorflow: str, probability: str | None = None, python: str = "3.12") -> Row:
    pins = [f"tensorflow=={tensorflow}.*"] + ([f"tensorflow-probability=={probability}.*"] if probability else [])
    return Row(python, [["install", *pins, "--editable", ".[dev,notebook]"]], by_default=probability is None)


LOCKED = [
    ["sync", "--require-hashes", "requirements.txt"],
    ["install", "--no-deps", "--no-build-isolation", "--editable", "."],
]
LOWEST = [
    ["install", "--resolution", "lowest-direct", "--editable", "."],
    ["install", "--editable", ".[dev,notebook]"],  # the tools of the tests, in addition
]
ROWS = {f"locked {python}": Row(python, LOCKED) for python in ("3.10", "3.11", "3.12", "3.13")} | {
    # Versions of 2023 call functions that their newer dependencies deprecate.
    "lowest": Row("3.10", LOWEST, pytest_options=("-W", "ignore::DeprecationWarning")),
    "tensorflow 2.15": plain_row("2.15", "0.23", python="3.11"),
    "tensorflow 2.16": plain_row("2.16", "0.24"),
    "tensorflow 2.17": plain_row("2.17", "0.24"),
    "tensorflow 2.18": plain_row("2.18"),
    "tensorflow 2.19": plain_row("2.19"),
    "tensorflow 2.20": plain_row("2.20"),
}


def find_python(minor: str) -> str | None:
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = sorted(pyenv.glob(f"versions/{minor}.*/bin/python"))
    return str(found[-1]) if found else shutil.which(f"python{minor}")


def run_row(name: str) -> list[str]:
    """Creates the environment of a row and runs the tests; returns its versions, and the last line of pytest."""
    row = ROWS[name]
    interpreter = find_python(row.python)
    if interpreter is None:
        return ["-"] * len(SHOWN) + [f"FAILED: there is no Python {row.python}"]
    directory = BUILD / name.replace(" ", "-")
    python = directory / "bin" / "python"

    def uv(*arguments) -> str:
        command = [sys.executable, "-m", "uv", "--quiet", *map(str, arguments)]
        return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout

    uv("venv", "--clear", "--python", interpreter, directory)
    for action, *arguments in row.installs:
        uv("pip", action, "--compile-bytecode", "--python", python, *arguments)
    installed = dict(line.split("==") for line in uv("pip", "freeze", "--python", python, "--exclude-editable").split())
    output = BUILD / f"{directory.name}.log"
    with output.open("w") as log:
        command = [str(python), "-m", "pytest", *row.pytest_options, *TESTS]
        tests = subprocess.run(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, check=False)
    last = output.read_text().strip().splitlines()[-1]
    summary = re.sub(r" \(.*\)$", "", last.strip("= "))
    return [*(installed[package] for package in SHOWN), f"FAILED: {summary}" if tests.returncode else summary]


def main(names: list[str]) -> int:
    BUILD.mkdir(parents=True, exist_ok=True)
    table = [["", *SHOWN, "tests"]]
    for name in names or [name for name, row in ROWS.items() if row.by_default]:
        table.append([name, *run_row(name)])
        print(" ".join(table[-1]), flush=True)
    widths = [max(map(len, column)) for column in zip(*table)]
    print()
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    return any(row[-1].startswith("FAILED") for row in table)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
