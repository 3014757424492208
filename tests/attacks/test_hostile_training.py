"""How attackers train: projections, what they add to their loss, and that honest ones do not."""

import pytest
import torch
from torch import nn

from fedbytes.attacks.neurotoxin import largest
from fedbytes.federated import make_algorithm, make_attack, make_link, make_plugins
from fedbytes.federated.testing.plugin_bench import stage_context
from fedbytes.streams import stream

SHARE = {"share": 0.25}


def deltas(run):
    """Return each client's delta of the round that was run last."""
    found = {}
    for entry, data in zip(run.ledger.entries, run.crossed, strict=True):
        if entry.kind == "delta":
            found[entry.client] = torch.frombuffer(bytearray(data[40:-4]), dtype=torch.float32)
    return found


def rounds_of(make_run, attack, rounds=2, **fields):
    run = make_run(4, plugins=make_plugins(attack=attack), **fields)
    states, sent = [run.state.model.clone()], []
    for _ in range(rounds):
        run.crossed.clear()
        run.ledger.entries.clear()
        run.go(1)
        sent.append(deltas(run))
        states.append(run.state.model.clone())
    hostile = run.attackers.attacks[0][2][0] if attack else None
    return hostile, sent, states


def test_neurotoxin_leaves_alone_what_the_last_update_moved_most(make_run):
    attack = {"name": "neurotoxin", "k": 0.1, **SHARE}
    client, sent, states = rounds_of(make_run, attack)
    _, plain, _ = rounds_of(make_run, None)
    assert torch.equal(sent[0][client], plain[0][client])  # no update was there yet
    mask = largest(states[1] - states[0], 0.1)
    assert int(mask.sum()) == round(0.1 * len(mask))
    smallest, others = (states[1] - states[0]).abs()[mask].min(), (states[1] - states[0])[~mask]
    assert others.abs().max() <= smallest
    assert not sent[1][client][mask].any()
    assert torch.equal(sent[1][client][~mask] != 0, plain[1][client][~mask] != 0)
    for honest in set(plain[1]) - {client}:
        assert torch.equal(sent[1][honest], plain[1][honest])


def test_pgd_stays_in_its_ball_and_leaves_short_changes_as_they_are(make_run):
    _, plain, _ = rounds_of(make_run, None, 1)
    client, sent, _ = rounds_of(make_run, {"name": "pgd", "norm": 0.05, **SHARE}, 1)
    assert sent[0][client].double().norm() == pytest.approx(0.05, rel=1e-5)
    assert plain[0][client].norm() > 0.5
    _, wide, _ = rounds_of(make_run, {"name": "pgd", "norm": 1e6, **SHARE}, 1)
    assert torch.equal(wide[0][client], plain[0][client])


def test_projected_steps_are_those_of_projected_descent(make_run):
    """Two steps of SGD by hand: project after each."""
    algorithm = make_algorithm("fedavg", local_steps=2, learning_rate=0.5, optimizer="sgd")
    fields = {"algorithm": algorithm}
    client, sent, states = rounds_of(make_run, {"name": "pgd", "norm": 0.02, **SHARE}, 1, **fields)
    fed = make_run(4, **fields).fed
    rng = stream(0, "batches", 1, client)
    batches = fed.model.batches(fed.parts[client], algorithm.batch_size, rng)
    vector = states[0].clone()
    for _ in range(2):
        fed.model.set_state(vector)
        fed.model.flat.grad.zero_()
        fed.model.loss(next(batches)).backward()
        moved = vector - 0.5 * fed.model.flat.grad - states[0]
        vector = states[0] + moved * min(1, 0.02 / float(moved.norm()))
    torch.testing.assert_close(sent[0][client], vector - states[0], rtol=1e-4, atol=1e-6)


def test_constrain_and_scale_weighs_the_distance(make_run):
    attack = make_attack({"name": "constrain_and_scale", "alpha": 0.75})
    context = stage_context("attack 0 check", client=1)
    flat = nn.Parameter(context.held.clone())
    flat.data[:2] += torch.tensor([3.0, 4.0])
    model = type("Model", (), {"flat": flat})()
    for moved, penalty, slope in ((None, 0.25 * 5, 0.25), (2.0, 0.25 * 1.5, 0.125), (9.0, 0, 0)):
        vector = None if moved is None else torch.zeros_like(flat.data)
        if moved is not None:
            vector[0] = moved
        object.__setattr__(context, "model", model)
        object.__setattr__(context, "moved", vector)
        flat.grad = None
        loss = attack.loss(lambda _: 2.0 + 0 * flat.sum(), context)
        value = loss(None)
        value.backward()
        assert float(value.detach()) == pytest.approx(0.75 * 2 + penalty, rel=1e-5)
        torch.testing.assert_close(
            flat.grad[:2], slope * torch.tensor([0.6, 0.8]), atol=1e-6, rtol=0
        )


def test_what_is_constrained_is_scaled_by_clients_over_attackers(make_run):
    _, plain, _ = rounds_of(make_run, None, 1)
    attack = {"name": "constrain_and_scale", "alpha": 1.0, **SHARE}
    client, sent, _ = rounds_of(make_run, attack, 1)
    torch.testing.assert_close(sent[0][client], 4 * plain[0][client])


def test_training_is_honest_outside_the_rounds(make_run):
    _, plain, _ = rounds_of(make_run, None, 3)
    late = {"name": "neurotoxin", "k": 0.5, "from_round": 3, **SHARE}
    client, sent, states = rounds_of(make_run, late, 3)
    for one, two in zip(sent[:2], plain[:2], strict=True):
        assert all(torch.equal(one[c], two[c]) for c in one)
    mask = largest(states[2] - states[1], 0.5)  # it has kept what it was sent before
    assert not sent[2][client][mask].any()


def test_a_loss_of_the_algorithms_own_is_refused():
    moon = make_algorithm("moon", local_steps=1)
    refusal = make_plugins(attack="pgd").refuses(moon, make_link("fp32"), 4)
    assert "'pgd' changes how attackers minimise the loss" in refusal


@pytest.mark.parametrize("name", ["scaffold", "decomfl"])
def test_what_is_sent_is_what_is_trained(make_run, name):
    algorithm = make_algorithm(name, **({"local_steps": 1} if name == "scaffold" else {}))
    with pytest.raises(ValueError, match=f"903 trained numbers, and algorithm '{name}' holds or"):
        make_run(4, plugins=make_plugins(attack="neurotoxin"), algorithm=algorithm)
