"""Our schemes against others' in distribution, where theirs are right; two-sample tests.

The peers run where they are installed (extra `peers-noniid`; fedlab beside it without its
dependencies). The scheme of NIID-Bench, which is no package, is written down here.
"""

import numpy as np
import pytest
from scipy import stats

from fedbytes.noniid import from_flwr, make_partitioner

pytestmark = pytest.mark.slow
DRAWS = 250
Y = np.arange(1000) % 5


def table(split) -> np.ndarray:
    return split.counts(Y)[1]


def ours(spec, clients, read):
    split = make_partitioner(spec)
    return np.array([read(table(split(Y, clients, seed))) for seed in range(DRAWS)])


def flower(make, clients, read):
    return np.array([read(table(from_flwr(make(s))(Y, clients))) for s in range(DRAWS)])


def agree(one, other) -> bool:
    return stats.ks_2samp(one, other).pvalue > 1e-3


def middle(counts):
    # A client in the middle: the first and the last carry flwr-datasets' rounding.
    return counts[2, 1]


def largest(counts):
    return counts.sum(axis=1).max()


def information(counts):
    joint = counts / counts.sum()
    product = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)
    seen = joint > 0
    return float(np.sum(joint[seen] * np.log(joint[seen] / product[seen])))


@pytest.mark.parametrize("alpha", [0.3, 3.0])
@pytest.mark.parametrize("read", [middle, largest, information])
def test_dirichlet_is_that_of_flwr_datasets(alpha, read):
    theirs = pytest.importorskip("flwr_datasets.partitioner")

    def make(seed):
        return theirs.DirichletPartitioner(5, "label", alpha, min_partition_size=0, seed=seed)

    fields = {"name": "dirichlet", "alpha": alpha}
    assert agree(ours(fields, 5, read), flower(make, 5, read))


@pytest.mark.parametrize("read", [largest, information])
def test_random_classes_are_those_of_flwr_datasets(read):
    theirs = pytest.importorskip("flwr_datasets.partitioner")

    def make(seed):
        return theirs.PathologicalPartitioner(8, "label", 2, "random", seed=seed)

    def kept(counts):
        return read(counts) if counts.sum() == Y.size else -1

    fields = {"name": "classes", "assignment": "random"}
    # Theirs has no way to leave a class out but to warn; only complete draws are compared.
    one, other = (x[x >= 0] for x in (ours(fields, 8, kept), flower(make, 8, kept)))
    assert min(one.size, other.size) > 100
    # Shares of few holders take few values, which rounding must not tell apart.
    assert agree(np.round(one, 1), np.round(other, 1))


@pytest.mark.parametrize("strictness", [0.3, 0.7])
def test_continuous_is_that_of_flwr_datasets(strictness):
    theirs = pytest.importorskip("flwr_datasets.partitioner")

    def make(seed):
        return theirs.ContinuousPartitioner(5, "label", strictness, seed=seed)

    fields = {"name": "continuous", "strictness": strictness}
    assert agree(ours(fields, 5, information), flower(make, 5, information))


@pytest.mark.parametrize(("scheme", "theirs_name"), [("linear", "Linear"), ("square", "Square")])
def test_sizes_are_those_of_flwr_datasets(scheme, theirs_name):
    theirs = pytest.importorskip("flwr_datasets.partitioner")
    split = from_flwr(getattr(theirs, f"{theirs_name}Partitioner")(6))(Y, 6)
    ours = make_partitioner("quantity", scheme=scheme)(Y, 6)
    assert np.abs(split.sizes - ours.sizes).max() <= 6  # they give what rounding leaves to one


def test_dirichlet_client_is_that_of_fedlab():
    functional = pytest.importorskip("fedlab.utils.dataset.functional")
    size = 30  # no class runs out: theirs looks for a class that is left until it has found one

    def draw(seed):
        np.random.seed(seed)  # noqa: NPY002 - it knows the global generator alone
        found = functional.client_inner_dirichlet_partition(
            Y.copy(), 5, 5, 2.0, np.full(5, size), verbose=False
        )
        # Theirs (1.3.0) shuffles the labels and returns places among the shuffled ones, so that
        # its clients are IID; the first draw of its generator tells which examples it meant.
        order = np.random.RandomState(seed).permutation(Y.size)
        parts = [order[np.asarray(found[i], dtype=int)] for i in range(5)]
        return information(np.array([np.bincount(Y[part], minlength=5) for part in parts]))

    their = np.array([draw(seed) for seed in range(DRAWS)])
    fields = {"name": "dirichlet_client", "alpha": 2.0, "sizes": [size] * 5}
    assert agree(ours(fields, 5, information), their)


def niid_bench_mixed(rng: np.random.Generator, alpha: float) -> np.ndarray:
    """Counts of the mixed skew over as many parties as classes, where it ends.

    Party i has class i and one other; no class has more than two parties; a class is shared
    between its two by Dir(alpha).
    """
    while True:
        times, held = np.ones(5, int), [{i} for i in range(5)]
        for i in range(5):
            free = [k for k in range(5) if k != i and times[k] < 2]
            if not free:
                break
            other = rng.choice(free)
            times[other] += 1
            held[i].add(int(other))
        else:
            break
    counts = np.zeros((5, 5))
    for k in range(5):
        first, second = (i for i in range(5) if k in held[i])
        share = rng.dirichlet([alpha, alpha])[0]
        counts[first, k], counts[second, k] = share * 200, (1 - share) * 200
    return counts


@pytest.mark.parametrize("read", [largest, information])
def test_mixed_is_that_of_niid_bench(read):
    rng = np.random.default_rng(0)
    their = np.array([read(niid_bench_mixed(rng, 0.5)) for _ in range(DRAWS)])
    mine = ours({"name": "mixed", "alpha": 0.5}, 5, read)
    assert agree(mine, their)


def test_the_tests_can_tell_schemes_apart():
    per_class = ours({"name": "dirichlet", "alpha": 0.3}, 5, information)
    assert not agree(per_class, ours({"name": "dirichlet", "alpha": 0.4}, 5, information))
    assert not agree(per_class, ours({"name": "dirichlet_client", "alpha": 0.3}, 5, information))
