"""How many attackers a rule stands, and that it falls to one more than it can stand."""

from dataclasses import replace

import numpy as np
import pytest
from robust_rules import BOUNDED, aggregate, server, server_holding

from fedbytes.federated import make_defense
from fedbytes.streams import stream

CLIENTS, F, FAR = 11, 2, 1e9
ANY_NUMBER = {
    "norm_clip": {"norm": 1.0},
    "centered_clipping": {"tau": 1.0},
    "crfl": {"clip": 10.0, "sigma": 0.0},
    "fltrust": {},
}


def attacked(attackers, numel=30, side=1.0, apart=1e-3):
    honest = stream(0, "honest").normal(size=(CLIENTS - attackers, numel))
    far = side * FAR * (1 + stream(0, "far").random(size=(attackers, 1)) * apart)
    return honest, np.concatenate([honest, far * np.ones((attackers, numel))])


@pytest.mark.parametrize("side", [1.0, -1.0])
@pytest.mark.parametrize("name", sorted(BOUNDED))
def test_bounded_with_f_attackers(name, side):
    honest, rows = attacked(F, side=side)
    found = aggregate(rows, {"name": name, **BOUNDED[name]})
    spread = np.linalg.norm(honest - honest.mean(0), axis=1).max()
    assert np.linalg.norm(found - honest.mean(0)) <= 2 * spread
    for front in ({"name": "nnm", "f": F}, "norm_clip"):
        found = aggregate(rows, front, {"name": name, **BOUNDED[name]})
        assert np.linalg.norm(found - honest.mean(0)) <= 2 * spread


def test_the_mean_is_not():
    _, rows = attacked(1)
    assert np.linalg.norm(aggregate(rows)) > FAR / CLIENTS


@pytest.mark.parametrize("name", [*sorted(BOUNDED), "norm_clip", "nnm"])
def test_who_claims_to_hold_most_examples_weighs_no_more(name):
    """A vector within the honest ones, of a client that says it has a billion examples."""
    rows, _ = attacked(0)
    claims = [20] * (CLIENTS - 1) + [10**9]
    spec = {"name": name, **BOUNDED.get(name, {"f": F} if name == "nnm" else {})}
    assert np.allclose(aggregate(rows, claims=claims), rows[-1], atol=1e-3), "the mean is the claim"
    assert np.allclose(aggregate(rows, spec, claims=claims), aggregate(rows, spec), atol=1e-6)


MOST = {"trimmed_mean": 5, "krum": 4, "multi_krum": 4, "bulyan": 2, "mda": 5, "cge": 5}


@pytest.mark.parametrize("name", sorted(BOUNDED))
def test_unbounded_where_attackers_are_half(name):
    """The rule is called by itself: its largest f of 11, and 6 attackers."""
    _, rows = attacked(CLIENTS // 2 + 1, apart=0)
    spec = {"name": name} | ({"f": MOST[name]} if name in MOST else {})
    assert make_defense(spec).refuses(CLIENTS) is None
    assert np.linalg.norm(aggregate(rows, spec)) > FAR / CLIENTS / 10


@pytest.mark.parametrize("attackers", [2, 6, 10])
@pytest.mark.parametrize("name", sorted(ANY_NUMBER))
def test_some_stay_bounded_whatever_the_number(name, attackers):
    numel = len(server().held) if name == "fltrust" else 30
    context = server() if name == "fltrust" else server_holding(np.ones(30))
    _, rows = attacked(attackers, numel)
    found = np.linalg.norm(aggregate(rows, {"name": name, **ANY_NUMBER[name]}, context=context))
    own = np.linalg.norm(server().trusted(100))
    bound = {"norm_clip": 1, "centered_clipping": 1, "crfl": 10 + 30**0.5, "fltrust": own}[name]
    assert found <= bound * (1 + 1e-5)


@pytest.mark.parametrize(
    ("spec", "clients", "said"),
    [
        ({"name": "bulyan", "f": 2}, 10, r"f=2 needs at least 11 clients \(4 f \+ 3\).*most 1"),
        ({"name": "krum", "f": 4}, 10, r"at least 11 clients \(2 f \+ 3\), got 10: .* most 3"),
        ({"name": "trimmed_mean", "f": 5}, 10, r"at least 11 clients \(2 f \+ 1\), got 10.*most 4"),
        ({"name": "mda", "f": 5}, 10, "at least 11 clients"),
        ({"name": "nnm", "f": 5}, 10, "at least 11 clients"),
        ({"name": "cge", "f": 5}, 10, "at least 11 clients"),
        ({"name": "trimmed_mean", "f": 0}, 2, "at least 3 clients a round, got 2"),
        ("median", 2, "at least 3 clients a round, got 2"),
        ({"name": "multi_krum", "f": 1}, 2, "raise clients_per_round$"),
    ],
    ids=str,
)  # fmt: skip
def test_too_few_clients_are_refused(spec, clients, said):
    import re

    defense = make_defense(spec)
    assert re.search(said, defense.refuses(clients) or "")
    assert defense.refuses(clients + 1 if clients > 2 else 5) is None


@pytest.mark.parametrize("name", sorted(MOST))
def test_after_dropped_messages_a_rule_is_for_as_many_as_it_can_be(name):
    """The server drops who sends what does not decode, so f of a round may be too many."""
    honest = stream(0, "left").normal(size=(4, 30))
    for clients in (1, 2, 3, 4):
        found = aggregate(honest[:clients], {"name": name, "f": 4 if name != "bulyan" else 2})
        reach = np.linalg.norm(honest[:clients] - honest[:clients].mean(0), axis=1).max()
        assert np.linalg.norm(found - honest[:clients].mean(0)) <= reach * (1 + 1e-6) + 1e-6


def test_the_number_that_a_rule_is_for():
    for spec, clients, number in (
        ({"name": "bulyan", "f": 2}, 11, 2),
        ({"name": "bulyan", "f": 2}, 9, 1),
        ("median", 10, 4),
        ("norm_clip", 10, None),
        ({"name": "centered_clipping", "tau": 1.0}, 10, None),
    ):
        assert make_defense(spec).tolerates(clients) == number
    assert replace(make_defense("multi_krum"), f=2).leaves(10) == 8


@pytest.mark.parametrize(("name", "honest"), [("multi_krum", 3), ("bulyan", 5)])
def test_a_client_too_few_does_not_make_a_rule_the_mean(name, honest):
    rows = [[1.0 + 0.05 * place] for place in range(honest)] + [[FAR]]
    made = aggregate(np.array(rows), make_defense(name, f=1))
    assert 1.0 <= float(made[0]) <= 1.3
