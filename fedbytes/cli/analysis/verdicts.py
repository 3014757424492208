"""`fedbytes verdicts`: what a store shows of each codec against the baseline."""

from typing import Annotated

import typer

from fedbytes.cli.analysis.printed_rows import (
    CsvOption,
    FinalOption,
    MarginOption,
    MetricCompared,
    print_rows,
    write_rows,
)
from fedbytes.cli.options import StoreOrRows
from fedbytes.cli.plot import Baseline, TargetOption


def verdicts(
    store: StoreOrRows,
    margin: MarginOption = None,
    baseline: Baseline = None,
    metric: MetricCompared = None,
    target: TargetOption = None,
    final: FinalOption = None,
    family: Annotated[
        str,
        typer.Option(help="What Holm's adjustment is over: the codecs of a setting, or the store."),
    ] = "setting",
    csv: CsvOption = None,
) -> None:
    """Say which codecs are non-inferior, equal, better or worse, and which are not shown.

    Such as `fedbytes verdicts runs/codecs --baseline fp32 --margin 0.005`; `fedbytes docs verdicts`
    says how each word is decided.
    """
    from fedbytes.experiments.config.target import parse_target
    from fedbytes.experiments.store.results import stored_target
    from fedbytes.plots.verdicts.question import ask
    from fedbytes.plots.verdicts.read_rows import read_store_or_rows
    from fedbytes.plots.verdicts.verdict_table import measure_verdicts
    from fedbytes.plots.verdicts.verdict_text import explain_verdicts, verdict_text

    tables = read_store_or_rows(store)
    suites = parse_target(stored_target(store))
    goal = suites if target is None else parse_target(target)
    asked = ask(tables, metric, margin, baseline, goal, final)
    frame = measure_verdicts(tables, margin, metric, baseline, goal, final, family)  # type: ignore[arg-type]
    notes = [*explain_verdicts(frame), *asked.notes]
    if tables.declared is None and goal != suites:
        notes.append("The target was chosen after the runs: their suite declares another, or none.")
    print_rows(verdict_text(frame), notes, left=("Codec", "Verdict"))
    write_rows(frame, csv)
