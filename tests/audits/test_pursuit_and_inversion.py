"""The pursuit, where a message has fewer rows than texts have tokens, and the learned inversion."""

import numpy as np
import pytest
import torch
from leaky_federation import make_federation

from fedbytes.audits.membership_parts.public_texts import PublicTexts
from fedbytes.audits.omp import pursue
from fedbytes.federated import (
    AuditedRun,
    Simulation,
    make_algorithm,
    make_audit,
    make_link,
    make_plugins,
)

ALL = {"clients": 4, "rounds": (2, 3)}


def mean_of(rows, metric):
    return float(np.mean([row[metric] for row in rows]))


@pytest.mark.parametrize("noise", [0.0, 1e-4])
def test_more_tokens_than_rows_are_found_one_after_another(noise):
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(10 * 12, 60))
    atoms = [(token, place) for place in range(12) for token in range(10)]
    true = [place * 10 + int(rng.integers(10)) for place in range(12)]
    rows = rng.normal(size=(9, 12)) @ vectors[true]
    rows += noise * rng.normal(size=rows.shape)
    found = pursue(rows, atoms, vectors, most=1, count=12)
    assert len(found) == 12
    assert {place for _, place in found} == set(range(12)), "one token at each position"
    assert len(set(found) & {atoms[i] for i in true}) >= 11


def test_a_pursuit_stops_where_rows_are_explained():
    vectors = np.eye(6)
    atoms = [(token, token) for token in range(6)]
    rows = np.array([[3.0, 0, 0, 1, 0, 0], [1.0, 0, 0, 1, 0, 0]])
    assert set(pursue(rows, atoms, vectors, most=2, count=6)) == {(0, 0), (3, 3)}


def test_the_pursuit_finds_more_than_the_span_of_few_rows(found_by):
    lora = {"name": "lora", "rank": 4, "layers": (0,), "targets": ["query", "value"]}
    options = {"rounds": 3, "adapter": lora, "learning_rate": 0.1}
    few = found_by(audit={"name": "span", **ALL}, **options)
    more = found_by(audit={"name": "omp", "shortlist": 60, **ALL}, **options)
    assert mean_of(more, "placed") > mean_of(few, "placed") + 0.05
    assert mean_of(more, "recall") > mean_of(more, "chance_recall") + 0.2
    whole = found_by(audit={"name": "omp", "shortlist": 20, **ALL}, rounds=3)
    assert mean_of(whole, "recall") > 0.9


def test_an_inversion_learns_from_public_texts_what_messages_say(found_by):
    audit = {"name": "invert", "messages": 80, "width": 1024, "rounds": (2,), "clients": 4}
    rows = found_by(audit=audit, rounds=2, adapter="full")
    assert mean_of(rows, "recall") > mean_of(rows, "chance_recall") + 0.05


def test_public_texts_are_the_test_texts_and_leave_the_model_as_it_was():
    fed = make_federation({"name": "invert", "messages": 3, "width": 16, "rounds": (2,)})
    public = PublicTexts(fed.model)
    batch = next(public.batches(np.arange(4), 2, np.random.default_rng(0)))
    assert batch.split == "test"
    assert public.layout is fed.model.layout
    run = Simulation(fed)
    run.run_round(), run.run_round()
    assert float(fed.model.flat.grad.abs().max()) == 0
    plain = Simulation(make_federation(None))
    plain.run_round(), plain.run_round()
    assert torch.equal(run.state.model, plain.state.model)


def test_what_cannot_be_audited_is_refused_before_a_run_begins():
    with pytest.raises(ValueError, match="no matrix that clients send"):
        make_federation("omp", adapter="head")
    short = AuditedRun("classification", False, rounds=1, evaluate_every=1)
    assert make_audit("omp").refuses(short).endswith("set audit.rounds to rounds from 1 to 1")
    joined = make_plugins(audit="span", clean={"name": "loss", "drop": 0.1})
    refusal = joined.refuses(make_algorithm("fedavg", local_steps=1), make_link("fp32"), 4)
    assert "reads batches of its own: leave out one" in refusal
