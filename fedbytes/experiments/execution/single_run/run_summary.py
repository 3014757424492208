"""The summary that a finished run leaves in its folder."""

from collections.abc import Mapping
from typing import Any

from fedbytes.experiments.execution.attack_success import (
    HALF_LIFE,
    SUCCESS,
    half_life,
    last_attacked_round,
)
from fedbytes.experiments.execution.run_setup import Problem
from fedbytes.experiments.store.provenance import peak_gpu_bytes, peak_memory_bytes
from fedbytes.experiments.store.row_files import read_json_lines
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.federated.simulation import Simulation
from fedbytes.federated.stages.privacy_account import promise


def summarise_run(
    folder: RunFolder, problem: Problem, simulation: Simulation, metrics: Mapping[str, float]
) -> dict[str, Any]:
    """Return what a run cost and came to: bytes, seconds by phase, memory, and last metrics.

    Args:
        folder: of the run, with the rows of its evaluated rounds.
        problem: what the run trained.
        simulation: after the last round.
        metrics: of the last evaluated round.
    """
    state, clock, ledger = simulation.state, simulation.clock, simulation.ledger
    seconds, process = clock.seconds(), clock.process_seconds() or {}
    outside = sum(seconds[key] for key in ("encode", "decode", "aggregate", "other"))
    total = sum(seconds.values())
    gpu = peak_gpu_bytes()
    return {
        "rounds": state.round,
        **metrics,
        **_durability(folder, problem),
        **promise(problem.federation, state.round, state.server.privacy),
        "up_bytes": ledger.up_bytes,
        "down_bytes": ledger.down_bytes,
        "total_bytes": ledger.total,
        **problem.setup_bytes(),
        **problem.baselines(),
        "seconds": total,
        **{f"seconds_{phase}": spent for phase, spent in seconds.items()},
        **{f"process_seconds_{phase}": spent for phase, spent in process.items()},
        "overhead_share": outside / total,
        "peak_memory_bytes": peak_memory_bytes(),
        **({} if gpu is None else {"peak_gpu_bytes": gpu}),
    }


def _durability(folder: RunFolder, problem: Problem) -> dict[str, float | None]:
    """Return the half-life of what attacks taught, where they end and it can be measured."""
    attacks = problem.federation.plugins.attack
    until = last_attacked_round(attacks)
    if until is None or not problem.probes:
        return {}
    first = min(one.from_round for one in attacks)
    rows = read_json_lines(folder.path / "rounds.jsonl")
    rows = [row for row in rows if row["round"] >= first]
    rounds, success = [row["round"] for row in rows], [row[SUCCESS] for row in rows]
    return {HALF_LIFE: half_life(rounds, success, until)}
