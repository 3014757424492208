"""The plan of a store: which runs are to be made, for workers that know nothing but the store."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as replaced
from pathlib import Path
from typing import Any

from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.sealed_json import DamageError, read_sealed, write_sealed
from fedbytes.process.version import PACKAGE_VERSION

PLAN_FILE = "plan.json"


@dataclass(frozen=True)
class SweepPlan:
    """What is to be made in a store.

    Attributes:
        suite: the name of the suite.
        runs: in the grid's order.
        costs: of each run by its id, in whatever unit: what is long is made first.
        folder: that relative paths of the runs start from.
    """

    suite: str
    runs: tuple[RunConfig, ...]
    costs: Mapping[str, float]
    folder: Path

    @property
    def order(self) -> list[RunConfig]:
        """The runs as workers take them: longest first, those of one model after one another."""
        longest: dict[str, float] = {}
        for config in self.runs:
            key = model_key(config)
            longest[key] = max(longest.get(key, 0.0), self.costs[config.id])

        def place(config: RunConfig) -> tuple[float, str, float]:
            key = model_key(config)
            return -longest[key], key, -self.costs[config.id]

        return sorted(self.runs, key=place)

    def left(self, store: Path) -> list[str]:
        """Return the ids of the runs that have neither finished nor failed, in the grid's order."""
        ended = ("done", "failed")
        ids = (config.id for config in self.runs)
        return [run for run in ids if RunFolder(store, run).status not in ended]


def model_key(config: RunConfig) -> str:
    """Return what a worker keeps loaded between runs: texts and model."""
    return json.dumps([config.task, config.model], sort_keys=True)


def rough_cost(config: RunConfig) -> float:
    """Return a run's training examples, all rounds and clients together, as far as it says them.

    One pass over an unknown number of examples counts as ten batches.
    """
    clients = config.clients_per_round or config.clients.known_clients or 10
    steps = config.algorithm.get("local_steps") or 10 * config.algorithm.get("local_epochs", 1)
    batch = config.algorithm.get("batch_size") or 1
    return float(config.rounds * clients * steps * batch)


def write_sweep_plan(
    store: Path,
    suite: str,
    configs: Sequence[RunConfig],
    costs: Mapping[str, float] | None = None,
    *,
    replace: bool = False,
) -> SweepPlan:
    """Write the plan of a store; the same plan again changes nothing.

    What runs cost that the plan before has measured is kept, and the folder that relative paths
    start from where its runs are all in the new one, unless it is gone.

    Args:
        store: its folder.
        suite: the name of the suite.
        configs: all its runs, those that have finished among them.
        costs: measured seconds by run; by default those of the plan before, and training examples
            are counted where there are none.
        replace: drop runs of the plan before that have not finished; what is stored of them stays.

    Raises:
        ValueError: if the store has the plan of other runs that have not finished.
        DiskError: if the disk is full or may not be written.
    """
    before = _plan_before(store)
    known = costs or _kept_costs(configs, before)
    plan = SweepPlan(suite, tuple(configs), known, Path.cwd())
    if not replace:
        _refuse_second_plan(store, plan, before)
        ids = [str(one["run"]) for one in before.get("runs", ())]
        old = Path(before.get("folder", ""))
        if ids and {*ids} <= {*known} and old.is_dir():
            plan = replaced(plan, folder=old)
    runs = [
        {"run": config.id, "cost": known[config.id], "config": config.model_dump(mode="json")}
        for config in configs
    ]
    about = {"suite": suite, "fedbytes": PACKAGE_VERSION, "folder": str(plan.folder)}
    write_sealed(store / PLAN_FILE, {**about, "runs": runs})
    return plan


def _plan_before(store: Path) -> dict[str, Any]:
    """Return a store's plan as it is; empty if there is none, or one that is cut."""
    try:
        return _read(store)
    except DamageError:
        return {}


def _kept_costs(configs: Sequence[RunConfig], before: Mapping[str, Any]) -> dict[str, float]:
    """Return what runs cost: as it was measured, and for the others in the same unit roughly."""
    rough = {config.id: rough_cost(config) for config in configs}
    known = {str(one["run"]): float(one["cost"]) for one in before.get("runs", ())}
    known = {run: cost for run, cost in known.items() if run in rough}
    counted = sum(rough[run] for run in known)
    unit = sum(known.values()) / counted if counted else 1.0
    return {run: known.get(run, unit * cost) for run, cost in rough.items()}


def _refuse_second_plan(store: Path, plan: SweepPlan, found: Mapping[str, Any]) -> None:
    """Refuse to lose sight of runs that another plan has asked for."""
    if not found:
        return
    wanted = {config.id for config in plan.runs}
    ids = [str(one["run"]) for one in found["runs"]]
    left = [run for run in ids if run not in wanted]
    left = [run for run in left if RunFolder(store, run).status not in ("done", "failed")]
    if left:
        raise ValueError(
            f"{str(store)!r} has the plan of suite {found['suite']!r} with {len(left)} of "
            f"{len(ids)} runs left that this one lacks (first: {left[0]}): finish it with "
            f"`fedbytes work {store}`, drop them with --replace, or choose another folder with "
            "--out"
        )


def read_sweep_plan(store: Path) -> SweepPlan:
    """Return the plan of a store.

    Raises:
        ValueError: if there is none, it is damaged, or another version of fedbytes wrote it.
    """
    if not (store / PLAN_FILE).exists():
        raise ValueError(
            f"there is no plan in {str(store)!r}: `fedbytes plan SUITE --out {store}` writes one"
        )
    try:
        found = _read(store)
    except DamageError as error:
        raise ValueError(f"{error} in {str(store)!r}: `fedbytes plan` writes it anew") from None
    if found["fedbytes"] != PACKAGE_VERSION:
        raise ValueError(
            f"{str(store)!r} was planned by fedbytes {found['fedbytes']} and this is fedbytes "
            f"{PACKAGE_VERSION}: install the same version on every host, or plan anew with this one"
        )
    runs = tuple(_config(one, store) for one in found["runs"])
    costs = {config.id: float(one["cost"]) for config, one in zip(runs, found["runs"], strict=True)}
    return SweepPlan(str(found["suite"]), runs, costs, Path(found["folder"]))


def _read(store: Path) -> dict[str, Any]:
    found = read_sealed(store / PLAN_FILE, sealed=True)
    if not isinstance(found.get("runs"), list) or "fedbytes" not in found:
        raise DamageError(f"{PLAN_FILE} is altered (it has no runs)")
    return found


def _config(found: Mapping[str, Any], store: Path) -> RunConfig:
    config = RunConfig(**found["config"])
    if config.id != found["run"]:
        raise ValueError(
            f"run {found['run']} of the plan in {str(store)!r} is run {config.id} to this code: "
            "use the code that planned it on every host, or plan anew with this one"
        )
    return config
