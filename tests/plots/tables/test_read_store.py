"""From a real store to tables and files."""

import json
from dataclasses import replace

import pandas as pd
import pytest

from fedbytes.experiments.config.run_config import make_config
from fedbytes.experiments.execution.runner import run
from fedbytes.experiments.store.results import load_results
from fedbytes.plots import read_store_or_rows, read_tables, sample_tables, write_data
from fedbytes.plots.output.render import draw_all
from fedbytes.plots.output.report import write_report


@pytest.fixture
def store(settings, tmp_path):
    for codec in ("fp32", {"name": "int", "bits": 4}):
        for seed in (0, 1):
            fields = settings | {"codec": codec, "seed": seed, "rounds": 2}
            run(make_config(fields), tmp_path / "store")
    return tmp_path / "store"


def test_a_real_store_is_drawn_and_reported(store, tmp_path):
    tables = read_tables(store)
    paths = draw_all(tables, tmp_path / "figures")
    names = {path.stem for path in paths if path.suffix == ".svg"}
    assert names >= {"bytes", "rounds", "pareto", "target", "differences", "spending", "partition"}
    assert "int bits=4" in write_report(tables, tmp_path / "r.html").read_text(encoding="utf-8")


def test_the_rows_behind_the_figures_are_written(store, tmp_path):
    write_data(read_tables(store), tmp_path / "data")
    rows = pd.read_csv(tmp_path / "data" / "results.csv")
    assert rows.total_bytes.tolist() == load_results(store).total_bytes.tolist()
    origin = json.loads((tmp_path / "data" / "provenance.json").read_text(encoding="utf-8"))
    assert len(origin["runs"]) == 4
    assert isinstance(origin["packages"], dict)
    assert len(origin["partition"]) == 2  # one a seed, shared by the codecs


def test_a_folder_without_runs_is_refused(tmp_path):
    with pytest.raises(ValueError, match="there is no run"):
        read_tables(tmp_path)


def test_what_audits_measured_is_kept_without_the_texts_they_rebuilt(tmp_path):
    found = [
        {"run": "a", "round": 1, "audit": "match", "tokens": 0.5, "text": "a patient", "seen": [1]},
        {"run": "b", "round": 1, "audit": "match", "tokens": 0.25, "text": "a nurse", "seen": []},
        {"run": "b", "round": 1, "audit": "canaries", "canary": "plum", "untrained": True},
        {"run": "b", "round": 2, "audit": "canaries", "canary": "plum", "untrained": False},
    ]
    rows = pd.DataFrame(found, index=[0, 1, 0, 1])  # as parts that were put together may have it
    write_data(replace(sample_tables(), audits=rows), tmp_path)
    assert (tmp_path / "audits.csv").read_text(encoding="utf-8").splitlines() == [
        "run,round,audit,tokens,canary,untrained",
        "a,1,match,0.5,,",
        "b,1,match,0.25,,",
        "b,1,canaries,,plum,True",
        "b,2,canaries,,plum,False",
    ]
    assert read_store_or_rows(tmp_path).audits["round"].tolist() == [1, 1, 1, 2]
