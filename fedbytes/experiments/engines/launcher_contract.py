"""The contract of every launcher, as checks that also run on plug-ins of your own."""

import csv
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from fedbytes.experiments.config.run_config import RunConfig, make_config
from fedbytes.experiments.engines.launcher import LAUNCHERS, Launcher, SweepRequest
from fedbytes.experiments.execution.events import Event, Finished
from fedbytes.experiments.execution.sweeps import sweep
from fedbytes.experiments.store.results import load_results
from fedbytes.testing import Check, Finding, check_spec, require, run_checks


def check_launcher(launcher: Launcher) -> list[Finding]:
    """Run every contract check on a launcher; failures are among the findings.

    Where its engine is not there, it must say so in one line, and no run is made.

    Args:
        launcher: any instance, registered or not.
    """
    refused = launcher.refusal()
    checks: list[Check] = [
        ("its spec rebuilds it", lambda: check_spec(LAUNCHERS, launcher)),
        ("says in one line whether it can be used", lambda: _check_refusal(refused)),
    ]
    if not refused:
        checks.append(("makes what this machine makes, once", lambda: _check_runs(launcher)))
    return run_checks(checks)


class _Counter:
    """Counts what a launcher tells of runs."""

    def __init__(self) -> None:
        self.started_runs: list[str] = []
        self.finished_runs: list[str] = []

    def started(self, config: RunConfig) -> None:
        self.started_runs.append(config.id)

    def on_event(self, config: RunConfig, event: Event) -> None:
        if isinstance(event, Finished):
            self.finished_runs.append(config.id)


def _check_refusal(refused: str) -> str:
    require("\n" not in refused, f"its refusal has several lines: {refused!r}")
    return refused or "can be used here"


def _check_runs(launcher: Launcher) -> str:
    """Make two tiny runs twice: as the machine would, then by the launcher."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        configs = [make_config(_tiny(folder) | {"seed": seed}) for seed in (0, 1)]
        sweep(configs, folder / "here", workers=1, threads=1, reporter=_Counter())
        asked = SweepRequest("contract", configs, folder / "there", workers=1, threads=1)
        asked.store.mkdir()
        counter = _Counter()
        outcome = launcher.make_runs(asked, counter)
        require(not outcome.failed, f"runs failed: {outcome.failed}")
        for what, ids in (("started", counter.started_runs), ("done", outcome.done)):
            require(sorted(ids) == sorted(c.id for c in configs), f"{what} were {ids}")
        one, two = (load_results(path).drop(columns="seconds") for path in _stores(folder))
        require(one.equals(two), "its results are not those of this machine")
        again = launcher.make_runs(replace(asked), counter)
        require(not again.done and len(again.skipped) == 2, "finished runs were made again")
    return "two runs, same table"


def _stores(folder: Path) -> tuple[Path, Path]:
    return folder / "here", folder / "there"


def _tiny(folder: Path) -> dict[str, Any]:
    """Return the settings of a run of about a second, on texts that it writes."""
    path = folder / "texts.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        words = ("rain wind", "bank stock", "goal match")
        rows = [(words[i % 3], f"class {i % 3}") for i in range(60)]
        csv.writer(file).writerows([("text", "label"), *rows])
    return {
        "task": {"name": "file", "path": str(path), "max_length": 8},
        "model": {"name": "tiny-bert"},
        "adapter": "head",
        "partition": {"name": "iid", "num_clients": 2},
        "algorithm": {"name": "fedavg", "local_steps": 1, "batch_size": 4},
        "rounds": 2,
    }
