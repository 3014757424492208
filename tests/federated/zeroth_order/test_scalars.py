"""Algorithms whose messages are a few numbers: what they cost, what they make of them."""

import tracemalloc

import numpy as np
import pytest
import torch

from fedbytes.compression.codec import make_codec
from fedbytes.compression.frame import HEADER_BYTES, Frame
from fedbytes.compression.layout import Shared
from fedbytes.compression.numerics.kernels import compiled_at_once, numpy_only
from fedbytes.federated.algorithm import make_algorithm
from fedbytes.federated.hooks import Hooks
from fedbytes.federated.protocol.channel import SERVER
from fedbytes.federated.protocol.link import make_link
from fedbytes.federated.protocol.messages import KIND_IDS, open_seed, open_vector
from fedbytes.federated.zeroth_order import directions
from fedbytes.federated.zeroth_order.directions import add_directions, direction, direction_key
from fedbytes.federated.zeroth_order.slopes import slopes
from fedbytes.streams import stream

DECOMFL = {"name": "decomfl", "local_steps": 2, "perturbations": 4, "learning_rate": 0.01}
FEDKSEED = {"name": "fedkseed", "seeds": 64, "local_steps": 3, "learning_rate": 0.01}
OWN = FEDKSEED | {"draws": "own"}
PAIRS = make_link({"name": "threshold", "threshold": 1e-6, "bits": 32})


def follow(run, client):
    """Return what a client holds that knows nothing but the messages of `run` to it."""
    fed, held = run.fed, None
    for entry, data in zip(run.ledger.entries, run.crossed, strict=True):
        if entry.direction == "up" or entry.client != client:
            continue
        frame = Frame.unpack(data)
        if frame.kind == KIND_IDS["seed"]:
            held = fed.algorithm.initial(fed.model, open_seed(frame))
        elif frame.kind == KIND_IDS["state"]:
            shared = Shared(fed.layout, seed=fed.seed, round=frame.round, sender=SERVER)
            held = open_vector(frame, make_codec("fp32"), shared)
        else:
            context = fed.context(frame.round)
            update = open_vector(frame, fed.downlink.codec, fed.shared_down(context, None))
            held = fed.algorithm.apply(context, held, update)
    return held


@pytest.mark.parametrize("size", [1, 6, 4096, 9001])
def test_directions_are_the_same_however_they_are_made(size, monkeypatch):
    monkeypatch.setattr(directions, "_CHUNK", 4000)
    base = direction(direction_key(7, 1), size)
    keys = [direction_key(0, 1, number) for number in range(3)]
    values = [0.5, 0.0, -2.0]
    compiled, twin, device = (torch.empty(size) for _ in range(3))
    with compiled_at_once():
        add_directions(compiled, base, keys, values)
    with numpy_only():
        add_directions(twin, base, keys, values)
    directions._add_on_device(device, base, keys, values)
    assert torch.equal(compiled, twin)
    assert torch.equal(compiled, device)
    part = torch.zeros(size)
    add_directions(part, part, keys[:1], [1.0])
    longer = direction(keys[0], size + 5)
    assert torch.equal(part, longer[:size])


def test_directions_never_change():
    # A change would make every stored run of these algorithms another one.
    z = direction(direction_key(3, 1, 0, 2), 6)
    assert (z * 2**16).int().tolist() == [-34285, 74229, 81623, 6870, 74967, -16122]
    assert directions.quantiles().sum() == 0


def test_directions_are_normal_and_independent():
    a, b = (direction(direction_key(0, number), 1_000_000).double() for number in range(2))
    for z in (a, b):
        moments = [float((z**power).mean()) for power in (1, 2, 3, 4)]
        assert moments == pytest.approx([0, 1, 0, 3], abs=0.03)
    assert abs(float((a * b).mean())) < 5e-3
    for lag in (1, 2, 4, 4096):
        assert abs(float((a[lag:] * a[:-lag]).mean())) < 5e-3


