"""Numbers on the pages of results are those of the rows beside them."""

import shutil

import pandas as pd
import pytest
import redraw_results
import result_blocks
from result_blocks import RESULTS, blocks_of, pages, with_blocks

from fedbytes.plots import read_store_or_rows, sample_tables, write_data


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.parent.name)
def test_blocks_are_as_they_would_be_written_today(page):
    text = page.read_text(encoding="utf-8")
    assert with_blocks(text) == text, "run `make results`"


def test_every_folder_of_rows_says_how_old_they_are():
    for rows in RESULTS.glob("*/results.csv"):
        page = rows.parent / "README.md"
        assert (rows.parent.name, "age") in blocks_of(page.read_text(encoding="utf-8"))


def test_a_changed_number_is_found():
    page = "a\n<!-- results:begin quickstart age -->\n{}<!-- results:end -->\nb\n"
    fresh = with_blocks(page.format(""))
    assert " commit " in fresh
    assert with_blocks(fresh) == fresh
    assert with_blocks(page.format("*99 runs*\n")) == fresh
    assert fresh.startswith("a\n")
    assert fresh.endswith("-->\nb\n")


@pytest.mark.parametrize("what", ["quickstart ages", "nowhere age"])
def test_a_block_that_there_is_not_is_named(what):
    with pytest.raises(ValueError, match="there is no block"):
        with_blocks(f"<!-- results:begin {what} -->\n<!-- results:end -->")


def test_rows_are_drawn_again_and_a_measured_summary_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(result_blocks, "RESULTS", tmp_path)
    monkeypatch.setattr(redraw_results.result_blocks, "pages", lambda: [])
    folder = tmp_path / "mine"
    write_data(sample_tables((0.1,), seeds=(0, 1), rounds=3, codecs=["fp32", "nf4"]), folder)
    assert redraw_results.main(["mine"]) == 0
    assert {"spending.svg", "partition.svg", "bytes.svg", "summary.md"} <= {
        path.name for path in folder.iterdir()
    }
    (folder / "runs.jsonl").unlink()
    (folder / "summary.md").write_text("measured\n")
    shutil.rmtree(folder / "none", ignore_errors=True)
    assert redraw_results.main(["mine"]) == 0
    assert (folder / "summary.md").read_text() == "measured\n"


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
