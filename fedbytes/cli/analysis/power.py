"""`fedbytes power`: how many seeds a verdict on each codec needs."""

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
from fedbytes.cli.plot import Baseline


def power(
    store: StoreOrRows,
    margin: MarginOption = None,
    baseline: Baseline = None,
    metric: MetricCompared = None,
    final: FinalOption = None,
    power: Annotated[
        float, typer.Option(help="Probability that non-inferiority is shown, between 0 and 1.")
    ] = 0.8,
    difference: Annotated[
        float,
        typer.Option(help="True difference to plan for; below 0, the codec loses so much."),
    ] = 0.0,
    csv: CsvOption = None,
) -> None:
    """Say how many seeds show each codec non-inferior, from the paired spread of a pilot.

    Such as `fedbytes power runs/pilot --margin 0.005`. It needs three seeds that a codec shares
    with the baseline.
    """
    from fedbytes.plots.verdicts.power_table import measure_power
    from fedbytes.plots.verdicts.power_text import explain_power, power_text
    from fedbytes.plots.verdicts.question import ask
    from fedbytes.plots.verdicts.read_rows import read_store_or_rows

    tables = read_store_or_rows(store)
    frame = measure_power(tables, margin, metric, baseline, final, power, difference)
    notes = [*explain_power(frame), *ask(tables, metric, margin, baseline, final=final).notes]
    print_rows(power_text(frame), notes, left=("Codec",))
    write_rows(frame, csv)
