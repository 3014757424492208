"""The figure of docs/add-a-figure.md keeps the contract and is drawn, as printed."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedbytes.cli.check_file import check_file
from fedbytes.experiments.config.plugin_files import load_plugins
from fedbytes.plots import (
    FIGURES,
    Tables,
    check_figure,
    draw_all,
    figure_names,
    make_figure,
    write_report,
)

PAGE = (Path(__file__).parents[2] / "docs" / "add-a-figure.md").read_text(encoding="utf-8")


@pytest.fixture
def documented(tmp_path: Path) -> Iterator[str]:
    """The page's code, imported from a file of its own, and forgotten afterwards."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    path = tmp_path / "phase_seconds.py"
    path.write_text(code)
    with FIGURES.isolated():
        load_plugins([str(path)])
        yield code


def test_the_documented_figure_keeps_the_contract(documented: str) -> None:
    assert len(documented.split("class PhaseSeconds")[1].splitlines()) <= 20
    findings = check_figure(make_figure("seconds"))
    assert [f"{f.property}: {f.message}" for f in findings if not f.passed] == []
    table = PAGE.split("## The contract")[1]
    assert all(f"| {finding.property} |" in table for finding in findings)


def test_check_runs_the_contract_of_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.py"
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    path.write_text(code)
    with FIGURES.isolated():
        assert check_file(path) == 0
    assert "figure seconds" in capsys.readouterr().out


def test_it_is_drawn_and_reported_in_its_place(
    documented: str, tables: Tables, tmp_path: Path
) -> None:
    assert figure_names()[-5:] == [
        "spending", "secret_sums", "seconds", "partition", "durability",
    ]  # fmt: skip
    paths = draw_all(tables, tmp_path / "figures", figures=[make_figure("seconds")])
    assert {"seconds.svg", "seconds.pdf", "seconds.png"} <= {path.name for path in paths}
    page = write_report(tables, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Where the time went" in page
    assert "Mean seconds of a run by phase, set-up left out." in page
