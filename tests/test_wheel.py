"""The wheel, installed in fresh environments and used outside this checkout."""

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from vae_tf1.data.mnist import BUILTIN_DIR

ROOT = Path(__file__).parent.parent


def uv(*arguments, cwd):
    subprocess.run([sys.executable, "-m", "uv", "--quiet", *map(str, arguments)], cwd=cwd, check=True)


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """Builds the wheel and the sdist, and returns their directory."""
    directory = tmp_path_factory.mktemp("built")
    source = directory / "source"
    shutil.copytree(ROOT / "vae_tf1", source / "vae_tf1", ignore=shutil.ignore_patterns("__pycache__"))
    for name in "pyproject.toml", "README.md", "LICENSE":
        shutil.copy(ROOT / name, source)
    for what in "build_wheel", "build_sdist":
        build = f"import sys, setuptools.build_meta; setuptools.build_meta.{what}(sys.argv[1])"
        command = [sys.executable, "-c", build, str(directory)]
        subprocess.run(command, cwd=source, check=True, capture_output=True)
    shutil.rmtree(source)
    return directory


def test_the_wheel_and_the_sdist_have_all_files_of_the_package(built):
    package = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "vae_tf1").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {"vae_tf1/py.typed", "vae_tf1/data/digits/train-images-idx3-ubyte.gz"} <= package
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        in_wheel = set(wheel.namelist())
    assert {name for name in in_wheel if "dist-info" not in name} == package
    assert any(name.endswith("licenses/LICENSE") for name in in_wheel)
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        in_sdist = {name.partition("/")[2] for name in sdist.getnames()}
    assert package | {"LICENSE", "README.md", "pyproject.toml"} <= in_sdist


@pytest.mark.slow
@pytest.mark.parametrize("tensorflow", ["2.18", "2.19", "2.20"])
def test_installing_the_wheel_changes_no_installed_package(built, tmp_path, tensorflow):
    """Installs the wheel as the README says, with the installed versions as constraints."""

    def pip(*arguments) -> str:
        command = [tmp_path / "environment" / "bin" / "python", "-m", "pip", *arguments]
        return subprocess.run(command, cwd=tmp_path, check=True, stdout=subprocess.PIPE, text=True).stdout

    subprocess.run([sys.executable, "-m", "venv", "environment"], cwd=tmp_path, check=True)
    pip("install", "--quiet", f"tensorflow=={tensorflow}.*", f"tensorflow-text=={tensorflow}.*")
    before = pip("list", "--format=freeze")
    (tmp_path / "installed.txt").write_text(before)
    pip("install", "--quiet", "-c", "installed.txt", next(built.glob("*.whl")))
    assert set(before.splitlines()) <= set(pip("list", "--format=freeze").splitlines())
    assert pip("check").strip() == "No broken requirements found."
    program = "import vae_tf1, tensorflow_text; vae_tf1.read_data_sets('nowhere', source='builtin')"
    subprocess.run([tmp_path / "environment" / "bin" / "python", "-c", program], cwd=tmp_path, check=True)


@pytest.mark.slow
def test_the_wheel_runs_the_readme_in_a_fresh_environment(built, tmp_path):
    uv("venv", "--python", sys.executable, "environment", cwd=tmp_path)
    python = tmp_path / "environment" / "bin" / "python"
    uv("pip", "install", "--python", python, next(built.glob("*.whl")), cwd=tmp_path)
    here = tmp_path / "here"
    here.mkdir()
    for name in "data", "MNIST_data":
        (here / name).symlink_to(BUILTIN_DIR)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    program = "\n".join(f"exec({block.replace('20_000', '20')!r}, {{}})" for block in blocks)
    program += "\nimport vae_tf1; print(vae_tf1.__file__)"
    program += "\nvae_tf1.read_data_sets('nowhere', source='builtin')"
    done = subprocess.run([python, "-c", program], cwd=here, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "environment") in done.stdout.splitlines()[-1]
    assert (here / "model" / "saved_model.pb").exists()
