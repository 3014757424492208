"""Clients side by side end where they end one after another, up to the order of sums."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lora_models import colours

import fedbytes
from fedbytes.federated import ALGORITHMS, FedAvg, Federation, Simulation, make_algorithm, make_link
from fedbytes.federated.plugins.round_plugins import make_plugins
from fedbytes.federated.side_by_side.fit import refuse_side_by_side
from fedbytes.federated.testing.algorithm_contract import check_algorithm
from fedbytes.federated.testing.tiny_models import TinyRegression
from fedbytes.models import ADAPTERS, build_model
from fedbytes.models.side_by_side.check import check_side_by_side

SIZES = (3, 9, 17, 5)
"""Examples of the clients: unequal steps where they pass over them, unequal last batches."""
EPOCHS = {"local_epochs": 1, "batch_size": 4}
LORA = {"name": "lora", "rank": 2}


def model_of(adapter, kind="classification", name="tiny-bert", cache=False):
    spec = {"name": name, "device": "cpu", "precision": "float32"}
    return build_model(spec, adapter, colours(kind), layer_cache=cache)


def federation(model, algorithm, at_once, **fields):
    parts = np.split(np.arange(sum(SIZES)), np.cumsum(SIZES)[:-1])
    usual = {"uplink": make_link("fp32"), "downlink": make_link("fp32")}
    settings = usual | {"clients_per_round": len(SIZES)} | fields
    return Federation(
        model=model,
        parts=parts,
        algorithm=make_algorithm(algorithm),
        clients_at_once=at_once,
        **settings,
    )


def after(fed, rounds):
    run = Simulation(fed)
    losses = [run.run_round().train_loss for _ in range(rounds)]
    return run.state, np.array(losses), run.ledger


def distance(one, other):
    return float((one - other).norm() / one.norm())


def both_ways(model, algorithm, rounds=10, at_once=4, **fields):
    stacked, side_by_side = [], model.side_by_side
    model.side_by_side = lambda starts: stacked.append(len(starts)) or side_by_side(starts)
    alone = after(federation(model, algorithm, 1, **fields), rounds)
    assert stacked == []
    together = after(federation(model, algorithm, at_once, **fields), rounds)
    assert len(stacked) >= rounds
    assert max(stacked) > 1
    del model.side_by_side
    return alone, together


@pytest.mark.parametrize(
    ("adapter", "kind", "name"),
    [
        (LORA, "classification", "tiny-bert"),
        (LORA, "causal-lm", "tiny-llama"),
        ({"name": "prompt_tuning", "length": 3}, "causal-lm", "tiny-llama"),
        ("head", "classification", "tiny-llama"),
    ],
    ids=["lora", "lora-lm", "prompt-lm", "head"],
)
def test_ten_rounds_side_by_side_end_within_1e_5(adapter, kind, name):
    alone, together = both_ways(model_of(adapter, kind, name), {"name": "fedavg", **EPOCHS})
    assert 0 < distance(alone[0].server.model, together[0].server.model) < 1e-5
    assert np.allclose(alone[1], together[1], rtol=1e-5)
    sent = [
        [(e.client, e.kind, e.message_bytes) for e in one[2].entries] for one in (alone, together)
    ]
    assert sent[0] == sent[1]


def test_with_kept_states_of_frozen_layers_and_groups_that_do_not_divide_the_round():
    model = model_of({**LORA, "layers": 1}, cache=True)
    assert model.keeps_states
    alone, together = both_ways(model, {"name": "fedavg", **EPOCHS}, at_once=3)
    assert 0 < distance(alone[0].server.model, together[0].server.model) < 1e-5


HARD = {"weight_decay": 0.5, "max_grad_norm": 0.5, **EPOCHS}


@pytest.mark.parametrize(
    "algorithm",
    [
        {"name": "fedprox", "mu": 0.5, **HARD},
        {"name": "feddyn", "alpha": 0.5, **HARD},
        {"name": "scaffold", "learning_rate": 0.05, **HARD},
        {"name": "fedavg", "optimizer": "sgd", "momentum": 0.9, "learning_rate": 0.05, **HARD},
        {"name": "fedper", "private": "head.bias", **EPOCHS},
        {"name": "fedadam", **EPOCHS},
    ],
    ids=lambda algorithm: algorithm["name"],
)
def test_algorithms_change_each_clients_steps_as_they_do_alone(algorithm):
    alone, together = both_ways(model_of("head"), algorithm, rounds=4)
    assert distance(alone[0].server.model, together[0].server.model) < 1e-5
    for client in range(len(SIZES)):
        memory = alone[0].clients[client].memory
        assert bool(memory) == (algorithm["name"] in ("feddyn", "scaffold", "fedper"))
        for key, kept in memory.items():
            assert kept.norm() > 1e-3
            assert distance(kept, together[0].clients[client].memory[key]) < 1e-4, key


EF = {"name": "topk", "density": 0.3, "error_feedback": True}
SGD = {"name": "fedavg", "optimizer": "sgd", "learning_rate": 0.1, **EPOCHS}


def test_every_client_keeps_the_residual_of_its_own_messages():
    links = {"uplink": make_link(EF), "downlink": make_link(EF)}
    alone, together = both_ways(model_of("head"), SGD, rounds=4, at_once=3, **links)
    assert distance(alone[0].server.model, together[0].server.model) < 1e-5
    residuals = [
        [one[0].clients[client].senders[""]["residual"] for client in range(len(SIZES))]
        for one in (alone, together)
    ]
    for own, other, others in zip(*residuals, reversed(residuals[1]), strict=True):
        assert distance(own, other) < 1e-4
        assert distance(own, others) > 0.1
    assert alone[2].total == together[2].total


def test_rounds_of_few_or_no_clients_as_poisson_sampling_draws_them():
    drawn = {"sampling": "poisson", "clients_per_round": 1, "seed": 0}
    fed = federation(model_of("head"), SGD, 3, **drawn)
    counts = [len(fed.context(round_).clients) for round_ in range(1, 7)]
    assert 0 in counts
    assert max(counts) > 1
    together, _, _ = after(fed, 6)
    alone, _, _ = after(replace(fed, clients_at_once=1), 6)
    assert distance(alone.server.model, together.server.model) < 1e-5


def test_a_client_that_has_taken_its_steps_rests():
    """Weight decay and momentum would go on moving it while others step."""
    steps = {"optimizer": "sgd", "momentum": 0.9, "learning_rate": 0.1, **HARD}
    algorithm = {"name": "fedavg", **steps}
    fed = federation(model_of("head"), algorithm, 4)
    run = Simulation(fed)
    context = run.server.open_round()
    for client in context.clients:
        run.clients.receive(client, [m.data for m in run.server.messages_for(client)])
    together = dict(run.clients.train_group(context, [0, 2]))  # of one step, and of five
    other = Simulation(replace(fed, clients_at_once=1))
    context = other.server.open_round()
    for client in context.clients:
        other.clients.receive(client, [m.data for m in other.server.messages_for(client)])
    for client in (0, 2):
        alone = other.clients[client].train(context)
        torch.testing.assert_close(together[client].delta, alone.delta, rtol=1e-5, atol=1e-7)
        assert together[client].loss == pytest.approx(alone.loss, rel=1e-6)


def test_a_run_that_resumes_ends_with_the_same_bits():
    links = {"uplink": make_link(EF), "downlink": make_link(EF)}
    algorithm = {"name": "scaffold", "learning_rate": 0.05, **EPOCHS}
    fed = federation(model_of("head"), algorithm, 3, **links)
    whole, _, _ = after(fed, 4)
    half, _, _ = after(fed, 2)
    model = replace(fed, model=model_of("head"))
    run = Simulation(model, half)
    for _ in range(2):
        run.run_round()
    assert torch.equal(whole.server.model, run.state.server.model)
    for client in range(len(SIZES)):
        one, other = (state.clients[client].memory for state in (whole, run.state))
        assert one.keys() == other.keys() != set()
        assert all(torch.equal(one[key], other[key]) for key in one)


def test_attackers_that_train_their_own_way_train_apart_and_the_others_together():
    plugins = make_plugins(attack=[{"name": "pgd", "norm": 0.001, "share": 0.25}])
    alone, together = both_ways(
        model_of("head"), {"name": "fedavg", **EPOCHS}, rounds=3, plugins=plugins
    )
    assert distance(alone[0].server.model, together[0].server.model) < 1e-5
    honest = after(federation(model_of("head"), {"name": "fedavg", **EPOCHS}, 4), 3)
    assert distance(alone[0].server.model, honest[0].server.model) > 1e-4


@pytest.mark.parametrize(
    ("adapter", "algorithm", "said"),
    [
        (LORA, {"name": "moon", **EPOCHS}, "algorithm 'moon' takes clients' steps in a way"),
        ("ia3", {"name": "fedavg", **EPOCHS}, "adapter 'ia3' has no product of several"),
    ],
)
def test_what_cannot_is_refused_by_name(adapter, algorithm, said):
    with pytest.raises(ValueError, match=f"clients_at_once=2: {said}.*: set clients_at_once=1"):
        federation(model_of(adapter), algorithm, 2)


def test_every_algorithm_that_cannot_says_so_in_one_line_with_the_remedy():
    said = {}
    for name in ALGORITHMS.names():
        cls = ALGORITHMS.get(name)
        reason = cls(**(cls.examples or ({},))[0]).one_at_a_time
        if reason:
            said[name] = refuse_side_by_side(3, reason)
    assert {"diloco", "moon", "ditto", "fedrep", "flexlora", "hetlora", "ffa_lora"} < said.keys()
    for name, line in said.items():
        way = "(takes clients' steps in a way of its own|trains one client after another)"
        whole = f"clients_at_once=3: algorithm '{name}' {way}: set clients_at_once=1"
        assert re.fullmatch(whole, line), line


def test_a_model_that_takes_one_vector_is_refused():
    with pytest.raises(ValueError, match="clients_at_once=2: a TinyRegression has no"):
        federation(TinyRegression(), {"name": "fedavg", **EPOCHS}, 2)


def test_the_page_names_all_that_can():
    page = (Path(fedbytes.__file__).parents[1] / "docs/clients-side-by-side.md").read_text()
    rows = {
        line.split("|")[1].strip(): line.split("|")[2] for line in page.splitlines() if "|" in line
    }
    classes = {name: ALGORITHMS.get(name) for name in ALGORITHMS.names()}
    made = {name: cls(**(cls.examples or ({},))[0]) for name, cls in classes.items()}
    able = {name for name, algorithm in made.items() if not algorithm.one_at_a_time}
    assert {*re.findall(r"`(\w+)`", rows["algorithms"])} == able
    stacked = {name for name in ADAPTERS.names() if ADAPTERS.get(name).side_by_side}
    assert stacked <= {*re.findall(r"`(\w+)`", rows["adapters"])}


class Doubles(FedAvg):
    """Claims to train side by side, and does twice as much."""

    def train_many(self, turns):
        return [one.with_delta(2 * one.delta) for one in super().train_many(turns)]


def test_the_contract_finds_an_algorithm_that_does_otherwise_side_by_side():
    found = {one.property: one for one in check_algorithm(Doubles(local_steps=1))}
    assert "model differs by" in found["clients side by side end where each ends alone"].message


class Kept(FedAvg):
    """Notes how many bytes each client's delta would take to another process."""

    def train_many(self, turns):
        found = super().train_many(turns)
        carried.extend(one.delta.untyped_storage().nbytes() for one in found)
        return found


