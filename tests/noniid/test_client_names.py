"""Clients that are somebody keep the name, and there can be one for each."""

import numpy as np
import pytest

from fedbytes.noniid import ONE_PER_VALUE, Partition, make_partitioner

IDS = ["ann", "bob", "ann", "cy", "bob", "bob", "dee"]


@pytest.mark.parametrize(
    ("fields", "clients", "names"),
    [
        ({}, "all", ("ann", "bob", "cy", "dee")),
        ({}, 4, ("ann", "bob", "cy", "dee")),
        ({}, 6, ("ann", "bob", "cy", "dee", "", "")),
        ({}, 2, ()),  # groups of ids have no name
        ({"grouping": "random"}, 3, ()),
        ({"others": "drop"}, 2, ("ann", "bob")),
        ({"max_size": 2}, "all", ("ann", "bob (1 of 2)", "bob (2 of 2)", "cy", "dee")),
        ({"min_size": 2}, "all", ("ann", "bob", "cy + dee")),
    ],
)
def test_natural_clients_are_called_by_their_ids(fields, clients, names):
    split = make_partitioner("natural", **fields)(IDS, clients)
    assert split.names == names
    assert split.num_clients == (len(names) if clients == "all" else clients)
    for name, held in zip(names, split.indices, strict=False):
        assert {IDS[i] for i in held} == {part.split(" (")[0] for part in name.split(" + ") if part}


def test_all_is_the_split_of_as_many_clients_as_ids():
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 40, 500)
    natural = make_partitioner("natural")
    whole = natural(ids, ONE_PER_VALUE, seed=3)
    assert whole == natural(ids, len(set(ids)), seed=3)
    assert (whole.sizes > 0).all()
    assert whole.names[0] == "0"


def test_groups_name_the_clients_that_hold_one_each():
    labels = [0, 1, 0, 1, 1, 0, 1]
    iid = make_partitioner("iid")
    one_each = iid(labels, 4, groups=IDS)
    assert [{IDS[i] for i in part} for part in one_each.indices] == [{n} for n in one_each.names]
    assert iid(labels, 2, groups=IDS).names == ()
    assert set(iid(labels, 6, groups=IDS).names) == {*IDS, ""}
    assert make_partitioner("natural")(labels, "all", groups=IDS).names == ("0", "1")


def test_only_who_can_takes_all():
    with pytest.raises(ValueError, match="'dirichlet' does not have: give a number, or"):
        make_partitioner("dirichlet")(IDS, "all")
    with pytest.raises(ValueError, match="whole number or all, got 'many'"):
        make_partitioner("natural")(IDS, "many")


def test_names_are_saved_and_are_no_part_of_the_fingerprint(tmp_path):
    path = tmp_path / "split.npz"
    split = make_partitioner("natural")(["日本", "b\x01", "b"], "all")
    split.save(path)
    read = Partition.load(path)
    assert read.names == split.names == ("b", "b\x01", "日本")
    assert read == Partition(split.indices)
    assert (
        make_partitioner("file", path=str(path))(["日本", "b\x01", "b"], "all").names == read.names
    )


def test_files_without_names_are_read(tmp_path):
    split = make_partitioner("iid")([0, 0, 1, 1], 2)
    split.save(tmp_path / "new.npz")
    with np.load(tmp_path / "new.npz") as file:
        old = {key: file[key] for key in file if key != "names"}
    np.savez_compressed(tmp_path / "old.npz", **old)
    read = Partition.load(tmp_path / "old.npz")
    assert (read, read.names) == (split, ())


def test_as_many_names_as_clients():
    with pytest.raises(ValueError, match="1 names for 2 clients"):
        Partition(([0], [1]), names=("a",))
