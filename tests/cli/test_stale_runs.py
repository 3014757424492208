"""`fedbytes run`, `sweep` and `status` where files have changed since, or runs are damaged."""

import re
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from fedbytes.cli.app import main


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Return what runs a command in the test's folder: its exit code, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["fedbytes", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capsys.readouterr()
        return int(left.value.code or 0), " ".join(out.split()), err

    return run


@pytest.fixture
def suite(settings: dict, texts: Path, tmp_path: Path) -> Path:
    (tmp_path / "mine.csv").write_text(texts.read_text())
    base = settings | {"rounds": 1, "adapter": "head"}
    base["task"] = base["task"] | {"path": "mine.csv"}
    path = tmp_path / "one.yaml"
    path.write_text(yaml.safe_dump({"base": base}))
    return path


def test_a_stale_run_is_refused_and_made_anew_or_kept(
    suite: Path, tmp_path: Path, call: Callable[..., tuple[int, str, str]]
) -> None:
    sweep = ("sweep", suite, "--out", "s", "--no-report", "--workers", 1)
    assert call(*sweep)[0] == 0
    data = tmp_path / "mine.csv"
    data.write_text(data.read_text() + "sun rain,weather\n")
    code, out, _ = call(*sweep)
    assert code == 1
    assert re.search(r"is stale, made from other files: mine\.csv was \w{12}, now \w{12};", out)
    assert "--retry-failed" not in out
    assert " stale " in call("status", "s")[1]
    code, _, err = call(*sweep, "--remake", "--accept")
    assert (code, err) == (2, "error: give either --remake or --accept, not both\n")
    code, out, _ = call(*sweep, "--accept")
    assert (code, "0 of 1 run to make" in out) == (0, True)
    data.write_text(data.read_text() + "sun rain,weather\n")
    code, out, _ = call(*sweep, "--remake")
    assert (code, "1 of 1 run to make" in out) == (0, True)

    next((tmp_path / "s").glob("*/rounds.jsonl")).unlink()
    code, out, err = call("status", "s")
    assert (code, "1 damaged" in out, "rounds.jsonl is missing" in out) == (0, True, True)
    code, out, err = call("report", "s")
    assert code == 0
    assert err.count("warning: run ") == err.count("\n") == 1
