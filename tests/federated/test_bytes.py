"""The ledger tells the truth: every byte that crosses is in it, and is enough to follow the run."""

import struct
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from fedbytes.compression.codec import make_codec
from fedbytes.compression.frame import HEADER_BYTES, Frame
from fedbytes.compression.layout import Layout, Shared
from fedbytes.federated.algorithm import make_algorithm
from fedbytes.federated.client.client import Client
from fedbytes.federated.clock import Clock
from fedbytes.federated.protocol.channel import SERVER, Channel, Message
from fedbytes.federated.protocol.ledger import Ledger
from fedbytes.federated.protocol.link import make_link
from fedbytes.federated.protocol.messages import KIND_IDS
from fedbytes.federated.testing.strict_client import replay
from fedbytes.federated.testing.tiny_models import CLASSES, FEATURES, TinyRegression

TOPK = {"name": "topk", "density": 0.1, "error_feedback": True}
KLT = {"name": "lora_klt", "step": 0.1, "basis": "reference"}
POWER = {"name": "powersgd", "rank": 1}


class LowRank(TinyRegression):
    """The same regression through LoRA factors, which codecs turn by the last update."""

    def __init__(self):
        super().__init__()
        self.layout = Layout({"lora_A": (2, FEATURES), "lora_B": (CLASSES, 2)})
        self.flat = torch.nn.Parameter(torch.zeros(self.layout.numel))
        self.flat.grad = torch.zeros_like(self.flat)

    def logits(self, indices):
        a, b = self.flat.split([2 * FEATURES, CLASSES * 2])
        return self.x[indices] @ a.view(2, FEATURES).T @ b.view(CLASSES, 2).T


def rows(run, **fields):
    return [e for e in run.ledger.entries if all(getattr(e, k) == v for k, v in fields.items())]


@pytest.mark.parametrize("initial", ["full", "seed"])
@pytest.mark.parametrize("broadcast", ["unicast", "multicast"])
@pytest.mark.parametrize("spec", ["fp32", TOPK, {"name": "int", "bits": 4}], ids=str)
def test_message_bytes_are_the_bytes_handed_over(make_run, spec, broadcast, initial):
    link = make_link(spec)
    fields = {"uplink": link, "downlink": link, "broadcast": broadcast, "initial": initial}
    run = make_run(5, clients_per_round=3, **fields).go(3)
    assert sum(e.message_bytes for e in run.ledger.entries) == sum(map(len, run.crossed))
    assert run.ledger.total == sum(map(len, run.crossed))
    assert len(run.ledger.entries) == len(run.crossed)
    for entry in run.ledger.entries:
        assert entry.message_bytes == entry.payload_bytes + HEADER_BYTES


class StrictClient:
    """Knows the layout, the codec and its own number, and otherwise only what it is sent.

    It keeps the last update, from which a codec may predict the next one.
    """

    def __init__(self, fed):
        self.fed, self.model, self.codec = fed, None, fed.downlink.codec
        self.reference = None

    def receive(self, data):
        frame = Frame.unpack(data)
        shared = Shared(self.fed.layout, seed=self.fed.seed, round=frame.round, sender=SERVER)
        if frame.kind == KIND_IDS["seed"]:
            self.model = self.fed.model.draw_initial(struct.unpack("<Q", frame.payload)[0])
        elif frame.kind == KIND_IDS["state"]:
            self.model = make_codec("fp32").decode(frame.payload, shared)
            self.reference = None  # what it had is of another round
        elif frame.kind == KIND_IDS["reference"]:
            self.reference = make_codec("fp32").decode(frame.payload, shared)
        elif frame.kind == KIND_IDS["update"]:
            self.reference = self.codec.decode(
                frame.payload, replace(shared, reference=self.reference)
            )
            self.model = self.model + self.reference


