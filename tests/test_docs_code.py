"""What the docs show runs: the code of pages, and the examples."""

import re
import runpy
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
FACES = {"compression", "noniid", "federated", "models", "data", "experiments", "plots", "streams"}
FACES |= {"attacks", "defenses", "audits", "privacy", "registry"}


def blocks(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_and_examples_import_from_faces_alone(page: Path) -> None:
    shown = "\n".join(blocks(page))
    for module in re.findall(r"^\s*(?:from|import) fedbytes\.([\w.]+)", shown, re.M):
        assert module in FACES, f"{page.name} imports fedbytes.{module}"


def test_examples_import_from_faces_alone() -> None:
    for path in (ROOT / "examples").glob("*.py"):
        for module in re.findall(r"^\s*from fedbytes\.([\w.]+)", path.read_text(), re.M):
            assert module in FACES, f"{path.name} imports fedbytes.{module}"


def test_one_round_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(ROOT / "examples" / "one_round.py"))
    lines = capsys.readouterr().out.splitlines()
    errors = [float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("round")]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < errors[0] / 4


def test_codecs_in_your_code_runs(capsys: pytest.CaptureFixture[str]) -> None:
    page = ROOT / "docs" / "codecs-in-your-code.md"
    here: dict[str, object] = {}
    for code in blocks(page):
        exec(compile(code, page.name, "exec"), here)
    printed = re.findall(r"```text\n(.*?)```", page.read_text(encoding="utf-8"), re.S)
    assert capsys.readouterr().out == "".join(printed)


def test_the_page_for_python_runs(
    capsys: pytest.CaptureFixture[str],
    texts: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(texts, "notes.csv")
    page = ROOT / "docs" / "from-python.md"
    here: dict[str, object] = {}
    for code in blocks(page):
        exec(compile(code, page.name, "exec"), here)
    printed = re.findall(r"```text\n(.*?)```", page.read_text(encoding="utf-8"), re.S)
    lines = capsys.readouterr().out.splitlines()
    assert all(line in lines for line in "".join(printed).splitlines())


def test_the_rounds_page_runs_and_names_at_most_sixteen_concepts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = ROOT / "docs" / "round.md"
    (code,) = blocks(page)
    exec(compile(code, page.name, "exec"), {})
    loss, up, down = map(float, capsys.readouterr().out.split())
    assert 0 < loss < 0.5
    assert 0 < up < down
    table = re.search(r"\| name \| .*?\n\|[-|]+\n(.*?)\n\n", page.read_text(), re.S)
    assert table is not None
    assert len(table[1].splitlines()) <= 16
