"""Partition: what it accepts, what it says of itself, and what a file keeps."""

import dataclasses
import hashlib
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedbytes.noniid import Partition


@given(st.lists(st.integers(-1, 6), max_size=60))
def test_owners_and_indices_say_the_same(owners: list[int]):
    given_owners = np.array(owners, dtype=np.int64)
    split = Partition.from_owners(given_owners, 7)
    assert np.array_equal(split.owners, given_owners)
    assert split.num_clients == 7
    assert split.num_examples == len(owners)
    assert split.dropped.tolist() == [i for i, owner in enumerate(owners) if owner < 0]
    for client, part in enumerate(split.indices):
        assert part.dtype == np.int64
        assert part.tolist() == [i for i, owner in enumerate(owners) if owner == client]
    assert split == Partition(split.indices, split.dropped)


@pytest.mark.parametrize(
    ("indices", "dropped", "message"),
    [
        (([0, 1], [1, 2]), [3], "example 1 is held 2 times"),
        (([0, 1], [1, 3]), [], "example 1 is held 2 times"),
        (([0, 1], [3, 4]), [], "0 ... 3"),
        (([0, -1],), [], "0 ... 1"),
        (([1, 0],), [], "part 0 are not sorted"),
        (([0], [2]), [3, 1], "part 2 are not sorted"),
        (([0.5], [1.0]), [], "integers"),
        (([[0, 1]],), [], "one-dimensional"),
    ],
)
def test_refuses_what_is_no_partition(indices, dropped, message):
    with pytest.raises(ValueError, match=message):
        Partition(tuple(np.array(part) for part in indices), np.array(dropped, dtype=np.int64))


def test_owner_out_of_range():
    with pytest.raises(ValueError, match=r"-1 \.\.\. 1, got 0 \.\.\. 2"):
        Partition.from_owners(np.array([0, 2]), 2)


def test_is_read_only():
    split = Partition.from_owners(np.array([0, 1, 1]), 2)
    with pytest.raises(ValueError, match="read-only"):
        split.indices[1][0] = 5
    with pytest.raises(dataclasses.FrozenInstanceError):
        split.moved = 3  # type: ignore[misc]


def test_counts_by_hand():
    split = Partition.from_owners(np.array([0, 0, 1, -1, 1, 1]), 3)
    categories, counts = split.counts(["b", "a", "b", "c", "b", "a"])
    assert categories.tolist() == ["a", "b", "c"]
    assert counts.tolist() == [[1, 1, 0], [1, 2, 0], [0, 0, 0]]
    assert split.sizes.tolist() == [2, 3, 0]


def test_wrong_length_of_factor():
    split = Partition.from_owners(np.array([0, 1]), 2)
    with pytest.raises(ValueError, match="3 values, the partition splits 2"):
        split.metrics([1, 2, 3])


def test_fingerprint_is_platform_independent():
    split = Partition.from_owners(np.array([0, 1, 1, -1]), 2)
    wide = Partition(tuple(part.astype(">i8") for part in split.indices), split.dropped)
    narrow = Partition(tuple(part.astype(np.int32) for part in split.indices), split.dropped)
    assert split.fingerprint == wide.fingerprint == narrow.fingerprint
    numbers = struct.pack("<8q", 2, 1, 1, 2, 0, 1, 2, 3)  # clients, dropped, sizes, indices
    assert split.fingerprint == hashlib.sha256(b"fedbytes partition 1" + numbers).hexdigest()


def test_fingerprint_sees_where_a_client_ends():
    one = Partition((np.array([0, 1]), np.array([2])))
    other = Partition((np.array([0]), np.array([1, 2])))
    empty = Partition((np.array([0, 1]), np.array([2]), np.array([], dtype=int)))
    dropped = Partition((np.array([0, 1]),), np.array([2]))
    assert len({p.fingerprint for p in (one, other, empty, dropped)}) == 4


@settings(max_examples=20)
@given(st.lists(st.integers(-1, 3), max_size=30), st.integers(0, 5))
def test_saving_keeps_everything(tmp_path_factory, owners: list[int], moved: int):
    path = tmp_path_factory.mktemp("split") / "any name"
    split = Partition.from_owners(np.array(owners, dtype=np.int64), 4, moved)
    split.save(path)
    loaded = Partition.load(path)
    assert loaded == split
    assert loaded.moved == moved
    assert [p.name for p in path.parent.iterdir()] == ["any name"]


def test_an_altered_file_is_refused(tmp_path):
    path = tmp_path / "split.npz"
    split = Partition.from_owners(np.arange(100) % 3, 3)
    split.save(path)
    with np.load(path) as file:
        content = dict(file)
    content["indices"][[0, 40]] = content["indices"][[40, 0]]
    content["indices"][:34].sort()
    content["indices"][34:67].sort()
    with path.open("wb") as handle:
        np.savez(handle, **content)
    with pytest.raises(ValueError, match="was altered"):
        Partition.load(path)


@pytest.mark.parametrize("content", [None, b"", b"not a zip", b"PK\x03\x04 half"])
def test_what_is_no_partition_file(tmp_path, content):
    path = tmp_path / "x.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match="not a readable partition"):
        Partition.load(path)


def test_a_failed_save_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "split.npz"
    old = Partition.from_owners(np.arange(10) % 2, 2)
    old.save(path)

    def full(*args, **kwargs):
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OSError, match="no space"):
        Partition.from_owners(np.arange(10) % 3, 3).save(path)
    assert Partition.load(path) == old
    assert len(list(tmp_path.iterdir())) == 1