@pytest.mark.parametrize("initial", ["full", "seed"])
@pytest.mark.parametrize("spec", ["fp32", TOPK, {"name": "int", "bits": 2}, KLT, POWER], ids=str)
def test_a_client_that_knows_only_its_messages_holds_the_servers_model(make_run, spec, initial):
    link = make_link(spec)
    run = make_run(6, model=LowRank(), clients_per_round=2, downlink=link, initial=initial)
    clients = [StrictClient(run.fed) for _ in range(6)]
    for _ in range(8):
        before, first = run.state.model, len(run.crossed)
        entries = len(run.ledger.entries)
        run.go(1)
        taught = set()
        new = zip(run.ledger.entries[entries:], run.crossed[first:], strict=True)
        for entry, data in new:
            if entry.direction == "down":
                clients[entry.client].receive(data)
                taught.add(entry.client)
        assert len(taught) == 2
        for client in taught:
            assert torch.equal(clients[client].model, before)


@pytest.mark.parametrize("links", [(KLT, "fp32"), ("fp32", KLT), (POWER, KLT)], ids=str)
def test_codecs_that_predict_find_the_same_reference_on_both_ends(make_run, links):
    # Of seven clients two take part: they return after rounds, and are then sent a whole state.
    uplink, downlink = map(make_link, links)
    fields = {"uplink": uplink, "downlink": downlink, "clients_per_round": 2}
    run = make_run(7, model=LowRank(), **fields)
    theirs = replace(run.fed, model=LowRank())
    replay(run, [Client(theirs, c) for c in range(7)], 10)
    frames = [Frame.unpack(data) for data in run.crossed]
    references = [f for f in frames if f.kind == KIND_IDS["reference"]]
    states = [f for f in frames if f.kind == KIND_IDS["state"] and f.round > 1]
    assert len(references) == len(states) > 0


def test_a_client_that_missed_rounds_is_sent_the_cheaper_way(make_run):
    # Two of twelve a round: a client returns after about six rounds. Updates at 10 % density
    # are far below a whole state; at fp32 two of them are already above it.
    sparse = make_run(12, clients_per_round=2, downlink=make_link(TOPK)).go(16)
    dense = make_run(12, clients_per_round=2).go(16)
    whole = 4 * sparse.fed.layout.numel
    caught_up = rows(sparse, kind="catch-up")
    assert caught_up
    assert all(e.payload_bytes < whole / 2 for e in caught_up)
    assert all(e.payload_bytes >= whole for e in rows(dense, kind="catch-up"))
    assert rows(dense, kind="catch-up")
    # Never dearer than a whole state, however much was missed.
    for run in (sparse, dense):
        for round_ in range(2, 17):
            for client in range(12):
                sent = rows(run, round=round_, client=client, direction="down")
                if sent and sent[0].kind != "state":
                    assert sum(e.message_bytes for e in sent) <= whole + 60


def test_the_initial_state_is_priced(make_run):
    full, seed = make_run(4).go(1), make_run(4, initial="seed").go(1)
    run_numel = full.fed.layout.numel
    assert [e.payload_bytes for e in rows(full, kind="state")] == [4 * run_numel + 4] * 4
    assert [e.payload_bytes for e in rows(seed, kind="seed")] == [8] * 4
    assert torch.equal(full.state.model, seed.state.model)


def test_multicast_prices_a_broadcast_once(make_run):
    unicast, multicast = make_run(4).go(3), make_run(4, broadcast="multicast").go(3)
    assert multicast.ledger.down_bytes * 4 == unicast.ledger.down_bytes
    assert multicast.ledger.up_bytes == unicast.ledger.up_bytes


def test_a_multicast_state_crosses_once_for_new_and_returning_clients(make_run):
    # At fp32 whoever missed more than one update is sent the whole state, as new clients are.
    run = make_run(12, clients_per_round=3, broadcast="multicast")
    met = 0
    for round_ in range(1, 13):
        synced = list(run.state.server.synced)
        run.go(1)
        lacks = [synced[c] for c in run.fed.context(round_).clients]
        whole = [e for e in rows(run, round=round_) if e.kind in ("state", "catch-up")]
        assert len(whole) <= 1
        met += -1 in lacks and any(0 <= s < round_ - 2 for s in lacks)
    assert met


def test_metrics_that_clients_send_are_priced(make_run):
    run = make_run(3).go(2)
    metrics = rows(run, kind="metrics")
    assert len(metrics) == 6
    assert all(e.direction == "up" and e.payload_bytes == 12 for e in metrics)


