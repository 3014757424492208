"""How far a run of clients one after another drifts from itself when only rounding differs.

The yardstick for clients side by side, whose sums are made in another order: the same loop once
more, with the rows of each batch the other way round, and with `--threads` above 1 with so many
threads. Each changes nothing but the order in which float32 numbers are added. MiniLM with LoRA of
rank 8 on all layers, ten clients of Reuters R8 in texts of 24 tokens, over `fp32` links; the
figures are norms of differences of the trained vector, relative to its own, after each round.

    python benchmarks/rounding_drift.py [--optimizer adamw|sgd] [--rate 2e-3] [--steps 4]
        [--batch 4] [--rounds 4] [--threads 2]
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from fedbytes.experiments import make_config
from fedbytes.experiments.execution.run_setup import make_problem
from fedbytes.federated import Hooks, Simulation
from fedbytes.federated.federation import Federation
from fedbytes.models.batching import Batch, make_batch, shuffled_batches

CLIENTS = 10


def federation_of(given: argparse.Namespace) -> Federation:
    algorithm = {
        "name": "fedavg",
        "local_steps": given.steps,
        "batch_size": given.batch,
        "optimizer": given.optimizer,
        "learning_rate": given.rate,
    }
    fields = {
        "task": {"name": "reuters-r8", "max_length": 24},
        "model": {"name": "minilm", "device": "cpu", "precision": "float32"},
        "adapter": {"name": "lora", "rank": 8},
        "partition": {"name": "iid", "num_clients": CLIENTS},
        "algorithm": algorithm,
    }
    return make_problem(make_config(fields), Hooks()).federation


def reverse_rows(fed: Federation) -> None:
    """Have batches hold the same texts from the last to the first."""
    model = fed.model

    def batches(indices: np.ndarray, size: int, rng: np.random.Generator) -> Iterator[Batch]:
        for rows in shuffled_batches(indices, size, rng):
            yield make_batch(model.task.train, rows[::-1], model.device)

    model.batches = batches


def vectors_of(fed: Federation, rounds: int) -> list[torch.Tensor]:
    run, found = Simulation(fed), []
    for _ in range(rounds):
        run.run_round()
        found.append(run.state.server.model.clone())
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--optimizer", default="adamw")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(1)
    fed = federation_of(given)
    loop = vectors_of(fed, given.rounds)
    others = {"side by side": vectors_of(replace(fed, clients_at_once=CLIENTS), given.rounds)}
    if given.threads > 1:
        torch.set_num_threads(given.threads)
        others[f"the loop, {given.threads} threads"] = vectors_of(fed, given.rounds)
        torch.set_num_threads(1)
    reverse_rows(fed)
    others["the loop, rows reversed"] = vectors_of(fed, given.rounds)
    print(
        f"| {given.optimizer} {given.rate:g} | {' | '.join(map(str, range(1, 1 + given.rounds)))} |"
    )
    print("|---|" + "---|" * given.rounds)
    for name, found in others.items():
        apart = [float((a - b).norm() / a.norm()) for a, b in zip(loop, found, strict=True)]
        print(f"| {name} | {' | '.join(f'{one:.1e}' for one in apart)} |", flush=True)


if __name__ == "__main__":
    main()
