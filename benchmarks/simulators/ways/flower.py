"""Flower's simulation: ten supernodes on two Ray actors of one thread each, its own FedAvg."""

import os
from functools import cache

import torch
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from flwr.simulation import run_simulation
from the_work import CLIENTS, Work

ACTORS = 2


@cache
def built(layers: int) -> Work:
    """Return the work as one actor builds it, once."""
    torch.set_num_threads(1)
    return Work(layers)


def train(message: Message, context: Context) -> Message:
    """Train a client in an actor."""
    asked = message.content["config"]
    work = built(int(asked["layers"]))
    start = torch.tensor(message.content["arrays"].to_numpy_ndarrays()[0])
    client = int(context.node_config["partition-id"])
    delta = work.train(start, int(asked["round"]), client, int(asked["size"]))
    arrays = ArrayRecord([(start + delta).numpy()])
    metrics = MetricRecord({"num-examples": len(work.parts[client])})
    return Message(RecordDict({"arrays": arrays, "metrics": metrics}), reply_to=message)


def run(layers: int, _: str, serve) -> None:
    """Make rounds."""
    os.environ.setdefault("RAY_raylet_start_wait_time_s", "600")  # of a busy machine
    os.environ["RAY_USAGE_STATS_ENABLED"] = os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
    client, server = ClientApp(), ServerApp()
    client.train()(train)

    @server.main()
    def _(grid: Grid, _: Context) -> None:
        state = Work(layers).model.initial_state
        everyone = {"min_train_nodes": CLIENTS, "min_available_nodes": CLIENTS}
        strategy = FedAvg(fraction_train=1.0, fraction_evaluate=0.0, **everyone)

        def make_round(round_: int, size: int) -> torch.Tensor:
            nonlocal state
            asked = ConfigRecord({"layers": layers, "round": round_, "size": size})
            arrays = ArrayRecord([state.numpy()])
            found = strategy.start(grid, arrays, num_rounds=1, train_config=asked)
            state = torch.tensor(found.arrays.to_numpy_ndarrays()[0])
            return state

        serve(make_round)

    backend = {
        "client_resources": {"num_cpus": 1, "num_gpus": 0.0},
        "init_args": {
            "num_cpus": ACTORS,
            "include_dashboard": False,
            "object_store_memory": 200_000_000,
            "_node_ip_address": "127.0.0.1",
        },
    }
    run_simulation(server, client, num_supernodes=CLIENTS, backend_config=backend)
