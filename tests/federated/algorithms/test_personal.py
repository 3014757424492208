"""What is personal never travels, and does what its paper says."""

import numpy as np
import pytest
import torch
from quadratic import quadratic_run

from fedbytes.federated import make_algorithm
from fedbytes.federated.lora.named_tensors import unpack_tensors
from fedbytes.federated.testing.bench_federation import CLIENTS, Workbench
from fedbytes.federated.testing.strict_client import Rehearsal
from fedbytes.federated.testing.tiny_models import TinyRegression, text_model
from fedbytes.streams import stream

SGD = {"optimizer": "sgd", "learning_rate": 0.1}
SIZES, CURVATURES = [2, 3], [1.0, 3.0]


def own(run, client, rng=None):
    context, algorithm = run.fed.context(1).for_client(client), run.fed.algorithm
    memory = run.state.clients[client].memory
    return algorithm.own(context, run.state.model, run.fed.parts[client], memory, rng)


def bert_run(name, rounds, **fields):
    algorithm = make_algorithm(name, local_steps=2, learning_rate=0.01, **fields)
    make = lambda: text_model("tiny-bert", {"name": "lora", "rank": 2})  # noqa: E731
    return Rehearsal(Workbench(algorithm, make).federation(partial=False)).go(rounds)


@pytest.mark.parametrize("name", ["fedper", "fedrep"])
def test_the_head_stays_with_each_client_and_nothing_of_it_is_sent(name):
    run = bert_run(name, rounds=2)
    layout = run.fed.model.layout
    heads = {name for name in layout.names if name.startswith("head.")}
    assert set(run.fed.layout.names) == set(layout.names) - heads
    deltas = [row for row in run.ledger.entries if row.kind in ("delta", "update", "state")]
    lengths = {row.payload_bytes for row in deltas}
    assert max(lengths) < 4 * run.fed.layout.numel + 64
    tensors = [unpack_tensors(layout, own(run, client)) for client in range(CLIENTS)]
    for tensor in layout.names:
        alike = all(torch.equal(tensors[0][tensor], other[tensor]) for other in tensors[1:])
        assert alike == (tensor not in heads), tensor


def test_fedper_with_one_client_is_local_training():
    one = {"local_steps": 3, "batch_size": 40, **SGD}
    run = quadratic_run(make_algorithm("fedavg", **one), [2], [1.0], rounds=2)
    model = text_model("tiny-bert", {"name": "lora", "rank": 2})
    fields = {"parts": [np.arange(40)], "model": model}
    from dataclasses import replace

    finals = []
    for name in ("fedper", "local"):
        fed = replace(run.fed, algorithm=make_algorithm(name, **one), **fields)
        finals.append(own(Rehearsal(fed).go(2), 0))
    torch.testing.assert_close(finals[0], finals[1], rtol=1e-4, atol=1e-6)


def test_fedrep_fits_the_head_with_the_rest_as_it_was_sent_and_then_the_rest():
    """On TinyRegression, whose bias is private: both phases by hand."""
    fields = {"private": "bias", "local_steps": 2, "head_steps": 3, "batch_size": 400, **SGD}
    algorithm = make_algorithm("fedrep", **fields)
    run = Rehearsal(Workbench(algorithm, TinyRegression).federation(partial=False)).go(1)
    model, part = TinyRegression(), torch.as_tensor(run.fed.parts[1])
    start = model.draw_initial(0)
    vector = start.clone()
    bias = slice(vector.numel() - 3, None)
    for step in range(5):
        model.set_state(vector)
        model.flat.grad.zero_()
        model.loss(part).backward()
        moved = bias if step < 3 else slice(0, vector.numel() - 3)
        vector[moved] -= 0.1 * model.flat.grad[moved]
    torch.testing.assert_close(run.state.clients[1].memory["private"], vector[bias])
    weights = sum(len(p) for p in run.fed.parts)
    trained = algorithm.train(
        run.fed.context(1).for_client(1), start[:-3], run.fed.parts[1], {}, stream(0, "x")
    )
    torch.testing.assert_close(trained.delta, (vector - start)[:-3], atol=1e-5, rtol=1e-4)
    assert weights == 240


def test_private_tensors_are_some_and_not_all():
    for private, said in (("nothing such", "is none"), ("weight,bias", "is all")):
        algorithm = make_algorithm("fedper", private=private, local_steps=1)
        with pytest.raises(ValueError, match=said):
            algorithm.synced_layout(TinyRegression())


def test_ditto_is_fedavg_with_models_between_the_global_one_and_each_clients_own():
    steps = {"local_steps": 40, "batch_size": 5, **SGD}
    plain = quadratic_run(make_algorithm("fedavg", **steps), SIZES, CURVATURES, rounds=3)
    for pull in (0.0, 0.5, 4.0):
        algorithm = make_algorithm("ditto", pull=pull, own_steps=200, **steps)
        run = quadratic_run(algorithm, SIZES, CURVATURES, rounds=3)
        assert run.crossed == plain.crossed  # nothing of clients' own is sent
        before = quadratic_run(algorithm, SIZES, CURVATURES, rounds=2).state.model
        for client, a in enumerate(CURVATURES):
            b = run.fed.model.b[run.fed.parts[client][0]]
            nearest = (a * b + pull * before) / (a + pull)  # least a/2 |v-b|² + pull/2 |v-x|²
            torch.testing.assert_close(own(run, client), nearest, atol=1e-4, rtol=1e-4)


def test_tuning_goes_from_the_global_model_towards_each_clients_optimum():
    steps = {"local_steps": 2, "batch_size": 5, **SGD}
    plain = quadratic_run(make_algorithm("fedavg", **steps), SIZES, CURVATURES, rounds=2)
    algorithm = make_algorithm("fedavg_ft", tune_steps=7, tune_learning_rate=0.05, **steps)
    run = quadratic_run(algorithm, SIZES, CURVATURES, rounds=2)
    assert run.crossed == plain.crossed
    for client, a in enumerate(CURVATURES):
        b, x = run.fed.model.b[run.fed.parts[client][0]], run.state.model
        left = (1 - 0.05 * a) ** 7
        torch.testing.assert_close(own(run, client, stream(0, "t")), b + left * (x - b))
    untuned = make_algorithm("fedavg_ft", tune_steps=0, **steps)
    run = quadratic_run(untuned, SIZES, CURVATURES, rounds=1)
    assert own(run, 0) is run.state.model
