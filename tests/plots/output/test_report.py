"""The report: one file, whole, that asks nothing of the network."""

import io
import json
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import pandas as pd
import pytest
from synthetic import without
from verdicts.known_stores import store_of

from fedbytes.plots import (
    FigureOptions,
    Tables,
    compare_codecs,
    measure_verdicts,
    sample_tables,
    write_report,
)
from fedbytes.plots.output.seed_table import tabulate_seeds
from fedbytes.plots.testing.sample_tables import name_codecs
from fedbytes.plots.verdicts.verdict_sentence import state_verdicts

TRACE = 'Traceback (most recent call last):\n  File "x.py"\nRuntimeError: <b>out</b> of memory'


class Page(HTMLParser):
    """Collects tags with their attributes, checks nesting, keeps text."""

    VOID = ("meta", "link", "br", "input")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data


@pytest.fixture(scope="module")
def page(tables, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "new folder" / "report.html"
    made = without(tables, ["reuters-r8-0.1-nf4-1"], error=TRACE)
    assert write_report(made, path, title="A <title>") == path
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]
    return Page(path.read_text(encoding="utf-8"))


def test_is_well_formed(page):
    assert page.open == []


def test_asks_nothing_of_the_network(page):
    for tag, attributes in page.tags:
        for name in ("src", "href", "xlink:href", "srcset", "data", "action"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:,")), (tag, value)
    assert "http" not in page.words
    assert "@import" not in page.words
    assert not re.findall(r"url\((?!#)", page.words)


def test_no_address_is_left_in_a_figure(page):
    assert not [a for _, a in page.tags for v in a.values() if v and "http" in v]


def test_ids_are_unique_and_references_hold(page):
    ids = Counter(a["id"] for _, a in page.tags if "id" in a)
    assert ids.most_common(1)[0][1] == 1
    for _, attributes in page.tags:
        for name, value in attributes.items():
            if name.endswith("href") and value and value.startswith("#"):
                assert value[1:] in ids
            for target in re.findall(r"url\(#([^)]*)\)", value or ""):
                assert target in ids


def test_every_figure_says_what_it_shows(page):
    figures = [a for tag, a in page.tags if tag == "svg"]
    assert len(figures) == 10 + 2  # two settings have their runs' curves
    for attributes in figures:
        assert attributes["role"] == "img"
        assert len(attributes["aria-label"] or "") > 40
    assert "fp32 ends at 86.7 after 26.4 MB" in (figures[1]["aria-label"] or "")


def test_the_table_sorts_by_keyboard(page):
    heads = [a for tag, a in page.tags if tag == "th" and a.get("scope") == "col"]
    buttons = [a for tag, a in page.tags if tag == "button"]
    sorting = [a for a in heads if "aria-sort" in a]
    assert len(sorting) == 10
    assert len(buttons) > 10
    assert all(a["aria-sort"] == "none" for a in sorting)
    numbers = [a["data-number"] for tag, a in page.tags if tag == "td" and "data-number" in a]
    assert all(n == "" or float(n or 0) == float(n or 0) for n in numbers)


def test_failures_and_provenance_are_there(page):
    for part in (
        "24 runs: 23 finished, 1 failed",
        "<b>out</b> of memory",
        "A <title>",
        "0123abc",
        "sha256:bb",
        "2.13.0",
        "90 MB",
        "message bytes",
    ):
        assert part in page.words


def test_same_tables_same_bytes(tmp_path):
    made = sample_tables(alphas=(0.1,), seeds=(0,), rounds=2)
    one = write_report(made, tmp_path / "one.html").read_bytes()
    assert write_report(made, tmp_path / "two.html").read_bytes() == one


def test_without_a_finished_round(tmp_path):
    small = sample_tables(alphas=(0.1,), seeds=(0,), rounds=1, codecs=["fp32"])
    made = without(small, set(small.runs["run"]), error="ValueError: no")
    words = Page(write_report(made, tmp_path / "r.html").read_text()).words
    assert "No evaluated round is stored yet" in words
    assert "ValueError: no" in words
    empty = Tables(*(pd.DataFrame() for _ in range(4)))
    assert "No evaluated round" in write_report(empty, tmp_path / "e.html").read_text()


def test_odd_provenance(tmp_path):
    made = sample_tables(alphas=(0.1,), seeds=(0, 1), rounds=1, codecs=["fp32"])
    made.runs["provenance"] = [{"commit": "a", "gpu": None}, '{"commit": "b"}']
    words = Page(write_report(made, tmp_path / "r.html").read_text()).words
    assert "a (1 of 2 runs); b (1 of 2 runs)" in words


def test_the_first_sentence_is_the_verdicts(page):
    lead = page.words.split("24 runs:")[0]
    assert "Against fp32, margin 0.50 points (dirichlet, α = 0.1" in lead
    assert "no verdict below 5 seeds" in lead
    assert "(n = 2)" in lead


def test_five_seeds_have_verdicts_by_word():
    frame = measure_verdicts(store_of({"same": [0.0] * 6, "bad": [-0.05, -0.06] * 3}))
    (sentence,) = state_verdicts(frame)
    assert sentence.startswith("Against fp32, margin 0.50 points (iid")
    assert "equal within the margin: same +0.00 (n = 6); worse: bad −5.50 (n = 6)." in sentence


def test_failed_and_missing_seeds_stand_in_their_setting(tables, tmp_path):
    gone = tables.results[tables.results["run"] != "reuters-r8-1.0-nf4-2"]
    made = without(replace(tables, results=gone), ["reuters-r8-0.1-nf4-1"])
    described = made.results.drop_duplicates("run").set_index("run")[["codec", "seed", "alpha"]]
    failed = pd.DataFrame({"codec": ["nf4"], "seed": [1], "alpha": [0.1]},
                          index=["reuters-r8-0.1-nf4-1"])  # fmt: skip
    runs = made.runs.join(pd.concat([described, failed]), on="run")
    comparison = compare_codecs(replace(made, runs=runs))
    seen = {}
    for setting in comparison.settings:
        seeds, rows = tabulate_seeds(replace(made, runs=runs), comparison, setting)
        assert seeds == [0, 1, 2]
        seen[setting.keys["alpha"]] = dict(rows)
    assert seen[0.1]["nf4"][1] == "failed"
    assert seen[1.0]["nf4"][2] == "missing"
    assert float(seen[1.0]["fp32"][0]) > 80


def test_downloads_are_whole_and_the_commands_repeat_it(tables, tmp_path):
    asked = FigureOptions(margin=0.01)
    path = write_report(tables, tmp_path / "r.html", "T {x}", target=0.9, figures=[], asked=asked)
    text = path.read_text(encoding="utf-8")
    (found,) = re.findall(r'<script type="application/json" id="files">(.*?)</script>', text)
    files = json.loads(found)
    assert set(files) == {"summary.csv", "summary.tex", "results.csv"}
    assert len(pd.read_csv(io.StringIO(files["results.csv"]))) == len(tables.results)
    assert files["summary.tex"].startswith("\\begin{tabular}")
    for part in (
        "git checkout 0123abc",
        "fedbytes sweep quickstart",
        "fedbytes report runs/quickstart --target 0.9 --margin 0.01",
        "title = {T x}",
        "commit 0123abc",
    ):
        assert part in text


def test_a_label_cannot_end_the_files(tmp_path):
    made = name_codecs(sample_tables((0.1,), (0,), 2), ["fp32", "</script><b>x"])
    text = write_report(made, tmp_path / "r.html", figures=[]).read_text(encoding="utf-8")
    assert "</script><b>" not in text
