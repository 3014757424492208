"""The version: of the newest tag, of commits since, and of the last release where git is absent."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import fedbytes
from fedbytes.process.version import LAST_RELEASE

ROOT = Path(__file__).parents[2]


def git(folder: Path, *words: str) -> None:
    author = ("-c", "user.name=A", "-c", "user.email=a@b.org", "-c", "init.defaultBranch=main")
    subprocess.run(["git", *author, *words], cwd=folder, check=True, capture_output=True)


def version_of(folder: Path) -> str:
    command = [sys.executable, "-m", "setuptools_scm"]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_it_follows_tags_and_commits_and_falls_back_without_git(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    assert version_of(tmp_path) == LAST_RELEASE
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "one")
    git(tmp_path, "commit", "-m", "two", "--allow-empty")
    assert version_of(tmp_path) == "0.1.1.dev2"
    git(tmp_path, "tag", "v0.3.0")
    assert version_of(tmp_path) == "0.3.0"
    git(tmp_path, "commit", "-m", "three", "--allow-empty")
    assert version_of(tmp_path) == "0.3.1.dev1"


def test_the_last_release_is_one_wherever_it_is_said() -> None:
    said = {
        "pyproject.toml": r'^fallback_version = "(.+)"',
        "CITATION.cff": r"^version: (.+)$",
        "CHANGELOG.md": r"^## (\d\S*)",
    }
    for name, pattern in said.items():
        match = re.search(pattern, (ROOT / name).read_text(encoding="utf-8"), re.M)
        assert match is not None, name
        assert match[1] == LAST_RELEASE, name
    assert re.match(r"\d+\.\d+\.\d+", fedbytes.__version__)
