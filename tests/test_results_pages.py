"""Numbers on the pages of results are those of the rows beside them."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import redraw_results
import result_blocks
from redraw_results import is_obsolete
from result_blocks import (
    RESULTS,
    blocks_of,
    folders_of_rows,
    pages,
    read_asked,
    read_rows,
    with_blocks,
)

from fedbytes.plots import (
    draw_all,
    figure_names,
    make_figure,
    read_store_or_rows,
    sample_tables,
    summary,
    to_latex,
    to_markdown,
    write_data,
)
from fedbytes.plots.output.render import drawings
from fedbytes.plots.style import save_figure


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.parent.name)
def test_blocks_are_as_they_would_be_written_today(page):
    text = page.read_text(encoding="utf-8")
    assert with_blocks(text) == text, "run `make results`"


def test_every_folder_of_rows_says_how_old_they_are():
    for name, folder in folders_of_rows().items():
        page = RESULTS / name.split("/")[0] / "README.md"
        assert (name, "age") in blocks_of(page.read_text(encoding="utf-8")), folder


def test_a_changed_number_is_found():
    page = "a\n<!-- results:begin quickstart age -->\n{}<!-- results:end -->\nb\n"
    fresh = with_blocks(page.format(""))
    assert " commit " in fresh
    assert with_blocks(fresh) == fresh
    assert with_blocks(page.format("*99 runs*\n")) == fresh
    assert fresh.startswith("a\n")
    assert fresh.endswith("-->\nb\n")


def test_a_folder_without_rows_is_named(capsys):
    assert redraw_results.main(["robust/plot"]) == 1
    assert "no rows of robust/plot (there are: " in capsys.readouterr().out


@pytest.mark.parametrize("what", ["quickstart ages", "nowhere age"])
def test_a_block_that_there_is_not_is_named(what):
    with pytest.raises(ValueError, match="there is no block"):
        with_blocks(f"<!-- results:begin {what} -->\n<!-- results:end -->")


def drawn(path):
    """Return a figure's file, an SVG's clip paths named by their order.

    Their own names are hashes of where they are, to the last bit, which differs between processors
    where nothing that is drawn does.
    """
    if path.suffix != ".svg":
        return path.read_bytes()
    text, names = path.read_text(encoding="utf-8"), {}
    return re.sub(r"\bp[0-9a-f]{10}\b", lambda m: names.setdefault(m[0], f"p{len(names)}"), text)


DRAWN = [
    folder for folder in sorted(RESULTS.iterdir())
    if (folder / "results.csv").is_file() and (folder / "verdict.svg").is_file()
]  # fmt: skip


@pytest.mark.parametrize("folder", DRAWN, ids=lambda folder: folder.name)
def test_summary_and_first_figure_are_as_they_would_be_drawn_today(folder, tmp_path):
    tables, asked = read_rows(folder)
    frame = summary(tables, asked.metric, asked.target)
    assert (folder / "summary.md").read_text(encoding="utf-8") == to_markdown(frame)
    assert (folder / "summary.tex").read_text(encoding="utf-8") == to_latex(frame)
    first = next(drawings(tables, asked.metric, asked.target, figures=[make_figure("verdict")]))
    save_figure(first.figure, tmp_path, "verdict")
    assert drawn(folder / "verdict.svg") == drawn(tmp_path / "verdict.svg")


SHOWN_IN_PART = [
    folder for folder in folders_of_rows().values() if read_asked(folder).get("figures")
]


@pytest.mark.slow
@pytest.mark.parametrize("folder", [*DRAWN, *SHOWN_IN_PART], ids=lambda folder: folder.name)
def test_every_figure_is_as_it_would_be_drawn_today(folder, tmp_path):
    tables, asked = read_rows(folder)
    only = read_asked(folder).get("figures") or figure_names()
    figures = [make_figure(name) for name in only]
    files = draw_all(tables, tmp_path, asked.metric, asked.target, figures=figures)
    wanted = {path.name for path in files}
    if folder in SHOWN_IN_PART:
        wanted = {name for name in wanted if (folder / name).exists()}
    for path in folder.iterdir():
        assert path.name in wanted or not is_obsolete(path, tables), f"{path.name} is obsolete"
    for name in sorted(wanted):
        if not name.endswith(".png"):
            assert drawn(folder / name) == drawn(tmp_path / name), name


def test_a_figure_with_other_numbers_is_another_and_one_with_other_names_of_clips_is_not(tmp_path):
    made = {
        "one": '<path id="p86a32e88c1" d="M 1 2"/><use clip-path="url(#p86a32e88c1)"/>',
        "named": '<path id="p8d5c8ac046" d="M 1 2"/><use clip-path="url(#p8d5c8ac046)"/>',
        "moved": '<path id="p86a32e88c1" d="M 1 3"/><use clip-path="url(#p86a32e88c1)"/>',
        "other": '<path id="p86a32e88c1" d="M 1 2"/><use clip-path="url(#p8d5c8ac046)"/>',
    }
    for name, text in made.items():
        (tmp_path / f"{name}.svg").write_text(text)
    one, named, moved, other = (drawn(tmp_path / f"{name}.svg") for name in made)
    assert one == named
    assert one not in (moved, other)


def test_every_figure_of_a_page_is_there():
    for page in RESULTS.rglob("README.md"):
        for name in re.findall(r"!\[[^]]*\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / name).is_file(), f"{page}: {name}"


def test_rows_are_drawn_again_and_what_they_no_longer_give_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(result_blocks, "RESULTS", tmp_path)
    monkeypatch.setattr(redraw_results.result_blocks, "pages", lambda: [])
    folder = tmp_path / "mine"
    write_data(sample_tables((0.1,), seeds=(0, 1), rounds=3, codecs=["fp32", "nf4"]), folder)
    assert redraw_results.main(["mine"]) == 0
    assert {"spending.svg", "partition.svg", "bytes.svg", "summary.md"} <= {
        path.name for path in folder.iterdir()
    }
    for name in ("target-2.png", "spending-2.svg", "other.png"):
        (folder / name).write_text("old")
    (folder / "bytes_by_kind.csv").unlink()
    (folder / "summary.md").write_text("old\n")
    assert redraw_results.main(["mine"]) == 0
    names = {path.name for path in folder.iterdir()}
    assert "target-2.png" not in names
    assert {"spending-2.svg", "other.png"} <= names  # what it was drawn from is not there
    assert "nf4" in (folder / "summary.md").read_text()


def test_what_a_page_asks_of_its_rows_stands_beside_them(tmp_path):
    write_data(sample_tables((0.1,), seeds=(0, 1), rounds=4, codecs=["fp32", "nf4"]), tmp_path)
    usual = summary(read_rows(tmp_path)[0])["value"]
    (tmp_path / "asked.json").write_text('{"final": "last", "metric": "macro_f1", "target": 0.5}')
    tables, asked = read_rows(tmp_path)
    assert (asked.metric, asked.target) == ("macro_f1", 0.5)
    assert summary(tables)["value"].tolist() != usual.tolist()


def test_kept_rows_are_the_tables_that_were_written(tmp_path):
    made = sample_tables((0.1,), seeds=(0, 1), rounds=3, codecs=["fp32", "nf4"])
    write_data(made, tmp_path)
    read = read_store_or_rows(tmp_path)
    assert len(read.results) == len(made.results)
    sums = [t.ledger.groupby(["run", "kind"])["message_bytes"].sum() for t in (made, read)]
    pd.testing.assert_series_equal(*sums)
    assert read.partitions["examples"].tolist() == made.partitions["examples"].tolist()
    assert read.runs["config"].tolist() == made.runs["config"].tolist()
    assert read.runs["seconds_train"].tolist() == made.runs["seconds_train"].tolist()
    pd.testing.assert_frame_equal(read.clients, made.clients, rtol=1e-5, check_dtype=False)


def test_clients_on_their_own_tests_are_drawn_from_kept_rows(tmp_path):
    made = sample_tables((0.1,), seeds=(0, 1), rounds=3, codecs=["fp32", "nf4"])
    write_data(made, tmp_path)
    figures = [make_figure("fairness").draw(t) for t in (made, read_store_or_rows(tmp_path))]
    lines = [[line.get_ydata() for line in figure.axes[0].lines] for figure in figures]
    assert len(lines[0]) == 2
    np.testing.assert_allclose(*lines, rtol=1e-4)


def test_the_age_of_rows_that_were_made_in_parts_names_both_commits(tmp_path, monkeypatch):
    monkeypatch.setattr(result_blocks, "RESULTS", tmp_path)
    page = "<!-- results:begin mine age -->\n<!-- results:end -->\n"
    parts = [
        {"runs": ["a", "b"], "commit": "1" * 40, "started": ["2026-01-02T10", "2026-01-03T10"]},
        {"runs": ["c"], "commit": "2" * 40, "started": "2026-02-01T10:00"},
    ]  # fmt: skip
    (tmp_path / "mine").mkdir()
    origin = tmp_path / "mine" / "provenance.json"
    origin.write_text(json.dumps({"runs": ["a", "b", "c"], "threads": 1, "parts": parts}))
    words = "2 runs of 2026-01-02 to 2026-01-03, commit 1111111, and 1 run of 2026-02-01"
    assert f"*{words}, commit 2222222.*" in with_blocks(page)
    origin.write_text(json.dumps({"commit": "3" * 40, "started": "2026-03-01T10:00"}))
    assert "*Measured on 2026-03-01, commit 3333333.*" in with_blocks(page)
