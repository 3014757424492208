"""Texts are found by matching updates, through the codec; and nothing in a stranger's message."""

import numpy as np
import pytest
import torch
from leaky_federation import listen, make_federation

from fedbytes.audits.match import _Search, classes_of
from fedbytes.audits.text_leakage.dummy_update import DummyUpdate
from fedbytes.experiments import make_config
from fedbytes.federated import Simulation, make_audit
from fedbytes.federated.adversarial.text_frame import TextFrame

MATCH = {"name": "match", "clients": 2, "rounds": (2,), "steps": 60, "sweeps": 3, "swaps": 16}
SPAN = {"name": "span", "clients": 2, "rounds": (2,)}
SHORT = {"letters": 3, "spread": 0.1, "learning_rate": 0.01}
INT = {"name": "chain", "transforms": ["normalise"], "codec": {"name": "int", "bits": 4}}


def mean_of(rows, metric):
    return float(np.mean([row[metric] for row in rows]))


@pytest.mark.parametrize("uplink", ["fp32", INT], ids=["fp32", "int"])
def test_a_short_text_is_found_by_what_its_update_would_be(uplink):
    rows = listen(audit=MATCH, uplink=uplink, **SHORT)
    assert len(rows) == 2
    assert mean_of(rows, "placed") > mean_of(rows, "chance_placed") + 0.5
    assert mean_of(rows, "recall") > mean_of(rows, "chance_recall") + 0.5


@pytest.mark.slow
def test_a_longer_text_is_not(found_by):
    """Of ten letters the right ones help little while most are wrong; the span needs none of it."""
    options = SHORT | {"letters": 10, "rounds": 2}
    found, by_span = (
        mean_of(found_by(audit=audit, **options), "recall") for audit in (MATCH, SPAN)
    )
    assert found < by_span


def test_the_true_text_matches_to_the_last_bit_behind_any_codec():
    """The dummy's update of the words that were read is the message, with the codec's own draws."""
    uplink = {"name": "qsgd", "levels": 3}
    fed = make_federation(MATCH, uplink=uplink, learning_rate=0.1)
    run = Simulation(fed)
    run.run_round()
    context = fed.context(2).for_client(fed.context(2).clients[0])
    model, held, client = fed.model, run.state.model, context.client
    rng = fed.batch_rng(2, client)
    row = int(next(model.batches(fed.parts[client], 1, fed.batch_rng(2, client))).rows[0])
    delta = fed.algorithm.train(context, held, fed.parts[client], {}, rng).delta
    shared, codec = fed.shared_up(context, None), fed.uplink.codec
    model.set_state(held)
    split, frame = model.task.train, TextFrame.of(model.task)
    first, last = frame.inside
    words = torch.tensor(split.tokens[split.offsets[row] : split.offsets[row + 1]].tolist())
    update = DummyUpdate(model, frame, [int(split.labels[row])], codec, shared, 0.1)
    made = update.delta(model.embedding[words[first:last]][None].requires_grad_())
    assert torch.allclose(made, delta, atol=1e-6 * float(delta.abs().max()))
    arrived = codec.decode(codec.encode(delta, shared), shared)
    likeness = torch.cosine_similarity(update.delivered(made), arrived, dim=0)
    assert float(likeness.detach()) > 0.999
    assert float(model.flat.grad.abs().max()) == 0


def test_words_exchange_places_as_long_as_that_helps_and_no_farther_than_said(monkeypatch):
    wanted = torch.tensor([[1, 2, 3, 4, 5]])
    monkeypatch.setattr(_Search, "of_words", lambda _, words: float((words == wanted).sum()))
    search = object.__new__(_Search)
    mixed = torch.tensor([[2, 1, 3, 5, 4]])
    assert search.reordered(mixed, 1).tolist() == wanted.tolist()
    far = torch.tensor([[5, 2, 3, 4, 1]])
    assert search.reordered(far, 3).tolist() == far.tolist()
    assert search.reordered(far, 4).tolist() == wanted.tolist()


def test_classes_are_told_by_a_head_s_bias():
    """One step on texts of classes 2, 2 and 0 of three, by a model that expects each alike."""
    assert sorted(classes_of(torch.tensor([1, 0, 2]) / 3 - 1 / 3, 3)) == [0, 2, 2]
    assert classes_of(torch.tensor([-0.2, 0.3, -0.1]), 1) == [1]


def test_what_has_no_classes_or_is_a_sum_is_refused(settings):
    fields = {"task": {"name": "news-instruct"}, "model": {"name": "smollm2-135m"}}
    with pytest.raises(ValueError, match="matches updates of a classification, and the task is of"):
        make_config(settings | fields | {"audit": "match"})
    with pytest.raises(ValueError, match="of is 'sum': set of to message, or take span"):
        make_audit("match", of="sum")
