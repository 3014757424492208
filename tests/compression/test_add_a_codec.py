"""The codec of docs/add-a-codec.md works as printed."""

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedbytes.compression import CODECS, check_codec, make_codec

PAGE = Path(__file__).parents[2] / "docs" / "add-a-codec.md"


def blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Path]:
    """The page's code in a file, imported, and forgotten afterwards."""
    code, _ = blocks()
    path = tmp_path / "lottery.py"
    path.write_text(code)
    spec = importlib.util.spec_from_file_location("lottery", path)
    with CODECS.isolated():
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
        yield path


def test_the_documented_codec_keeps_the_contract(source: Path) -> None:
    assert len(source.read_text().splitlines()) < 50
    for fields in CODECS.get("lottery").examples:
        codec = make_codec("lottery", **fields)
        for finding in check_codec(codec, fresh_process=True, source=source):
            assert finding.passed, f"{finding.property}: {finding.message}"


def test_its_mistakes_are_refused(source: Path) -> None:
    with pytest.raises(ValueError, match="got 2"):
        make_codec("lottery", density=2)


def test_the_example_of_the_entropy_coder_runs() -> None:
    _, code = blocks()
    exec(compile(code, PAGE.name, "exec"), {})


def test_every_module_in_the_table_of_parts_exists() -> None:
    rows = re.findall(r"^\| (`.*?`) \|", PAGE.read_text(), flags=re.MULTILINE)
    modules = [name for row in rows for name in re.findall(r"`([\w.]+)`", row)]
    assert len(modules) > 30
    for module in modules:
        assert importlib.util.find_spec(f"fedbytes.compression.{module}"), module
