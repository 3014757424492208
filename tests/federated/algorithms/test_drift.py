"""Corrections of client drift: equal to FedAvg where they must be, and better where they should."""

import numpy as np
import pytest
import torch
from lora_models import Watched
from quadratic import WIDTH, quadratic_run

from fedbytes.compression.frame import HEADER_BYTES
from fedbytes.federated import make_plugins
from fedbytes.federated.algorithm import ALGORITHMS, make_algorithm
from fedbytes.federated.protocol.link import make_link
from fedbytes.streams import stream

SGD = {"optimizer": "sgd", "learning_rate": 0.05}
STEPS = {"local_steps": 4, **SGD}
WITHOUT_EFFECT = [("fedprox", {"mu": 0.0}), ("fednova", {}), ("fedavgm", {"server_momentum": 0.0})]
FIRST_ROUND = [*WITHOUT_EFFECT, ("scaffold", {}), ("fedavgm", {})]


@pytest.mark.parametrize(("name", "fields"), FIRST_ROUND)
def test_one_client_and_one_round_is_plain_local_training(make_run, name, fields):
    run = make_run(1, algorithm=make_algorithm(name, **STEPS, **fields)).go(1)
    model = run.fed.model
    model.set_state(model.draw_initial(0))
    optimizer = torch.optim.SGD([model.flat], 0.05)
    batches = model.batches(run.fed.parts[0], 16, stream(0, "batches", 1, 0))
    for _ in range(4):
        optimizer.zero_grad()
        model.loss(next(batches)).backward()
        optimizer.step()
    numel = model.layout.numel
    torch.testing.assert_close(run.state.model[:numel], model.flat.detach())


@pytest.mark.parametrize(("name", "fields"), WITHOUT_EFFECT)
def test_without_their_term_they_are_fedavg_to_the_bit(make_run, name, fields):
    plain = make_run(4, clients_per_round=2, algorithm=make_algorithm("fedavg", **STEPS)).go(4)
    algorithm = make_algorithm(name, **STEPS, **fields)
    other = make_run(4, clients_per_round=2, algorithm=algorithm).go(4)
    assert other.crossed == plain.crossed


def test_the_proximal_term_by_hand():
    run = quadratic_run(
        make_algorithm("fedprox", mu=3.0, local_steps=2, **SGD), [1], [2.0], rounds=1
    )
    b, rate = run.fed.model.b[0], 0.05
    first = rate * 2 * b
    second = first - rate * (2 * (first - b) + 3 * first)
    torch.testing.assert_close(run.state.model, second)


def test_scaffold_on_equal_data_is_fedavg(make_run):
    parts = [np.arange(40) for _ in range(3)]
    fields = {"local_steps": 5, "batch_size": 40, **SGD}
    finals = [
        make_run(3, parts=parts, algorithm=make_algorithm(name, **fields)).go(4).state.model
        for name in ("fedavg", "scaffold")
    ]
    torch.testing.assert_close(finals[1][: finals[0].numel()], finals[0], rtol=1e-4, atol=1e-5)


def test_scaffolds_control_variates_are_gradients_and_their_mean():
    run = quadratic_run(
        make_algorithm("scaffold", local_steps=1, **SGD), [2, 2], [1.0, 3.0], rounds=1
    )
    b = run.fed.model.b[[0, 2]]
    gradients = -torch.tensor([[1.0], [3.0]]) * b  # at x = 0
    own = [run.clients[c].state.memory["control"] for c in (0, 1)]
    torch.testing.assert_close(torch.stack(own), gradients)
    torch.testing.assert_close(run.state.model[WIDTH:], gradients.mean(0))
    run.go(5)
    own = [run.clients[c].state.memory["control"] for c in (0, 1)]
    torch.testing.assert_close(run.state.model[WIDTH:], torch.stack(own).mean(0))


def test_scaffold_moves_its_control_variate_by_the_share_of_clients():
    algorithm = make_algorithm("scaffold", local_steps=3, **SGD)
    run = quadratic_run(algorithm, [2] * 4, [1.0, 2.0, 3.0, 4.0], clients_per_round=2, rounds=9)
    own = [run.clients[c].state.memory or {"control": torch.zeros(WIDTH)} for c in range(4)]
    mean = torch.stack([memory["control"] for memory in own]).mean(0)
    torch.testing.assert_close(run.state.model[WIDTH:], mean)


