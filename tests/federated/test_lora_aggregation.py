"""Ways to aggregate LoRA: exactness where it is claimed, and the bytes that papers count."""

import pytest
import torch
from lora_models import STEPS, Watched, effective, tiny

from fedbytes.compression.frame import HEADER_BYTES

DIGEST = 4
INPUTS, LAYERS, RANK = 32, 6, 2  # tiny-bert: query and value of three layers
HEAD = 3 * INPUTS + 3 + 1
A = B = LAYERS * RANK * INPUTS


def near(found, wanted, tolerance=2e-6):
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=tolerance)


def fp32(numbers):
    return 4 * numbers + DIGEST


@pytest.mark.parametrize("model", ["tiny-bert", "tiny-llama"])
@pytest.mark.parametrize("algorithm", ["flora", "ffa_lora", "rolora"])
def test_the_server_holds_the_mean_of_the_products(algorithm, model):
    run = Watched(algorithm, model=tiny(model))
    for _ in range(3):
        run.go()
        near(run.loaded(), run.mean_of_products())


def test_fedit_does_not():
    run = Watched("fedit").go(2)
    gap = max(
        float((a - b).abs().max())
        for a, b in zip(run.loaded(), run.mean_of_products(), strict=True)
    )
    assert gap > 1e-4


@pytest.mark.parametrize("algorithm", ["fedit", "flora"])
def test_one_client_ends_where_plain_local_training_does(algorithm):
    alone = Watched("fedavg", clients=1, model=tiny("tiny-llama")).go()
    run = Watched(algorithm, clients=1, model=tiny("tiny-llama"))
    if algorithm == "flora":  # begins with the same factors as fedavg
        run.fed.model.draw_initial = lambda _seed: alone.model.initial_state
    near(run.go().loaded(), alone.loaded())


def test_only_one_factor_moves():
    run = Watched("ffa_lora")
    first = {p.a: run.model.flat.clone() for p in run.model.lora.pairs}
    run.go(2)
    run.loaded()
    slices = run.model.layout.slices()
    for pair in run.model.lora.pairs:
        assert torch.equal(run.model.flat[slices[pair.a]], first[pair.a][slices[pair.a]])
        assert not torch.equal(run.model.flat[slices[pair.b]], first[pair.a][slices[pair.b]])


def test_factors_take_turns():
    run = Watched({"name": "rolora", "weight_decay": 0.1})
    slices = run.model.layout.slices()
    for round_ in (1, 2, 3):
        before = run.state.model
        run.go()
        for pair in run.model.lora.pairs:
            for name, moves in ((pair.b, round_ % 2 == 1), (pair.a, round_ % 2 == 0)):
                same = torch.equal(run.state.model[slices[name]], before[slices[name]])
                assert same != moves


@pytest.mark.parametrize(
    ("algorithm", "up"),
    [("fedit", A + B + HEAD), ("ffa_lora", B + HEAD), ("rolora", B + HEAD)],
)
def test_both_ways_cost_what_is_trained(algorithm, up):
    run = Watched(algorithm).go(3)
    assert set(run.payloads("up")) == {fp32(up)}
    assert set(run.payloads("down")) == {fp32(up)}
    assert {e.message_bytes - e.payload_bytes for e in run.ledger.entries} == {HEADER_BYTES}


@pytest.mark.parametrize("clients", [1, 2, 5])
def test_floras_downlink_grows_with_the_clients_of_a_round(clients):
    run = Watched("flora", clients=clients).go(2)
    assert set(run.payloads("up")) == {fp32(A + B + HEAD)}
    assert set(run.payloads("down")) == {fp32(clients * (A + B) + HEAD)}
    assert len(run.payloads("down")) == clients  # in round 2; the first is begun from the seed


def test_flora_brings_clients_up_to_date_the_cheaper_way():
    run = Watched("flora", clients=6, clients_per_round=2).go(8)
    whole = LAYERS * INPUTS * INPUTS + HEAD
    caught_up = run.payloads("down", ("catch-up",))
    stack = 2 * (A + B) + HEAD
    assert caught_up
    assert set(caught_up) <= {fp32(stack), fp32(whole)}
    near(run.loaded(), run.mean_of_products())


@pytest.mark.parametrize("algorithm", ["flora"])
def test_the_shared_base_is_never_written(algorithm):
    first, second = tiny(), tiny()
    before = effective(second)
    Watched(algorithm, model=first).go(2).loaded()
    assert all(torch.equal(a, b) for a, b in zip(effective(second), before, strict=True))


@pytest.mark.parametrize("name", ["fedit", "ffa_lora", "rolora", "flora"])
def test_a_model_without_factors_is_refused(name, make_run):
    from fedbytes.federated.algorithm import make_algorithm

    with pytest.raises(ValueError, match=f"algorithm '{name}' needs adapter lora"):
        make_run(3, algorithm=make_algorithm(name, **STEPS))


def test_memories_that_cannot_help_are_refused():
    topk = {"name": "topk", "density": 0.5, "error_feedback": True}
    with pytest.raises(ValueError, match=r"new LoRA each round.*uplink\.error_feedback=false"):
        Watched("flora", link=topk)
    with pytest.raises(ValueError, match="no server optimiser: leave server_momentum at 0"):
        Watched({"name": "rolora", "server_momentum": 0.5})
