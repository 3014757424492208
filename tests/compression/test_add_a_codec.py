"""The codecs of docs/add-a-codec.md work as printed."""

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from fedbytes.compression import CODECS, Layout, Shared, check_codec, make_codec

PAGE = Path(__file__).parents[2] / "docs" / "add-a-codec.md"


def blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)


@pytest.fixture(params=["lottery", "even-levels"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def source(name: str, tmp_path: Path) -> Iterator[Path]:
    """One of the page's codecs in a file, imported, and forgotten afterwards."""
    (code,) = [block for block in blocks() if f'register("{name}")' in block]
    path = tmp_path / "my_codec.py"
    path.write_text(code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("my_codec", path)
    with CODECS.isolated():
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
        yield path


def test_the_documented_codec_keeps_the_contract(name: str, source: Path) -> None:
    assert len(source.read_text(encoding="utf-8").splitlines()) < 60
    for fields in CODECS.get(name).examples:
        codec = make_codec(name, **fields)
        for finding in check_codec(codec, fresh_process=True, source=source):
            assert finding.passed, f"{finding.property}: {finding.message}"


@pytest.mark.parametrize(
    ("name", "fields"),
    [("lottery", {"density": 2}), ("even-levels", {"levels": 128})],
    indirect=["name"],
)
def test_its_mistakes_are_refused(name: str, fields: dict[str, int], source: Path) -> None:
    (value,) = fields.values()
    with pytest.raises(ValueError, match=f"got {value}"):
        make_codec(name, **fields)


@pytest.mark.parametrize("name", ["even-levels"], indirect=True)
def test_the_entropy_coder_saves_bytes(source: Path) -> None:
    x = torch.randn(10_000, generator=torch.Generator().manual_seed(0))
    shared = Shared(Layout({"x": (10_000,)}))
    codec = make_codec("even-levels", levels=1)  # one bit per coordinate would be 1,250 bytes
    data = codec.encode(x, shared)
    assert len(data) < 1000
    assert set(codec.decode(data, shared).sign().tolist()) == {-1.0, 0.0, 1.0}


def test_every_module_in_the_table_of_parts_exists() -> None:
    rows = re.findall(r"^\| (`.*?`) \|", PAGE.read_text(), flags=re.MULTILINE)
    modules = [name for row in rows for name in re.findall(r"`([\w.]+)`", row)]
    assert len(modules) > 30
    for module in modules:
        assert importlib.util.find_spec(f"fedbytes.compression.{module}"), module
