"""`fedbytes tune`: the best settings of each method of a suite, on a validation split."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedbytes.cli.options import Threads
from fedbytes.cli.sweep import SuiteName
from fedbytes.cli.terminal.screen import Screen, say

if TYPE_CHECKING:
    from fedbytes.experiments.tuning.tune_methods import Tried


def tune(
    suite: SuiteName,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Trials of each method; the suite's by default.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the runs; runs/SUITE-tuning by default.", file_okay=False),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            help="File of choices; choices.yaml in that folder by default.", dir_okay=False
        ),
    ] = None,
    threads: Threads = None,
) -> None:
    """Choose settings for each method of a suite, on a validation split and with equal budgets.

    The suite's section `tune` says what is chosen from. Runs have seeds from 1000 on and never see
    the test texts. Stop it at any time; the same command goes on. A suite takes the choices over
    by `tuned: FILE`.
    """
    import torch

    from fedbytes.cli.sweep_runs import fetch_assets
    from fedbytes.experiments import load_suite
    from fedbytes.experiments.execution.sweeps import checked_store
    from fedbytes.experiments.tuning.trial_runs import methods_of
    from fedbytes.experiments.tuning.tune_methods import (
        load_optuna,
        tune_methods,
        write_choices,
    )
    from fedbytes.experiments.tuning.tuning_plan import read_plan

    chosen = load_suite(suite)
    plan = read_plan(chosen, trials)
    load_optuna()
    with checked_store(out or Path("runs") / f"{chosen.name}-tuning") as store:
        methods = methods_of(chosen, plan)
        fetch_assets([config for configs in methods.values() for config in configs])
    torch.set_num_threads(threads or os.cpu_count() or 1)
    count = min(plan.trials, plan.points or plan.trials)
    runs = len(next(iter(methods.values())))
    say(f"{count} trials of {runs} runs for each of {len(methods)} methods in {store}")
    found = tune_methods(chosen, plan, store, _print)
    path = to or store / "choices.yaml"
    metric = write_choices(path, chosen, plan, found)
    say(f"choices by {metric} on the validation split: {path}")


def _print(tried: "Tried") -> None:
    """Print a trial once it has ended."""
    settings = " ".join(f"{key}={value}" for key, value in tried.choice.items())
    end = " (pruned)" if tried.pruned else ""
    Screen().print(f"{tried.method}: {settings}: {tried.value:.4g}{end}", soft_wrap=True)
