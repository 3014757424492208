"""Report and tables hold labels as they are written, and nothing of them is acted upon."""

import io
from dataclasses import dataclass, replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from rich.console import Console

from fedbytes.plots import (
    StoreFigure,
    draw_all,
    make_figure,
    sample_tables,
    summary,
    to_csv,
    to_latex,
    to_markdown,
    write_report,
)
from fedbytes.plots.output.terminal import summary_tables
from fedbytes.plots.testing.sample_tables import ODD_LABELS, name_codecs

TABLES = name_codecs(sample_tables((0.1,), seeds=(0, 1), rounds=2), ODD_LABELS)


class Texts(HTMLParser):
    """The cells of a page's tables, and how many scripts it has."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.tags: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag == "td":
            self.cells.append("")

    def handle_data(self, data):
        if self.tags and self.tags[-1] == "td":
            self.cells[-1] += data


def test_the_report_has_every_label_whole_and_runs_none(tmp_path):
    failed = TABLES.runs.assign(
        status=["failed"] + ["done"] * (len(TABLES.runs) - 1),
        error=["  "] + [None] * (len(TABLES.runs) - 1),
    )
    path = write_report(
        replace(TABLES, runs=failed),
        tmp_path / "report.html",
        title="$x$ <script>alert(2)</script>\x1b[31m",
        figures=[make_figure("rounds")],
    )
    page = path.read_text(encoding="utf-8")
    found = Texts(page)
    assert found.tags.count("script") == 2  # what is downloaded, and what acts on it
    assert "alert(2)</script>" not in page
    assert "\x1b" not in page
    cells = {cell.strip() for cell in found.cells}
    assert {ODD_LABELS[1], ODD_LABELS[3].strip()} <= cells
    assert "日本語 and 中国语\\x1b[31m, in\ntwo lines" in cells


def test_markdown_has_a_row_a_method_and_every_character_of_it():
    text = to_markdown(summary(name_codecs(TABLES, ["a|b", "`c` [d](e) <f> & *g* ~h~ $i$"])))
    lines = text.splitlines()
    assert len(lines) == 2 + len(ODD_LABELS)
    assert all(line.replace("\\|", "").count("|") == lines[0].count("|") for line in lines)
    assert r"\`c\` \[d\](e) &lt;f&gt; &amp; \*g\* \~h\~ \$i\$" in text
    assert "<script>" not in to_markdown(summary(TABLES))


def test_csv_and_latex_keep_the_labels():
    frame = summary(TABLES)
    read = pd.read_csv(io.StringIO(to_csv(frame)), keep_default_na=False)
    assert set(read["codec"]) == set(ODD_LABELS)
    latex = to_latex(frame)
    assert latex.count("\n") == 6 + len(ODD_LABELS)
    assert r"\$\$ for \_x\_ \textbar{} 50 \% of" in latex


def test_the_terminal_has_the_labels_and_obeys_none():
    screen = Console(file=io.StringIO(), width=200, force_terminal=True, record=True)
    for table in summary_tables(TABLES):
        screen.print(table)
    text = screen.export_text()
    assert "[bold]b[/bold]" in text
    assert r"\x1b[31m, in two lines" in text


@pytest.mark.parametrize("values", [[1e200, 5.0], [np.inf, 1.0], [1e-300, 0.0], [-1e9, 1e300]])
def test_odd_values_are_in_few_letters(values, tmp_path):
    tables = sample_tables((0.1,), seeds=(0, 1), rounds=2, language_model=True)
    odd = tables.results.assign(perplexity=np.resize(values, len(tables.results)))
    given = replace(tables, results=odd, runs=tables.runs.assign(unigram_perplexity=1e200))
    text = to_markdown(summary(given))
    assert max(map(len, text.split("|"))) < 60
    page = write_report(given, tmp_path / "r.html", figures=[]).read_text(encoding="utf-8")
    assert "1e+200" in page


@dataclass(frozen=True)
class Broken(StoreFigure):
    """A figure that fails."""

    title = "Broken"
    caption = "It fails."
    name = "broken"

    def _draw(self, tables, options) -> Figure:
        raise KeyError("no [such]\ncolumn")


def test_a_figure_that_fails_is_said_and_the_others_are_drawn(tmp_path):
    figures = [Broken(), make_figure("rounds")]
    page = write_report(TABLES, tmp_path / "r.html", figures=figures).read_text(encoding="utf-8")
    assert "figure broken was not drawn: KeyError" in page
    assert "<svg" in page
    undrawn: list[str] = []
    assert draw_all(TABLES, tmp_path, figures=[Broken()], undrawn=undrawn)
    assert len(undrawn) == 1
    with pytest.raises(KeyError):
        draw_all(TABLES, tmp_path, figures=[Broken()])


def test_a_metric_may_have_any_name(tmp_path):
    name = "accuracy@1/<top> $k$"
    tables = replace(TABLES, results=TABLES.results.assign(**{name: 0.5}))
    draw_all(tables, tmp_path, metric=name, figures=[make_figure("rounds")])
    endings = {path.suffix for path in tmp_path.iterdir()}
    assert endings == {".svg", ".pdf", ".png", ".md", ".tex", ".csv"}
