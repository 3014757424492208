"""RMIA and LiRA: scores by their formulas, and models of the observer's own that see no text."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from leaky_federation import bold_bert, letter_texts

from fedbytes.audits.membership_parts.public_texts import PublicTexts
from fedbytes.audits.membership_parts.reference_audit import Confidence
from fedbytes.audits.membership_parts.shadow_models import ShadowTraining, divide_public
from fedbytes.data.tokens.token_cache import encode
from fedbytes.federated import (
    AuditTruth,
    Federation,
    Simulation,
    StageContext,
    make_algorithm,
    make_audit,
    make_link,
    make_plugins,
)
from fedbytes.federated.testing.tiny_models import LORA, text_model
from fedbytes.models import build_model
from fedbytes.models.base.tiny_bases import byte_tokenizer
from fedbytes.models.testing.tiny_task import on_cpu
from fedbytes.streams import stream

CLIENTS, ROUNDS = 2, 3
AUDITS = [
    {"name": "rmia", "rounds": [ROUNDS], "population": 30},
    {"name": "lira", "rounds": [ROUNDS], "references": 4},
]
ERROR = np.sqrt((20 + 20 + 1) / (12 * 20 * 20))
"""Of the AUC of 20 members and 20 others, where there is nothing to find."""


def federation(audit):
    """Two clients that learn ten texts each by heart, whose labels are drawn by chance."""
    task = encode(letter_texts(), byte_tokenizer(), "bytes", "classification", 10)
    parts = [np.arange(client, 40, CLIENTS) for client in range(CLIENTS)]
    return Federation(
        model=build_model(on_cpu(bold_bert()), "full", task, prefix_cache=False),
        parts=[part[::2] for part in parts],
        set_aside=[part[1::2] for part in parts],
        algorithm=make_algorithm("fedavg", local_epochs=4, batch_size=5, learning_rate=3e-3),
        uplink=make_link("fp32"),
        downlink=make_link("fp32"),
        clients_per_round=CLIENTS,
        plugins=make_plugins(audit=audit),
        rounds=ROUNDS,
    )


@pytest.fixture(scope="module")
def learned():
    """A run after its last round, audited once, and what the audits found."""
    run = Simulation(federation(AUDITS))
    for _ in range(ROUNDS):
        run.run_round()
    return run, run.audit()


def context_of(run, round_):
    known = run.fed.context(round_)
    return replace(StageContext.of(known, run.state.model, "test"), algorithm=run.fed.algorithm)


def confidence(own, *out):
    return Confidence(np.log(own), np.log(np.array(out)))


def test_rmia_counts_public_texts_whose_ratio_is_gamma_times_lower():
    """By hand: p(x) = ½ (1.2 · 0.5 + 0.8) = 0.7, and 0.9 / 0.7 is 1.286."""
    texts = confidence([0.9, 0.35], [0.4, 0.6], [0.6, 0.4])
    public = confidence([0.6 * 0.7, 0.9 * 0.7], [0.5, 0.5])
    for gamma, counts in ((1.0, [2, 0]), (2.0, [1, 0]), (2.2, [0, 0])):
        scores = make_audit("rmia", gamma=gamma, a=0.2).weigh(texts, public)
        within = np.array([9 / 16, 1 / 3])  # of the ratios 9 / 7 and 1 / 2
        assert scores == pytest.approx((within + counts) / 2)


def test_rmia_believes_references_as_far_as_it_is_told():
    texts, public = confidence([0.5], [0.25]), confidence([0.45, 0.75, 1.0], [0.5, 0.5, 0.5])
    ratios = {1.0: 2.0, 0.0: 0.5 / 0.625}  # beside 0.9, 1.5, 2.0 and 0.6, 1.0, 1.33
    counts = {1.0: 3, 0.0: 1}
    for a, ratio in ratios.items():
        (score,) = make_audit("rmia", gamma=1, a=a).weigh(texts, public)
        assert score == pytest.approx((counts[a] + ratio / (1 + ratio)) / 3)


def test_texts_of_one_share_stand_by_their_ratio():
    """Else a hundred public texts could not tell one false alarm in a hundred."""
    texts = confidence([0.8, 0.9, 0.7], [0.5, 0.5, 0.5])
    scores = make_audit("rmia").weigh(texts, confidence([0.1], [0.5]))
    assert scores[1] > scores[0] > scores[2] > 1


def odds(*scaled):
    return 1 / (1 + np.exp(-np.array(scaled)))


def test_lira_counts_deviations_above_the_mean_of_the_references():
    texts = confidence(odds(4, 4), odds(1, 0), odds(2, 2), odds(3, 4))
    own, common = (
        make_audit("lira", deviation=how).weigh(texts, texts) for how in ("own", "global")
    )
    assert own == pytest.approx([2, 1])  # deviations 1 and 2
    assert common == pytest.approx([2 / np.sqrt(2.5), 2 / np.sqrt(2.5)])


def test_texts_that_all_models_are_sure_of_have_finite_scores_that_differ():
    """e^-1e-13 is 1 less a ten-millionth of a millionth; the odds are still told apart."""
    out = np.array([[-1e-13, 0.0, -1e-13], [-2e-13, 0.0, -3e-13]])
    scores = make_audit("lira").weigh(Confidence(np.array([-1e-15, 0.0, -1e-13]), out), None)
    assert np.isfinite(scores).all()
    assert scores[0] > scores[2] > scores[1] == 0


def test_a_model_that_learned_by_heart_names_its_texts(learned):
    _, rows = learned
    assert [row["audit"] for row in rows] == ["rmia", "lira"]
    for row in rows:
        assert (row["members"], row["others"]) == (20, 20)
        assert row["auc_low"] > 0.6


def test_a_model_that_nobody_trained_names_none(learned):
    """P9: the same scores of the first vector, against the same references."""
    _, rows = learned
    for row in rows:
        assert abs(row["auc_untrained"] - 0.5) < 2.5 * ERROR


def test_shuffled_membership_is_not_found(learned):
    run, _ = learned
    fed, truth, areas = run.fed, run.auditors._truth, []
    for seed in range(8):
        halves = []
        for client, both in enumerate(zip(fed.parts, fed.set_aside, strict=True)):
            rows = stream(seed, "shuffle", client).permutation(np.concatenate(both))
            halves.append((rows[:10], rows[10:]))
        run.auditors._truth = AuditTruth([a for a, _ in halves], [b for _, b in halves])
        areas.append([row["auc"] for row in run.audit()])
    run.auditors._truth = truth
    assert (abs(np.mean(areas, axis=0) - 0.5) < 2 * ERROR).all()
    assert (abs(np.array(areas) - 0.5) < 4 * ERROR).all()


def test_a_message_names_texts_of_its_client():
    audit = {"name": "lira", "of": "message", "references": 4, "rounds": [1]}
    run = Simulation(federation(audit))
    run.run_round()
    (both,) = [row for row in run.audit() if row["client"] is None]
    assert both["auc"] > 0.65
    assert "beside" not in run.state.audits["audit 0 lira"], "of that round alone"


def test_a_language_model_is_held_against_others_by_its_mean_token():
    model, rows = text_model("tiny-llama", LORA, "causal-lm"), np.arange(40)
    fed = replace(
        federation("lira"),
        model=model,
        parts=[rows[:10], rows[10:20]],
        set_aside=[rows[20:30], rows[30:]],
        plugins=make_plugins(audit={"name": "lira", "references": 2, "deviation": "own"}),
    )
    run = Simulation(fed)
    run.run_round()
    (row,) = run.audit()
    assert (row["members"], row["others"]) == (20, 20)
    assert abs(row["auc_untrained"] - 0.5) < 3 * ERROR
    assert row["auc"] != row["auc_untrained"]


def test_shadows_read_public_texts_alone_and_spare_the_population(learned):
    run, _ = learned
    context = context_of(run, 2)
    population, pool = divide_public(context, 30)
    assert sorted([*population, *pool]) == list(range(80))
    assert len(divide_public(context, 500)[0]) == 40, "at most half"
    training, read = ShadowTraining(context, pool), []
    batches = PublicTexts.batches
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            PublicTexts,
            "batches",
            lambda self, rows, *rest: (read.append(rows), batches(self, rows, *rest))[1],
        )
        for number in range(2):
            training.trained(training.begin(), number, 0)
    seen = [set(np.concatenate(some).tolist()) for some in (read[:2], read[2:])]
    assert [len(rows) for rows in read] == [10] * 4, "as many as a client of the run holds"
    assert len(seen[0]) == 20, "the second round goes on with others"
    assert seen[0] | seen[1] <= set(pool.tolist())
    assert len(seen[0]) <= len(pool) // 2
    assert seen[0] != seen[1]


def test_a_shadow_goes_on_where_it_stopped(learned):
    run, _ = learned
    _, pool = divide_public(context_of(run, 1), 0)
    at_once = ShadowTraining(context_of(run, 3), pool)
    begun = ShadowTraining(context_of(run, 1), pool)
    halfway = begun.trained(begun.begin(), 5, 0)
    rest = at_once.trained(halfway, 5, 1)
    whole = at_once.trained(at_once.begin(), 5, 0)
    assert torch.equal(rest["held"], whole["held"])
    assert not torch.equal(halfway["held"], whole["held"])


@pytest.mark.parametrize(
    ("name", "fields", "said"),
    [
        ("rmia", {"of": "sum"}, "of must be one of model, message, got 'sum'"),
        ("lira", {"references": 1}, "references must be at least 2, got 1"),
        ("rmia", {"a": 1.5}, r"a must be in \[0, 1\], got 1.5"),
        ("rmia", {"gamma": 0.5}, "gamma must be at least 1, got 0.5"),
    ],
)
def test_settings_without_sense_are_refused(name, fields, said):
    with pytest.raises(ValueError, match=said) as error:
        make_audit(name, **fields)
    assert "\n" not in str(error.value)


def test_a_task_without_public_texts_is_refused():
    fed = federation("lira")
    task = fed.model.task
    fed.model.task = replace(task, test=replace(task.test, offsets=task.test.offsets[:4]))
    with pytest.raises(ValueError, match=r"of which the task has 3.*task\.max_test_examples"):
        replace(fed, plugins=fed.plugins)
