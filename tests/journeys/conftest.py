"""fedbytes from its wheel, in an environment of its own and a folder that is not the repository."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
Command = Callable[..., subprocess.CompletedProcess[str]]


ENV = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}


def _run(*words: object, **options: Any) -> subprocess.CompletedProcess[str]:
    options = {"env": ENV, **options}
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{words}:\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with fedbytes from its wheel; other packages are those at hand."""
    folder = tmp_path_factory.mktemp("installed")
    source = folder / "source"  # building leaves files behind
    unwanted = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "fedbytes", source / "fedbytes", ignore=unwanted)
    for name in ("pyproject.toml", "setup.py", "LICENSE", *(p.name for p in ROOT.glob("*.md"))):
        shutil.copy(ROOT / name, source)
    for page in (ROOT / "docs").rglob("*.md"):
        copy = source / page.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(page, copy)
    build = ("wheel", "--no-deps", "--no-build-isolation", "-q", "-w", folder / "dist", source)
    _run(sys.executable, "-m", "pip", *build)
    (wheel,) = (folder / "dist").glob("fedbytes-*.whl")
    venv.create(folder / "env", with_pip=True)
    python = folder / "env" / "bin" / "python"
    asked = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(_run(python, "-c", asked).stdout.strip())
    _run(python, "-m", "pip", "install", "--no-deps", "--no-index", "-q", wheel)
    # A path in such a file brings packages, and not the repository, which another file leads to.
    (site / "packages_at_hand.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "env" / "bin"


@pytest.fixture
def fedbytes(environment: Path, tmp_path: Path, tests_home: Path) -> Command:
    """Run the installed command in an empty folder; a failure fails the test."""
    env = ENV | {"FEDBYTES_HOME": str(tests_home), "OMP_NUM_THREADS": "1", "COLUMNS": "80"}

    def call(*words: object) -> subprocess.CompletedProcess[str]:
        return _run(environment / "fedbytes", *words, cwd=tmp_path, env=env, timeout=900)

    asked = "import fedbytes; print(fedbytes.__file__)"
    found = _run(environment / "python", "-c", asked, cwd=tmp_path, env=env).stdout
    assert str(environment.parent) in found, "the repository is in the way of the wheel"
    return call
