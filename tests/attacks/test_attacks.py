"""What attackers send, by hand and by the papers' conditions."""

import numpy as np
import pytest
import torch

from fedbytes.attacks.alie import largest_z
from fedbytes.federated import (
    Trained,
    make_algorithm,
    make_attack,
    make_link,
    make_plugins,
)
from fedbytes.federated.testing.plugin_bench import stage_context
from fedbytes.streams import stream


def act(spec, rows, attackers, state=None):
    """Return what attackers make of the rows of all clients, and what the attack keeps."""
    attack = make_attack(spec)
    deltas = {c: Trained(torch.tensor(r, dtype=torch.float32), 0.5) for c, r in enumerate(rows)}
    known = deltas if attack.knowledge == "all" else {c: deltas[c] for c in attackers}
    made, kept = attack.act(known, attackers, stage_context("attack 0 check"), state or {})
    assert sorted(made) == sorted(attackers)
    return np.array([made[c].delta.numpy() for c in attackers]), kept


FOUR = [[1.0, -2.0], [3.0, 2.0], [30.0, -40.0], [5.0, 5.0]]


@pytest.mark.parametrize(
    ("spec", "attackers", "sent"),
    [
        ({"name": "sign_flip", "scale": 5.0}, (2,), [[-150, 200]]),
        ("zero", (0, 2), [[0, 0], [0, 0]]),
        ({"name": "same_value", "scale": 10.0}, (2,), [[353.55339, 353.55339]]),
        ({"name": "scale", "factor": 3.0}, (0,), [[3, -6]]),
        ("scale", (0,), [[10, -20]]),  # ten clients in the round
        ({"name": "ipm", "tau": 5.0}, (2,), [[-15, -25 / 3]]),
        ({"name": "ipm", "tau": 5.0, "knowledge": "own"}, (2,), [[-150, 200]]),
        ({"name": "alie", "z": 2.0}, (2, 3), [[0, -4], [0, -4]]),
        ("alie", (2, 3), [[2, 0], [2, 0]]),  # z of ten and two is 0
        ("mimic", (0, 1), [[30, -40], [30, -40]]),
        ({"name": "mimic", "knowledge": "own"}, (0, 3), [[1, -2], [1, -2]]),
    ],
    ids=str,
)
def test_by_hand(spec, attackers, sent):
    np.testing.assert_allclose(act(spec, FOUR, attackers)[0], sent, rtol=1e-6, atol=1e-6)


def test_noise_has_the_size_it_says_and_is_not_the_same_for_two():
    rows = stream(0, "rows").normal(size=(3, 20_000))
    sent, _ = act({"name": "gaussian", "scale": 10.0}, rows, (0, 1))
    np.testing.assert_allclose(sent.std(1), 10 * np.sqrt((rows[:2] ** 2).mean(1)), rtol=0.03)
    assert abs(np.corrcoef(sent)[0, 1]) < 0.05


def test_the_z_of_the_paper():
    assert largest_z(50, 24) == pytest.approx(1.426, abs=1e-3)  # s = 2: 24 of 26
    assert largest_z(20, 4) == pytest.approx(0.157, abs=1e-3)  # s = 7: 9 of 16
    assert largest_z(10, 2) == 0
    assert largest_z(10, 1) == 0  # s = 5: 4 of 9 is below the mean
    assert 0 < largest_z(10, 7) < 1
    assert largest_z(3, 3) == largest_z(3, 2) == 0


def test_attackers_are_not_among_those_whose_spread_they_take():
    rows = [[0.0], [2.0], [1e6], [-1e6]]
    sent, _ = act({"name": "alie", "z": 1.0}, rows, (2, 3))
    assert sent.ravel().tolist() == [0, 0]  # mean 1, deviation 1 of the first two


@pytest.mark.parametrize("direction", ["deviation", "mean", "sign"])
@pytest.mark.parametrize("name", ["min_max", "min_sum"])
def test_they_go_as_far_as_allowed_and_no_further(name, direction):
    honest = stream(0, "honest").normal(size=(8, 30)) * np.arange(1, 9)[:, None] + 1
    rows = np.concatenate([honest, np.full((2, 30), 1e6)])
    (sent, same), _ = act({"name": name, "direction": direction}, rows, (8, 9))
    np.testing.assert_array_equal(sent, same)
    squared = ((honest[:, None] - honest[None]) ** 2).sum(-1)

    def used(delta):
        distances = ((honest - delta) ** 2).sum(1)
        return distances.max() if name == "min_max" else distances.sum()

    bound = squared.max() if name == "min_max" else squared.sum(1).max()
    mean = honest.mean(0)
    assert used(sent) == pytest.approx(bound, rel=1e-5)
    assert used(mean + 1.01 * (sent - mean)) > bound
    if direction == "mean":
        assert (sent - mean) @ mean < 0


def test_a_victim_is_kept_while_it_takes_part():
    _, state = act("mimic", FOUR, (0, 1))
    assert state == {"victim": 2}
    calm = [*FOUR[:2], [0.0, 0.0], [90.0, 90.0]]
    sent, state = act("mimic", calm, (0, 1), state)
    assert state == {"victim": 2}
    assert not sent.any()
    sent, state = act("mimic", calm, (2,), state)
    assert state == {"victim": 3}