@pytest.mark.parametrize("where", ["header", "payload"])
def test_a_damaged_message_stops_the_round(make_run, where):
    run = make_run(2)

    def damage(data):
        broken = bytearray(data)
        broken[2 if where == "header" else -1] ^= 1
        return bytes(broken)

    run.channel.deliver = damage
    with pytest.raises(ValueError, match=r"frame (version|digest)"):
        run.go(1)


def test_error_feedback_needs_a_codec_that_contracts():
    with pytest.raises(ValueError, match="does not contract"):
        make_link({"name": "int", "bits": 2, "rounding": "stochastic", "error_feedback": True})
    with pytest.raises(ValueError, match="error_feedback must be true or false"):
        make_link({"name": "fp32", "error_feedback": "yes"})
    with pytest.raises(ValueError, match="momentum must be a number"):
        make_link({"name": "fp32", "momentum": "much"})


def test_the_labels_of_links_tell_their_memories_apart():
    spec = {"name": "topk", "density": 0.1}
    labels = [
        make_link(spec | memory).label
        for memory in (
            {},
            {"error_feedback": True},
            {"error_feedback": "ef21"},
            {"error_feedback": "ef21-pp"},
            {"error_feedback": "ef14", "momentum": 0.9},
            {"error_feedback": True, "decay": 0.5},
        )
    ]
    ends = (" +EF", " +EF21", " +EF21-PP", " +EF momentum=0.9", " +EF decay=0.5")
    assert labels[1:] == [f"{labels[0]}{end}" for end in ends]


def test_a_decay_is_part_of_the_specification_only_where_there_is_one():
    spec = {"name": "topk", "error_feedback": True}
    assert make_link(spec | {"decay": 1}).spec == make_link(spec).spec
    assert "decay" not in make_link(spec).spec
    link = make_link(spec | {"decay": 0.95})
    assert make_link(link.spec) == link
    with pytest.raises(ValueError, match=r"decay must be a number in \(0, 1\], got 'much'"):
        make_link(spec | {"decay": "much"})


def test_a_downlink_has_no_momentum_and_its_ef21_is_that_of_the_model():
    link = make_link({"name": "topk", "error_feedback": "ef21"})
    assert link.for_model == make_link({"name": "topk", "error_feedback": True})
    with pytest.raises(ValueError, match=r"momentum=0.5 .* uplink alone"):
        make_link({"name": "topk", "momentum": 0.5}).for_model  # noqa: B018


@pytest.mark.parametrize(
    "memory",
    [
        {"error_feedback": "ef21"},
        {"error_feedback": "ef21-pp"},
        {"error_feedback": True, "momentum": 0.5},
        {"error_feedback": True, "decay": 0.9},
    ],
    ids=str,
)
def test_a_memory_survives_a_checkpoint_and_the_server_holds_what_clients_told(
    make_run, tmp_path, memory
):
    link = make_link({"name": "topk", "density": 0.1} | memory)
    fields = {"uplink": link, "clients_per_round": 2}
    whole = make_run(5, **fields).go(6)
    cut = make_run(5, **fields).go(3)
    cut.state.save(tmp_path / "state.pt", {})
    cut.state, _ = type(cut.state).load(tmp_path / "state.pt")
    cut.go(3)
    assert torch.equal(whole.state.model, cut.state.model)
    assert whole.crossed == cut.crossed
    for client, estimates in whole.state.server.estimates.items():
        assert torch.equal(estimates[""], whole.clients[client].state.senders[""]["estimate"])
    assert bool(whole.state.server.estimates) == link.estimates


def test_ef21_over_a_lossless_codec_is_no_memory_at_all(make_run):
    plain = make_run(3).go(4)
    told = make_run(3, uplink=make_link({"name": "fp32", "error_feedback": "ef21"})).go(4)
    torch.testing.assert_close(told.state.model, plain.state.model, rtol=0, atol=1e-5)


