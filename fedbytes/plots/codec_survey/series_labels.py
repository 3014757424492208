"""Names beside the lines of one look: what tells the series of one codec apart."""

import pandas as pd
from matplotlib.axes import Axes

from fedbytes.plots.drawing.direct_labels import DirectLabel
from fedbytes.plots.method_looks import LineStyle


def label_series(
    axis: Axes, rows: pd.DataFrame, value: str, look: str, styles: dict[str, LineStyle]
) -> dict[Axes, list[DirectLabel]]:
    """Return a label for each line of a panel whose look another line has as well.

    Args:
        axis: the panel.
        rows: what it shows, with columns `bits_per_coordinate` and `series`.
        value: the column of the y axis.
        look: the column whose values share a look.
        styles: of those values.
    """
    found = []
    for name, part in rows.groupby(look, sort=False):
        lines = list(part.groupby("series", sort=False))
        if len(lines) < 2:
            continue
        for series, line in lines:
            middle = line.sort_values("bits_per_coordinate").iloc[len(line) // 2]
            words = str(series).removeprefix(str(name)).strip() or "as it is"
            at = float(middle["bits_per_coordinate"]), float(middle[value])
            found.append(DirectLabel(words, *at, str(name), styles[str(name)].color))
    return {axis: found}
