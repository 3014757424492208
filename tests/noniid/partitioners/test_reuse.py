"""A target instead of a strength, test data by the training split, saved partitions."""

import numpy as np
import pytest

from fedbytes.noniid import Partition, make_partitioner, partitioner_spec


def labels(size: int, classes: int) -> np.ndarray:
    return np.arange(size) % classes


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ("dirichlet", "alpha"),
        ("dirichlet_client", "alpha"),
        ({"name": "extended_dirichlet", "classes_per_client": 6}, "alpha"),
        ("continuous", "strictness"),
        ({"name": "mixture", "then": "shards"}, "iid_share"),
    ],
    ids=str,
)
def test_target_is_reached_and_what_it_found_makes_the_same_split(spec, field):
    y = labels(5000, 10)
    aimed = make_partitioner(spec, target={"nmi": 0.4})
    split = aimed(y, 20, seed=3)
    assert split.solved["nmi"] == pytest.approx(0.4, abs=0.01)
    assert split.metrics(y)["nmi"] == pytest.approx(split.solved["nmi"])
    plain = {**partitioner_spec(aimed), "target": None, field: split.solved[field]}
    assert make_partitioner(plain)(y, 20, seed=3) == split


def test_target_out_of_reach_names_the_range():
    y = labels(5000, 10)
    low = make_partitioner("extended_dirichlet", target={"nmi": 0.05})
    with pytest.raises(ValueError, match=r"nmi=0.05 is out of reach.*at least 0\.\d+"):
        low(y, 20)
    two = make_partitioner("dirichlet", target={"nmi": 0.99})
    with pytest.raises(ValueError, match=r"gives 0\.\d+ \.\.\. 0\.\d+"):
        two(labels(5000, 10), 2)


def test_target_survives_a_file(tmp_path):
    y = labels(1000, 5)
    split = make_partitioner("dirichlet", target={"nmi": 0.3})(y, 8)
    split.save(tmp_path / "p.npz")
    assert Partition.load(tmp_path / "p.npz").solved == split.solved


@pytest.mark.parametrize("name", ["dirichlet", "classes", "dirichlet_client", "natural"])
def test_test_data_follow_the_training_split(name):
    train, test = labels(20_000, 8), labels(4000, 8)
    first, second = make_partitioner(name).split(train, test, 10, seed=2)
    assert first == make_partitioner(name)(train, 10, seed=2)
    expected = first.counts(train)[1] * 0.2
    assert np.abs(second.counts(test)[1] - expected).max() <= 1.0
    assert np.abs(second.sizes - 0.2 * first.sizes).max() <= 8


def test_test_values_that_training_lacks():
    train = np.repeat(["a", "b"], [90, 10])
    first, second = make_partitioner("natural").split(train, np.repeat(["a", "c"], [5, 20]), 2)
    assert first.sizes.tolist() == [90, 10]
    assert second.counts(np.repeat(["a", "c"], [5, 20]))[1].tolist() == [[5, 18], [0, 2]]
    lengths = np.linspace(0, 1, 101)
    one = make_partitioner("continuous", strictness=1.0)
    _, paired = one.split(lengths, np.array([-1.0, 0.003, 0.998, 2.0]), 2)
    assert paired.owners.tolist() == [0, 0, 1, 1]


def test_what_is_dropped_in_training_is_dropped_in_test():
    train, test = labels(100, 10), labels(50, 10)
    first, second = make_partitioner("classes", classes_per_client=1).split(train, test, 3)
    assert first.dropped.size == 70
    assert second.dropped.size == 35


def test_of_what_is_dropped_in_part_the_same_share_is_dropped_in_test():
    train, test = labels(400, 2), labels(100, 2)
    spec = {"name": "dirichlet_client", "alpha": 1e6, "sizes": [50, 50]}
    first, second = make_partitioner(spec).split(train, test, 2)
    held = [np.bincount(part.owners + 1, minlength=3)[1:].sum() for part in (first, second)]
    assert held[0] == 100
    assert held[1] == pytest.approx(25, abs=1)


def test_a_saved_partition_is_for_its_data(tmp_path):
    path, y = str(tmp_path / "p.npz"), labels(300, 3)
    split = make_partitioner("dirichlet", alpha=0.3)(y, 5)
    split.save(path)
    again = make_partitioner("file", path=path, fingerprint=split.fingerprint[:8])
    assert again(y.astype(np.int16), 5, seed=99) == split
    with pytest.raises(ValueError, match="other data: it splits 300 examples, the factor has 200"):
        again(y[:200], 5)
    with pytest.raises(ValueError, match="is for other data: it split a column of digest"):
        again(y[::-1], 5)
    with pytest.raises(ValueError, match="configured for 5 clients"):
        again(y, 6)
    with pytest.raises(ValueError, match="has fingerprint"):
        make_partitioner("file", path=path, fingerprint="00")(y, 5)
    with pytest.raises(ValueError, match="not a readable partition"):
        make_partitioner("file", path=str(tmp_path / "none"))(y, 5)


def test_what_inner_partitioners_found_is_passed_up():
    y = np.random.default_rng(0).integers(8, size=3000)
    aimed = {"name": "dirichlet", "target": {"nmi": 0.4}}
    both = make_partitioner("compose", mixes=aimed, sizes="quantity")(y, 10, seed=3)
    assert both.solved.keys() == {"mixes.alpha", "mixes.nmi"}
    assert both.solved["mixes.nmi"] == pytest.approx(0.4, abs=0.03)
    mixed = make_partitioner("mixture", then=aimed, iid_share=0.5)(y, 10, seed=3)
    assert mixed.solved["then.nmi"] == pytest.approx(0.4, abs=0.03)
    assert mixed.metrics(y)["nmi"] < 0.3  # of the rest alone is what `then` found
