"""Tunes each method of a suite: trials of equal number, the hopeless ones pruned."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import isfinite, nan
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from fedbytes.experiments.config.declaration.protocol import parse_final
from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.config.suite_file import Suite
from fedbytes.experiments.tuning.trial_runs import (
    evaluations,
    headline_of,
    make_trial_run,
    methods_of,
    rises,
    with_choice,
)
from fedbytes.experiments.tuning.tuning_plan import TuningPlan, ValueRange, describe_space
from fedbytes.process.disk_errors import replaced_file
from fedbytes.streams import stream


@dataclass(frozen=True)
class Tried:
    """A trial of one method.

    Attributes:
        method: its name.
        number: from 0.
        choice: the settings that were tried.
        metric: what they are judged by.
        value: the mean of the metric on the validation split; NaN if it was not finite.
        pruned: whether it was stopped early; the value is then that of its last evaluation.
    """

    method: str
    number: int
    choice: Mapping[str, Any]
    metric: str
    value: float
    pruned: bool


def load_optuna() -> ModuleType:
    """Return the library that proposes and prunes trials.

    Raises:
        ValueError: if it is not installed.
    """
    try:
        import optuna
    except ModuleNotFoundError:
        raise ValueError(
            "tuning needs optuna: pip install 'fedbytes[tune]', or make in a checkout"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    module: ModuleType = optuna
    return module


def tune_methods(
    suite: Suite, plan: TuningPlan, store: Path, tell: Callable[[Tried], None]
) -> dict[str, list[Tried]]:
    """Make every trial of every method, and return them.

    Runs are kept in `store`. What is there already is read in place of being run, and as proposals
    and pruning follow from the numbers alone, the same call resumes where it was stopped.

    Args:
        suite: the suite.
        plan: of its `tune` section.
        store: the folder of the runs.
        tell: is called with each trial once it has ended.

    Raises:
        ValueError: without optuna, or for a run that is impossible.
    """
    optuna = load_optuna()
    protocol = suite.protocol
    metric = protocol.metric if protocol else None
    window = parse_final(protocol.final if protocol else "last3")
    found: dict[str, list[Tried]] = {}
    for method, configs in methods_of(suite, plan).items():
        study = _Method(optuna, plan, store, method, configs, metric, window, tell)
        found[method] = study.go()
    return found


class _Method:
    """The study of one method; proposals are the same for all that have the same numbers."""

    def __init__(
        self,
        optuna: ModuleType,
        plan: TuningPlan,
        store: Path,
        method: str,
        configs: Sequence[RunConfig],
        metric: str | None,
        window: int,
        tell: Callable[[Tried], None],
    ) -> None:
        self.optuna, self.plan, self.store = optuna, plan, store
        self.method, self.configs, self.metric, self.window = method, configs, metric, window
        self.tell, self.sign, self.newest, self.name = tell, 1.0, nan, metric or ""

    def go(self) -> list[Tried]:
        """Return the trials, of which `tell` has heard each as it ended."""
        study = self.optuna.create_study(
            direction="maximize",
            sampler=self.optuna.samplers.TPESampler(seed=0),
            pruner=self._pruner(),
        )
        points = self._points()
        for point in points:
            study.enqueue_trial(point)
        found = []
        for number in range(len(points) or self.plan.trials):
            found.append(self._try(study, number))
            self.tell(found[-1])
        return found

    def _points(self) -> list[dict[str, int]]:
        """Return which choices are tried where all are lists, each once and in one order for all.

        A value stands for its place in its list.
        """
        if self.plan.points is None:
            return []
        lists = [range(len(values)) for values in self._lists().values()]
        every = [dict(zip(self._lists(), point, strict=True)) for point in product(*lists)]
        order = stream(0, "order of trials").permutation(len(every))
        return [every[int(i)] for i in order[: self.plan.trials]]

    def _pruner(self) -> Any:
        if self.plan.pruner == "none":
            return self.optuna.pruners.NopPruner()
        return self.optuna.pruners.MedianPruner(n_startup_trials=2)

    def _lists(self) -> dict[str, Sequence[Any]]:
        return {k: v for k, v in self.plan.space.items() if not isinstance(v, ValueRange)}

    def _propose(self, trial: Any) -> dict[str, Any]:
        """Return the settings of a trial; a value of a list is proposed by its place in it."""
        choice = {}
        for key, values in self.plan.space.items():
            if isinstance(values, ValueRange):
                choice[key] = trial.suggest_float(key, values.low, values.high, log=values.log)
            else:
                choice[key] = values[trial.suggest_categorical(key, list(range(len(values))))]
        return choice

    def _try(self, study: Any, number: int) -> Tried:
        trial = study.ask()
        choice = self._propose(trial)
        values: list[float] = []
        self.newest = nan
        try:
            for config in self.configs:
                values.append(self._run(trial, with_choice(config, choice), values))
        except self.optuna.TrialPruned:
            study.tell(trial, state=self.optuna.trial.TrialState.PRUNED)
            return Tried(self.method, number, choice, self.name, self.sign * self.newest, True)
        value = sum(values) / len(values)
        study.tell(trial, value)
        return Tried(self.method, number, choice, self.name, self.sign * value, False)

    def _run(self, trial: Any, config: RunConfig, before: Sequence[float]) -> float:
        """Return a run's final value, more is better; stop it where the trial is to be pruned."""
        seen: list[float] = []
        steps = len(before) * evaluations(config)

        def hear(round_: int, metrics: Mapping[str, Any]) -> None:  # noqa: ARG001
            self.name, value = headline_of(metrics, self.metric)
            self.sign = 1.0 if rises(self.name) else -1.0
            if not isfinite(value):  # it diverged, and nothing later will mend it
                self.newest = nan
                raise self.optuna.TrialPruned
            seen.append(self.sign * value)
            own = sum(seen[-self.window :]) / len(seen[-self.window :])
            self.newest = (sum(before) + own) / (len(before) + 1)
            trial.report(self.newest, steps + len(seen))
            if trial.should_prune():
                raise self.optuna.TrialPruned

        make_trial_run(config, self.store, hear)
        last = seen[-self.window :]
        return sum(last) / len(last)


