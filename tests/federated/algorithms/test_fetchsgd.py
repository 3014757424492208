"""FetchSGD: its tables are what linearity says, its updates are sparse, and it learns."""

import numpy as np
import pytest
import torch

from fedbytes.compression import Shared, as_summable
from fedbytes.federated.algorithm import make_algorithm
from fedbytes.federated.hooks import Hooks
from fedbytes.federated.protocol.link import make_link

UPLINK = {
    "name": "sketch",
    "rows": 3,
    "density": 0.5,
    "extract": 0.05,
    "hashes": "run",
    "values": {"name": "fixed", "clip": 8.0, "bits": 24},
}


def fetch(make_run, clients=4, uplink=UPLINK, hooks=None, **fields):
    from fedbytes.federated.aggregation import make_aggregation

    algorithm = make_algorithm("fetchsgd", **({"local_steps": 3, "learning_rate": 0.05} | fields))
    return make_run(
        clients,
        algorithm=algorithm,
        uplink=make_link(uplink),
        aggregation=make_aggregation("sum_then_decode"),
        hooks=hooks or Hooks(),
    )


def test_the_tables_are_sketches_of_what_was_kept(make_run):
    """Momentum is the sketch of the velocity; error that of all velocities less all updates."""
    deltas = []

    def keep(delta, context):
        deltas.append(delta)
        return delta

    run = fetch(
        make_run, hooks=Hooks(after_client=(keep,)), taken="subtract", server_learning_rate=0.5
    )
    codec, layout = as_summable(run.fed.uplink.codec), run.fed.layout
    velocity, waits = torch.zeros(layout.numel), torch.zeros(layout.numel)
    for round_ in range(1, 5):
        before = run.state.model
        deltas.clear()
        run.go(1)
        velocity = 0.9 * velocity + torch.stack(deltas).mean(0)  # the parts are of one size
        waits = waits + 0.5 * velocity - (run.state.model - before)
        shared = Shared(layout, round=round_)
        for name, vector in (("momentum", velocity), ("error", waits)):
            table = torch.from_numpy(codec.project(vector.numpy(), shared))
            torch.testing.assert_close(
                run.state.server.optimizer[name], table, atol=2e-4, rtol=0, msg=name
            )


def test_an_update_has_the_largest_coordinates_alone(make_run):
    run = fetch(make_run)
    before = run.state.model
    run.go(1)
    moved = (run.state.model - before).count_nonzero()
    assert 0 < moved <= round(0.05 * run.fed.layout.numel)


def test_what_is_not_extracted_comes_later(make_run):
    """What one round sent is in the model entirely by and by, a few coordinates a round."""
    target = torch.zeros(make_run(1).fed.layout.numel)
    target[::150] = torch.linspace(0.5, 1.0, len(target[::150]))
    hooks = Hooks(after_client=(lambda d, c: target if c.round == 1 else 0 * d,))
    uplink = UPLINK | {"rows": 5, "density": 1.0, "extract": 0.003}
    run = fetch(make_run, 1, uplink, hooks, server_momentum=0.0, taken="subtract")
    start, left = run.state.model, []
    for _ in range(4):
        run.go(1)
        left.append(float((run.state.model - start - target).norm() / target.norm()))
    assert left[0] > 0.4
    assert left[-1] < 0.05


@pytest.mark.parametrize("taken", ["zero", "subtract"])
def test_it_learns(make_run, taken):
    uplink = UPLINK | {"rows": 5, "density": 1.0, "extract": 0.02}
    fields = {"optimizer": "sgd", "learning_rate": 0.3, "server_momentum": 0.5, "taken": taken}
    run = fetch(make_run, uplink=uplink, **fields).go(50)
    run.fed.model.set_state(run.state.model)
    assert run.fed.model.accuracy() > 0.9


def test_emptied_cells_have_no_momentum(make_run):
    run = fetch(make_run)
    before = run.state.model
    run.go(1)
    codec, shared = as_summable(run.fed.uplink.codec), Shared(run.fed.layout, round=1)
    cells = torch.from_numpy(codec.project((run.state.model - before).numpy(), shared)) != 0
    assert cells.any()
    for table in run.state.server.optimizer.values():
        assert not table[cells].any()
        assert table[~cells].any()


@pytest.mark.parametrize(
    "fields",
    [
        {"uplink": make_link("fp32")},
        {"uplink": make_link({"name": "sketch", "values": "fixed"})},
        {"uplink": make_link(UPLINK)},
    ],
    ids=["fp32", "another sketch each round", "decoded one by one"],
)
def test_other_uplinks_are_refused_in_a_line(make_run, fields):
    algorithm = make_algorithm("fetchsgd", local_steps=1)
    with pytest.raises(ValueError, match=r"set uplink=.name: sketch, hashes: run") as refused:
        make_run(3, algorithm=algorithm, **fields)
    assert "\n" not in str(refused.value)


def test_clients_keep_nothing(make_run):
    run = fetch(make_run).go(2)
    assert all(not kept.memory for kept in run.state.clients.values())
    assert all(not held for kept in run.state.clients.values() for held in kept.senders.values())
    sizes = {name: t.numel() for name, t in run.state.server.optimizer.items()}
    cells = as_summable(run.fed.uplink.codec).coordinates(Shared(run.fed.layout))
    assert sizes == {"momentum": cells, "error": cells}
    assert cells <= np.ceil(run.fed.layout.numel / 2)
