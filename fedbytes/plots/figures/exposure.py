from dataclasses import dataclass, replace
from typing import ClassVar

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fedbytes.plots.drawing.headline import describe_runs
from fedbytes.plots.drawing.highlights import choose_highlights
from fedbytes.plots.drawing.points.membership_points import exposure_repeats, last_measured
from fedbytes.plots.drawing.points.seed_spread import describe_spread, draw_spread
from fedbytes.plots.drawing.promised_methods import promises_as_methods
from fedbytes.plots.method_looks import FAINT, assign_line_styles
from fedbytes.plots.store_figure import FIGURES, FigureOptions, StoreFigure
from fedbytes.plots.style import (
    INK,
    add_headline,
    add_legend,
    add_note,
    label_bottom,
    make_panels,
    name_values,
    points,
)
from fedbytes.plots.tables.comparison import Comparison, Metric, Setting, compare_codecs
from fedbytes.plots.tables.statistics import t_interval
from fedbytes.plots.tables.store_tables import NothingToDrawError, Tables

_GUESSED = 1.44
_BITS = Metric("exposure", "Exposure (bits)", 1, True, 2)


@FIGURES.register("exposure")
@dataclass(frozen=True)
class Exposure(StoreFigure):
    """Exposure of canaries against how often they were planted: a line a codec."""

    title = "Exposure of planted secrets against repeats"
    caption = (
        "How many bits of a made-up secret the final model gives away, by how often it stood among "
        "one client's texts. A secret that nobody planted is exposed by 1.44 bits: by chance."
    )
    order = 59
    shows_metric: ClassVar[bool] = False

    def _draw(self, tables: Tables, options: FigureOptions) -> Figure:
        tables = promises_as_methods(tables)
        repeats = exposure_repeats(tables.results)
        if not repeats:
            raise NothingToDrawError(
                "no run looked for canaries: set attack.name=canaries and audit.name=canaries"
            )
        columns = [f"exposure_{times}" for times in repeats]
        audited = tables.results[columns].notna().any(axis=1)
        shown = replace(tables, results=tables.results[audited])
        comparison = compare_codecs(shown, None, options.baseline)
        settings = comparison.settings
        titles = [setting.title if len(settings) > 1 else "" for setting in settings]
        figure, axes = make_panels(titles, columns=2, sharey=True)
        coloured = choose_highlights(comparison, options.highlight)
        for axis, setting in zip(axes, settings, strict=True):
            _draw_panel(axis, comparison, setting, repeats, coloured)
        label_bottom(axes, "Times that the secret stood in one client's texts", 2)
        name_values(figure, _BITS.label)
        styles = assign_line_styles(comparison.codecs, comparison.baseline)
        add_legend(figure, [styles[method].handle(method) for method in coloured])
        add_headline(figure, describe_runs(shown, comparison))
        seeds = [int(n) for one in settings for n in one.rows.groupby("codec")["run"].nunique()]
        add_note(
            figure,
            f"Mean over seeds in the last audited round; {describe_spread(seeds)}. Dashed: a "
            "secret that nobody saw.",
        )
        return figure


def _draw_panel(
    axis: Axes,
    comparison: Comparison,
    setting: Setting,
    repeats: list[int],
    coloured: tuple[str, ...] | list[str],
) -> None:
    styles = assign_line_styles(comparison.codecs, comparison.baseline)
    axis.axhline(_GUESSED, color=INK, linewidth=points(0.8), linestyle=(0, (4, 3)))
    for method in reversed(comparison.present(setting)):
        own = setting.rows[setting.rows["codec"] == method]
        known = _known(own, repeats)
        style, means = styles[method], [t_interval(values).mean for values in known.values()]
        if method not in coloured:
            axis.plot(list(known), means, color=FAINT, linewidth=points(0.8), zorder=1.2)
            continue
        axis.plot(list(known), means, color=style.color, marker=style.marker,
                  linestyle=style.linestyle, label=method)  # fmt: skip
        for place, values in known.items():
            draw_spread(axis, place, values, _BITS, style.color)
    axis.set_xticks(range(len(repeats)), [str(times) for times in repeats])
    axis.set_ylim(bottom=0)


def _known(own: pd.DataFrame, repeats: list[int]) -> dict[int, list[float]]:
    """Return the exposures of a method's seeds by the place on the axis; empty ones left out."""
    columns = [f"exposure_{times}" for times in repeats]
    found = [list(last_measured(own, column)[column]) for column in columns]
    return {place: values for place, values in enumerate(found) if t_interval(values).n}
