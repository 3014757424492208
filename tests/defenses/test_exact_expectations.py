"""Robust rules do what their papers say: by hand, without attackers, and under affine maps."""

import numpy as np
import pytest
import torch
from robust_rules import BOUNDED, aggregate, defend, server, server_holding, uploads_of

from fedbytes.federated import DEFENSES, PluginState, make_defense, weighted_mean
from fedbytes.streams import stream

FEW = [[1.0], [2.0], [4.0], [5.0], [99.0]]


@pytest.mark.parametrize(
    ("spec", "rows", "expected"),
    [
        ("median", [[1, 5], [2, 6], [900, -900]], [2, 5]),
        ("median", [[1], [2], [3], [900]], [2.5]),
        ({"name": "trimmed_mean", "f": 1}, [[1], [2], [3], [900]], [2.5]),
        ({"name": "krum", "f": 1}, FEW, [4]),
        ({"name": "multi_krum", "f": 1}, FEW, [3]),
        ({"name": "multi_krum", "f": 1, "m": 5}, FEW, [22.2]),
        ({"name": "mda", "f": 1}, FEW, [3]),
        ({"name": "bulyan", "f": 1}, [[1], [2], [3], [4], [5], [6], [99]], [4]),
        ("geometric_median", [[0], [1], [900]], [1]),
        ({"name": "centered_clipping", "tau": 3.0}, [[1], [2], [900]], [2]),
        ({"name": "cge", "f": 1}, [[1], [-2], [3], [900]], [2 / 3]),
        ({"name": "norm_clip", "norm": 1.5}, [[1], [2], [100]], [4 / 3]),
    ],
    ids=str,
)
def test_what_docstrings_say_by_hand(spec, rows, expected):
    np.testing.assert_allclose(aggregate(rows, spec), expected, rtol=1e-6)


def test_mixing_by_hand():
    mixed = [u.delta.item() for u in defend([[1], [2], [4], [99]], {"name": "nnm", "f": 1})]
    np.testing.assert_allclose(mixed, [7 / 3, 7 / 3, 7 / 3, 35], rtol=1e-6)


def test_groups_are_means_of_all_clients_and_hold_each_once():
    rows = np.eye(10, dtype=np.float32)
    groups = torch.stack([u.delta for u in defend(rows, {"name": "bucketing", "s": 3})])
    assert groups.shape == (4, 10)
    assert ((groups > 0).sum(0) == 1).all()
    assert (groups > 0).sum(1).tolist() == [3, 3, 3, 1]
    torch.testing.assert_close(groups.sum(1), torch.ones(4))


@pytest.fixture
def rows():
    return stream(0, "rules").normal(size=(11, 40)).astype(np.float32)


def test_without_attackers_they_are_the_mean(rows):
    mean = rows.astype(np.float64).mean(0)
    ulp = np.spacing(np.abs(mean).astype(np.float32))
    for spec in (
        {"name": "trimmed_mean", "f": 0},
        {"name": "multi_krum", "f": 0, "m": 11},
        {"name": "mda", "f": 0},
        {"name": "cge", "f": 0},
        {"name": "bulyan", "f": 0},
    ):
        one = make_defense(spec)
        found = [u.delta.double().numpy() for u in one.uploads(uploads_of(rows), server(), {})[0]]
        if len({a.tobytes() for a in found}) == 1:  # all were given the aggregate
            assert (np.abs(found[0] - mean) <= ulp).all(), spec
        else:
            np.testing.assert_allclose(aggregate(rows, spec), mean, atol=1e-6)
    for upload in defend(rows, {"name": "nnm", "f": 0}):
        assert (np.abs(upload.delta.double().numpy() - mean) <= ulp).all()


TRANSLATED = {**BOUNDED, "nnm": {"f": 2}, "bucketing": {}}
del TRANSLATED["cge"]  # looks at lengths
SCALED = {"cge": {"f": 2}, "flame": {"noise": 0.0}, "foolsgold": {}, "sign_guard": {"part": 1.0}}
SCALED |= {"norm_clip": {}}


@pytest.mark.parametrize("name", sorted(TRANSLATED | SCALED))
def test_they_follow_affine_maps(rows, name):
    """R(a x + b) = a R(x) + b; of rules that look at lengths and angles for b = 0 alone."""
    spec = {"name": name, **(TRANSLATED | SCALED)[name]}
    scale = -3.0 if name != "norm_clip" else 3.0
    shift = stream(0, "shift").normal(size=40) if name in TRANSLATED else 0.0
    np.testing.assert_allclose(
        aggregate((scale * rows + shift).astype(np.float32), spec),
        scale * aggregate(rows, spec) + shift,
        atol=1e-4,
    )


@pytest.mark.parametrize("f", [1, 2, 3, 5])
def test_the_smallest_diameter_is_that_of_all_subsets(f):
    from itertools import combinations

    from fedbytes.defenses.mda import smallest_set

    for draw in range(30):
        points = stream(draw, "mda").normal(size=(11, 3))
        squared = ((points[:, None] - points[None]) ** 2).sum(-1)
        least = min(
            squared[np.ix_(kept, kept)].max() for kept in combinations(range(11), 11 - f)
        ) if f < 4 else None  # fmt: skip
        kept = smallest_set(squared, f)
        assert len(kept) == 11 - f
        if least is not None:
            assert squared[np.ix_(kept, kept)].max() == least


