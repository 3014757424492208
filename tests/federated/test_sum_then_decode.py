"""Sums that are decoded once: the mean that they give, what they cost, and what they refuse."""

import re
import weakref
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import torch

from fedbytes.compression.frame import HEADER_BYTES, Frame
from fedbytes.federated import Attack, RoundPlugins
from fedbytes.federated.aggregation import make_aggregation
from fedbytes.federated.algorithm import make_algorithm
from fedbytes.federated.client.client import Client
from fedbytes.federated.hooks import Hooks
from fedbytes.federated.protocol.link import make_link
from fedbytes.federated.protocol.messages import KIND_IDS, METRICS_BYTES
from fedbytes.federated.stages.attackers import draw_attackers
from fedbytes.federated.state import State
from fedbytes.federated.testing.strict_client import replay
from fedbytes.federated.testing.tiny_models import EXAMPLES, TinyRegression

FIXED = {"name": "fixed", "clip": 2.0, "bits": 16}
THC = {"name": "thc", "unit": 0.03125}
WAYS = ["examples", "uniform"]


def unequal(clients):
    bounds = (np.linspace(0, 1, clients + 1) ** 2 * EXAMPLES).astype(int)
    return [np.arange(max(a, 0), b) for a, b in zip(bounds[:-1], bounds[1:] + 1, strict=True)]


def summed(make_run, clients, uplink, weights="examples", **fields):
    aggregation = make_aggregation("sum_then_decode", weights=weights)
    link = make_link(uplink)
    parts = [part[part < EXAMPLES] for part in unequal(clients)]
    return make_run(clients, parts=parts, uplink=link, aggregation=aggregation, **fields)


@pytest.mark.parametrize("weights", WAYS)
@pytest.mark.parametrize("clients", [1, 2, 5, 20])
@pytest.mark.parametrize("spec", [FIXED, THC], ids=str)
def test_the_model_moves_by_the_mean_of_what_is_decoded(make_run, spec, clients, weights):
    """Each message opened by itself, unlike the server does, has the mean that it gets."""
    run = summed(make_run, clients, spec, weights)
    before, server = run.state.model, run.server
    opened, receive = {}, server.open_integers

    def also_decode(client, frame):
        opened[client] = server.open(client, frame).double()
        return receive(client, frame)

    server.open_integers = also_decode
    run.go(1)
    sizes = {client: len(run.fed.parts[client]) for client in opened}
    weight = sum(sizes.values()) / max(sizes.values()) if weights == "examples" else clients
    mean = sum(opened.values()) / weight
    assert len(opened) == clients
    torch.testing.assert_close(run.state.model.double() - before, mean, atol=2e-6, rtol=0)


@pytest.mark.parametrize("weights", WAYS)
def test_a_fine_grid_gives_the_run_of_lossless_links(make_run, weights):
    run = summed(make_run, 4, FIXED | {"bits": 24}, weights).go(3)
    parts = run.fed.parts
    hooks = Hooks(before_aggregate=(lambda us, c: [replace(u, examples=1) for u in us],))
    plain = make_run(4, parts=parts, **({} if weights == "examples" else {"hooks": hooks})).go(3)
    torch.testing.assert_close(run.state.model, plain.state.model, atol=1e-5, rtol=0)


