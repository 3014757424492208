"""Exchanges of an aggregation: their order, their bytes, drop-outs, and going on from a state."""

import struct
from dataclasses import dataclass, replace

import pytest
import torch

from fedbytes.compression.frame import HEADER_BYTES
from fedbytes.federated.aggregation import Aggregation
from fedbytes.federated.client.client import Client
from fedbytes.federated.exchange.sessions import ClientSession, ServerSession
from fedbytes.federated.hooks import Upload
from fedbytes.federated.protocol.channel import SERVER
from fedbytes.federated.protocol.link import make_link
from fedbytes.federated.protocol.messages import frame_exchange, open_vector
from fedbytes.federated.server.server import Server
from fedbytes.federated.state import State
from fedbytes.federated.testing.strict_client import replay
from fedbytes.federated.testing.tiny_models import TinyRegression

NUMBER = struct.Struct("<Q")
LOST = 2
"""The client that drops out in the toy."""


@dataclass(frozen=True)
class Shares(Aggregation):
    """Clients say how many examples they have, hear the total, and send their share of the mean.

    With `drops="before"` client `LOST` says nothing at all, with `drops="after"` it says how many
    examples it has and no more: then a third exchange makes the others send what is missing.
    """

    drops: str = "never"
    opens_each = False
    name = "shares"

    @property
    def exchanges(self):
        return 2 if self.drops != "after" else 3

    def client(self, sender):
        return SharesClient(sender, self.drops)

    def server(self, receiver):
        return SharesServer(receiver, self.drops)


class SharesClient(ClientSession):
    def __init__(self, sender, drops):
        self.sender, self.drops = sender, drops
        self.heard = []

    def begin(self, trained):
        self.trained = trained
        if self.drops == "before" and self.sender.number == LOST:
            return []
        return [self.frame(self.sender.examples)]

    def receive(self, frame):
        self.heard.append(NUMBER.unpack(frame.payload)[0])

    def answer(self):
        if self.drops == "after" and self.sender.number == LOST:
            return []
        if len(self.heard) == 2:  # the total of those who are left
            return [self.frame(self.heard[0] - self.heard[1])]
        share = self.sender.examples / self.heard[0]
        frame = self.sender.delta(share * self.trained.delta)
        return [frame, self.sender.metrics(self.trained.loss)]

    def frame(self, number):
        return frame_exchange(NUMBER.pack(number), self.sender.shared(exact=True)).pack()


class SharesServer(ServerSession):
    def __init__(self, receiver, drops):
        self.receiver, self.drops = receiver, drops
        self.said, self.sum, self.sent, self.missing = {}, 0, [], set()
        self.exchange = 1

    def receive(self, client, frame):
        if self.exchange == 1:
            self.said[client] = NUMBER.unpack(frame.payload)[0]
        elif self.exchange == 2:
            uplink, shared = self.receiver.fed.uplink, self.receiver.shared_up(client)
            self.sum = self.sum + open_vector(frame, uplink.codec, shared)
            self.sent.append(client)
        else:
            self.missing.add(NUMBER.unpack(frame.payload)[0])

    def next_exchange(self):
        self.exchange += 1
        return sorted(self.said) if self.exchange == 2 else sorted(self.sent)

    def messages(self, client):
        number = sum(self.said[c] for c in (self.said if self.exchange == 2 else self.sent))
        return [frame_exchange(NUMBER.pack(number), self.receiver.shared).pack()]

    def uploads(self):
        total, present = sum(self.said.values()), sum(self.said[c] for c in self.sent)
        assert self.missing in (set(), {total - present})
        return [Upload(-1, self.sum * (total / present), present)]


def test_shares_of_two_exchanges_are_the_mean(make_run):
    one, two = make_run(4).go(3), make_run(4, aggregation=Shares()).go(3)
    torch.testing.assert_close(one.state.model, two.state.model)


def test_every_frame_of_an_exchange_is_in_the_ledger(make_run):
    run = make_run(4, aggregation=Shares()).go(1)
    said = [e for e in run.ledger.entries if e.kind == "exchange"]
    assert {e.message_bytes for e in said} == {NUMBER.size + HEADER_BYTES}
    assert [(e.direction, e.client) for e in said] == [
        *(("up", c) for c in range(4)),
        *(("down", c) for c in range(4)),
    ]
    assert run.ledger.total == sum(map(len, run.crossed))
    shared = make_run(4, aggregation=Shares(), broadcast="multicast").go(1)
    down = [e for e in shared.ledger.entries if e.kind == "exchange" and e.direction == "down"]
    assert [e.client for e in down] == [-1]


