"""Defences that train on the server: alignment before the first round, and after the others."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from fedbytes.federated import make_algorithm, make_plugins
from fedbytes.federated.averaging import weighted_mean
from fedbytes.federated.testing.plugin_bench import draw_uploads, federation, stage_context
from fedbytes.federated.testing.strict_client import Rehearsal

ALIGNED = {"name": "aligned_start", "steps": 7}
MENDED = {"name": "post_hoc", "from_round": 3, "steps": 4, "examples_used": 9}


def own_loss(fed, vector):
    """Return the loss on the server's own examples."""
    fed.model.set_state(vector)
    with torch.no_grad():
        return float(fed.model.loss(torch.from_numpy(fed.server_rows)))


def test_the_server_begins_with_what_it_trained_and_sends_it_whole():
    plain, aligned = (Rehearsal(federation(make_plugins(defense=d))) for d in (None, [ALIGNED]))
    drawn = plain.fed.model.draw_initial(0)
    assert torch.equal(plain.state.model, drawn)
    assert own_loss(aligned.fed, aligned.state.model) < own_loss(plain.fed, drawn)
    context = stage_context("defense 0 aligned_start", round_=0)
    assert torch.equal(aligned.state.model, drawn + context.tune(drawn, 1000, 7, None))
    aligned.go(2)
    states = [e for e in aligned.ledger.entries if e.kind == "state"]
    assert sorted(e.client for e in states) == list(range(10))
    assert {e.payload_bytes for e in states} == {4 * len(drawn) + 4}  # and its checksum


def test_after_its_round_the_model_is_the_mean_then_the_servers_training():
    (defense,) = make_plugins(defense=MENDED).defense
    uploads = draw_uploads("post hoc")
    early = stage_context("defense 0 post_hoc", round_=2)
    assert defense.uploads(uploads, early, {})[0] is uploads
    context = stage_context("defense 0 post_hoc", round_=3)
    found, _ = defense.uploads(uploads, context, {})
    assert len({upload.examples for upload in found}) == 1
    capped = [replace(u, examples=min(u.examples, 24)) for u in uploads]
    mean = weighted_mean(capped)
    wanted = mean + context.tune(context.held + mean, 9, 4, None)
    torch.testing.assert_close(weighted_mean(found), wanted)


def test_its_update_is_one_message_as_any_other():
    runs = [Rehearsal(federation(make_plugins(defense=d))).go(5) for d in (None, [MENDED])]
    rows = [
        [(e.round, e.client, e.direction, e.kind, e.message_bytes) for e in run.ledger.entries]
        for run in runs
    ]
    assert rows[0] == rows[1]
    assert sum(kind == "update" for *_, kind, _ in rows[1]) == 40
    fed = runs[0].fed
    assert own_loss(fed, runs[1].state.model) < own_loss(fed, runs[0].state.model)


@pytest.mark.parametrize("defense", [ALIGNED, MENDED])
def test_the_same_rows_are_trained_on_in_every_round(defense):
    spent = []
    for round_ in (1, 2):
        context = stage_context("defense 0 x", round_=round_)
        model = context.model
        plain = model.batches
        model.batches = lambda rows, *rest, plain=plain: spent.append(rows) or plain(rows, *rest)
        context.tune(context.held, 5, 2, None)
    assert spent[0].tolist() == spent[1].tolist()
    assert len(spent[0]) == 5


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"server_rows": np.zeros(0, np.int64)}, "of which the task gives it 0"),
        ({"initial": "seed"}, "set initial=full"),
        ({"algorithm": make_algorithm("decomfl")}, "algorithm 'decomfl' has none"),
    ],
)
def test_what_cannot_be_is_refused(fields, message):
    fed = federation(make_plugins(defense=[ALIGNED]))
    with pytest.raises(ValueError, match=message):
        replace(fed, **fields)