carried: list[int] = []


def test_a_delta_carries_no_other_clients_numbers():
    carried.clear()
    fed = federation(model_of(LORA), {"name": "fedavg", **EPOCHS}, 4)
    Simulation(replace(fed, algorithm=Kept(**EPOCHS))).run_round()
    assert carried == [4 * fed.model.layout.numel] * len(SIZES)


def test_a_model_whose_rows_mix_is_found_before_the_first_round():
    model = model_of(LORA)
    check_side_by_side(model, "tiny-bert")
    layer = model.network.backbone.encoder.layer[1]
    whole = layer.forward
    layer.forward = lambda x, *args, **options: whole(x - 0.5 * x.mean(0), *args, **options)
    with pytest.raises(ValueError, match="'tiny-bert' gives clients side by side other gradients"):
        check_side_by_side(model, "tiny-bert")


def test_a_model_that_fails_on_several_clients_is_said_in_one_line():
    model = model_of(LORA)
    layer = model.network.backbone.encoder.layer[1]
    whole = layer.forward

    def of_few_rows(x, *args, **options):
        if len(x) > 3:
            raise RuntimeError("no more than\nthree rows")
        return whole(x, *args, **options)

    layer.forward = of_few_rows
    said = (
        r"^model 'tiny-bert' cannot train clients side by side \(set clients_at_once=1\): "
        "RuntimeError: no more than three rows$"
    )
    with pytest.raises(ValueError, match=said):
        check_side_by_side(model, "tiny-bert")
