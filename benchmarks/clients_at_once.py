"""What training clients side by side gains: milliseconds of a client-step.

MiniLM with LoRA of rank 8 on query and value of all layers, and of the top one alone, where the
states of the frozen layers below can be computed once; ten clients of Reuters R8 in texts of 24
tokens, AdamW, float32. Ways of the same work take turns, so that a busy machine slows all alike:
ratios are medians over the turns, of wall time and of processor time. `plain` is a loop over
clients in PyTorch alone. Runs on a GPU where there is one.

    python benchmarks/clients_at_once.py [--threads N] [--batches 1 4 16] [--layers 6 1]
        [--steps N] [--repeats N] [--at-once K] [--out FILE.csv]
"""

import argparse
import csv
import os
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from time import perf_counter

import numpy as np
import torch

from fedbytes.experiments import make_config
from fedbytes.experiments.execution.run_setup import Problem, make_problem
from fedbytes.federated import Hooks, Simulation
from fedbytes.streams import stream

CLIENTS = 10
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
Turn = Callable[[], object]


def problem_of(layers: int, batch: int, steps: int) -> Problem:
    steps_of = {"name": "fedavg", "local_steps": steps, "batch_size": batch}
    return make_problem(
        make_config(
            {
                "task": {"name": "reuters-r8", "max_length": 24},
                "model": {"name": "minilm", "device": DEVICE, "precision": "float32"},
                "adapter": {"name": "lora", "rank": 8, "layers": layers},
                "partition": {"name": "iid", "num_clients": CLIENTS},
                "algorithm": steps_of,
            }
        ),
        Hooks(),
    )


def plain_round(problem: Problem, batch: int, steps: int) -> Turn:
    """Return a round of FedAvg as one would write it without a library."""
    model, parts = problem.model, problem.federation.parts
    state = model.initial_state.to(model.device)

    def turn() -> None:
        nonlocal state
        total = torch.zeros_like(state)
        for client, part in enumerate(parts):
            model.set_state(state)
            optimizer = torch.optim.AdamW([model.flat], lr=2e-3, weight_decay=0.0, fused=True)
            for one in islice(model.batches(part, batch, stream(0, "bench", client)), steps):
                model.loss(one).backward()
                optimizer.step()
                model.flat.grad.zero_()
            total += model.get_state() - state
        state = state + total / len(parts)

    return turn


def ways_of(layers: int, batch: int, steps: int, at_once: int) -> dict[str, Turn]:
    whole = problem_of(layers, batch, steps)
    whole.model.run_whole()
    ways = {"plain": plain_round(whole, batch, steps)}
    fed = whole.federation
    ways["one"] = Simulation(fed).run_round
    ways["several"] = Simulation(replace(fed, clients_at_once=at_once)).run_round
    kept = problem_of(layers, batch, steps)
    if kept.model.keeps_states:
        kept.model.prepare()
        fed = kept.federation
        ways["one, kept states"] = Simulation(fed).run_round
        ways["several, kept states"] = Simulation(replace(fed, clients_at_once=at_once)).run_round
    return ways


def seconds_of(turn: Turn) -> tuple[float, float]:
    """Return the wall and processor seconds of a turn."""
    before, start = os.times(), perf_counter()
    turn()
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    wall, after = perf_counter() - start, os.times()
    return wall, after.user + after.system - before.user - before.system


def measure(layers: int, given: argparse.Namespace, batch: int) -> list[dict[str, object]]:
    ways = ways_of(layers, batch, given.steps, given.at_once)
    for turn in ways.values():
        turn()  # warm
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for repeat in range(given.repeats):
        names = list(ways) if repeat % 2 == 0 else list(reversed(ways))
        for name in names:
            taken[name].append(seconds_of(ways[name]))
    times = {name: np.array(found) for name, found in taken.items()}
    scale = 1000 / (CLIENTS * given.steps)
    rows = []
    for name, found in times.items():
        gain = np.median(times["plain"] / found, axis=0)
        wall, processor = np.median(found, axis=0) * scale
        rows.append(
            {
                "device": DEVICE,
                "threads": torch.get_num_threads(),
                "layers": layers,
                "batch": batch,
                "way": name,
                "wall_ms": round(float(wall), 1),
                "processor_ms": round(float(processor), 1),
                "wall_gain": round(float(gain[0]), 2),
                "processor_gain": round(float(gain[1]), 2),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--layers", type=int, nargs="+", default=[6, 1])
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--at-once", type=int, default=CLIENTS)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    rows: list[dict[str, object]] = []
    print("| layers | batch | threads | way | wall ms | processor ms | gain, wall | processor |")
    print("|---|---|---|---|---|---|---|---|")
    for layers in given.layers:
        for batch in given.batches:
            for row in measure(layers, given, batch):
                rows.append(row)
                shown = [
                    *(row[key] for key in ("layers", "batch", "threads", "way", "wall_ms")),
                    *(row[key] for key in ("processor_ms", "wall_gain", "processor_gain")),
                ]
                print("| " + " | ".join(map(str, shown)) + " |", flush=True)
    if given.out is not None:
        with given.out.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
