"""Our rules beside ByzFL's (0.0.11), on 200 random inputs; see CONTRIBUTING for the environment.

Two of its rules differ by definition. Its Krum and multi-Krum count n - f - 1 neighbours, ours
n - f - 2 as their paper does: ours at one attacker more has its neighbours, so that is what is
compared. Where several sets have the smallest diameter its MDA takes the first, so diameters are.
"""

import numpy as np
import pytest
from robust_rules import aggregate, defend

from fedbytes.defenses.centered_clipping import clipped_step
from fedbytes.defenses.geometric_median import weiszfeld
from fedbytes.defenses.mda import smallest_set
from fedbytes.defenses.robust_math.gram_matrix import squared_distances
from fedbytes.defenses.robust_math.krum_scores import krum_order
from fedbytes.streams import stream

pytestmark = pytest.mark.slow
INPUTS = 200


def inputs():
    rng = stream(0, "byzfl")
    for _ in range(INPUTS):
        clients = int(rng.integers(7, 12))
        f = int(rng.integers(1, (clients - 3) // 2 + 1))
        rows = rng.normal(size=(clients, 25))
        rows[:f] = rng.normal(size=(f, 25)) * 10.0 ** rng.uniform(-1, 3)
        yield rows.astype(np.float32).astype(np.float64), f


def near(ours, theirs):
    scale = np.linalg.norm(theirs)
    assert np.linalg.norm(ours - theirs) <= 1e-5 * scale


@pytest.fixture(scope="module")
def byzfl():
    return pytest.importorskip("byzfl")


@pytest.mark.parametrize(
    ("spec", "theirs"),
    [
        ("median", lambda byzfl, f: byzfl.Median()),
        ("trimmed_mean", lambda byzfl, f: byzfl.TrMean(f)),
    ],
    ids=["median", "trimmed_mean"],
)
def test_order_statistics(byzfl, spec, theirs):
    for rows, f in inputs():
        given = {"name": spec} | ({"f": f} if spec == "trimmed_mean" else {})
        near(aggregate(rows, given), theirs(byzfl, f)(rows))


def test_mixing(byzfl):
    for rows, f in inputs():
        ours = np.array([u.delta.numpy() for u in defend(rows, {"name": "nnm", "f": f})])
        near(ours, byzfl.NNM(f)(rows))


def test_the_geometric_median_with_the_same_steps(byzfl):
    for rows, _ in inputs():
        weights = weiszfeld(rows @ rows.T, np.zeros(len(rows)), 0.1, 7)
        near(weights @ rows, byzfl.GeometricMedian(nu=0.1, T=7)(rows))


def test_centred_clipping_with_the_same_steps(byzfl):
    for rows, _ in inputs():
        points = np.concatenate([rows, np.zeros((1, 25))])
        weights = np.eye(len(points))[-1]
        for _ in range(3):
            weights = clipped_step(points @ points.T, weights, 4.0)
        near(weights @ points, byzfl.CenteredClipping(L=3, tau=4.0)(rows))


def test_krum_with_as_many_neighbours(byzfl):
    for rows, f in inputs():
        squared = squared_distances(rows @ rows.T)
        near(rows[krum_order(squared, f - 1)[0]], byzfl.Krum(f)(rows))
        kept = krum_order(squared, f - 1)[: len(rows) - f]
        near(rows[kept].mean(0), byzfl.MultiKrum(f)(rows))


def test_the_smallest_diameter(byzfl):
    same = 0
    for rows, f in inputs():
        squared = squared_distances(rows @ rows.T)
        kept = smallest_set(squared, f)
        theirs = byzfl.MDA(f)(rows)
        ours = rows[kept].mean(0)
        if np.linalg.norm(ours - theirs) <= 1e-5 * np.linalg.norm(theirs):
            same += 1
            continue
        diameter = squared[np.ix_(kept, kept)].max()
        others = [s for s in every_set(len(rows), f) if squared[np.ix_(s, s)].max() <= diameter]
        assert len(others) > 1
        assert any(np.allclose(rows[s].mean(0), theirs) for s in others)
    assert same > INPUTS // 4


def every_set(clients, f):
    from itertools import combinations

    return [list(kept) for kept in combinations(range(clients), clients - f)]
