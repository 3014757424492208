"""fedbytes: one process, two workers, clients at once, all of these, layers below kept or not."""

from dataclasses import replace
from typing import Any

import torch
from the_work import CLIENTS, RATE, STEPS, Work

from fedbytes.federated.algorithm import make_algorithm
from fedbytes.federated.federation import Federation
from fedbytes.federated.protocol.link import make_link
from fedbytes.federated.simulation import Simulation
from fedbytes.federated.spread.spread_clients import FEDERATION
from fedbytes.process.pool.worker_pool import WorkerPool

WORKERS = 2


def run(layers: int, variant: str, serve) -> None:
    """Make rounds; the variant names what is set, such as `cached+workers`."""
    wanted = set(variant.split("+"))
    work = Work(layers, cached="cached" in wanted)
    at_once = CLIENTS if "at_once" in wanted else 1
    pool = WorkerPool(WORKERS, [__name__]) if "workers" in wanted else None
    if pool is not None:
        at_once = at_once // WORKERS or 1
        pool.everywhere(_build, layers, "cached" in wanted, at_once)
    made: dict[int, Simulation] = {}

    def make_round(_: int, size: int) -> torch.Tensor:
        state = next(iter(made.values())).state if made else None
        fed = federation(work, size, at_once)
        if pool is not None and size not in made:
            pool.everywhere(_use, size)
        made.clear()  # one goes on from the other
        simulation = Simulation(fed, state, pool=pool)
        made[size] = simulation
        simulation.run_round()
        return simulation.state.model

    serve(make_round)
    if pool is not None:
        pool.close()


def federation(work: Work, size: int, at_once: int) -> Federation:
    """Return the federation with batches of a size."""
    steps = {"local_steps": STEPS, "batch_size": size, "learning_rate": RATE}
    return Federation(
        model=work.model,
        parts=work.parts,
        algorithm=make_algorithm("fedavg", **steps),
        uplink=make_link("fp32"),
        downlink=make_link("fp32"),
        clients_per_round=CLIENTS,
        clients_at_once=at_once,
    )


def _build(kept: dict[str, Any], _: None, layers: int, cached: bool, at_once: int) -> None:
    torch.set_num_threads(1)
    kept[FEDERATION] = federation(Work(layers, cached), 16, at_once)


def _use(kept: dict[str, Any], _: None, size: int) -> None:
    fed = kept[FEDERATION]
    algorithm = replace(fed.algorithm, batch_size=size)
    kept[FEDERATION] = replace(fed, algorithm=algorithm)
