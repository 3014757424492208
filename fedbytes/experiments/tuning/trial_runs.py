"""The runs of a trial: on the validation split, replayed from the store where they are there."""

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fedbytes.experiments.config.dotted_keys import set_dotted
from fedbytes.experiments.config.method_name import method_name
from fedbytes.experiments.config.run_config import RunConfig, make_config
from fedbytes.experiments.config.suite_file import Suite
from fedbytes.experiments.execution.events import Advanced, Event
from fedbytes.experiments.execution.runner import run
from fedbytes.experiments.store.row_files import read_json_lines
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.tuning.tuning_plan import TuningPlan

_HEADLINES = ("accuracy", "perplexity", "loss")
_FALLING = ("perplexity", "loss", "train_loss", "bits_per_byte")

Hearer = Callable[[int, Mapping[str, Any]], None]
"""Called with the round and the metrics of each evaluation."""


def methods_of(suite: Suite, plan: TuningPlan) -> dict[str, list[RunConfig]]:
    """Return the runs of a trial by method, before anything is chosen.

    They have the plan's seeds, and are measured on texts that are held out from those of training.
    A suite's controls are not tuned.
    """
    seeds = f"seed={json.dumps(list(plan.seeds))}"
    found: dict[str, list[RunConfig]] = {}
    for config in replace(suite, tuned=None).expand([seeds]):
        if config.batch_stream:
            continue
        fields = config.model_dump(mode="json")
        share = fields["task"].get("validation") or plan.validation
        fields["task"] |= {"validation": share, "evaluate_on": "validation"}
        found.setdefault(method_name(config), []).append(make_config(fields | {"declared": {}}))
    return {name: sorted(runs, key=lambda one: one.seed) for name, runs in found.items()}


def with_choice(config: RunConfig, choice: Mapping[str, Any]) -> RunConfig:
    """Return a run with the settings that a trial tries."""
    fields = copy.deepcopy(config.model_dump(mode="json"))
    for key, value in choice.items():
        set_dotted(fields, key, value)
    return make_config(fields)


def make_trial_run(config: RunConfig, store: Path, hear: Hearer) -> None:
    """Make a run, or read what is stored of it; `hear` gets every evaluation once and in order.

    Where `hear` raises, the run stops, and can be resumed.
    """
    folder, last = RunFolder(store, config.id), 0
    if folder.path.exists():
        for row in read_json_lines(folder.path / "rounds.jsonl"):
            if row["round"] > last:
                last = row["round"]
                hear(last, row)
    if folder.status == "done":
        return

    def listen(event: Event) -> None:
        if isinstance(event, Advanced) and event.round > last and is_evaluated(config, event.round):
            hear(event.round, event.metrics)

    run(config, store, on_event=listen, retry_failed=True)


def is_evaluated(config: RunConfig, round_: int) -> bool:
    """Return whether a run is evaluated after a round."""
    return round_ % config.evaluate_every == 0 or round_ == config.rounds


def evaluations(config: RunConfig) -> int:
    """Return how many evaluations a run has."""
    return sum(is_evaluated(config, round_) for round_ in range(1, config.rounds + 1))


def headline_of(metrics: Mapping[str, Any], metric: str | None) -> tuple[str, float]:
    """Return the name and value of the metric that is tuned for.

    Raises:
        ValueError: if a run has no such metric.
    """
    known = [name for name in ((metric,) if metric else _HEADLINES) if name in metrics]
    if not known:
        raise ValueError(f"the runs have no metric {metric or 'accuracy, perplexity or loss'!r}")
    value = metrics[known[0]]
    return known[0], float("nan") if value is None else float(value)


def rises(metric: str) -> bool:
    """Return whether more of a metric is better."""
    return metric not in _FALLING