def test_the_geometric_median_is_at_a_minimum(rows):
    found = aggregate(rows, "geometric_median")
    cost = np.linalg.norm(rows - found, axis=1).sum()
    for step in stream(0, "steps").normal(size=(50, 40)) * 1e-3:
        assert np.linalg.norm(rows - (found + step), axis=1).sum() >= cost - 1e-6


def test_centred_clipping_goes_on_from_its_last_result():
    defense = make_defense({"name": "centered_clipping", "tau": 1.0})
    state: PluginState = {}
    for expected in (1.0, 2.0, 3.0):
        uploads, state = defense.uploads(uploads_of([[5.0], [6.0], [7.0]]), server(), state)
        assert weighted_mean(uploads).item() == pytest.approx(expected)


def test_sybils_weigh_nothing():
    from fedbytes.defenses.foolsgold import sybil_weights

    alike = np.array([[1, 0.3, 0.1, 0.1], [0.3, 1, 0.2, 0.2], [0.1, 0.2, 1, 1], [0.1, 0.2, 1, 1]])
    weights = sybil_weights(alike)
    assert weights[2] == weights[3] == 0
    assert weights[0] == 1
    assert weights[1] > 0.5
    assert (sybil_weights(np.ones((4, 4))) == 1).all()


def test_who_points_away_from_all_others_is_no_sybil():
    from fedbytes.defenses.foolsgold import sybil_weights

    alike = np.array([[1, 0.001, -0.5], [0.001, 1, -0.5], [-0.5, -0.5, 1]])
    assert (sybil_weights(alike) == 1).all()


def test_foolsgold_counts_clients_of_one_direction_once_each():
    for seed in range(20):
        x = stream(seed, "one direction").normal(size=1000)
        rows = np.outer([1.0, 3.0, 0.7, 5.1], x).astype(np.float32)
        np.testing.assert_allclose(aggregate(rows, "foolsgold"), rows.mean(0), rtol=1e-4, atol=1e-6)


def test_foolsgold_looks_at_all_rounds():
    defense, state = make_defense("foolsgold"), {}
    rng = stream(0, "sybils")
    aim = rng.normal(size=30)
    for _ in range(8):  # in no single round do the two agree by more than honest clients do
        rows = [*rng.normal(size=(6, 30)), *(aim + 3 * rng.normal(size=(2, 30)))]
        _, state = defense.uploads(uploads_of(np.array(rows)), server(), state)
    past = np.array([state[str(c)].numpy() for c in range(8)])
    cosine = past @ past.T / np.outer(*[np.linalg.norm(past, axis=1)] * 2)
    assert cosine[6, 7] > np.abs(cosine[:6, :6] - np.eye(6)).max()


def test_crfl_bounds_the_model_and_adds_noise():
    held, rows = np.full(1000, 3.0), np.ones((3, 1000))
    calm = aggregate(rows, {"name": "crfl", "clip": 10.0, "sigma": 0.0},
                     context=server_holding(held))  # fmt: skip
    assert np.linalg.norm(held + calm) == pytest.approx(10, rel=1e-5)
    noisy = aggregate(rows, {"name": "crfl", "clip": 10.0, "sigma": 0.5},
                      context=server_holding(held))  # fmt: skip
    assert np.std(noisy - calm) == pytest.approx(0.5, rel=0.1)


def test_flame_adds_noise_of_the_median_norm():
    rows = np.ones((5, 10_000)) / 100  # of norm 1
    found = aggregate(rows, {"name": "flame", "noise": 0.01})
    assert np.std(found - rows[0]) == pytest.approx(0.01, rel=0.05)


def test_directions_and_signs_of_a_minority_are_left_out():
    rng = stream(0, "minority")
    honest = rng.normal(size=(8, 400)) + 0.5
    rows = np.concatenate([honest, -honest[:2] * 2])
    wanted = honest.mean(0)
    for spec in ({"name": "flame", "noise": 0.0}, {"name": "sign_guard", "part": 1.0}):
        found = aggregate(rows, spec)
        assert found @ wanted / np.linalg.norm(found) / np.linalg.norm(wanted) > 0.8, spec
    assert {u.client for u in defend(rows, {"name": "sign_guard", "part": 1.0})} == set(range(8))


def test_trust_is_given_by_the_servers_own_delta():
    own = server().trusted(100).numpy()
    across = stream(0, "across").normal(size=len(own))
    across -= own * (across @ own) / (own @ own)
    rows = [own, 7 * own, -own * 1e6, across * 1e-6]
    found = aggregate(rows, "fltrust")
    np.testing.assert_allclose(found, own, atol=1e-5 * np.linalg.norm(own))
    assert not aggregate([-own, -2 * own, -3 * own], "fltrust").any()


def test_every_rule_takes_whatever_finite_numbers_come():
    """Zeros, equal deltas, and the largest floats: no rule fails, or makes what is not finite."""
    numel = len(server().held)
    largest = np.float32(3e38)
    cases = [
        np.zeros((10, numel)),
        np.ones((10, numel)),
        np.where(np.arange(10)[:, None] < 3, largest, 1.0) * np.ones((10, numel)),
        np.where(np.arange(10)[:, None] % 2, largest, -largest) * np.ones((10, numel)),
        np.ones((1, numel)),
        np.eye(2, numel),
    ]
    for name in DEFENSES.names():
        defense = make_defense(name)
        if "uploads" in defense.stages and not defense.server_examples:  # those train
            for rows in cases:
                state: PluginState = {}
                for _ in range(2):
                    uploads, state = defense.uploads(uploads_of(rows), server(), state)
                assert uploads, name
                assert all(torch.isfinite(u.delta).all() for u in uploads), name
