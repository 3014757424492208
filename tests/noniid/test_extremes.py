"""More clients than examples, extreme alpha, and what every scheme refuses."""

import numpy as np
import pytest

from fedbytes.noniid import make_partitioner


@pytest.mark.parametrize(
    "spec",
    [
        "iid", "dirichlet", "dirichlet_client", "classes", "shards", "extended_dirichlet",
        "quantity", "power_law", "mixed", "continuous", "natural",
        {"name": "dirichlet", "balance": True}, {"name": "mixture", "then": "shards"},
        {"name": "quantile", "then": "dirichlet"},
        {"name": "compose", "mixes": "dirichlet", "sizes": "quantity"},
    ],
    ids=str,
)  # fmt: skip
def test_more_clients_than_examples(spec):
    split = make_partitioner(spec)(["x", "y", "x"], 50)
    assert split.num_clients == 50
    assert split.sizes.sum() + split.dropped.size == 3
    assert np.isfinite(list(split.metrics(["x", "y", "x"]).values())).all()
    assert make_partitioner(spec)(["x"], 1).sizes.tolist() == [1]


@pytest.mark.parametrize("name", ["dirichlet", "dirichlet_client", "extended_dirichlet"])
@pytest.mark.parametrize("alpha", [1e-5, 1e-3, 1.0, 1e6])
def test_no_alpha_breaks_a_scheme(name, alpha):
    y = np.repeat([-5, 0, 77], [1, 10, 200])
    for seed in range(20):
        split = make_partitioner(name, alpha=alpha)(y, 30, seed)
        assert split.sizes.sum() == 211


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("dirichlet_client", {"alpha": 0}, "greater than 0, got 0.0"),
        ("dirichlet_client", {"sigma": -1}, "sigma must be"),
        ("dirichlet_client", {"prior": "flat"}, "prior must be one of data, uniform"),
        ("extended_dirichlet", {"alpha": float("nan")}, "got nan"),
        ("mixed", {"alpha": -1}, "got -1.0"),
        ("classes", {"classes_per_client": 0}, "classes_per_client must be at least 1, got 0"),
        ("classes", {"min_size": -1}, "min_size must be at least 0"),
        ("shards", {"shards_per_client": 0}, "shards_per_client must be at least 1, got 0"),
        ("quantity", {"scheme": "cubic"}, "scheme must be one of"),
        ("quantity", {"scheme": "explicit"}, "sizes go with scheme explicit"),
        ("quantity", {"sizes": [1, 2]}, "sizes go with scheme explicit"),
        ("power_law", {"exponent": 0}, "exponent must be"),
        ("power_law", {"sigma": float("inf")}, "sigma must be"),
        ("mixture", {"then": "iid", "iid_share": 1.5}, r"iid_share must be in \[0, 1\], got 1.5"),
        ("mixture", {}, "needs then"),
        ("mixture", {"then": {"name": "shard"}}, "did you mean 'shards'"),
        ("continuous", {"strictness": -0.1}, "strictness must be in"),
        ("quantile", {"then": "iid", "quantiles": 0}, "quantiles must be at least 1"),
        ("natural", {"max_size": 0}, "max_size must be at least 1"),
        ("compose", {"mixes": "iid"}, "needs sizes"),
        ("file", {}, "needs path"),
        ("dirichlet", {"alpha": 0.1, "target": {"nmi": 0.3}}, "either alpha or target"),
        ("dirichlet", {"target": {"nmi": 1.0}}, r"target.nmi must be in \(0, 1\), got 1.0"),
        ("dirichlet", {"target": {"nmo": 0.3}}, "did you mean 'nmi'"),
        ("dirichlet", {"target": 0.3}, "target must be"),
    ],
)
def test_refused_fields(name, fields, message):
    with pytest.raises(ValueError, match=message):
        make_partitioner(name, **fields)


def test_nothing_to_split():
    with pytest.raises(ValueError, match="no values"):
        make_partitioner("iid")([], 3)