def test_a_free_rider_sends_the_last_update_back(make_run):
    plugins = make_plugins(attack={"name": "free_rider", "share": 0.25})
    run = make_run(4, plugins=plugins)
    (rider,) = run.attackers.attacks[0][2]
    states = [run.state.model.clone()]
    for _ in range(3):
        run.crossed.clear()
        run.ledger.entries.clear()
        run.go(1)
        sent = next(
            torch.frombuffer(bytearray(data[40:-4]), dtype=torch.float32)
            for entry, data in zip(run.ledger.entries, run.crossed, strict=True)
            if entry.kind == "delta" and entry.client == rider
        )
        last = states[-1] - states[-2] if len(states) > 1 else torch.zeros_like(states[-1])
        assert torch.equal(sent, last)
        states.append(run.state.model.clone())


def accuracy(run, rounds=20):
    run.go(rounds)
    run.fed.model.set_state(run.state.model)
    return run.fed.model.accuracy()


STRONG = [
    {"name": "sign_flip", "scale": 10.0},
    {"name": "ipm", "tau": 8.0},
    {"name": "gaussian", "scale": 100.0},
    [{"name": "sign_flip"}, {"name": "overweight"}],
]


@pytest.mark.parametrize("attack", STRONG, ids=str)
def test_strong_attacks_turn_the_mean_and_not_a_rule(make_run, attack):
    algorithm = make_algorithm("fedavg", local_steps=3, learning_rate=0.05)
    clean = accuracy(make_run(10, algorithm=algorithm))
    attacked = accuracy(make_run(10, algorithm=algorithm, plugins=make_plugins(attack=attack)))
    rule = [{"name": "nnm", "f": 2}, {"name": "trimmed_mean", "f": 2}]
    plugins = make_plugins(attack=attack, defense=rule)
    defended = accuracy(make_run(10, algorithm=algorithm, plugins=plugins))
    assert attacked < clean - 0.3
    assert defended > max(clean - 0.25, attacked + 0.25)  # 24 examples a client, 903 numbers


def test_claims_reach_the_server_and_do_not_overflow_its_loss(make_run):
    attack = {"name": "overweight", "share": 0.5, "claimed": 2**63}
    run = make_run(4, plugins=make_plugins(attack=attack))
    report = run.run_round()
    assert report.dropped == ()
    assert np.isfinite(report.train_loss)
    claims = [run.server.examples[c] for c in range(4)]
    assert sorted(claims) == [60, 60, 2**63, 2**63]


@pytest.mark.parametrize("fault", ["nan", "cut", "noise", "empty"])
def test_malformed_messages_are_dropped_and_counted(make_run, fault):
    attack = {"name": "malformed", "fault": fault, "share": 0.25}
    run = make_run(4, plugins=make_plugins(attack=[attack, "overweight"]))
    report = run.run_round()
    assert report.dropped == run.attackers.attacks[0][2]
    (entry,) = [e for e in run.ledger.entries if e.client == report.dropped[0]
                and e.direction == "up" and e.kind != "metrics"]  # fmt: skip
    honest = next(e for e in run.ledger.entries if e.kind == "delta" and e is not entry)
    lost = {"cut": 3, "empty": honest.message_bytes}.get(fault, 0)
    assert entry.message_bytes == honest.message_bytes - lost


CODECS = [
    {"name": "topk", "density": 0.05, "error_feedback": True},
    {"name": "sign", "error_feedback": True},
    {"name": "topk", "density": 0.05, "error_feedback": "ef21"},
    {"name": "int", "bits": 4},
    "fp32",
]


@pytest.mark.parametrize("codec", CODECS, ids=str)
def test_what_arrives_is_what_was_chosen(make_run, codec):
    """The delta is at the length of an honest message, and worse than the flip of one."""
    found = {}
    for name in ("sign_flip", "codec_aware"):
        plugins = make_plugins(attack={"name": name, "share": 0.25, "from_round": 2})
        run = make_run(4, uplink=make_link(codec), plugins=plugins).go(1)
        (hostile,) = run.attackers.attacks[0][2]
        opened, opens = {}, run.server.open
        run.server.open = lambda c, frame, o=opens, d=opened: d.setdefault(c, o(c, frame))
        run.go(1)
        honest = sum(delta for c, delta in opened.items() if c != hostile)
        found[name] = float(opened[hostile] @ honest)
        norm = float(opened[hostile].norm())
    lengths = [float(delta.norm()) for c, delta in opened.items() if c != hostile]
    if codec not in ("fp32", CODECS[2]):
        assert found["codec_aware"] < found["sign_flip"]
    assert found["codec_aware"] < 0
    assert norm < 2 * max(lengths)


def test_error_feedback_is_left_out_and_honest_clients_keep_theirs(make_run):
    plugins = make_plugins(attack={"name": "codec_aware", "share": 0.25})
    run = make_run(4, uplink=make_link(CODECS[0]), plugins=plugins).go(3)
    (hostile,) = run.attackers.attacks[0][2]
    kept = {c: "residual" in s.senders[""] for c, s in run.state.clients.items()}
    assert kept == {c: c != hostile for c in range(4)}


def test_the_opposite_signs_arrive_through_a_sign_codec(make_run):
    link = make_link({"name": "signsgd"})
    run = make_run(4, uplink=link, plugins=make_plugins(attack={"name": "codec_aware"}))
    opened, opens = {}, run.server.open
    run.server.open = lambda c, frame: opened.setdefault(c, opens(c, frame))
    run.go(1)
    (hostile,) = run.attackers.attacks[0][2]
    # votes of the honest, as their deltas were before they were coded
    assert len(set(opened[hostile].abs().tolist())) == 1
    honest = torch.stack([d for c, d in opened.items() if c != hostile]).sum(0)
    turned = torch.sign(opened[hostile]) == -torch.sign(honest)
    assert turned.float().mean() > 0.85
