"""Audits of membership: what they find where there is something, and nothing where there is not."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fedbytes.audits.membership_parts.operating_curve import (
    RATES,
    OperatingCurve,
    share_with_interval,
)
from fedbytes.audits.membership_parts.text_losses import text_losses
from fedbytes.experiments import make_config
from fedbytes.experiments.execution.run_setup import make_problem
from fedbytes.federated import (
    AuditTruth,
    Federation,
    Hooks,
    Simulation,
    TinyRegression,
    make_aggregation,
    make_algorithm,
    make_link,
    make_plugins,
)
from fedbytes.federated.testing.tiny_models import LORA, text_model
from fedbytes.noniid.allocation.set_aside import set_aside
from fedbytes.privacy import MeasuredHits, hits_above
from fedbytes.streams import stream

CLIENTS = 10


def regression(audit, codec="fp32", privacy=None, **fields):
    """Ten clients that train on 12 examples of 300 features each, of 24."""
    parts = [np.arange(client, 240, CLIENTS) for client in range(CLIENTS)]
    split = [set_aside([part], 0.5, client) for client, part in enumerate(parts)]
    return Federation(
        model=TinyRegression(),
        parts=[kept[0] for kept, _ in split],
        set_aside=[aside[0] for _, aside in split],
        algorithm=make_algorithm("fedavg", local_steps=4, learning_rate=0.05),
        uplink=make_link(codec),
        downlink=make_link("fp32"),
        clients_per_round=CLIENTS,
        plugins=make_plugins(audit=audit, privacy=privacy),
        **fields,
    )


def found(fed, truth=None):
    """The rows of a round of all victims together, scored by another truth if one is given."""
    run = Simulation(fed)
    if truth is not None:
        run.auditors._truth = truth
    run.run_round()
    return [row for row in run.audit() if row["client"] is None]


def shuffled(fed, seed):
    """A truth by which half of the texts of each client are members, whoever trained on them."""
    halves = []
    for client, both in enumerate(zip(fed.parts, fed.set_aside, strict=True)):
        rows = stream(seed, "shuffle", client).permutation(np.concatenate(both))
        halves.append((rows[: len(both[0])], rows[len(both[0]) :]))
    return AuditTruth([own for own, _ in halves], [other for _, other in halves])


def test_an_update_tells_what_it_was_trained_on_and_shuffled_membership_is_not_found():
    fed = regression({"name": "update_cosine"})
    (row,) = found(fed)
    assert row["auc_low"] > 0.75, "120 examples of 300 features are told apart"
    areas = [found(fed, shuffled(fed, seed))[0]["auc"] for seed in range(8)]
    error = np.sqrt(
        (240 + 1) / (12 * 120 * 120)
    )  # of one such area, where there is nothing to find
    assert abs(np.mean(areas) - 0.5) < 2 * error
    assert max(abs(np.array(areas) - 0.5)) < 4 * error


def test_the_sum_tells_less_than_messages_and_fewer_bits_less_still():
    of_messages, of_sum, of_few = (
        found(regression({"name": "update_cosine", "of": of}, codec))[0]["auc"]
        for of, codec in (
            ("message", "fp32"),
            ("sum", "fp32"),
            ("message", {"name": "topk", "density": 0.02}),
        )
    )
    assert 0.5 < of_sum < of_messages
    assert 0.5 < of_few < of_messages


def test_a_model_that_nobody_trained_tells_no_members(settings):
    """P9: what a score finds in the initial model is a shift between texts, not membership."""
    split = {"name": "dirichlet", "alpha": 0.1, "num_clients": 4}
    fields = settings | {"partition": split, "clients_per_round": None, "rounds": 1}
    areas = []
    for seed in range(4):
        config = make_config(fields | {"seed": seed, "set_aside": 0.5, "audit": "loss"})
        run = Simulation(make_problem(config, Hooks()).federation)
        run.run_round()
        (row,) = run.audit()
        error = np.sqrt(
            (row["members"] + row["others"] + 1) / (12 * row["members"] * row["others"])
        )
        areas.append((row["auc_untrained"] - 0.5) / error)
    assert abs(np.mean(areas)) < 2 / np.sqrt(len(areas))


def test_a_sum_is_audited_where_no_message_can_be_opened():
    """The change of the model is known to all, whatever hides the messages."""
    fixed = {"name": "fixed", "clip": 4.0, "bits": 16}
    plain = found(regression({"name": "update_cosine", "of": "sum"}, fixed))
    summed = found(
        regression(
            {"name": "update_cosine", "of": "sum"},
            fixed,
            aggregation=make_aggregation("sum_then_decode"),
        )
    )
    assert summed[0]["auc"] == pytest.approx(plain[0]["auc"], abs=0.02)


def test_losses_are_those_of_training():
    for model in (text_model("tiny-bert", LORA), text_model("tiny-llama", LORA, "causal-lm")):
        rows = np.array([7, 3, 11, 2, 30, 21, 8, 9, 1])
        losses = [one.loss for one in text_losses(model, rows)]
        for row, loss in zip(rows, losses, strict=True):
            batch = next(model.batches(np.array([row]), 1, np.random.default_rng(0)))
            assert loss == pytest.approx(float(model.loss(batch).detach()), rel=1e-4)


def test_texts_that_a_model_is_sure_of_do_not_tie():
    """In float32 the likelihood of a class at odds of e^25 or e^30 is 1, and the loss 0."""
    model = text_model("tiny-bert", LORA)
    rows = np.arange(4)
    labels = model.task.train.labels[rows]
    odds = torch.tensor([20.0, 25.0, 30.0, 40.0])
    scores = torch.zeros(4, len(model.task.label_names))
    scores[torch.arange(4), torch.from_numpy(labels)] = odds
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(model), "predictions",
                      lambda _, batch: scores[batch.rows].log_softmax(1))  # fmt: skip
        losses = [one.loss for one in text_losses(model, rows)]
    assert losses == pytest.approx(2 * np.exp(-odds.double().numpy()), rel=1e-4)


def test_the_area_and_its_interval():
    rng = stream(0, "curve")
    members, others = rng.normal(0.5, 1, 60).round(1), rng.normal(0, 1, 90).round(1)
    pairs = np.sign(members[:, None] - others[None]) / 2 + 0.5
    assert OperatingCurve(members, others).auc.value == pytest.approx(pairs.mean())
    covered = 0
    true = 0.5 * (1 + torch.erf(torch.tensor(0.5 / 2)).item())  # of normals half a deviation apart
    for _ in range(400):
        area = OperatingCurve(rng.normal(0.5, 1, 60), rng.normal(0, 1, 90)).auc
        covered += area.low <= true <= area.high
    assert 0.92 <= covered / 400 <= 0.98


def test_an_area_of_one_is_not_certain():
    area = OperatingCurve(np.arange(20.0) + 100, np.arange(30.0)).auc
    assert area.value == area.high == 1
    assert 0.8 < area.low < 0.95
    none = OperatingCurve(np.arange(20.0), np.arange(30.0) + 100).auc
    assert none.value == none.low == 0
    assert 0.05 < none.high < 0.2


@pytest.mark.parametrize("ties", [False, True])
def test_hits_are_counted_where_no_more_alarms_are_false(ties):
    rng = stream(0, "hits")
    members, others = rng.normal(1, 1, 500), rng.normal(0, 1, 1000)
    if ties:
        members, others = members.round(), others.round()
    for rate in (0.001, 0.01, 0.1, 0.5):
        hits = OperatingCurve(members, others).hits_at(rate)
        best = max((members > level).mean() for level in others if (others > level).mean() <= rate)
        assert hits.value == best
        assert hits.low < hits.value + 1e-12
    assert OperatingCurve(members, others[:999]).hits_at(0.001) is None, "too few to measure it on"
    assert share_with_interval(5, 100).high == pytest.approx(0.1128, abs=1e-4)


def test_what_is_set_aside_is_of_the_client_and_trained_by_nobody():
    parts = [np.arange(0, 30), np.arange(30, 37), np.array([40]), np.array([], dtype=np.int64)]
    kept, aside = set_aside(parts, 0.5, 3)
    for part, stay, out in zip(parts, kept, aside, strict=True):
        assert np.array_equal(np.sort(np.concatenate([stay, out])), part)
    assert [len(one) for one in aside] == [15, 4, 0, 0]
    again, other = set_aside(parts, 0.5, 3), set_aside(parts, 0.5, 4)
    assert np.array_equal(again[1][0], aside[0])
    assert not np.array_equal(other[1][0], aside[0])
    assert set_aside(parts, None, 3)[1] == []
    assert len(set_aside([np.arange(9)], 0.99, 0)[0][0]) == 1, "one is left to train on"


def test_a_run_trains_on_nothing_that_it_sets_aside(settings):
    whole = make_problem(make_config(settings), Hooks()).federation
    fed = make_problem(make_config(settings | {"set_aside": 0.4}), Hooks()).federation
    for before, kept, aside in zip(whole.parts, fed.parts, fed.set_aside, strict=True):
        assert np.array_equal(np.sort(np.concatenate([kept, aside])), before)
        assert len(aside) == int(0.4 * len(before) + 0.5)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"audit": "calibrated"}, "set set_aside=0.5"),
        ({"audit": "min_k", "set_aside": 0.5}, "of kind classification: take calibrated"),
        (
            {"audit": {"name": "loss", "rounds": [3]}, "set_aside": 0.5, "evaluate_every": 2},
            "change rounds or evaluate_every",
        ),
        ({"set_aside": 1.0}, "set_aside: must be less than 1"),
    ],
)
def test_what_cannot_be_audited_is_refused_before_the_run(settings, fields, said):
    with pytest.raises(ValueError, match=said) as error:
        make_config(settings | fields)
    assert "\n" not in str(error.value)


def test_what_is_no_delta_is_refused():
    summed = {"aggregation": make_aggregation("sum_then_decode")}
    fixed = {"name": "fixed", "clip": 4.0, "bits": 16}
    with pytest.raises(ValueError, match="set its of to sum or model"):
        regression("update_cosine", fixed, **summed)
    fed = regression("update_cosine")
    with pytest.raises(ValueError, match="take one that averages"):
        replace(fed, algorithm=make_algorithm("scaffold", local_steps=2, learning_rate=0.1))
    with pytest.raises(ValueError, match="raise set_aside"):
        replace(fed, set_aside=())


def test_a_sum_is_of_its_own_round_whatever_is_evaluated():
    """Rounds before it that nobody examined leave nothing behind."""
    often, seldom = (Simulation(regression({"name": "update_cosine", "of": of}))
                     for of in ("sum", "sum"))  # fmt: skip
    rows = []
    for round_ in range(3):
        often.run_round()
        seldom.run_round()
        rows = often.audit() if round_ < 2 else rows
    (row,) = seldom.audit()
    (last,) = often.audit()
    assert rows
    assert row["auc"] == last["auc"]


def measured(row):
    """The points of a row's curve as counts."""
    rates = [rate for rate in RATES if row[f"tpr_{rate:g}"] is not None]
    return [
        MeasuredHits(round(row[f"tpr_{rate:g}"] * row["members"]), row["members"],
                     int(rate * row["others"] + 1e-9), row["others"])
        for rate in rates
    ]  # fmt: skip


def test_noise_that_was_promised_hides_members_and_noise_left_out_is_caught():
    """Epsilon 0.1 of a client's part in one round; the bare run clips alike, and adds nothing."""
    pytest.importorskip("dp_accounting")
    audit, epsilon, delta = {"name": "update_cosine", "of": "sum"}, 0.1, 0.01
    promise = {"name": "dp", "where": "central", "clip": 0.5, "epsilon": epsilon, "delta": delta}
    (private,) = found(regression(audit, privacy=promise, rounds=1))
    (bare,) = found(regression(audit, privacy={"name": "clip", "norm": 0.5}))
    assert hits_above(measured(private), epsilon, delta) == []
    assert private["auc"] < bare["auc"]
    assert hits_above(measured(bare), epsilon, delta)
