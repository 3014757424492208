"""Sections of a configuration that say what acts in the rounds: ids, lists, axes, refusals."""

import warnings

import pytest

from fedbytes.experiments import Suite, make_config
from fedbytes.experiments.config.config_warning import ConfigWarning
from fedbytes.experiments.config.round_sections import SECTIONS

SOME = {
    "attack": "sign_flip",
    "defense": [{"name": "norm_clip", "norm": 1}],
    "clean": {"name": "loss"},
    "privacy": [{"name": "clip", "norm": 2}],
    "audit": ["norms"],
}
MANY = {"partition": {"name": "iid", "num_clients": 10}, "clients_per_round": 5}


def test_the_id_has_a_section_only_where_it_is_not_empty(settings):
    plain = make_config(settings)
    ids = {plain.id}
    for key, given in SOME.items():
        for nothing in (None, [], ()):
            assert make_config(settings | {key: nothing}).id == plain.id
        ids.add(make_config(settings | MANY | {key: given}).id)
    assert len(ids) == 1 + len(SOME) == 1 + len(SECTIONS)


@pytest.mark.parametrize(
    "given",
    [
        "sign_flip",
        ["sign_flip"],
        {"name": "sign_flip"},
        [{"name": "sign_flip", "scale": 1, "share": "0.2"}],
    ],
    ids=str,
)
def test_one_plugin_is_the_same_however_it_is_written(settings, given):
    made = make_config(settings | MANY | {"attack": given})
    assert made.attack == (
        {
            "name": "sign_flip",
            "share": 0.2,
            "from_round": 1,
            "until_round": None,
            "knowledge": "own",
            "scale": 1.0,
        },
    )
    assert made.id == make_config(settings | MANY | {"attack": "sign_flip"}).id
    again = make_config(made.model_dump(mode="json"))
    assert again.id == made.id


def test_the_order_of_a_list_is_a_part_of_the_id(settings):
    two = [{"name": "norm_clip", "norm": 1}, {"name": "norm_clip", "norm": 2}]
    one, other = (make_config(settings | MANY | {"defense": d}).id for d in (two, two[::-1]))
    assert one != other


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attack": "sign_flp"}, "attack: unknown attack 'sign_flp'; did you mean 'sign_flip'"),
        ({"attack": {"name": "sign_flip", "scael": 2}}, "did you mean 'scale'"),
        ({"attack": {"name": "sign_flip", "share": 1.0}}, "share must be in"),
        ({"attack": {"name": "sign_flip", "share": 0.01}}, "share=0.01 of 10 clients .* is 0"),
        ({"attack": {"name": "sign_flip", "share": 0.99}}, "share=0.99 of 10 clients .* is 10"),
        ({"attack": {"name": "sign_flip", "from_round": 3, "until_round": 2}}, "until_round"),
        ({"defense": [{"name": "norm_clip", "norm": -1}]}, "norm must be above 0"),
        ({"defense": "norm_clip", "clients_per_round": 2}, "needs at least 3 clients a round"),
        (
            {"defense": {"name": "bulyan", "f": 2}, "clients_per_round": 10},
            r"defense 'bulyan' with f=2 needs at least 11 clients \(4 f \+ 3\), got 10: raise "
            "clients_per_round or set f to at most 1",
        ),
        (
            {"defense": {"name": "trimmed_mean", "f": 5}, "clients_per_round": 10},
            "defense 'trimmed_mean' with f=5 needs at least 11 clients .* at most 4",
        ),
        ({"defense": {"name": "krum", "f": 2}}, "'krum' with f=2 needs at least 7 clients .* 5:"),
        (
            {"defense": ["bucketing", {"name": "krum", "f": 2}], "clients_per_round": 10},
            r"'krum' with f=2 needs at least 7 clients .*, got 5: .* at most 1 \(10 a round\)",
        ),
        ({"defense": {"name": "krum", "f": -1}}, "f must be at least 0"),
        ({"defense": {"name": "centered_clipping", "tau": 0}}, "tau must be above 0, or median"),
        ({"defense": {"name": "norm_bound"}}, "unknown defense 'norm_bound'.* 'norm_clip'"),
        (
            {
                "defense": "median",
                "uplink": {"name": "fixed", "clip": 1},
                "aggregation": "sum_then_decode",
            },
            "defense 'median' needs each client's delta, .* sum alone",
        ),
        ({"privacy": "clip"}, "privacy: privacy 'clip' needs norm"),
        (
            {
                "privacy": [{"name": "clip", "norm": 1}],
                "uplink": {"name": "topk", "density": 0.1, "error_feedback": True},
            },
            "privacy 'clip' bounds what is sent, .* set uplink.error_feedback=false",
        ),
        (
            {
                "privacy": [{"name": "clip", "norm": 1}],
                "uplink": {"name": "fp32", "momentum": 0.5},
            },
            "leave out its momentum",
        ),
        ({"clean": "loss", "algorithm": {"name": "hetlora", "local_steps": 2}}, "cleaner 'loss'"),
        ({"defence": "norm_clip"}, "did you mean 'defense'"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_in_one_line(settings, changes, message):
    with pytest.raises(ValueError, match=message) as caught:
        make_config(settings | MANY | changes)
    assert "\n" not in str(caught.value)


def test_grids_and_overrides(settings):
    base = settings | MANY | {"attack": {"name": "sign_flip"}}
    grid = {"attack.scale": [1, 5], "defense": [None, "norm_clip", [{"name": "norm_clip"}]]}
    suite = Suite(name="s", base=base, grid=grid)
    assert len(suite.expand()) == 4  # two ways to write one defence are one run
    one = suite.expand(["defense=[{name: norm_clip, norm: 1}]"])
    assert [c.defense[0]["norm"] for c in one] == [1.0, 1.0]
    axis = suite.expand(["defense=[[], [norm_clip, norm_clip]]", "attack.scale=3"])
    assert [len(c.defense) for c in axis] == [0, 2]
    assert {c.attack[0]["scale"] for c in axis} == {3.0}
    listed = Suite(name="s", base=base | {"attack": ["sign_flip"]})
    assert listed.expand(["attack.share=0.4"])[0].attack[0]["share"] == 0.4


SPARSE = {"name": "topk", "density": 0.01, "error_feedback": True}


@pytest.mark.parametrize(
    ("uplink", "defense", "warned"),
    [
        (SPARSE, "median", True),
        (SPARSE, ["norm_clip", {"name": "trimmed_mean", "f": 1}], True),
        (SPARSE, "multi_krum", False),
        (SPARSE | {"error_feedback": "ef21"}, "median", False),
        ("fp32", "median", False),
    ],
    ids=str,
)
def test_votes_on_numbers_that_were_not_sent_are_warned_of(settings, uplink, defense, warned):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        make_config(settings | MANY | {"uplink": uplink, "defense": defense})
    told = [str(one.message) for one in caught if one.category is ConfigWarning]
    assert len(told) == warned
    assert not warned or "'topk' leaves most of them out" in told[0]
