"""HetLoRA's self-pruning: who prunes, what is said of it, and what travels from then on."""

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch
from lora_models import STEPS, Watched, tiny

from fedbytes.compression.frame import HEADER_BYTES, Frame
from fedbytes.federated import Attack, Audit, RoundPlugins
from fedbytes.federated.algorithm import make_algorithm
from fedbytes.federated.lora.named_tensors import unpack_tensors
from fedbytes.federated.protocol.messages import KIND_IDS
from fedbytes.federated.state import State
from fedbytes.streams import stream

INPUTS, LAYERS, HEAD = 32, 6, 3 * 32 + 3 + 1  # tiny-bert: query and value of three layers
RANK = 4


def message(rank):
    """Return the fp32 payload bytes of factors of a rank and the head."""
    return 4 * (2 * LAYERS * rank * INPUTS + HEAD) + 4


def pruning(**fields):
    spec = {"name": "hetlora", "gamma": 0.5, **fields}
    return Watched(spec, model=tiny(rank=RANK))


def sent(run, direction, round_, client):
    (found,) = [
        e.payload_bytes
        for e in run.ledger.entries
        if (e.direction, e.round, e.client) == (direction, round_, client)
        and e.kind in ("delta", "state")
    ]
    return found


def announcements(run):
    return {(e.round, e.client) for e in run.ledger.entries if e.kind == "announcement"}


def tail(run, vector, kept=2):
    """Return ||B|| ||A|| of the directions from `kept` on, summed over layers."""
    parts = unpack_tensors(run.model.layout, vector)
    return sum(
        float(parts[p.b][:, kept:].norm() * parts[p.a][kept:].norm()) for p in run.model.lora.pairs
    )


def test_messages_shrink_in_both_directions_from_the_round_of_pruning_on():
    run = pruning(penalty=1.0).go(4)
    told = announcements(run)
    assert told
    assert not any(round_ == 1 for round_, _ in told)  # B began at zero
    for client in range(3):
        rank = RANK
        for round_ in range(1, 5):
            assert sent(run, "down", round_, client) == message(rank)
            if (round_, client) in told:
                rank //= 2
            assert sent(run, "up", round_, client) == message(rank)
        assert (
            run.fed.context(5, run.state.server.announced).for_client(client).announced_value
            == {4: 0, 2: 1, 1: 2}[rank]
        )
    for entry in run.ledger.entries:
        if entry.kind == "announcement":
            assert (entry.payload_bytes, entry.message_bytes) == (8, 8 + HEADER_BYTES)


def cut(frame):
    return frame.pack()[:-1] if frame.kind == KIND_IDS["metrics"] else frame.pack()


def boast(frame):
    payload = (9).to_bytes(8, "little")
    kind = KIND_IDS["announcement"]
    return (replace(frame, payload=payload) if frame.kind == kind else frame).pack()


@dataclass(frozen=True, kw_only=True)
class Rewrite(Attack):
    name: ClassVar[str] = "rewrite"
    how: int = 0

    def tamper(self, client, frames, context):
        return [(cut, boast)[self.how](Frame.unpack(data)) for data in frames]


@pytest.mark.parametrize("how", [0, 1])
def test_a_hostile_announcement_does_not_stop_the_rounds(how):
    """One is dropped with its message, the other says what the client did not prune."""
    spec = {"name": "hetlora", "gamma": 0.5, "penalty": 5.0}
    plugins = RoundPlugins(attack=(Rewrite(share=0.25, how=how),))
    run = Watched(spec, clients=4, plugins=plugins).go(5)
    (hostile,) = run.run.attackers.attacks[0][2]
    assert hostile in {client for _, client in announcements(run)}
    assert all(
        state.announced == run.state.server.announced.get(client)
        for client, state in run.state.clients.items()
    )


@dataclass(frozen=True)
class Layouts(Audit):
    name: ClassVar[str] = "layouts"

    def hear(self, heard, context, state):
        fits = heard.frame.layout_digest == heard.shared.layout.digest
        return [{"kind": heard.kind, "fits": fits}], state


def test_audits_hear_each_message_by_what_was_known_when_it_was_sent():
    spec = {"name": "hetlora", "gamma": 0.5, "penalty": 1.0}
    run = Watched(spec, model=tiny(rank=RANK), plugins=RoundPlugins(audit=(Layouts(),))).go(4)
    rows = run.run.heard()
    assert {row["kind"] for row in rows} == {"announcement", "delta", "metrics"}
    assert all(row["fits"] for row in rows)


@pytest.mark.parametrize("decay", [0.0, 10.0])
def test_a_client_prunes_if_its_tail_became_smaller_and_not_else(decay):
    run = pruning().go(1)
    begin, context = run.state.model, run.fed.context(2).for_client(0)
    prune, plain = (
        make_algorithm({"name": "hetlora", "gamma": gamma, "weight_decay": decay, **STEPS})
        for gamma in (0.5, 1.0)
    )
    rest = (begin, run.parts[0], {})
    trained, whole = (a.train(context, *rest, stream(0, "batches")) for a in (prune, plain))
    smaller = tail(run, begin + whole.delta) < tail(run, begin)
    assert smaller == (decay > 0)
    if not smaller:
        assert trained.announces is None
        assert torch.equal(trained.delta, whole.delta)
        return
    assert trained.announces == 1
    kept = unpack_tensors(prune.up(context.with_announcement(0, 1)), trained.delta)
    for name, moved in unpack_tensors(run.model.layout, whole.delta).items():
        place = tuple(map(slice, kept[name].shape))
        assert torch.equal(kept[name], moved[place])