@pytest.mark.parametrize("weights", WAYS)
@pytest.mark.parametrize("feedback", [False, True])
def test_strict_clients_follow_and_every_byte_is_booked(make_run, weights, feedback):
    spec = THC | {"error_feedback": feedback}
    run = summed(make_run, 4, spec, weights, clients_per_round=3)
    theirs = replace(run.fed, model=TinyRegression())
    replay(run, [Client(theirs, c) for c in range(4)], 4)
    assert run.ledger.total == sum(map(len, run.crossed))
    told = [e for e in run.ledger.entries if e.kind == "exchange"]
    assert {e.message_bytes for e in told} == ({48} if weights == "examples" else set())
    assert len(told) == (12 if weights == "examples" else 0)
    assert run.fed.aggregation.extra_bytes == (0, 48 if weights == "examples" else 0)
    up = [e.message_bytes for e in run.ledger.entries if e.direction == "up"]
    n = run.fed.layout.numel
    assert sum(up) == 12 * (-(-n * 4 // 8) + 4 + METRICS_BYTES + 2 * HEADER_BYTES)


def test_a_saved_state_goes_on_bit_for_bit(make_run, tmp_path):
    fields = {"uplink": THC | {"error_feedback": True}, "clients_per_round": 2}
    whole, cut = summed(make_run, 5, **fields).go(6), summed(make_run, 5, **fields).go(3)
    cut.state.save(tmp_path / "state.pt", {})
    cut.state, _ = State.load(tmp_path / "state.pt")
    cut.go(3)
    assert torch.equal(whole.state.model, cut.state.model)
    assert whole.crossed == cut.crossed


@pytest.mark.parametrize(
    "spec", [FIXED | {"bits": 4}, THC | {"error_feedback": True}, THC | {"momentum": 0.5}], ids=str
)
def test_training_learns_through_sums(make_run, spec):
    run = summed(make_run, 4, spec).go(30)
    run.fed.model.set_state(run.state.model)
    assert run.fed.model.accuracy() > 0.85


@dataclass(frozen=True, kw_only=True)
class Cut(Attack):
    name: ClassVar[str] = "cut"
    kind: str = "delta"

    def tamper(self, client, frames, context):
        if self.kind == "twice":
            return [data for data in frames for _ in range(2)]
        wanted = KIND_IDS[self.kind]
        return [data[:-1] if Frame.unpack(data).kind == wanted else data for data in frames]


@pytest.mark.parametrize("kind", ["delta", "metrics", "twice"])
def test_who_sends_malformed_bytes_is_left_out_of_the_sum(make_run, kind):
    """Also where it is the client with the most examples, of which the others were told."""
    plugins = RoundPlugins(attack=(Cut(share=0.25, kind=kind),))
    seeds = (s for s in range(99) if draw_attackers(plugins.attack[0], unequal(4), s) == (3,))
    fields = {"plugins": plugins, "seed": next(seeds)}
    run = summed(make_run, 4, FIXED, **fields)
    each = make_run(4, parts=run.fed.parts, uplink=make_link(FIXED), **fields)
    report, same = run.run_round(), each.run_round()
    assert report.dropped == same.dropped == (3,)
    assert report.train_loss == same.train_loss
    torch.testing.assert_close(run.state.model, each.state.model, atol=3e-4, rtol=0)


@pytest.mark.parametrize("weights", WAYS)
def test_no_delta_is_kept_beyond_the_round(make_run, weights):
    run = summed(make_run, 3, FIXED, weights)
    train, deltas = run.clients.train, []

    def watched(context):
        for client, trained in train(context):
            deltas.append(weakref.ref(trained.delta))
            yield client, trained

    run.clients.train = watched
    run.go(1)
    assert [delta() for delta in deltas] == [None] * 3


def test_what_is_left_out_is_said(make_run):
    report = summed(make_run, 3, FIXED).run_round()
    assert report.agreement == {}
    assert report.train_loss > 0


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"uplink": "fp32"}, "'sum_then_decode' adds messages: codec 'fp32' does not add: use"),
        ({"uplink": {"name": "ecsq", "bits": 2}}, "entropy-coded .* thc with unit=… and bits=2"),
        ({"uplink": FIXED | {"error_feedback": "ef21"}}, "uplink.error_feedback=ef14"),
        (
            {"algorithm": make_algorithm("majority_vote", local_steps=1)},
            "'majority_vote' needs each client's upload.* aggregation.name=decode_each",
        ),
        (
            {"hooks": Hooks(before_aggregate=(lambda us, c: us,))},
            "a defence sees each .* aggregation.name=decode_each",
        ),
    ],
    ids=lambda value: re.sub(" at 0x[0-9a-f]+", "", str(value)),
)
def test_what_needs_single_uploads_is_refused_in_a_line(make_run, fields, message):
    with pytest.raises(ValueError, match=message) as refused:
        summed(make_run, 3, **({"uplink": FIXED} | fields))
    assert "\n" not in str(refused.value)
