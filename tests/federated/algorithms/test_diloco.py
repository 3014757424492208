"""DiLoCo: its ends are FedAvg and data-parallel SGD, and its moments stay with the worker."""

import math

import numpy as np
import pytest
import torch

from fedbytes.federated.algorithm import ALGORITHMS, make_algorithm
from fedbytes.federated.optimizers.schedule import Schedule
from fedbytes.federated.optimizers.server_optimizers import nesterov
from fedbytes.federated.state import State
from fedbytes.streams import stream

PLAIN = {
    "optimizer": "sgd",
    "weight_decay": 0.0,
    "max_grad_norm": None,
    "server_optimizer": "sgd",
    "server_learning_rate": 1.0,
    "server_momentum": 0.0,
}
INNER = {"local_steps": 3, "learning_rate": 0.05}


def _end(make_run, clients, rounds, **fields):
    return make_run(clients, algorithm=make_algorithm("diloco", **fields)).go(rounds).state.model


def _batches(run, round_, client, size):
    rng = stream(run.fed.seed, "batches", round_, client)
    return run.fed.model.batches(run.fed.parts[client], size, rng)


def test_one_inner_sgd_step_and_an_outer_sgd_step_are_data_parallel_sgd(make_run):
    fields = {"local_steps": 1, "learning_rate": 0.3, "batch_size": 8, **PLAIN}
    run = make_run(4, algorithm=make_algorithm("diloco", **fields)).go(6)
    ours, model = run.state.model, run.fed.model
    weights = torch.nn.Parameter(make_run(4).state.model.clone())
    sgd = torch.optim.SGD([weights], 0.3)
    for round_ in range(1, 7):  # one process that sees every worker's batch at once
        rows = torch.cat([next(_batches(run, round_, c, 8)) for c in range(4)])
        model.flat.data.copy_(weights.data)
        model.flat.grad.zero_()
        model.loss(rows).backward()
        weights.grad = model.flat.grad.clone()
        sgd.step()
    torch.testing.assert_close(ours, weights.data, rtol=1e-5, atol=1e-6)
    assert torch.dist(ours, make_run(4).state.model) > 0.1


@pytest.mark.parametrize("beta2", [0.999, 0.95])
def test_one_worker_and_an_outer_sgd_step_are_plain_adamw_across_rounds(make_run, beta2):
    fields = INNER | PLAIN | {"optimizer": "adamw", "weight_decay": 0.1, "inner_beta2": beta2}
    ours = _end(make_run, 1, 4, **fields)
    fresh = _end(make_run, 1, 4, keep_moments=False, **fields)
    run = make_run(1)
    model, weights = run.fed.model, torch.nn.Parameter(run.state.model.clone())
    adamw = torch.optim.AdamW([weights], 0.05, (0.9, beta2), weight_decay=0.1)
    for round_ in range(1, 5):
        batches = _batches(run, round_, 0, 16)
        for _ in range(3):
            model.flat.data.copy_(weights.data)
            model.flat.grad.zero_()
            model.loss(next(batches)).backward()
            weights.grad = model.flat.grad.clone()
            adamw.step()
    torch.testing.assert_close(ours, weights.data, rtol=1e-5, atol=1e-6)
    assert torch.dist(fresh, weights.data) > 0.01


def test_with_a_fresh_inner_optimiser_and_an_outer_sgd_step_it_is_fedavg(make_run):
    fields = INNER | PLAIN | {"optimizer": "adamw"}
    ours = _end(make_run, 4, 3, keep_moments=False, **fields)
    fedavg = make_algorithm("fedavg", **INNER)
    assert torch.equal(ours, make_run(4, algorithm=fedavg).go(3).state.model)


def test_the_outer_step_is_pytorchs_nesterov():
    weights = torch.nn.Parameter(torch.zeros(7))
    sgd = torch.optim.SGD([weights], 0.7, momentum=0.9, nesterov=True)
    ours, state, rng = torch.zeros(7), {}, stream(0, "test")
    for _ in range(6):
        mean = torch.from_numpy(rng.normal(size=7).astype(np.float32))
        update, state = nesterov(mean, state, learning_rate=0.7, momentum=0.9)
        ours = ours + update
        weights.grad = -mean
        sgd.step()
    torch.testing.assert_close(ours, weights.data)


