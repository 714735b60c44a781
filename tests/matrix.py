"""Runs the tests that depend on the libraries with the locked packages on each Python, and with each TensorFlow.

    python tests/matrix.py [NAME ...]      # such as "locked 3.12" or "tensorflow 2.17"; all from 2.18 on by default

A TensorFlow comes with what a plain installation picks beside it. Each environment is in build/matrix/, with its output
beside it; a table of the results comes last. Pythons are those of pyenv or PATH; uv makes the environments.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
BUILD = ROOT / "build" / "matrix"
PYTHON_OF_PLAIN = "3.12"  # 2.15 has 3.11 at most
# What belongs to each TensorFlow; from 2.18 on, nothing has to be said.
PLAIN = {
    "2.15": ["tensorflow-probability==0.23.*"],
    "2.16": ["tensorflow-probability==0.24.*"],
    "2.17": ["tensorflow-probability==0.24.*"],
    "2.18": [],
    "2.19": [],
    "2.20": [],
}
ROWS: dict[str, tuple[str, str | None]] = {
    f"locked {python}": (python, None) for python in ("3.10", "3.11", "3.12", "3.13")
}
ROWS |= {
    f"tensorflow {tensorflow}": (PYTHON_OF_PLAIN if tensorflow > "2.15" else "3.11", tensorflow) for tensorflow in PLAIN
}
TESTS = [
    *(f"tests/test_{name}.py" for name in ("parity", "model", "saved_model")),
    *(f"tests/training/test_{name}.py" for name in ("numerics", "compiled")),
    "tests/data/test_input_data.py",
    "tests/tensorflow1/test_tensorflow1.py",
    "tests/cluster/test_cluster.py",
]
SHOWN = ("tensorflow", "tensorflow-probability", "tf-keras", "numpy", "protobuf")


def python_of(minor: str) -> str | None:
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = sorted(pyenv.glob(f"versions/{minor}.*/bin/python"))
    return str(found[-1]) if found else shutil.which(f"python{minor}")


def run(name: str) -> list[str]:
    """The versions that a row got, and what pytest says at its end."""
    minor, tensorflow = ROWS[name]
    interpreter = python_of(minor)
    if interpreter is None:
        return ["-"] * len(SHOWN) + [f"FAILED: there is no Python {minor}"]
    directory = BUILD / name.replace(" ", "-")
    python = directory / "bin" / "python"

    def uv(*arguments) -> str:
        command = [sys.executable, "-m", "uv", "--quiet", *map(str, arguments)]
        return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout

    uv("venv", "--clear", "--python", interpreter, directory)
    if tensorflow is None:
        uv("pip", "sync", "--compile-bytecode", "--python", python, "--require-hashes", "requirements.txt")
        uv("pip", "install", "--python", python, "--no-deps", "--no-build-isolation", "--editable", ".")
    else:
        pins = [f"tensorflow=={tensorflow}.*", *PLAIN[tensorflow]]
        uv("pip", "install", "--compile-bytecode", "--python", python, *pins, "--editable", ".[dev,notebook]")
    installed = dict(line.split("==") for line in uv("pip", "freeze", "--python", python, "--exclude-editable").split())
    output = BUILD / f"{directory.name}.log"
    with output.open("w") as log:
        tests = subprocess.run(
            [python, "-m", "pytest", *TESTS], cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, check=False
        )
    last = output.read_text().strip().splitlines()[-1]
    said = re.sub(r" \(.*\)$", "", last.strip("= "))
    return [*(installed[package] for package in SHOWN), f"FAILED: {said}" if tests.returncode else said]


def main(names: list[str]) -> int:
    BUILD.mkdir(parents=True, exist_ok=True)
    table = [["", *SHOWN, "tests"]]
    for name in names or [name for name in ROWS if name.startswith("locked") or not PLAIN[name.split()[1]]]:
        table.append([name, *run(name)])
        print(" ".join(table[-1]), flush=True)
    widths = [max(map(len, column)) for column in zip(*table)]
    print()
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    return any(row[-1].startswith("FAILED") for row in table)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