@pytest.mark.parametrize("codec", [{"name": "fp32"}, {"name": "topk", "density": 0.1}], ids=str)
def test_ef21_pp_takes_the_mean_of_all_estimates_whoever_takes_part(make_run, codec):
    link = make_link(codec | {"error_feedback": "ef21-pp"})
    parts = [np.arange(5), np.arange(5, 15), np.arange(15, 40), np.arange(40, 60)]
    run, seen = make_run(4, parts=parts, uplink=link, clients_per_round=2), set()
    for round_ in range(1, 7):
        before = run.state.model.clone()
        run.go(1)
        seen |= set(run.fed.context(round_).clients)
        told = run.state.server.estimates
        assert set(told) == seen
        total = sum(len(parts[c]) for c in seen)
        mean = torch.stack([told[c][""] * (len(parts[c]) / total) for c in seen]).sum(0)
        torch.testing.assert_close(run.state.model - before, mean, rtol=1e-4, atol=1e-6)
    assert len(seen) == 4


def test_with_all_clients_ef21_pp_is_ef21(make_run):
    ends = [
        make_run(3, uplink=make_link({"name": "topk", "density": 0.1, "error_feedback": feedback}))
        .go(4)
        .state.model
        for feedback in ("ef21", "ef21-pp")
    ]
    assert torch.equal(*ends)


@pytest.mark.parametrize("name", ["scaffold", "feddyn", "fednova"])
def test_what_needs_the_rounds_own_uploads_refuses_ef21_pp(make_run, name):
    uplink = make_link({"name": "topk", "density": 0.1, "error_feedback": "ef21-pp"})
    algorithm = make_algorithm(name, local_steps=1, optimizer="sgd")
    with pytest.raises(ValueError, match=r"ef21-pp .*: set uplink\.error_feedback=") as refusal:
        make_run(2, uplink=uplink, algorithm=algorithm)
    assert "\n" not in str(refusal.value)


def test_residuals_make_up_for_what_was_lost(make_run):
    # With feedback the sum of what the server decoded follows the sum of the deltas.
    sums = {}
    for feedback in (False, True):
        link = make_link({"name": "topk", "density": 0.05, "error_feedback": feedback})
        run = make_run(1, uplink=link)
        exact = make_run(1)
        start = run.state.model
        run.go(40)
        exact.go(40)
        goal = exact.state.model - start
        sums[feedback] = float(np.linalg.norm((run.state.model - start - goal).numpy()))
    assert sums[True] < 0.7 * sums[False]


def test_encoding_seconds_of_the_ledger_are_those_of_the_clock(make_run):
    run = make_run(4, downlink=make_link(TOPK), uplink=make_link(TOPK)).go(3)
    clock = run.clock
    booked = sum(e.encode_seconds for e in run.ledger.entries)
    # The newest update has been encoded and will be booked when it is sent.
    assert booked + run.state.server.encode_seconds == pytest.approx(clock.seconds()["encode"])
    assert sum(e.decode_seconds for e in run.ledger.entries) <= clock.seconds()["decode"]


def test_each_message_has_the_seconds_of_its_own_phases():
    clock, ledger = Clock(), Ledger()
    channel = Channel(ledger, clock=clock)
    frame = Frame(KIND_IDS["update"], 1, 0, 1, 0, b"payload").pack()
    spent = {"encode": [], "decode": []}

    def spend(phase, seconds):
        before = clock.seconds()[phase]
        with clock.phase(phase):
            time.sleep(seconds)
        spent[phase].append(clock.seconds()[phase] - before)

    for carry, sent in ((channel.down, [Message(frame, "update")]), (channel.up, [frame])):
        spend("encode", 0.001)
        for _ in carry(1, 0, sent):
            spend("decode", 0.003)
            clock.carry("encode", 0.5)  # what is spent beside it is not this message's
    booked = [(entry.encode_seconds, entry.decode_seconds) for entry in ledger.entries]
    first, second = zip(spent["encode"], spent["decode"], strict=True)
    assert booked[0] == pytest.approx(first)
    assert booked[1] == pytest.approx((second[0] + 0.5, second[1]))


def test_a_delta_without_metrics_is_an_error_that_names_the_client(make_run):
    run = make_run(3)
    carry = run.channel.up

    def lose(round_, client, frames):
        return carry(round_, client, frames[:1] if client == 1 else frames)

    run.channel.up = lose
    with pytest.raises(ValueError, match="client 1 sent a delta and no metrics"):
        run.go(1)
