"""Rows that a store's figures were drawn from, read as a store."""

import shutil
from pathlib import Path

import pytest
from known_stores import store_of

from fedbytes.plots import measure_verdicts, read_store_or_rows

RESULTS = Path(__file__).parents[3] / "docs" / "results"


def written(folder, results):
    results.to_csv(folder / "results.csv", index=False)
    return folder


def test_rows_are_as_good_as_the_tables(tmp_path):
    tables = store_of({"a": [0.001, 0.002, 0.0, -0.001, 0.001, 0.0]})
    read = read_store_or_rows(written(tmp_path, tables.results.assign(attack="none")))
    assert read.results["attack"].unique().tolist() == ["none"]
    assert measure_verdicts(read)["word"].tolist() == ["equal"]


def test_a_run_that_ends_early_is_unfinished(tmp_path):
    rows = store_of({"a": [0.0] * 6}).results
    cut = rows[~((rows["run"] == "a-0") & (rows["round"] > 3))]
    read = read_store_or_rows(written(tmp_path, cut))
    assert set(read.runs.loc[read.runs["status"] == "interrupted", "run"]) == {"a-0"}


@pytest.mark.parametrize("suite", ["finetune", "pretrain", "friends-speakers", "instruct"])
def test_committed_rows_are_read(suite):
    frame = measure_verdicts(read_store_or_rows(RESULTS / suite))
    assert (frame["word"] == "no verdict").all()  # three seeds


def test_settings_that_rows_do_not_hold_are_refused(tmp_path):
    shutil.copy(RESULTS / "noniid" / "results.csv", tmp_path)  # and no configurations
    with pytest.raises(ValueError, match="differ in settings that rows do not hold"):
        read_store_or_rows(tmp_path)


def test_what_is_no_table(tmp_path):
    with pytest.raises(ValueError, match="there is no folder"):
        read_store_or_rows(tmp_path / "none")
    with pytest.raises(ValueError, match="there is no run in"):
        read_store_or_rows(tmp_path)
    (tmp_path / "results.csv").write_text("")
    with pytest.raises(ValueError, match="no table of results"):
        read_store_or_rows(tmp_path)
    (tmp_path / "results.csv").write_text("run,codec,seed\n1,a,0\n")
    with pytest.raises(ValueError, match="lacks the columns round, rounds, total_bytes"):
        read_store_or_rows(tmp_path)
    shutil.copy(RESULTS / "quickstart" / "results.csv", tmp_path)
    assert not read_store_or_rows(tmp_path).results.empty