def test_the_penalty_pulls_at_the_tail():
    run = pruning().go(1)
    begin, ended = run.state.model, []
    for penalty in (0.0, 0.05):
        spec = {"name": "hetlora", "gamma": 0.5, "penalty": penalty, **STEPS, "optimizer": "sgd"}
        algorithm = make_algorithm({**spec, "learning_rate": 0.5})
        rest = (run.parts[0], {}, stream(0, "batches"))
        reduced = algorithm.reduced(run.fed.context(2).for_client(0))
        algorithm.train(run.fed.context(2).for_client(0), begin, *rest)
        ended.append(tail(run, reduced.flat.detach()))
    assert ended[1] < 0.97 * ended[0]


def test_the_server_takes_what_was_pruned_for_zero():
    run = Watched({"name": "hetlora", "gamma": 0.5, "penalty": 1.0}, 1, tiny(rank=RANK)).go(4)
    assert run.state.server.announced[0] >= 1
    parts = unpack_tensors(run.model.layout, run.state.model)
    for pair in run.model.lora.pairs:  # nobody else is there to fill it
        assert not parts[pair.a][2:].any()
        assert not parts[pair.b][:, 2:].any()
        assert parts[pair.b][:, 0].any()


def test_a_rank_of_one_stays():
    run = Watched({"name": "hetlora", "gamma": 0.1, "penalty": 1.0}, 1, tiny(rank=2)).go(5)
    assert run.state.server.announced == {0: 1}
    assert len(announcements(run)) == 1


def test_ranks_survive_a_checkpoint_and_older_ones_have_none(tmp_path):
    run = pruning(penalty=1.0).go(3)
    assert run.state.server.announced
    run.state.save(tmp_path / "state.pt", {})
    assert State.load(tmp_path / "state.pt")[0].server.announced == run.state.server.announced
    server, replica = run.state.server, run.state.replica
    flat = {
        "model": server.model,
        "synced": list(server.synced),
        "round": server.round,
        "server": server.optimizer,
        "updates": server.updates,
        "previous": replica.vector,
        "reference": server.reference,
        "reference_before": replica.reference,
        "client_memory": {c: kept.memory for c, kept in run.state.clients.items()},
        "encode_seconds": 0.0,
    } | {key: {} for key in ("down_memories", "up_memories", "up_estimates", "guards")}
    torch.save(flat | {"extra": {}}, tmp_path / "old.pt")  # as version 0.1.0 saved it
    loaded, _ = State.load(tmp_path / "old.pt")
    assert loaded.server.announced == {}
    torch.save({k: v for k, v in flat.items() if k != "guards"} | {"extra": {}}, tmp_path / "no.pt")
    with pytest.raises(ValueError, match="another version"):
        State.load(tmp_path / "no.pt")
    assert torch.equal(loaded.model, run.state.model)


def test_every_pair_of_factors_is_pruned_by_its_own_rank():
    algorithm = make_algorithm({"name": "hetlora", "gamma": 0.75, **STEPS})
    run = pruning()
    context = run.fed.context(1).for_client(0)
    ranks = [[algorithm.rank_of(t, whole) for whole in (16, 8, 2, 1)] for t in told(context, 4)]
    assert ranks == [[16, 8, 2, 1], [12, 6, 1, 1], [9, 4, 1, 1], [6, 3, 1, 1], [4, 2, 1, 1]]
    dealt = make_algorithm({"name": "hetlora", "ranks": [2], "gamma": 0.5, **STEPS})
    assert [dealt.rank_of(t, 8) for t in told(context, 2)] == [2, 1, 1]
    assert algorithm.rank_of(run.fed.context(1, {0: 3}), 16) == 16  # the server holds all


def told(context, most):
    return [context.with_announcement(0, number) for number in range(most + 1)]


def test_a_client_hears_of_no_other():
    context = pruning().fed.context(1, {0: 2, 1: 1})
    assert context.for_client(0).announced == {0: 2}
    assert (
        context.for_client(1).announced_value,
        context.for_client(2).announced_value,
        context.announced_value,
    ) == (
        1,
        0,
        0,
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"gamma": 0.0}, r"gamma must be in \(0, 1\], got 0.0"),
        ({"gamma": 1.5}, r"gamma must be in \(0, 1\], got 1.5"),
        ({"gamma": 0.5, "penalty": -1.0}, "penalty must be at least 0, got -1.0"),
        ({"penalty": 0.1}, "gamma=1 prunes nothing: set gamma=0.99 or penalty=0"),
    ],
    ids=str,
)
def test_fields_that_make_no_sense_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        make_algorithm("hetlora", **STEPS, **fields)
