"""Clients keep their names from the data to tables; what is odd about a split is said."""

import csv

import pytest

from fedbytes.experiments import load_ledger, load_partitions, make_config, run
from fedbytes.experiments.execution import preflight
from fedbytes.noniid import Partition
from fedbytes.plots import make_figure, read_tables

AUTHORS = ["ann", "bob", "日本 [b]cy[/b]", "dee $"]


@pytest.fixture
def written(settings, texts, tmp_path):
    """The settings of a run whose texts have four authors."""
    path = tmp_path / "authors.csv"
    with texts.open(encoding="utf-8") as source, path.open("w", encoding="utf-8") as file:
        writer = csv.writer(file)
        for number, row in enumerate(csv.reader(source)):
            writer.writerow([*row, AUTHORS[number % 4] if number else "author"])
    task = settings["task"] | {"path": str(path)}
    split = {"name": "natural", "factor": "author", "num_clients": "all"}
    return settings | {"task": task, "partition": split, "rounds": 1}


def test_all_is_part_of_the_configuration_and_numbers_keep_their_ids(written):
    config = make_config(written)
    assert config.partition["num_clients"] == "all"
    assert make_config(config.model_dump(mode="json")).id == config.id
    numbered = make_config(written | {"partition": {"name": "natural", "factor": "author"}})
    assert numbered.partition["num_clients"] == 10
    assert numbered.id != config.id
    # Of the release before names: a number's id is as it was.
    assert (
        make_config({"partition": {"name": "natural", "num_clients": 10}}).id == "2405b01ea63e2cc1"
    )


@pytest.mark.parametrize("count", ["some", 0, "1.5"])
def test_other_numbers_are_refused(written, count):
    split = written["partition"] | {"num_clients": count}
    with pytest.raises(ValueError, match="num_clients: must be"):
        make_config(written | {"partition": split})


def test_the_number_is_checked_once_the_data_are_read(written):
    config = make_config(written | {"clients_per_round": 5})
    with pytest.raises(ValueError, match="clients_per_round is 5, but there are only 4 clients"):
        preflight.check([config])
    other = make_config(written | {"partition": {"name": "iid", "num_clients": "all"}})
    with pytest.raises(ValueError, match="'iid' does not have: give a number"):
        preflight.check([other])


def test_names_are_in_the_tables_of_the_store(written, tmp_path):
    folder = run(make_config(written | {"clients_per_round": 4}), tmp_path / "store")
    ledger, held = load_ledger(tmp_path / "store"), load_partitions(tmp_path / "store")
    assert set(ledger["client_name"]) == set(AUTHORS)
    for rows in (ledger, held):
        assert set(zip(rows["client"], rows["client_name"], strict=True)) == set(
            enumerate(sorted(AUTHORS))
        )
    assert Partition.load(folder.path / "partition.npz").names == tuple(sorted(AUTHORS))
    figure = make_figure("partition").draw(read_tables(tmp_path / "store"))
    figure.draw_without_rendering()
    shown = [label.get_text() for label in figure.axes[-1].get_xticklabels()]
    assert [shown[0], shown[1], shown[2]] == ["ann", "bob", "dee $"]


def test_runs_without_names_have_tables_without_them(settings, tmp_path):
    run(make_config(settings | {"rounds": 1}), tmp_path)
    assert "client_name" not in load_ledger(tmp_path)
    assert "client_name" not in load_partitions(tmp_path)


def notes(written, **split):
    partition = written["partition"] | split
    return preflight.check([make_config(written | {"partition": partition})])


def test_ids_that_share_a_client_and_empty_clients_are_said(written):
    assert notes(written) == []
    (grouped,) = notes(written, num_clients=3)
    assert grouped.startswith("3 clients for 4 values of author, which are grouped")
    assert "partition.num_clients=all" in grouped
    (dropped,) = notes(written, num_clients=3, others="drop")
    assert dropped.startswith("3 of 4 values of author are clients, and ")
    (empty,) = notes(written, num_clients=10)
    assert empty.startswith("6 of 10 clients hold no examples (client 4, 5, 6, 7, 8, …)")


def test_partition_and_dry_run_take_all_and_print_names(fedbytes, written, tmp_path):
    words = ["task.name=file", f"task.path={written['task']['path']}", "partition.name=natural"]
    words += ["partition.factor=author", "model.name=tiny-bert"]

    saved, drawn = tmp_path / "split.npz", tmp_path / "drawn"
    shown = fedbytes("partition", *words, "partition.num_clients=all", "--save", saved,
                     "--figures", drawn)  # fmt: skip
    assert (shown.returncode, shown.stderr) == (0, "")
    assert all(name in shown.stdout for name in AUTHORS)
    assert Partition.load(saved).num_clients == 4
    assert (drawn / "bars.svg").exists()
    ten = fedbytes("partition", *words)
    assert "warning: 6 of 10 clients hold no examples" in ten.stderr
