"""Tiny runs of the benchmarks, with the contenders that run in this environment."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
OURS = ["vae_tf1, compiled", "vae_tf1, plain"]
PNG = b"\x89PNG"


def run(script, *arguments, out):
    command = [sys.executable, BENCHMARKS / script, *arguments, "--out", out]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.slow
def test_speed(tmp_path):
    names = ["vae_tf1, compiled", "vae_tf1, plain", "matrix products, NumPy"]
    run("speed.py", "--rounds", "2", "--iterations", "20", "--only", *names, out=tmp_path)
    table = (tmp_path / "speed.md").read_text()
    rows = [[cell.strip(" *") for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("|")]
    assert {row[0] for row in rows[2:]} == set(names)
    negative_elbos = {row[0]: row[4] for row in rows[2:]}
    assert negative_elbos.pop("matrix products, NumPy") == ""
    assert all(100 < float(nats) < 500 for nats in negative_elbos.values())
    assert (tmp_path / "speed.png").read_bytes().startswith(PNG)


@pytest.mark.slow
def test_growth(tmp_path):
    run("growth.py", "--seconds", "0.01", "--sizes", "50", "128", "100", "256", "--only", *OURS, out=tmp_path)
    table = (tmp_path / "growth.md").read_text().splitlines()
    assert [line.split("|")[1:3] for line in table[2:4]] == [[" 50 ", " 128 "], [" 100 ", " 256 "]]
    assert (tmp_path / "growth.png").read_bytes().startswith(PNG)


@pytest.mark.slow
def test_variations(tmp_path):
    run("variations.py", "--rounds", "1", "--iterations", "10", "--images", "100", out=tmp_path)
    table = (tmp_path / "variations.md").read_text()
    assert all(f"| {name} | " in table for name in ("the notebook's", "convolutions"))
    assert table.count("`log_likelihood`, first session") == 2


@pytest.mark.slow
def test_likelihood(tmp_path):
    names = ["`log_likelihood`, the built-in model", "`log_likelihood`, densities of its own"]
    said = run("likelihood.py", "--rounds", "1", "--images", "20", "--only", *names, out=tmp_path)
    assert all(f"| {name} | " in said for name in names)


@pytest.mark.slow
def test_startup(tmp_path):
    assert "| draw its reconstructions | " in run("startup.py", "--rounds", "1", out=tmp_path)


@pytest.mark.slow
def test_cluster(tmp_path):
    options = ("--rounds", "1", "--seconds", "0.1", "--workers", "2", "--batch-sizes", "50", "200")
    said = run("cluster.py", *options, out=tmp_path)
    assert "| 2 | 50 | " in said
    assert "| 2 | 200 | " in (tmp_path / "cluster.md").read_text()


@pytest.mark.parametrize("table", ["speed", "growth", "variations", "likelihood", "startup", "cluster"])
def test_page_has_the_tables_that_were_measured(table):
    assert (BENCHMARKS / f"{table}.md").read_text() in (BENCHMARKS / "README.md").read_text()