def test_without_momentum_nesterov_is_sgd():
    update, _ = nesterov(torch.ones(3), {}, learning_rate=0.5, momentum=0.0)
    assert update.tolist() == [0.5] * 3


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "adamw8bit"])
def test_moments_are_each_workers_own_and_survive_a_checkpoint(make_run, tmp_path, optimizer):
    fields = INNER | {"optimizer": optimizer, "momentum": 0.5 * (optimizer == "sgd")}
    algorithm = make_algorithm("diloco", **fields)
    whole = make_run(3, clients_per_round=2, algorithm=algorithm).go(6)
    cut = make_run(3, clients_per_round=2, algorithm=algorithm).go(3)
    cut.state.save(tmp_path / "state.pt", {})
    resumed = make_run(3, clients_per_round=2, algorithm=algorithm)
    resumed.state, _ = State.load(tmp_path / "state.pt")
    resumed.go(3)
    assert torch.equal(resumed.state.model, whole.state.model)
    memories = {c: kept.memory for c, kept in whole.state.clients.items()}
    assert set(memories) == {0, 1, 2}
    name = {"adamw": "exp_avg", "sgd": "momentum_buffer", "adamw8bit": "state1"}[optimizer]
    assert not torch.equal(memories[0][name], memories[1][name])


def test_a_schedule_warms_up_and_comes_down():
    shares = [Schedule(3, 11, 0.2).share(step) for step in range(14)]
    assert shares[:4] == [0.25, 0.5, 0.75, 1.0]
    assert shares[7] == pytest.approx(0.6)
    assert shares[11:] == pytest.approx([0.2] * 3)
    assert shares[3:12] == sorted(shares[3:12], reverse=True)
    assert {Schedule().share(step) for step in (0, 5, 10**9)} == {1.0}


def test_steps_are_counted_over_the_run(make_run):
    # An inner SGD step moves by its share of the learning rate: the second round's is another.
    fields = {"local_steps": 1, "learning_rate": 0.1, "warmup_steps": 1, "total_steps": 5}
    run = make_run(1, algorithm=make_algorithm("diloco", **fields | PLAIN))
    for round_ in range(1, 5):
        before, model = run.state.model.clone(), run.fed.model
        model.set_state(before)
        model.flat.grad.zero_()
        model.loss(next(_batches(run, round_, 0, 16))).backward()
        gradient = model.flat.grad.clone()
        model.flat.grad.zero_()
        run.go(1)
        share = float((before - run.state.model).norm() / gradient.norm() / 0.1)
        assert share == pytest.approx(Schedule(1, 5).share(round_ - 1), rel=1e-3)
    assert math.isclose(Schedule(1, 5).share(0), 0.5)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"warmup_steps": -1}, "warmup_steps must be at least 0, got -1"),
        ({"warmup_steps": 9, "total_steps": 9}, "more than warmup_steps=9, got 9"),
        ({"final_share": 1.5}, r"final_share must be in \[0, 1\], got 1.5"),
        ({"optimizer": "paged_adamw8bit"}, "optimizer=adamw8bit, or keep_moments=false"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        make_algorithm("diloco", local_steps=2, **fields)


def test_inner_beta2_is_an_added_field_of_adamw():
    spec = ALGORITHMS.spec(make_algorithm("diloco", local_steps=1))
    assert "inner_beta2" not in spec
    assert "revision" not in spec
    for name in ("diloco", "streaming_diloco", "sparseloco"):
        assert make_algorithm(name, local_steps=1, inner_beta2=0.95).inner_beta2 == 0.95
    with pytest.raises(ValueError, match=r"inner_beta2=0\.95 is of the inner AdamW: set"):
        make_algorithm("diloco", local_steps=1, optimizer="sgd", inner_beta2=0.95)
