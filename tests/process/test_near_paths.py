"""A path that is nowhere is told with the one beside it that was meant."""

from pathlib import Path

import pytest

from fedbytes.data.readers.plain_text import read_texts
from fedbytes.data.readers.table_file import load_table
from fedbytes.experiments import load_suite
from fedbytes.process.near_paths import hint_at_near_path


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    (tmp_path / "runs" / "mine.csv").touch()
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("wrong", "folder", "hint"),
    [
        ("runs/mien", True, "; did you mean 'runs/mine'?"),
        ("runs/mine.cvs", False, "; did you mean 'runs/mine.csv'?"),
        ("runs/min", False, ""),
        ("runs/other", True, ""),
        ("nowhere/mine", True, ""),
        ("rusn", True, "; did you mean 'runs'?"),
        ("runs/mine.cs?", False, ""),  # a pattern is no name
        ("~nobody-of-this-name/runs", True, ""),
    ],
)
def test_only_what_is_of_the_kind_and_near_is_named(wrong: str, folder: bool, hint: str) -> None:
    assert hint_at_near_path(wrong, folder) == hint


def test_a_suite_of_the_other_ending_is_named() -> None:
    Path("mine.yaml").write_text("name: mine\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"no suite file .mine\.yml.; did you mean .mine\.yaml."):
        load_suite("mine.yml")


def test_a_file_of_texts_beside_it_is_named() -> None:
    with pytest.raises(ValueError, match=r"no file runs/mine\.cvs; did you mean 'runs/mine\.csv'"):
        load_table("runs/mine.cvs")
    with pytest.raises(ValueError, match=r"no file runs/mime\.csv; did you mean 'runs/mine\.csv'"):
        read_texts("runs/mime.csv", "file", 1)
