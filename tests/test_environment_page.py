"""docs/environment.md lists every switch that the code reads, and no other."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAME = re.compile(r"FEDBYTES_[A-Z_]+")
FOLDERS = ("fedbytes", "tests", "scripts", "benchmarks", "docs/notebooks", "examples")


def test_every_switch_is_documented_and_every_documented_one_is_read() -> None:
    files = [path for name in FOLDERS for path in (ROOT / name).rglob("*.*")]
    files = [path for path in files if path.suffix in (".py", ".sh", ".ipynb")]
    own = Path(__file__)
    read = {name for path in files if path != own for name in NAME.findall(path.read_text("utf-8"))}
    page = (ROOT / "docs" / "environment.md").read_text(encoding="utf-8")
    assert read == set(NAME.findall(page))
