"""Columns of a user's table: ordered as the numbers that they spell, and files as clients."""

import json

import numpy as np
import pytest

from fedbytes.data import make_task
from fedbytes.experiments import make_config, run
from fedbytes.experiments.execution import preflight
from fedbytes.experiments.execution.client_split import notes_on, split_examples

APART = {"name": "shards", "shards_per_client": 1}
QUANTILE = {"name": "quantile", "then": APART, "quantiles": 2}


def split_by(settings, tmp_path, values, partition, suffix="csv"):
    path = tmp_path / f"mine.{suffix}"
    rows = [{"text": f"t{i}", "label": "ab"[i % 2], "age": v} for i, v in enumerate(values)]
    if suffix == "csv":
        lines = [",".join(map(str, row.values())) for row in rows]
        path.write_text("\n".join(["text,label,age", *lines]))
    else:
        path.write_text("\n".join(map(json.dumps, rows)))
    task = make_task("file", path=str(path), test_path=str(path))
    config = make_config(
        settings | {"task": {"name": "file", "path": str(path), "test_path": str(path)},
                    "partition": {"num_clients": 2, "factor": "age"} | partition,
                    "clients_per_round": None}
    )  # fmt: skip
    return split_examples(config, task.load().train.columns).partition.indices


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
@pytest.mark.parametrize(
    "partition",
    [
        QUANTILE,
        {"name": "continuous", "strictness": 1.0},
        {"name": "compose", "mixes": QUANTILE, "sizes": "iid"},
    ],
)
def test_text_that_spells_numbers_is_ordered_by_them(settings, tmp_path, partition, suffix):
    ages = ["100", "9", "20", "1e3", "8.5", "007"]
    low, high = split_by(settings, tmp_path, ages, partition, suffix)
    assert sorted([low.tolist(), high.tolist()]) == [[0, 2, 3], [1, 4, 5]]


def test_what_spells_no_number_is_refused_by_its_value(settings, tmp_path):
    for suffix in ("csv", "jsonl"):
        with pytest.raises(ValueError, match=r"partition\.factor=age: .*'n/a' is no number, as "):
            split_by(settings, tmp_path, ["10", "9", "n/a", "8"], QUANTILE, suffix)
    with pytest.raises(ValueError, match="'n/a' is no number"):
        split_by(settings, tmp_path, [10, 9, "n/a", 8], QUANTILE, "jsonl")
    with pytest.raises(ValueError, match="'' is no number"):
        split_by(settings, tmp_path, ["10", "9", "", "8"], QUANTILE)
    with pytest.raises(ValueError, match="'1_000' is no number"):
        split_by(settings, tmp_path, ["10", "1_000"], QUANTILE)
    with pytest.raises(ValueError, match="1 missing values"):
        split_by(settings, tmp_path, [10, 9, None, 8], QUANTILE, "jsonl")


def test_words_and_dates_have_the_order_of_text(settings, tmp_path):
    low, _ = split_by(settings, tmp_path, ["2020-01-02", "2019-12-31", "2021-01-01", "2018-05-05"],
                      QUANTILE)  # fmt: skip
    assert low.tolist() in ([1, 3], [0, 2])


def test_other_partitioners_take_text_as_it_is(settings, tmp_path):
    one, two = split_by(settings, tmp_path, ["01", "1", "01", "n/a"], {"name": "natural",
                        "num_clients": 3})[:2]  # fmt: skip
    assert (one.tolist(), two.tolist()) == ([0, 2], [1])


def test_files_are_natural_clients(settings, tmp_path):
    for name, count in (("a", 3), ("b", 5)):
        rows = [f"{name} text {i},{'xy'[i % 2]}" for i in range(count)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["text,label", *rows]))
    files = {"north": str(tmp_path / "a.csv"), "south": str(tmp_path / "b.csv")}
    task = {"name": "file", "path": files, "test_path": str(tmp_path / "a.csv")}
    config = make_config(
        settings | {"task": task, "partition": {"name": "natural", "num_clients": 2},
                    "clients_per_round": None}
    )  # fmt: skip
    columns = make_task(task).load().train.columns
    split = split_examples(config, columns)
    assert split.factor.tolist() == ["north"] * 3 + ["south"] * 5
    assert split.partition.sizes.tolist() == [3, 5]
    labels = split_examples(make_config(settings | {"task": task}), columns).factor
    assert set(labels.tolist()) == {"x", "y"}


def test_a_column_that_is_called_client_by_chance_splits_as_it_always_did(settings, tmp_path):
    path = tmp_path / "own.csv"
    path.write_text("text,label,client\na,x,1\nb,y,2\nc,x,3\nd,y,1\n")
    task = {"name": "file", "path": str(path), "test_path": str(path)}
    columns = make_task(task).load().train.columns
    for split, column in (({"name": "natural", "num_clients": 2}, "label"), ("iid", "label")):
        config = make_config(
            settings | {"task": task, "partition": split, "clients_per_round": None}
        )  # fmt: skip
        assert split_examples(config, columns).column == column
    del columns["label"]
    assert split_examples(config, columns).column == "length"


def test_ids_that_are_missing_are_said(settings, tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("text,label,author\na,x,ann\nb,y,\nc,x,bob\nd,y,\n")
    task = {"name": "file", "path": str(path), "test_path": str(path)}
    split = {"name": "natural", "num_clients": "all", "factor": "author"}
    config = make_config(
        settings | {"task": task, "partition": split, "clients_per_round": None}
    )  # fmt: skip
    made = split_examples(config, make_task(task).load().train.columns)
    assert notes_on(made, config) == [
        "2 examples have no author, and are held as those of one value"
    ]


def test_notes_are_returned_before_a_run_and_stand_in_its_provenance(settings, tmp_path):
    path = tmp_path / "mine.csv"
    rows = [f"text {i},{'xy'[i % 2]}" for i in range(40)]
    path.write_text("\n".join(["text,label", *rows, "no label,"]))
    config = make_config(settings | {"task": {"name": "file", "path": str(path)}, "rounds": 1})
    notes = preflight.check([config, config])
    assert notes == [f"{path}: 1 of 41 rows left out: 1 without 'label'"]
    folder = run(config, tmp_path / "runs")
    provenance = json.loads((folder.path / "provenance.json").read_text())
    assert provenance["data_notes"] == notes
    assert provenance["data_digest"] == make_task("file", path=str(path)).load().digest


def test_an_edited_file_is_never_read_from_a_cache(settings, tmp_path):
    """Tokens are kept by content: neither the path, the size nor the time of the file count."""
    import os

    from fedbytes.models import encode_task

    path = tmp_path / "mine.csv"
    rows = [f"text {i},{'xy'[i % 2]}" for i in range(10)]
    found = []
    for swap in ({}, {"x": "y", "y": "x"}, {"text": "test"}):
        content = "\n".join(["text,label", *(
            ",".join([row.split(",")[0].replace("text", swap.get("text", "text")),
                      swap.get(row[-1], row[-1])]) for row in rows)])  # fmt: skip
        path.write_text(content)
        os.utime(path, (1_000_000_000, 1_000_000_000))
        task = encode_task({"name": "file", "path": str(path)}, "tiny-bert")
        found.append((task.train.labels.tolist(), np.asarray(task.train.tokens).tolist()))
    assert found[0][0] != found[1][0]
    assert found[0][1] == found[1][1]
    assert found[2][1] != found[0][1]