UNEQUAL = {"sizes": [1, 1, 2, 40], "curvatures": [0.5, 1.0, 2.0, 4.0], "clients_per_round": 2}
FULL_BATCH = {"local_steps": 10, "batch_size": 40, **SGD}
WEIGHTS = {"examples": [1.0] * 44, "clients": [1.0, 1.0] + [0.5] * 2 + [1 / 40] * 40}


@pytest.mark.parametrize("weights", WEIGHTS)
def test_scaffolds_control_variate_is_the_mean_of_all_whoever_takes_part(weights):
    algorithm = make_algorithm("scaffold", weights=weights, **FULL_BATCH)
    run = quadratic_run(algorithm, **UNEQUAL, rounds=7)
    own = torch.stack([run.clients[c].state.memory["control"] for c in range(4)])
    shares = torch.tensor([1.0, 1, 2, 40]) / 44 if weights == "examples" else torch.full((4,), 0.25)
    torch.testing.assert_close(run.state.model[WIDTH:], shares @ own, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("max_grad_norm", [None, 0.5])
def test_scaffold_ends_at_the_optimum_of_its_weights(weights, max_grad_norm):
    algorithm = make_algorithm(
        "scaffold", weights=weights, max_grad_norm=max_grad_norm, **FULL_BATCH
    )
    run = quadratic_run(algorithm, **UNEQUAL, rounds=60)
    optima = {name: run.fed.model.optimum(w) for name, w in WEIGHTS.items()}
    assert torch.dist(*optima.values()) > 0.1
    assert torch.dist(run.state.model[:WIDTH], optima[weights]) < 1e-3


SIZES = [1, 1, 2, 2, 4, 4, 10, 10, 40, 40]
RULES = [{"name": "trimmed_mean", "f": 0}, {"name": "bucketing", "s": 2}, "norm_clip"]


@pytest.mark.parametrize("rule", RULES[:2], ids=str)
def test_what_the_server_adds_up_is_of_all_clients_however_few_uploads_a_defense_leaves(rule):
    fields = {"clients_per_round": 6, "rounds": 5, "plugins": make_plugins(defense=rule)}
    curvatures = np.linspace(0.5, 4, 10)
    run = quadratic_run(
        make_algorithm("scaffold", weights="clients", **FULL_BATCH), SIZES, curvatures, **fields
    )
    nothing = {"control": torch.zeros(WIDTH), "gradient": torch.zeros(WIDTH)}
    own = [(run.clients[c].state.memory or nothing)["control"] for c in range(10)]
    torch.testing.assert_close(run.state.model[WIDTH:], torch.stack(own).mean(0))
    run = quadratic_run(
        make_algorithm("feddyn", alpha=1.0, **FULL_BATCH), SIZES, curvatures, **fields
    )
    own = [(run.clients[c].state.memory or nothing)["gradient"] for c in range(10)]
    torch.testing.assert_close(run.state.server.optimizer["h"], torch.stack(own).mean(0))


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_scaffold_by_examples_is_refused_under_rules_that_change_the_weights(rule):
    algorithm = make_algorithm("scaffold", **FULL_BATCH)
    with pytest.raises(ValueError, match=r"set algorithm\.weights=clients"):
        quadratic_run(algorithm, SIZES, [1.0] * 10, plugins=make_plugins(defense=rule))


@pytest.mark.parametrize("spec", [{"name": "scaffold", "weights": "clients"}, "feddyn"], ids=str)
def test_groups_of_unequal_size_are_refused_where_clients_count_alike_over_rounds(spec):
    algorithm = make_algorithm(spec, **FULL_BATCH)
    groups = {"plugins": make_plugins(defense={"name": "bucketing", "s": 3}), "rounds": 1}
    with pytest.raises(ValueError, match=r"unequal size of 10 clients, .* that divides 10"):
        quadratic_run(algorithm, SIZES, [1.0] * 10, **groups)
    quadratic_run(algorithm, SIZES, [1.0] * 10, clients_per_round=9, **groups)
    quadratic_run(make_algorithm("fedavg", **FULL_BATCH), SIZES, [1.0] * 10, **groups)


@pytest.mark.parametrize("max_grad_norm", [None, 0.5])
def test_feddyn_ends_at_the_unweighted_optimum_whoever_takes_part(max_grad_norm):
    fields = FULL_BATCH | {"alpha": 1.0, "max_grad_norm": max_grad_norm}
    run = quadratic_run(make_algorithm("feddyn", **fields), **UNEQUAL, rounds=80)
    optimum = run.fed.model.optimum(WEIGHTS["clients"])
    assert torch.dist(run.state.model, optimum) < 1e-2


def test_scaffolds_clipped_control_variates_are_gradients():
    fields = {"local_steps": 1, "max_grad_norm": 0.1, "weight_decay": 0.5, **SGD}
    run = quadratic_run(make_algorithm("scaffold", **fields), [2, 2], [1.0, 3.0], rounds=2)
    first = quadratic_run(make_algorithm("scaffold", **fields), [2, 2], [1.0, 3.0], rounds=1)
    at = first.state.model[:WIDTH]
    assert at.norm() > 0
    for client, curvature in enumerate([1.0, 3.0]):
        gradient = curvature * (at - run.fed.model.b[2 * client]) + 0.5 * at
        torch.testing.assert_close(run.clients[client].state.memory["control"], gradient)


def test_scaffold_asks_for_each_upload_where_clients_count_alike():
    algorithm = make_algorithm("scaffold", weights="clients", local_steps=1)
    assert algorithm.needs_each
    assert not make_algorithm("scaffold", local_steps=1).needs_each
    assert ALGORITHMS.spec(make_algorithm("scaffold", local_steps=1))["revision"] == 2


def test_scaffolds_bytes_are_twice_fedavgs(make_run):
    rows = [
        [
            (e.direction, e.kind, e.payload_bytes, e.message_bytes)
            for e in make_run(3, algorithm=make_algorithm(name, **STEPS)).go(3).ledger.entries
        ]
        for name in ("fedavg", "scaffold")
    ]
    checksum = 4  # of the fp32 codec, once a message
    seen = set()
    for (*kind, plain, _), (*other, twice, message) in zip(*rows, strict=True):
        assert kind == other
        if kind != ["up", "metrics"]:
            assert twice - checksum == 2 * (plain - checksum)
            assert message == twice + HEADER_BYTES
            seen.add(tuple(kind))
    assert seen == {("up", "delta"), ("down", "state"), ("down", "update")}


DRIFT = {"sizes": [3] * 4, "curvatures": [0.2, 1.0, 2.0, 5.0], "rounds": 60}


@pytest.mark.parametrize(
    ("name", "fields"), [("scaffold", {}), ("feddyn", {"alpha": 1.0})], ids=str
)
def test_drift_is_corrected_where_fedavg_stays_biased(name, fields):
    plain, corrected = (
        quadratic_run(make_algorithm(n, local_steps=25, **SGD, **f), **DRIFT)
        for n, f in (("fedavg", {}), (name, fields))
    )
    optimum = plain.fed.model.optimum([1.0] * 12)
    bias = torch.dist(plain.state.model, optimum)
    assert bias > 0.2
    assert torch.dist(corrected.state.model[:WIDTH], optimum) < 1e-2 * bias


def test_feddyns_first_round_and_its_gradients_by_hand():
    algorithm = make_algorithm("feddyn", alpha=0.5, local_steps=1, **SGD)
    curvatures = [1.0, 2.0, 3.0, 4.0]
    run = quadratic_run(algorithm, [2] * 4, curvatures, clients_per_round=2, rounds=1)
    took = sorted(c for c, kept in run.state.clients.items() if kept.memory)
    b = run.fed.model.b[::2]
    deltas = torch.stack([0.05 * curvatures[c] * b[c] for c in took])
    torch.testing.assert_close(run.state.model, deltas.mean(0) * (1 + 2 / 4))
    torch.testing.assert_close(run.state.server.optimizer["h"], -0.5 * 2 / 4 * deltas.mean(0))
    for client, delta in zip(took, deltas, strict=True):
        torch.testing.assert_close(run.clients[client].state.memory["gradient"], -0.5 * delta)


def test_feddyn_ends_where_its_clients_hold_their_gradients():
    algorithm = make_algorithm("feddyn", alpha=1.0, local_steps=25, **SGD)
    run = quadratic_run(algorithm, **DRIFT)
    model = run.fed.model
    for client, part in enumerate(run.fed.parts):
        gradient = model.a[part[0]] * (run.state.model - model.b[part[0]])
        held = run.clients[client].state.memory["gradient"]
        torch.testing.assert_close(held, gradient, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("momentum", [0.0, 0.8])
def test_fednova_removes_the_inconsistency_of_unequal_steps(momentum):
    sizes = [1, 4, 16]
    fields = {"local_epochs": 2, "batch_size": 1, "momentum": momentum}
    fields["learning_rate"] = 5e-3 * (1 - momentum)
    runs = [
        quadratic_run(make_algorithm(name, optimizer="sgd", **fields), sizes, [1.0] * 3, rounds=120)
        for name in ("fedavg", "fednova")
    ]
    optimum = runs[0].fed.model.optimum([1.0] * sum(sizes))
    bias, left = (float(torch.dist(run.state.model, optimum)) for run in runs)
    assert bias > 0.1
    assert left < 0.3 * bias


def test_fednova_by_hand():
    algorithm = make_algorithm("fednova", local_epochs=3, batch_size=2, momentum=0.5)
    assert algorithm.length(5) == pytest.approx(sum(2 * (1 - 0.5**k) for k in range(1, 10)))
    plain = make_algorithm("fednova", local_epochs=3, batch_size=2)
    assert plain.length(5) == 9


@pytest.mark.parametrize("name", ["scaffold", "feddyn"])
def test_client_memories_survive_a_checkpoint(make_run, tmp_path, name):
    fields = {"clients_per_round": 2, "algorithm": make_algorithm(name, **STEPS)}
    whole, cut = make_run(3, **fields).go(6), make_run(3, **fields).go(3)
    assert sum(bool(kept.memory) for kept in cut.state.clients.values()) == 3
    cut.state.save(tmp_path / "state.pt", {})
    cut.state, _ = type(cut.state).load(tmp_path / "state.pt")
    cut.go(3)
    assert cut.crossed == whole.crossed
    assert torch.equal(cut.state.model, whole.state.model)


@pytest.mark.parametrize("name", ["scaffold", "feddyn"])
def test_sums_of_what_is_sent_do_not_take_momentum(make_run, name):
    uplink = make_link({"name": "topk", "density": 0.1, "error_feedback": True, "momentum": 0.5})
    with pytest.raises(ValueError, match=rf"{name}.*set uplink\.momentum=0"):
        make_run(2, uplink=uplink, algorithm=make_algorithm(name, **STEPS))


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("fedprox", {"mu": -1.0}, "mu must be at least 0, got -1.0"),
        ("scaffold", {"optimizer": "adamw"}, "optimizer must be one of sgd, got 'adamw'"),
        ("scaffold", {"momentum": 0.9}, "set momentum=0"),
        ("fednova", {"optimizer": "adamw"}, "optimizer must be one of sgd, got 'adamw'"),
        ("feddyn", {"alpha": 0.0}, "alpha must be above 0, got 0.0"),
        ("feddyn", {"server_learning_rate": 0.5}, "server step is its own"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(name, fields, message):
    with pytest.raises(ValueError, match=message) as error:
        make_algorithm(name, local_steps=1, **fields)
    assert "\n" not in str(error.value)


def test_error_feedback_keeps_scaffolds_sum_near_its_clients(make_run):
    # What topk drops of a control variate never reaches the server's without feedback.
    gaps = {}
    for feedback in (False, True):
        uplink = make_link({"name": "topk", "density": 0.1, "error_feedback": feedback})
        run = make_run(4, uplink=uplink, algorithm=make_algorithm("scaffold", **STEPS)).go(40)
        own = torch.stack([run.clients[c].state.memory["control"] for c in range(4)]).mean(0)
        gaps[feedback] = float(torch.dist(run.state.model[own.numel() :], own) / own.norm())
    assert gaps[True] < 0.7 * gaps[False]


def test_error_feedback_keeps_feddyns_h_near_its_clients(make_run):
    gaps = {}
    for feedback in (False, True, "ef21"):
        uplink = make_link({"name": "topk", "density": 0.1, "error_feedback": feedback})
        run = make_run(4, uplink=uplink, algorithm=make_algorithm("feddyn", **STEPS)).go(40)
        own = torch.stack([run.clients[c].state.memory["gradient"] for c in range(4)]).mean(0)
        gaps[feedback] = float(torch.dist(run.state.server.optimizer["h"], own) / own.norm())
    assert gaps[True] < 0.5 * gaps[False]
    assert gaps[True] < 0.5 * gaps["ef21"]


@pytest.mark.parametrize("name", ["scaffold", "feddyn", "fedprox"])
def test_a_classifier_learns_at_the_default_learning_rate(name):
    """A head on features of length one has gradients that plain SGD can follow too far."""
    run = Watched({"name": name, "local_steps": 6}, steps={})
    before = run.model.evaluate("train")["loss"]
    run.go(4).loaded()
    assert run.model.evaluate("train")["loss"] < 0.9 * before