def test_all_are_sent_to_before_any_answers(make_run):
    run = make_run(3, aggregation=Shares()).go(1)
    kinds = [(e.direction, e.kind) for e in run.ledger.entries]
    assert kinds == [
        *[("down", "state")] * 3,
        *[("up", "exchange")] * 3,
        *[("down", "exchange")] * 3,
        *[("up", "delta"), ("up", "metrics")] * 3,
    ]


def test_an_exchange_of_an_earlier_round_is_refused(make_run):
    run = make_run(3, aggregation=Shares())
    server = Server(run.fed, run.state.server)
    context = server.open_round()
    client = Client(run.fed, 0)
    client.receive(message.data for message in server.messages_for(0))
    client.take_turn(context)
    shared = run.fed.shared(context.round, SERVER, None)
    client.receive([frame_exchange(NUMBER.pack(9), shared).pack()])
    late = frame_exchange(NUMBER.pack(9), replace(shared, round=context.round + 1))
    with pytest.raises(ValueError, match="of round 2 and takes part in no exchange of that"):
        client.receive([late.pack()])


@pytest.mark.parametrize("drops", ["never", "before", "after"])
@pytest.mark.parametrize("broadcast", ["unicast", "multicast"])
def test_strict_clients_follow_every_exchange(make_run, drops, broadcast):
    fields = {"aggregation": Shares(drops), "clients_per_round": 3, "broadcast": broadcast}
    link = make_link({"name": "topk", "density": 0.2, "error_feedback": True})
    run = make_run(4, uplink=link, **fields)
    theirs = replace(run.fed, model=TinyRegression())
    replay(run, [Client(theirs, c) for c in range(4)], 4)


def test_an_answer_that_was_not_learned_from_messages_is_found(make_run):
    class Peeks(SharesClient):
        calls = 0

        def answer(self):
            Peeks.calls += 1
            self.trained = self.trained.with_delta(self.trained.delta * Peeks.calls)
            return super().answer()

    @dataclass(frozen=True)
    class Peeking(Shares):
        def client(self, sender):
            return Peeks(sender, self.drops)

    run = make_run(3, aggregation=Peeking())
    theirs = replace(run.fed, model=TinyRegression())
    with pytest.raises(ValueError, match="gives other bytes"):
        replay(run, [Client(theirs, c) for c in range(3)], 1)


@pytest.mark.parametrize("drops", ["before", "after"])
def test_who_drops_out_is_neither_sent_to_nor_counted(make_run, drops):
    run = make_run(4, aggregation=Shares(drops)).go(1)
    last = [e for e in run.ledger.entries if e.client == LOST]
    sent = {"before": ["state"], "after": ["state", "exchange", "exchange"]}[drops]
    assert [e.kind for e in last] == sent
    plain = make_run(4, hooks=without(LOST)).go(1)
    torch.testing.assert_close(run.state.model, plain.state.model)


def without(client):
    from fedbytes.federated.hooks import Hooks

    return Hooks(before_aggregate=(lambda us, c: [u for u in us if u.client != client],))


def test_a_saved_state_goes_on_bit_for_bit(make_run, tmp_path):
    link = make_link({"name": "topk", "density": 0.1, "error_feedback": True})
    fields = {"uplink": link, "clients_per_round": 2, "aggregation": Shares()}
    whole, cut = make_run(5, **fields).go(6), make_run(5, **fields).go(3)
    cut.state.save(tmp_path / "state.pt", {})
    cut.state, _ = State.load(tmp_path / "state.pt")
    cut.go(3)
    assert torch.equal(whole.state.model, cut.state.model)
    assert whole.crossed == cut.crossed


def test_a_round_whose_clients_say_no_loss_has_none(make_run):
    class Silent(SharesClient):
        def answer(self):
            return super().answer()[:1]

    @dataclass(frozen=True)
    class Unsaid(Shares):
        def client(self, sender):
            return Silent(sender, self.drops)

    assert make_run(3, aggregation=Unsaid()).run_round().train_loss is None


def test_error_feedback_keeps_what_was_lost_at_weight_one(make_run):
    class Quarter(SharesClient):
        def answer(self):
            return [self.sender.delta(self.trained.delta, 0.25), self.sender.metrics(1.0)]

    @dataclass(frozen=True)
    class Quarters(Shares):
        def client(self, sender):
            return Quarter(sender, self.drops)

    link = make_link({"name": "topk", "density": 0.1, "error_feedback": True})
    runs = [make_run(2, uplink=link, **f).go(1) for f in ({}, {"aggregation": Quarters()})]
    whole, quarter = (run.state.clients[0].senders[""]["residual"] for run in runs)
    assert torch.equal(whole, quarter)
