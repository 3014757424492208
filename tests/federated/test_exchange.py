"""Algorithms that hold or send something else than the trained vector."""

from dataclasses import dataclass, replace

import pytest
import torch

from fedbytes.compression.frame import HEADER_BYTES, Frame
from fedbytes.compression.layout import Layout
from fedbytes.federated.algorithms.fedavg import FedAvg
from fedbytes.federated.client.client import Client
from fedbytes.federated.protocol.channel import SERVER
from fedbytes.federated.protocol.link import make_link
from fedbytes.federated.server.server import Server


@dataclass(frozen=True)
class Halves(FedAvg):
    """Sends the first half of the vector in odd rounds and the second in even ones."""

    name = "halves"

    def _half(self, context):
        n = context.model.layout.numel
        return slice(0, n // 2) if context.round % 2 else slice(n // 2, n)

    def up(self, context):
        half = self._half(context)
        return Layout({f"half {half.start}": (half.stop - half.start,)})

    def down(self, context):
        return self.up(context)

    def train(self, context, start, indices, memory, rng):
        whole = super().train(context, start, indices, memory, rng)
        return type(whole)(whole.delta[self._half(context)].clone(), whole.loss, whole.memory)

    def apply(self, context, held, update):
        after = held.clone()
        after[self._half(context)] += update
        return after


@dataclass(frozen=True)
class Fresh(FedAvg):
    """Keeps nobody in step: every client of a round is sent the state."""

    name = "fresh"
    downloads = "state"


FIELDS = {"local_steps": 3, "learning_rate": 0.05}
TOPK = {"name": "topk", "density": 0.2, "error_feedback": True}


@pytest.mark.parametrize("spec", ["fp32", TOPK, {"name": "lora_klt", "bits": 1.0}], ids=str)
def test_messages_have_the_layout_of_their_round(make_run, spec):
    run = make_run(5, algorithm=Halves(**FIELDS), uplink=make_link(spec), downlink=make_link(spec))
    n = run.fed.model.layout.numel
    for round_ in range(1, 5):
        before = run.state.model
        run.go(1)
        moved = (run.state.model - before) != 0
        half = slice(0, n // 2) if round_ % 2 else slice(n // 2, n)
        assert moved[half].any()
        moved[half] = False
        assert not moved.any()
    if spec == "fp32":
        deltas = [e for e in run.ledger.entries if e.kind == "delta"]
        assert {e.payload_bytes for e in deltas} == {4 * (n // 2) + 4, 4 * (n - n // 2) + 4}


def test_each_layout_has_a_memory_of_its_own(make_run):
    run = make_run(3, algorithm=Halves(**FIELDS), uplink=make_link(TOPK)).go(4)
    shapes = {
        (client, key): sender["residual"].shape
        for client, kept in run.state.clients.items()
        for key, sender in kept.senders.items()
    }
    assert len(shapes) == 6
    assert {shape[0] for shape in shapes.values()} == {
        run.fed.layout.numel // 2,
        run.fed.layout.numel - run.fed.layout.numel // 2,
    }


def test_the_server_keeps_an_estimate_of_each_layout(make_run):
    link = make_link({"name": "topk", "density": 0.2, "error_feedback": "ef21"})
    run = make_run(3, algorithm=Halves(**FIELDS), uplink=link).go(5)
    for client, kept in run.state.clients.items():
        estimates = run.state.server.estimates[client]
        assert set(estimates) == set(kept.senders)
        assert len(estimates) == 2
        for key, estimate in estimates.items():
            assert torch.equal(estimate, kept.senders[key]["estimate"])


def test_clients_that_missed_rounds_are_brought_up_to_date(make_run):
    # Every start is checked by the round: clients train from what they decoded.
    whole = make_run(8, clients_per_round=2, algorithm=Halves(**FIELDS)).go(10)
    kinds = {entry.kind for entry in whole.ledger.entries}
    assert {"state", "update", "catch-up"} <= kinds


def test_a_fresh_state_is_priced_every_round_and_is_fedavg_at_fp32(make_run):
    fresh = make_run(4, algorithm=Fresh(**FIELDS)).go(3)
    kept = make_run(4, algorithm=FedAvg(**FIELDS)).go(3)
    torch.testing.assert_close(fresh.state.model, kept.state.model)
    down = [e for e in fresh.ledger.entries if e.direction == "down"]
    assert len(down) == 4 * 3
    assert {e.message_bytes for e in down} == {4 * fresh.fed.layout.numel + 4 + HEADER_BYTES}
    assert {e.kind for e in down} == {"state"}
    shared = make_run(4, algorithm=Fresh(**FIELDS), broadcast="multicast").go(3)
    assert shared.ledger.down_bytes * 4 == fresh.ledger.down_bytes


def test_error_feedback_on_a_fresh_state_is_refused(make_run):
    with pytest.raises(ValueError, match=r"fresh.*downlink\.error_feedback=false"):
        make_run(4, algorithm=Fresh(**FIELDS), downlink=make_link(TOPK))


def test_an_algorithm_that_says_held_still_works(make_run):
    """`held` is the former name of `synced_layout`: plug-ins of before keep working."""

    @dataclass(frozen=True)
    class Before(FedAvg):
        def held(self, model):
            return model.layout

    new, old = (make_run(2, algorithm=made(**FIELDS)).go(2) for made in (FedAvg, Before))
    assert Before.synced_layout is not FedAvg.synced_layout
    assert torch.equal(new.state.model, old.state.model)


def _first_messages(run):
    server = Server(run.fed, run.state.server)
    return server.open_round(), [message.data for message in server.messages_for(0)]


def test_a_client_takes_messages_of_the_server_alone(make_run):
    run = make_run(2)
    _, messages = _first_messages(run)
    forged = replace(Frame.unpack(messages[0]), sender=1).pack()
    with pytest.raises(ValueError, match=f"sender is 1, expected {SERVER}"):
        Client(run.fed, 0).receive([forged])


def test_a_state_of_an_earlier_round_is_not_trained_from(make_run):
    run = make_run(2, algorithm=Fresh(**FIELDS))
    context, messages = _first_messages(run)
    client = Client(run.fed, 0)
    client.receive(messages)
    with pytest.raises(ValueError, match=r"takes part in round 2 and .* not brought up to date"):
        client.train(replace(context, round=2))
    client.receive(messages)
    assert client.train(context).delta.abs().sum() > 0
