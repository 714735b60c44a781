"""Runs an unchanged TensorFlow 1 program: python -m vae_tf1.tensorflow1 program.py [arguments]."""

import runpy
import sys
from pathlib import Path

import vae_tf1.tensorflow1  # noqa: F401


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        sys.exit("usage: python -m vae_tf1.tensorflow1 program.py [arguments]")
    program = sys.argv[1]
    if not Path(program).is_file():
        sys.exit(f"{program} is not a file; pass the program to run.")
    del sys.argv[0]
    sys.path[0] = str(Path(program).resolve().parent)
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main()
