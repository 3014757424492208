"""To and from flwr-datasets; runs where that is installed (extra `peers-noniid`)."""

import numpy as np
import pytest

from fedbytes.noniid import from_flwr, make_partitioner, to_flwr

datasets = pytest.importorskip("datasets")
theirs = pytest.importorskip("flwr_datasets.partitioner")

LABELS = np.array([f"topic {i % 5}" for i in range(600)])


def test_a_partitioner_of_theirs_splits_as_it_does_there():
    made = theirs.DirichletPartitioner(num_partitions=6, partition_by="label", alpha=1.0, seed=3)
    split = from_flwr(made)(LABELS, 6)
    made.dataset = datasets.Dataset.from_dict({"label": LABELS, "at": np.arange(600)})
    for client in range(6):
        assert sorted(made.load_partition(client)["at"]) == split.indices[client].tolist()
    assert split.factor_digest
    assert from_flwr(theirs.DirichletPartitioner(6, "label", 1.0, seed=3))(LABELS, 6) == split


def test_what_theirs_leave_out_is_dropped():
    split = from_flwr(theirs.SizePartitioner([100, 50]))(LABELS, 2)
    assert split.sizes.tolist() == [100, 50]
    assert split.dropped.size == 450


def test_refusals():
    with pytest.raises(ValueError, match=r"num_clients=5, but .* makes 6 partitions"):
        from_flwr(theirs.IidPartitioner(6))(LABELS, 5)
    used = theirs.IidPartitioner(6)
    used.dataset = datasets.Dataset.from_dict({"label": LABELS})
    with pytest.raises(ValueError, match="has a data set already"):
        from_flwr(used)


@pytest.mark.parametrize("spec", ["iid", "dirichlet", "natural", {"name": "classes"}], ids=str)
def test_each_of_ours_is_one_of_theirs(spec):
    made = to_flwr(make_partitioner(spec), num_partitions=4, partition_by="label", seed=2)
    assert isinstance(made, theirs.Partitioner)
    assert made.num_partitions == 4
    made.dataset = datasets.Dataset.from_dict({"label": LABELS, "at": np.arange(600)})
    ours = make_partitioner(spec)(LABELS, 4, seed=2)
    for client in range(4):
        assert made.load_partition(client)["at"][:] == ours.indices[client].tolist()


def test_federated_dataset_takes_ours():
    from flwr_datasets.utils import _instantiate_partitioners

    made = to_flwr(make_partitioner("dirichlet"), num_partitions=4)
    assert _instantiate_partitioners({"train": made}) == {"train": made}
