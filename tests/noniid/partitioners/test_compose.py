"""Tables of another federation, sizes by one and mixes by another, groups that stay together."""

import json

import numpy as np
import pytest

from fedbytes.noniid import make_partitioner


def labels(size: int, classes: int) -> np.ndarray:
    return np.arange(size) % classes


def counts(name, y, clients, seed=0, **fields):
    return make_partitioner(name, **fields)(y, clients, seed).counts(y)[1]


MATRIX = [[8, 0, 1], [2, 5, 1]]


def test_transfer_takes_the_shares_of_the_other_federation(tmp_path):
    y = np.repeat(["a", "b", "c"], [100, 60, 50])
    expected = [[80, 0, 25], [20, 60, 25]]
    assert counts("transfer", y, 2, matrix=MATRIX).tolist() == expected
    swapped = [[row[i] for i in (2, 0, 1)] for row in MATRIX]
    (tmp_path / "m.json").write_text(json.dumps({"categories": ["c", "a", "b"], "counts": swapped}))
    np.savez(tmp_path / "m.npz", counts=np.array(MATRIX))
    (tmp_path / "m.csv").write_text("client,c,a,b\n0,1,8,0\n1,1,2,5\n")
    for suffix in ("json", "npz", "csv"):
        assert counts("transfer", y, 2, matrix=str(tmp_path / f"m.{suffix}")).tolist() == expected


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[1, -2], [1, 1]], "at least 0, got -2.0 for client 0, category 1"),
        ([[1, float("nan")]], "got nan"),
        ([[1, 0], [1, 0]], "no client holds anything of category 1"),
        ([[1, 2], [1]], "equally long"),
        ([], "clients × categories"),
    ],
)
def test_transfer_of_no_table(rows, message):
    with pytest.raises(ValueError, match=message):
        make_partitioner("transfer", matrix=rows)


def test_transfer_that_does_not_fit(tmp_path):
    y = labels(30, 3)
    with pytest.raises(ValueError, match="configured for 2 clients"):
        make_partitioner("transfer", matrix=MATRIX)(y, 3)
    with pytest.raises(ValueError, match=r"the factor has 2 categories, .* configured for 3"):
        make_partitioner("transfer", matrix=MATRIX)(labels(30, 2), 2)
    (tmp_path / "x.json").write_text("{")
    for path, message in [("x.txt", "must be"), ("none.csv", "No such"), ("x.json", "cannot be r")]:
        with pytest.raises(ValueError, match=message):
            make_partitioner("transfer", matrix=str(tmp_path / path))(y, 2)


def test_composition_has_the_sizes_of_one_and_the_mixes_of_the_other():
    y = labels(20_000, 10)
    sizes = {"name": "quantity", "scheme": "linear"}
    mixes = {"name": "dirichlet", "alpha": 0.3}
    split = make_partitioner("compose", mixes=mixes, sizes=sizes)(y, 20)
    assert np.array_equal(split.sizes, make_partitioner(sizes)(y, 20).sizes)
    assert split.dropped.size == 0
    alone = make_partitioner("dirichlet", alpha=0.3)(y, 20).metrics(y)["nmi"]
    assert split.metrics(y)["nmi"] == pytest.approx(alone, abs=0.1)


def test_composition_with_iid_mixes_is_quantity_skew_alone():
    y = labels(6000, 3)
    split = make_partitioner("compose", mixes="iid", sizes={"name": "quantity", "scheme": "square"})
    made = split(y, 5)
    assert made.metrics(y)["nmi"] < 0.01
    assert (np.diff(made.sizes) > 0).all()


def test_composition_where_the_mixes_are_impossible():
    # Each client has one class, and the first two are to be larger than their class.
    y = np.repeat([0, 1, 2, 3], 25)
    sizes = {"name": "quantity", "scheme": "explicit", "sizes": [45, 45, 5, 5]}
    one = {"name": "classes", "classes_per_client": 1}
    split = make_partitioner("compose", mixes=one, sizes=sizes)(y, 4)
    assert split.sizes.tolist() == [45, 45, 5, 5]


@pytest.mark.parametrize("name", ["dirichlet", "shards", "compose"])
def test_groups_stay_together(name):
    fields = {"mixes": {"name": "dirichlet"}, "sizes": "quantity"} if name == "compose" else {}
    rng = np.random.default_rng(0)
    authors = rng.integers(200, size=3000)
    y = np.where(rng.random(3000) < 0.8, authors % 5, rng.integers(5, size=3000))
    split = make_partitioner(name, **fields)(y, 6, seed=1, groups=authors)
    for author in range(200):
        assert len(set(split.owners[authors == author])) == 1
    even = make_partitioner("iid")(y, 6, seed=1, groups=authors)
    assert split.metrics(y)["nmi"] > even.metrics(y)["nmi"]
    with pytest.raises(ValueError, match="groups has 2 values, the factor 3000"):
        make_partitioner(name, **fields)(y, 6, groups=[1, 2])