def choose_best(trials: Sequence[Tried], falls: bool) -> Tried:
    """Return the trial with the best value among those that were not pruned.

    Raises:
        ValueError: if all were.
    """
    ended = [one for one in trials if not one.pruned and isfinite(one.value)]
    if not ended:
        raise ValueError(f"no trial of {trials[0].method!r} ended with a number: widen tune.space")
    return (min if falls else max)(ended, key=lambda one: one.value)


def write_choices(
    path: Path, suite: Suite, plan: TuningPlan, found: Mapping[str, Sequence[Tried]]
) -> str:
    """Write the best settings of each method, and what they rest on, for a suite's `tuned`.

    Returns:
        the metric that they were chosen by.

    Raises:
        ValueError: if a method has no trial with a number.
    """
    metric = next(one.metric for trials in found.values() for one in trials)
    best = {method: choose_best(trials, not rises(metric)) for method, trials in found.items()}
    content = {
        "suite": suite.name,
        "metric": metric,
        "validation": plan.validation,
        "seeds": list(plan.seeds),
        "trials_of_each_method": max(len(trials) for trials in found.values()),
        "space": dict(describe_space(plan)),
        "choices": {method: dict(one.choice) for method, one in best.items()},
        "trials": {
            method: [
                {
                    **one.choice,
                    metric: round(one.value, 6),
                    **({"pruned": True} if one.pruned else {}),
                }
                for one in trials
            ]
            for method, trials in found.items()
        },
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    with replaced_file(path, "choose another place with --to") as part:
        part.write_text(text, encoding="utf-8")
    return metric
