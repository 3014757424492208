"""What acts in the rounds: who, when, on what, and that nothing else changes."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from fedbytes.compression import Frame, Shared, codec_id, make_codec
from fedbytes.compression.codec import seal
from fedbytes.federated import (
    Attack,
    Audit,
    Cleaner,
    Defense,
    Hooks,
    RoundPlugins,
    State,
    Upload,
    make_algorithm,
    make_link,
    make_plugins,
    weighted_mean,
)
from fedbytes.federated.plugins.stage_context import StageContext
from fedbytes.federated.server.server_state import ServerState
from fedbytes.federated.stages.attackers import draw_attackers
from fedbytes.federated.testing.tiny_models import text_model
from fedbytes.privacy import Privacy

FLIP = {"name": "sign_flip", "share": 0.25, "scale": 5.0}
METRICS = 5
"""The kind of the frame that says how many examples a client has."""


def named(cls):
    cls.name = cls.__name__
    return cls


def test_attackers_are_drawn_once_and_fewer_are_among_more():
    parts = [np.arange(3)] * 9 + [np.empty(0, np.int64)]
    few, more = (draw_attackers(make_plugins(attack={"name": "sign_flip", "share": s}).attack[0],
                                parts, 3) for s in (0.2, 0.5))  # fmt: skip
    assert len(few) == 2
    assert len(more) == 5
    assert set(few) < set(more) <= set(range(9))
    assert few == draw_attackers(make_plugins(attack="sign_flip").attack[0], parts, 3)


def test_a_sign_flip_does_what_it_says(make_run):
    plain, attacked = make_run(4).go(1), make_run(4, plugins=make_plugins(attack=FLIP))
    before = attacked.state.model.clone()
    attacked.go(1)
    (hostile,) = attacked.attackers.attacks[0][2]
    deltas = {}
    for run in (plain, attacked):
        run.deltas = {
            e.client: torch.frombuffer(bytearray(d[40:-4]), dtype=torch.float32)
            for e, d in zip(run.ledger.entries, run.crossed, strict=True)
            if e.kind == "delta"
        }
    deltas = plain.deltas | {hostile: -5.0 * plain.deltas[hostile]}
    assert all(torch.equal(attacked.deltas[c], deltas[c]) for c in range(4))
    mean = weighted_mean([Upload(c, d, 60) for c, d in deltas.items()])
    torch.testing.assert_close(attacked.state.model, before + mean)


@pytest.mark.parametrize(
    ("fields", "rounds"),
    [
        ({}, [1, 2, 3, 4]),
        ({"from_round": 3}, [3, 4]),
        ({"from_round": 2, "until_round": 3}, [2, 3]),
    ],
    ids=str,
)
def test_an_attack_acts_from_its_first_round_to_its_last(make_run, fields, rounds):
    heard = []

    def keep(uploads, context):
        heard.append({upload.client: upload.delta for upload in uploads})
        return uploads

    # Nothing is learned from a round, so that rounds differ by their attack alone.
    algorithm = make_algorithm("fedavg", local_steps=1, server_learning_rate=1e-30)
    common = {"algorithm": algorithm, "hooks": Hooks(before_aggregate=(keep,))}
    for plugins in ({}, {"plugins": make_plugins(attack=FLIP | fields)}):
        make_run(4, **common, **plugins).go(4)
    honest, attacked = heard[:4], heard[4:]
    acted = [
        round_
        for round_, (one, other) in enumerate(zip(honest, attacked, strict=True), 1)
        if any(not torch.equal(one[client], other[client]) for client in one)
    ]
    assert acted == rounds


@pytest.mark.parametrize(("share", "clients", "count"), [(0.25, 10, 3), (0.1, 7, 1), (0.2, 9, 2)])
def test_as_many_attack_as_are_nearest_to_the_share(share, clients, count):
    (attack,) = make_plugins(attack={"name": "sign_flip", "share": share}).attack
    assert attack.count(clients) == count


def test_several_attacks_act_one_after_the_other(make_run):
    heard = []

    def keep(uploads, context):
        heard.append({upload.client: upload.delta for upload in uploads})
        return uploads

    attacks = [FLIP | {"share": 0.5}, FLIP | {"share": 0.25, "scale": 2.0}]
    hooks = Hooks(before_aggregate=(keep,))
    make_run(4, hooks=hooks).go(1)
    run = make_run(4, hooks=hooks, plugins=make_plugins(attack=attacks)).go(1)
    first, second = (set(who) for *_, who in run.attackers.attacks)
    assert second < first
    for client, honest in heard[0].items():
        factor = (-5.0 if client in first else 1.0) * (-2.0 if client in second else 1.0)
        torch.testing.assert_close(heard[1][client], factor * honest)


def test_an_attack_turns_training_around_and_a_defence_rights_it(make_run):
    def accuracy(**sections):
        algorithm = make_algorithm("fedavg", local_steps=3, learning_rate=0.05)
        run = make_run(10, algorithm=algorithm, plugins=make_plugins(**sections)).go(30)
        run.fed.model.set_state(run.state.model)
        return run.fed.model.accuracy()

    flip = {"name": "sign_flip", "scale": 10.0, "share": 0.2}
    clean, attacked, defended = (
        accuracy(), accuracy(attack=flip), accuracy(attack=flip, defense="norm_clip"),
    )  # fmt: skip
    assert attacked < clean - 0.3
    assert defended > max(attacked + 0.4, clean - 0.25)  # two of ten still pull back


def test_plugins_that_rest_change_no_bit_and_hold_no_deltas(make_run):
    late = make_plugins(attack=FLIP | {"from_round": 3}, audit="norms")
    plain, resting = make_run(4).go(2), make_run(4, plugins=late).go(2)
    assert plain.crossed == resting.crossed
    order = []
    sends = resting.clients.send
    resting.clients.send = lambda c, t: order.append(("send", c)) or sends(c, t)
    for client in range(4):
        trains = resting.clients[client].train
        resting.clients[client].train = lambda x, c=client, f=trains: (
            order.append(("train", c)) or f(x)
        )
    resting.state.server.round = 1  # the attack still rests
    resting.go(1)
    assert order == [(what, c) for c in range(4) for what in ("train", "send")]
    order.clear()
    resting.go(1)
    assert order == [("train", c) for c in range(4)] + [("send", c) for c in range(4)]


@named
@dataclass(frozen=True, kw_only=True)
class Spy(Attack):
    def act(self, deltas, attackers, context, state):
        seen = [*state.get("seen", []), sorted(deltas)]
        return {**deltas, 99: deltas[attackers[0]]}, {"seen": seen, "held": context.held}


@pytest.mark.parametrize("knowledge", ["own", "all"])
def test_an_attack_is_given_what_it_may_know(make_run, knowledge):
    plugins = RoundPlugins(attack=(Spy(share=0.5, knowledge=knowledge),))
    run = make_run(4, plugins=plugins).go(1)
    hostile = list(run.attackers.attacks[0][2])
    kept = run.state.attacks["attack 0 Spy"]
    assert kept["seen"] == [hostile if knowledge == "own" else [0, 1, 2, 3]]
    assert run.crossed == make_run(4).go(1).crossed


def forged(frames, change, context=None):
    """The frames of a client, of which one is replaced."""
    opened = [Frame.unpack(data) for data in frames]
    made = [change(frame, context) for frame in opened]
    return [data if new is None else new for new, data in zip(made, frames, strict=True)]


def nans(frame, context):
    """A payload of NaN whose digest is right, as only a hostile sender makes it."""
    if frame.kind == METRICS:
        return None
    codec = make_codec("fp32")
    shared = Shared(
        context.model.layout,
        seed=context.seed,
        round=context.round,
        sender=context.client,
        place=context.place,
    )
    body = np.full(context.model.layout.numel, np.nan, np.float32).tobytes()
    return replace(frame, payload=seal(codec, body, shared), codec_id=codec_id(codec)).pack()


def cut(frame, context):
    return frame.pack()[:-3] if frame.kind != METRICS else None


def garbage(frame, context):
    return b"not a frame at all" * 5 if frame.kind != METRICS else None


def no_examples(frame, context):
    return replace(frame, payload=b"\0" * 12).pack() if frame.kind == METRICS else None


def short_metrics(frame, context):
    return replace(frame, payload=b"\1").pack() if frame.kind == METRICS else None


def stranger(frame, context):
    return replace(frame, sender=(frame.sender + 1) % 4).pack()


def misnamed(frame, context):
    return replace(frame, kind=1).pack() if frame.kind != METRICS else None


@named
@dataclass(frozen=True, kw_only=True)
class Forge(Attack):
    how: int = 0

    def tamper(self, client, frames, context):
        change = KINDS[self.how]
        return [] if change is None else forged(frames, change, context)


KINDS = [nans, cut, garbage, no_examples, short_metrics, stranger, misnamed, None]


@pytest.mark.parametrize(
    "how", range(len(KINDS)), ids=lambda how: getattr(KINDS[how], "__name__", "silence")
)
@pytest.mark.parametrize(
    "uplink",
    ["fp32", {"name": "topk", "density": 0.2, "error_feedback": "ef21"}],
    ids=str,
)
def test_a_hostile_message_is_dropped_and_its_bytes_are_booked(make_run, how, uplink):
    link = {"uplink": make_link(uplink)}
    run = make_run(4, plugins=RoundPlugins(attack=(Forge(share=0.25, how=how),)), **link)
    reports = [run.run_round() for _ in range(3)]
    (hostile,) = run.attackers.attacks[0][2]
    assert all(report.dropped == (hostile,) for report in reports)
    assert run.ledger.total == sum(map(len, run.crossed))
    sent = [e for e in run.ledger.entries if e.client == hostile and e.direction == "up"]
    assert len(sent) == (0 if KINDS[how] is None else 6)
    assert torch.isfinite(run.state.model).all()
    without = make_run(4, **link)  # the same as if the client had said nothing
    take = without.server.receive
    silent = []

    def receive(client, frames):
        if client == hostile:
            silent.extend(frames)
        else:
            take(client, frames)

    without.server.receive = receive
    assert torch.equal(run.state.model, without.go(3).state.model)
    assert all(
        torch.isfinite(e).all()
        for kept in run.state.server.estimates.values()
        for e in kept.values()
    )


@named
@dataclass(frozen=True, kw_only=True)
class Short(Attack):
    def tamper(self, client, frames, context):
        return [b"FB"]


def test_bytes_too_short_for_a_header_have_no_payload(make_run):
    run = make_run(4, plugins=RoundPlugins(attack=(Short(share=0.25),))).go(1)
    (entry,) = [e for e in run.ledger.entries if e.kind == "malformed"]
    assert (entry.payload_bytes, entry.message_bytes) == (0, 2)


@named
@dataclass(frozen=True, kw_only=True)
class Withhold(Attack):
    def tamper(self, client, frames, context):
        return [data for data in frames if Frame.unpack(data).kind == METRICS]


def test_a_client_that_withholds_its_delta_is_dropped_with_its_loss(make_run):
    run = make_run(4, plugins=RoundPlugins(attack=(Withhold(share=0.25),)))
    silent = make_run(4, plugins=RoundPlugins(attack=(Forge(share=0.25, how=len(KINDS) - 1),)))
    report, same = run.run_round(), silent.run_round()
    assert report.dropped == same.dropped == run.attackers.attacks[0][2]
    assert report.train_loss == same.train_loss


def test_a_client_whose_attack_has_ended_is_followed_again(make_run):
    """EF21 sends differences to what the server knows, and so must a client that was dropped."""
    link = make_link({"name": "topk", "density": 0.2, "error_feedback": "ef21"})
    attack = Forge(share=0.25, how=KINDS.index(cut), from_round=2, until_round=3)
    run = make_run(4, uplink=link, plugins=RoundPlugins(attack=(attack,))).go(5)
    for client, state in run.state.clients.items():
        known = run.state.server.estimates[client][""]
        assert torch.equal(state.senders[""]["estimate"], known)


def test_without_an_attack_it_stays_an_error(make_run):
    run = make_run(4)
    sends = run.clients.send
    run.clients.send = lambda c, t: forged(sends(c, t), cut)
    with pytest.raises(ValueError, match="frame payload length"):
        run.go(1)


def test_a_round_of_attackers_alone_moves_nothing(make_run):
    plugins = RoundPlugins(attack=(Forge(share=0.75, how=0),))
    run = make_run(4, clients_per_round=1, plugins=plugins)
    (honest,) = set(range(4)) - set(run.attackers.attacks[0][2])
    for _ in range(6):
        before = run.state.model.clone()
        report = run.run_round()
        moved = not torch.equal(before, run.state.model)
        assert moved == (report.clients == [honest])
        assert (report.train_loss is None) == (not moved)
        assert bool(report.dropped) == (not moved)


@named
@dataclass(frozen=True, kw_only=True)
class Infinite(Attack):
    def act(self, deltas, attackers, context, state):
        return {c: deltas[c].with_delta(deltas[c].delta / 0) for c in attackers}, state


def test_an_attack_that_no_codec_takes_is_an_error_of_the_attack(make_run):
    run = make_run(4, plugins=RoundPlugins(attack=(Infinite(share=0.25),)))
    with pytest.raises(ValueError, match=r"'Infinite' made a delta .* for its `tamper`"):
        run.go(1)


@named
@dataclass(frozen=True)
class Add(Defense):
    to: float = 0.0

    def uploads(self, uploads, context, state):
        made = [u.with_delta((u.delta + 1) * self.to) for u in uploads]
        return made, {"rounds": state.get("rounds", 0) + 1}


def test_defences_are_applied_in_their_order_after_hooks_and_keep_their_state(make_run):
    plugins = RoundPlugins(defense=(Add(to=0.0), Add(to=3.0)))
    run = make_run(3, plugins=plugins)
    before = run.state.model.clone()
    run.go(2)
    torch.testing.assert_close(run.state.model, before + 6)
    kept = run.state.server.defenses
    assert kept == {"defense 0 Add": {"rounds": 2}, "defense 1 Add": {"rounds": 2}}


@named
@dataclass(frozen=True, kw_only=True)
class Huge(Attack):
    def act(self, deltas, attackers, context, state):
        huge = torch.full_like(deltas[attackers[0]].delta, 3e38)
        return {c: deltas[c].with_delta(huge) for c in attackers}, state


def test_clients_whose_training_attackers_broke_send_nothing_and_the_run_goes_on(make_run):
    # The scores of a linear model overflow on any processor; a transformer's norms may tame them.
    fields = {"algorithm": make_algorithm("fedavg", local_steps=1, batch_size=100)}
    run = make_run(4, plugins=RoundPlugins(attack=(Huge(share=0.75),)), **fields).go(1)
    before = run.state.model.clone()
    assert run.run_round().dropped == (0, 1, 2, 3)
    assert torch.equal(run.state.model, before)
    run.attackers.attacks.clear()  # as in a run without an attack
    with pytest.raises(ValueError, match=r"NaN|training loss"):
        run.go(1)


@pytest.mark.parametrize("section", ["attack", "defense"])
def test_deltas_of_several_layouts_are_refused_before_the_first_round(make_run, section):
    fields = {"model": text_model("tiny-bert", {"name": "lora", "rank": 2})}
    fields["parts"] = [np.arange(c, 40, 4) for c in range(4)]
    fields["algorithm"] = make_algorithm("flexlora", ranks=(1, 2), local_steps=1)
    name = {"attack": "ipm", "defense": "median"}[section]
    with pytest.raises(ValueError, match=rf"{section} '{name}' needs .* 'flexlora' send several"):
        make_run(4, plugins=make_plugins(**{section: name}), **fields)
    make_run(4, plugins=make_plugins(defense="norm_clip"), **fields)
    same = fields | {"algorithm": make_algorithm("flexlora", ranks=(2,), local_steps=1)}
    make_run(4, plugins=make_plugins(**{section: name}), **same)


def lora_fields(name, **fields):
    return {
        "model": text_model("tiny-bert", {"name": "lora", "rank": 2}),
        "parts": [np.arange(c, 40, 6) for c in range(6)],
        "algorithm": make_algorithm(name, local_steps=1, **fields),
    }


def test_layouts_are_compared_of_all_clients_and_not_of_the_first_rounds(make_run):
    fields = lora_fields("ecolora", segments=2)
    median = make_plugins(defense="median")
    first = {s: make_run(6, clients_per_round=3, seed=s).fed.context(1).clients for s in range(40)}
    alike = [seed for seed, clients in first.items() if len({c % 2 for c in clients}) == 1]
    assert alike
    for seed in alike:
        with pytest.raises(ValueError, match="'ecolora' send several"):
            make_run(6, clients_per_round=3, seed=seed, plugins=median, **fields)


@pytest.mark.parametrize("rule", ["foolsgold", {"name": "centered_clipping", "tau": 1.0}], ids=str)
def test_what_a_defense_remembers_is_of_the_same_numbers(make_run, rule):
    plugins = make_plugins(defense=rule)
    run = make_run(6, plugins=plugins, **lora_fields("rolora")).go(4)
    kept = run.state.server.defenses
    assert len(kept) == 2  # A and B take turns
    assert all(
        isinstance(value, torch.Tensor) for state in kept.values() for value in state.values()
    )
    with pytest.raises(ValueError, match="means something else in each"):
        make_run(6, plugins=plugins, **lora_fields("flora"))


@named
@dataclass(frozen=True)
class Tenfold(Defense):
    factor: float = 10.0

    def loss(self, loss, context):
        return lambda batch: self.factor * loss(batch)


def test_a_defence_of_the_loss_is_what_clients_minimise(make_run):
    sgd = make_algorithm("fedavg", local_steps=1, optimizer="sgd", learning_rate=0.1)
    hot = make_algorithm("fedavg", local_steps=1, optimizer="sgd", learning_rate=1.0)
    wrapped = make_run(3, algorithm=sgd, plugins=RoundPlugins(defense=(Tenfold(),))).go(1)
    torch.testing.assert_close(wrapped.state.model, make_run(3, algorithm=hot).go(1).state.model)
    same = make_run(3, algorithm=sgd, plugins=RoundPlugins(defense=(Tenfold(factor=1.0),))).go(2)
    assert torch.equal(same.state.model, make_run(3, algorithm=sgd).go(2).state.model)
    assert "loss" not in vars(wrapped.fed.model)


def test_an_algorithm_with_a_loss_of_its_own_refuses_it(make_run):
    moon = make_algorithm("moon", local_steps=1)
    refusal = RoundPlugins(defense=(Tenfold(),)).refuses(moon, make_link("fp32"), 4)
    assert "algorithm 'moon' has one of its own" in refusal


@named
@dataclass(frozen=True)
class Odd(Cleaner):
    def clean(self, indices, context, state):
        return indices[::2], {"times": state.get("times", 0) + 1}


def test_what_is_cleaned_is_not_trained_on_and_not_claimed(make_run):
    parts = [np.arange(c, 240, 4) for c in range(4)]
    run = make_run(4, parts=parts, plugins=RoundPlugins(clean=(Odd(),))).go(2)
    halves = make_run(4, parts=[part[::2] for part in parts]).go(2)
    assert torch.equal(run.state.model, halves.state.model)
    assert run.crossed == halves.crossed
    assert all(c.dropped == 30 for c in run.state.clients.values())
    assert run.state.clients[0].plugins == {"clean 0 Odd": {"times": 2}}


@named
@dataclass(frozen=True)
class Nothing(Cleaner):
    def clean(self, indices, context, state):
        return indices[:0], state


def test_the_examples_of_the_largest_loss_are_dropped_from_the_given_round_on(make_run):
    run = make_run(2)
    model, held = run.fed.model, run.state.model
    model.set_state(held)
    rows = run.fed.parts[0]
    with torch.no_grad():
        losses = {int(row): float(model.loss(torch.tensor([int(row)]))) for row in rows}
    (cleaner,) = make_plugins(clean={"name": "loss", "drop": 0.25, "from_round": 3}).clean
    for round_ in (1, 2, 3, 4):
        context = StageContext.of(run.fed.context(round_).for_client(0), held, "clean 0 loss")
        kept, _ = cleaner.clean(rows.copy(), context, {})
        if round_ < 3:
            assert kept.tolist() == rows.tolist()
            continue
        dropped = set(rows.tolist()) - set(kept.tolist())
        assert len(dropped) == len(rows) // 4
        assert min(losses[row] for row in dropped) > max(losses[row] for row in kept.tolist())
        assert kept.tolist() == sorted(kept.tolist())


def test_every_plugin_round_and_client_has_randomness_of_its_own(make_run):
    fed, held = make_run(3).fed, torch.zeros(1)
    drawn = {
        StageContext.of(fed.context(round_).for_client(client), held, stage).rng().random()
        for stage in ("privacy 0 x", "privacy 1 x", "attack 0 x")
        for round_ in (1, 2)
        for client in (-1, 0, 1, 2)
    }
    assert len(drawn) == 3 * 2 * 4


def test_a_cleaner_that_leaves_nothing_says_so(make_run):
    run = make_run(4, plugins=RoundPlugins(clean=(Nothing(),)))
    with pytest.raises(ValueError, match="'Nothing' leaves no example of client 0 in round 1"):
        run.go(1)


def test_the_whole_message_is_clipped_and_hostile_clients_do_not_care(make_run):
    algorithm = make_algorithm("scaffold", local_steps=2, optimizer="sgd")
    bound = 0.01
    clip = {"privacy": {"name": "clip", "norm": bound}, "audit": "norms"}
    run = make_run(4, algorithm=algorithm, plugins=make_plugins(**clip)).go(3)
    assert max(row["norm"] for row in run.heard()) <= bound
    run = make_run(4, algorithm=algorithm, plugins=make_plugins(**clip, attack=FLIP)).go(1)
    (hostile,) = run.attackers.attacks[0][2]
    assert {row["client"] for row in run.heard() if row["norm"] > bound} == {hostile}


@named
@dataclass(frozen=True)
class Spends(Privacy):
    def protect(self, message, rng, state):
        spent = state.get("spent", 0) + 1
        last = state.get("last", np.zeros_like(message))
        return message, {"spent": spent, "last": message.copy(), "before": last}


def test_what_a_mechanism_keeps_is_each_clients_own_and_comes_back_to_it(make_run):
    sent = {}
    hooks = Hooks(after_client=(lambda d, c: sent.setdefault((c.round, c.client), d.clone()),))
    run = make_run(3, hooks=hooks, plugins=RoundPlugins(privacy=(Spends(),))).go(3)
    for client, state in run.state.clients.items():
        kept = state.plugins["privacy 0 Spends"]
        assert kept["spent"] == 3
        assert torch.equal(kept["last"], sent[3, client])
        assert torch.equal(kept["before"], sent[2, client])


@named
@dataclass(frozen=True)
class Nosy(Audit):
    def hear(self, heard, context, state):
        return [{"client": heard.client, "kind": heard.kind}], {"heard": state.get("heard", 0) + 1}

    def examine(self, context, state):
        accuracy = context.model.accuracy()
        context.model.set_state(torch.zeros_like(context.held))
        return [{"accuracy": accuracy, "heard": state["heard"]}], state


@pytest.mark.parametrize(
    "uplink", ["fp32", {"name": "powersgd", "rank": 2, "error_feedback": True}]
)
def test_audits_hear_every_message_and_change_nothing(make_run, uplink):
    link = {"uplink": make_link(uplink)}
    plain, audited = make_run(3, **link), make_run(3, plugins=RoundPlugins(audit=(Nosy(),)), **link)
    for round_ in (1, 2):
        plain.go(1)
        audited.go(1)
        rows = audited.audit()
        assert [row.get("kind") for row in rows] == ["delta", "metrics"] * 3 + [None]
        assert {row["round"] for row in rows} == {round_}
        assert rows[-1]["heard"] == 6 * round_
    assert plain.crossed == audited.crossed
    assert torch.equal(plain.state.model, audited.state.model)
    strip = [replace(e, encode_seconds=0, decode_seconds=0) for e in plain.ledger.entries]
    assert strip == [replace(e, encode_seconds=0, decode_seconds=0) for e in audited.ledger.entries]


def test_norms_are_those_of_what_was_decoded_and_bytes_those_of_the_ledger(make_run):
    deltas = {}
    hooks = Hooks(
        before_aggregate=(lambda us, c: deltas.update({u.client: u.delta for u in us}) or us,)
    )
    link = make_link({"name": "int", "bits": 4})
    run = make_run(3, uplink=link, hooks=hooks, plugins=make_plugins(audit="norms")).go(1)
    booked = {e.client: e.payload_bytes for e in run.ledger.entries if e.kind == "delta"}
    rows = run.heard()
    assert {row["client"]: row["payload_bytes"] for row in rows} == booked
    for row in rows:
        assert row["norm"] == pytest.approx(float(deltas[row["client"]].norm()))


def test_what_plugins_keep_survives_a_checkpoint(make_run, tmp_path):
    plugins = RoundPlugins(
        attack=(Spy(share=0.25),), defense=(Add(to=1.0),), clean=(Odd(),), audit=(Nosy(),)
    )
    run = make_run(4, plugins=plugins).go(2)
    run.state.save(tmp_path / "state.pt", {})
    state, _ = State.load(tmp_path / "state.pt")
    assert state.attacks.keys() == {"attack 0 Spy"}
    assert torch.equal(
        state.attacks["attack 0 Spy"]["held"], run.state.attacks["attack 0 Spy"]["held"]
    )
    assert state.audits == {"audit 0 Nosy": {"heard": 16}}
    assert state.server.defenses == {"defense 0 Add": {"rounds": 2}}
    assert state.clients[3].plugins == {"clean 0 Odd": {"times": 2}}


def test_checkpoints_of_before_the_plugins_are_read(make_run, tmp_path):
    run = make_run(4).go(2)
    path = tmp_path / "state.pt"
    run.state.save(path, {})
    saved = torch.load(path, weights_only=True)
    for key in ("attacks", "audits"):
        del saved[key]
    del saved["server"]["defenses"]
    for client in saved["clients"].values():
        del client["plugins"], client["dropped"]
    torch.save(saved, path)
    run.state, _ = State.load(path)
    assert torch.equal(run.go(2).state.model, make_run(4).go(4).state.model)
    assert isinstance(run.state.server, ServerState)