@pytest.mark.parametrize("difference", ["forward", "central"])
def test_the_mean_estimate_is_the_gradient(make_run, difference):
    model = make_run().fed.model
    base = model.draw_initial(0) * 0.1
    batch = next(model.batches(np.arange(64), 64, stream(0, "test")))
    model.set_state(base)
    model.loss(batch).backward()
    gradient = model.flat.grad.clone()
    keys = [direction_key(1, number) for number in range(20_000)]
    found, loss = slopes(model, base, keys, batch, 1e-2, difference)
    assert loss == pytest.approx(float(model.loss(batch).detach()), abs=0.2)
    mean = torch.zeros_like(base)
    add_directions(mean, mean, keys, torch.tensor(found) / len(keys))
    # The estimate's error is about |gradient| sqrt(numel / draws), here 0.21.
    assert float((mean - gradient).norm() / gradient.norm()) < 0.27
    assert float(mean @ gradient / gradient.norm() ** 2) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    "spec", [DECOMFL, FEDKSEED, OWN], ids=lambda s: str(s.get("draws", s["name"]))
)
@pytest.mark.parametrize("initial", ["seed", "full"])
def test_a_client_that_knows_only_its_messages_has_the_servers_model(make_run, spec, initial):
    run = make_run(5, clients_per_round=2, algorithm=make_algorithm(spec), initial=initial)
    algorithm, model = run.fed.algorithm, run.fed.model
    for _ in range(7):
        believed = run.state.model
        run.go(1)
        for client in run.fed.context(run.state.round).clients:
            assert torch.equal(follow(run, client), believed)
    algorithm.load(model, run.state.model)
    ours = model.flat.detach().clone()
    fresh = make_run(5).fed.model
    algorithm.load(fresh, run.state.model)
    assert torch.equal(ours, fresh.flat)
    assert not torch.equal(ours, fresh.draw_initial(0))


def test_messages_hold_a_number_for_each_direction(make_run):
    run = make_run(4, algorithm=make_algorithm(DECOMFL), initial="seed").go(3)
    vectors = [e for e in run.ledger.entries if e.kind in ("delta", "update")]
    assert len(vectors) == 4 * 3 + 4 * 2
    assert {e.message_bytes for e in vectors} == {HEADER_BYTES + 4 * 2 * 4 + 4}
    shared = make_run(4, algorithm=make_algorithm(FEDKSEED), initial="seed").go(2)
    assert {e.payload_bytes for e in shared.ledger.entries if e.kind == "delta"} == {4 * 3 + 4}
    (update, *_) = [e for e in shared.ledger.entries if e.kind == "update"]
    assert update.payload_bytes <= 4 * 3 * 4 + 4
    own = make_run(4, algorithm=make_algorithm(OWN), uplink=PAIRS, downlink=PAIRS).go(2)
    assert max(e.payload_bytes for e in own.ledger.entries if e.kind == "delta") < 4 * 3 + 16


def test_who_draws_the_seeds_changes_bytes_and_not_the_model(make_run):
    shared = make_run(4, algorithm=make_algorithm(FEDKSEED)).go(3)
    own = make_run(4, algorithm=make_algorithm(OWN), uplink=PAIRS, downlink=PAIRS).go(3)
    torch.testing.assert_close(shared.state.model, own.state.model, rtol=1e-5, atol=1e-9)
    assert shared.ledger.total < own.ledger.total


@pytest.mark.parametrize("perturbations", [100, 400])
def test_a_step_of_decomfl_is_the_learning_rate_times_the_gradient(make_run, perturbations):
    fields = {"perturbations": perturbations, "learning_rate": 1e-3, "difference": "central"}
    algorithm = make_algorithm("decomfl", local_steps=1, batch_size=60, **fields)
    run = make_run(1, parts=[np.arange(60)], algorithm=algorithm)
    model, start = run.fed.model, run.state.model
    model.set_state(start)
    model.loss(torch.arange(60)).backward()
    gradient = model.flat.grad.clone()
    moved = run.go(1).state.model - start
    along = float(moved @ gradient / gradient.norm() ** 2)
    assert along == pytest.approx(-1e-3, rel=6 / perturbations**0.5)


def test_directions_differ_between_seeds_rounds_and_steps(make_run):
    algorithm = make_algorithm(DECOMFL)
    keys = [
        key
        for seed in (0, 1)
        for round_ in (1, 2, 3)
        for step in range(2)
        for key in algorithm._keys(make_run(2, seed=seed).fed.context(round_), step)
    ]
    assert len(set(keys)) == len(keys) == 2 * 3 * 2 * 4


def test_each_client_of_fedkseed_goes_along_seeds_of_its_own(make_run):
    algorithm = make_algorithm(OWN | {"seeds": 4096, "local_steps": 20})
    found = []

    def keep(uploads, context):
        found.extend(frozenset(upload.delta.nonzero().ravel().tolist()) for upload in uploads)
        return uploads

    make_run(4, algorithm=algorithm, hooks=Hooks(before_aggregate=(keep,))).go(3)
    assert all(len(places) > 15 for places in found)
    # Of 12 draws of 20 among 4096 about six pairs of places coincide.
    assert len(frozenset.union(*found)) > 12 * 20 - 25


@pytest.mark.parametrize("initial", ["seed", "full"])
def test_missed_rounds_cost_their_numbers_or_the_whole_state(make_run, initial):
    run = make_run(6, clients_per_round=1, algorithm=make_algorithm(DECOMFL), initial=initial)
    run.go(30)
    whole = HEADER_BYTES + 4 * run.fed.layout.numel + 4
    update = HEADER_BYTES + 4 * 8 + 4
    last = {}
    for round_ in range(1, 31):
        (client,) = run.fed.context(round_).clients
        cost = sum(
            e.message_bytes
            for e in run.ledger.entries
            if e.round == round_ and e.direction == "down"
        )
        missed = round_ - 1 - last.get(client, 0)
        if client in last:
            assert cost == min(missed * update, whole)
        elif initial == "full":
            assert cost == whole
        last[client] = round_ - 1


@pytest.mark.parametrize(
    ("spec", "rounds"),
    [
        (DECOMFL | {"perturbations": 20, "learning_rate": 0.02, "difference": "central"}, 60),
        (FEDKSEED | {"seeds": 1024, "local_steps": 20, "learning_rate": 2e-3}, 60),
    ],
    ids=["decomfl", "fedkseed"],
)
def test_training_lowers_the_loss(make_run, spec, rounds):
    run = make_run(4, algorithm=make_algorithm(spec))
    model, everything = run.fed.model, torch.arange(240)
    losses = []
    for count in (0, rounds):
        run.go(count)
        run.fed.algorithm.load(model, run.state.model)
        losses.append(float(model.loss(everything)))
    assert losses[1] < 0.7 * losses[0]


@pytest.mark.parametrize("memory", [{"error_feedback": True}, {"momentum": 0.5}], ids=str)
@pytest.mark.parametrize("spec", [DECOMFL, FEDKSEED], ids=lambda s: s["name"])
def test_memories_are_refused_with_the_remedy(make_run, spec, memory):
    link = make_link({"name": "topk", "density": 0.5} | memory)
    with pytest.raises(ValueError, match=r"every round.*set uplink\.(error_feedback|momentum)="):
        make_run(4, algorithm=make_algorithm(spec), uplink=link)
    make_run(4, algorithm=make_algorithm(OWN), uplink=link).go(2)


def test_directions_are_added_without_a_copy_of_the_vector():
    size = 2_000_000
    base, out = torch.zeros(size), torch.zeros(size)
    add_directions(out, base, [1], [1.0])
    tracemalloc.start()
    add_directions(out, base, list(range(1, 6)), [1.0] * 5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < size / 10
