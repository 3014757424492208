import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fedbytes.plots.inference.seeds_needed import FEWEST_SEEDS
from fedbytes.plots.number_words import format_value
from fedbytes.plots.store_figure import FIGURES, FigureOptions, StoreFigure
from fedbytes.plots.style import (
    LineStyle,
    add_legend,
    add_note,
    assign_line_styles,
    label_bottom,
    make_panels,
)
from fedbytes.plots.tables.statistics import drawn_interval, t_interval
from fedbytes.plots.tables.store_tables import NothingToDrawError, Tables, read_mapping

_LEAST = 0.1  # success when the attack ends, below which there is no backdoor
_PANELS = {
    "attack_success": "Attack success (%)",
    "accuracy": "Accuracy on unchanged texts (%)",
}
_STAR: dict[str, Any] = {"markersize": 12, "markeredgecolor": "0.1", "zorder": 4}
_APART = ("task", "model", "partition", "alpha")


@FIGURES.register("durability")
@dataclass(frozen=True)
class BackdoorDurability(StoreFigure):
    """Success of attacks against rounds after they end, with half-lives, above the accuracy."""

    title = "What is left of an attack after it ends"
    caption = (
        "Share of triggered texts that are classified as attackers want, against rounds since the "
        "last attacked one, and the accuracy on texts as they are. Stars: the half-life."
    )
    order = 85

    def rows(self, tables: Tables, options: FigureOptions) -> pd.DataFrame:  # noqa: ARG002
        """Return success and accuracy at the attack's end, and the half-life, of each method.

        The half-life is the median over runs; those in which success has not halved have longer
        ones, so that it is infinite where they are half of the runs or more. Where fewer than a
        tenth of the texts obey when the attack ends, nothing is there to last, and it is NaN.
        """
        found = attacked_rows(tables)
        several = len(_settings(found)) > 1
        return pd.DataFrame(
            [
                {"method": method} | ({"setting": setting} if several else {}) | _numbers(own)
                for setting, part in _settings(found)
                for method, own in part.groupby("codec", sort=False)
            ]
        )

    def _draw(self, tables: Tables, options: FigureOptions) -> Figure:  # noqa: ARG002
        found = attacked_rows(tables)
        settings = _settings(found)
        titles = [
            f"{title}: {name}" if title else name
            for title, _ in settings
            for name in _PANELS.values()
        ]
        figure, axes = make_panels(titles, columns=2)
        methods = [str(one) for one in found["codec"].unique()]
        styles = assign_line_styles(methods, None)
        for place, (_, part) in enumerate(settings):
            for axis, column in zip(axes[2 * place : 2 * place + 2], _PANELS, strict=True):
                for method in methods:
                    _line(axis, part[part["codec"] == method], column, styles[method])
                axis.axvline(0, color="0.45", linestyle=":", linewidth=1.0, zorder=0.5)
                axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
            axes[2 * place].set_ylim(-3, 103)
        label_bottom(axes, "Rounds since the attack's last")
        add_legend(figure, [styles[m].handle(_named(m, found)) for m in methods])
        add_note(figure, _described(found))
        return figure


def attacked_rows(tables: Tables) -> pd.DataFrame:
    """Return the results of runs whose attack ends, with `since`: rounds after its last one.

    Raises:
        NothingToDrawError: if there is none.
    """
    rows = tables.finished()
    if "attack_success" not in rows or "config" not in tables.runs:
        raise NothingToDrawError("no run has an attack whose success is measured")
    ends = tables.runs.set_index("run")["config"].map(_last_round).dropna()
    kept = rows[rows["run"].isin(ends.index) & rows["attack_success"].notna()]
    if kept.empty:
        raise NothingToDrawError("no run has an attack that ends (until_round) before the run does")
    since = kept["round"] - kept["run"].map(ends)
    lives = tables.runs.set_index("run").reindex(columns=["attack_half_life"])
    life = pd.to_numeric(kept["run"].map(lives["attack_half_life"]), errors="coerce")
    return kept.assign(since=since.astype(int), half_life=life)


def _last_round(config: Any) -> float:
    """Return the last round of a run's attacks; NaN if one goes on to its end."""
    known = read_mapping(config)
    ends = [one.get("until_round") for one in known.get("attack") or ()]
    whole = [end for end in ends if isinstance(end, int)]
    last = max(whole) if whole and len(whole) == len(ends) else math.nan
    return last if last < known.get("rounds", 0) else math.nan


def _settings(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return the settings with what tells them apart; one without a name if they are alike."""
    apart = [column for column in _APART if rows[column].nunique(dropna=False) > 1]
    if not apart:
        return [("", rows)]
    groups = rows.groupby(apart, dropna=False, sort=True)
    return [
        (
            ", ".join(
                f"α = {v:g}" if k == "alpha" else str(v) for k, v in zip(apart, key, strict=True)
            ),
            part,
        )
        for key, part in groups
    ]


def _line(axis: Axes, rows: pd.DataFrame, column: str, style: LineStyle) -> None:
    """Draw the mean with its interval, or below five seeds with these, and a known half-life."""
    runs = rows["run"].nunique()
    points = [
        (int(group["since"].iloc[0]), found)
        for _, group in rows.groupby("since")
        if len(group) == runs
        for found in [drawn_interval(100 * group[column])]
    ]
    if not points:
        return
    x = [since for since, _ in points]
    mean = [found.mean for _, found in points]
    axis.plot(
        x, mean, color=style.color, linestyle=style.linestyle, marker=style.marker, markevery=0.1
    )
    if 1 < runs < FEWEST_SEEDS:
        for _, run in rows.sort_values("since").groupby("run"):
            axis.plot(run["since"], 100 * run[column], color=style.color, alpha=0.5, linewidth=0.6)
    low, high = ([getattr(found, end) for _, found in points] for end in ("low", "high"))
    bounds = np.clip(low, 0, 100), np.clip(high, 0, 100)  # few runs have none
    axis.fill_between(x, *bounds, color=style.color, alpha=0.15, linewidth=0)
    life, _, _ = _half_life(rows)
    start = [m for s, m in zip(x, mean, strict=True) if s == 0]
    if column == "attack_success" and math.isfinite(life) and start:
        axis.plot([life], [start[0] / 2], "*", color=style.color, **_STAR)


def _half_life(rows: pd.DataFrame) -> tuple[float, int, int]:
    """Return the median half-life of runs, in how many success halved, and how many there are.

    Where it has not, the half-life is longer than the run: such runs are not left out, so that
    what lasts longest is not made to look short.
    """
    lives = rows.groupby("run")["half_life"].first()
    median = float(np.median(lives.fillna(np.inf)))
    return median, int(lives.notna().sum()), len(lives)


def _named(method: str, rows: pd.DataFrame) -> str:
    """Return a method's name with its half-life in each setting, or for how long it did not."""
    found = [
        own
        for _, part in _settings(rows)
        for own in [part[part["codec"] == method]]
        if not own.empty
    ]
    told = [_lasting(own) if _got_in(own) else "no backdoor" for own in found]
    return f"{method}: {', '.join(told)}{' rounds' if any(map(_got_in, found)) else ''}"


def _got_in(rows: pd.DataFrame) -> bool:
    """Return whether there is a backdoor to last when the attack ends."""
    return not t_interval(rows[rows["since"] == 0]["attack_success"]).mean < _LEAST


def _lasting(rows: pd.DataFrame) -> str:
    life, halved, runs = _half_life(rows)
    longer = f"over {int(rows['since'].max())}"
    told = format_value(life, 1) if math.isfinite(life) else longer
    return told if halved in (0, runs) else f"{told} (halved in {halved} of {runs})"


def _numbers(rows: pd.DataFrame) -> dict[str, Any]:
    at_end = rows[rows["since"] == 0]
    last = rows.sort_values("round").groupby("run").tail(1)
    life, halved, runs = _half_life(rows)
    found: dict[str, Any] = {"runs": runs, "halved": halved}
    found["half_life"] = life if _got_in(rows) else math.nan
    for name, part in (("at_end", at_end), ("last", last)):
        for column in (*_PANELS, "attack_chance"):
            if column in part:
                found[f"{column}_{name}"] = t_interval(part[column]).mean
    return found


def _described(rows: pd.DataFrame) -> str:
    seeds = rows.groupby("codec")["seed"].nunique()
    few, many = int(seeds.min()), int(seeds.max())
    settings = [name for name, _ in _settings(rows)]
    where = f", for {', then '.join(settings)}" if len(settings) > 1 else ""
    if many == 1:
        return f"One seed: no interval. Stars: half-life; in the legend{where}."
    count = str(many) if few == many else f"{few} to {many}"
    spread = "thin: seeds" if many < FEWEST_SEEDS else "bands: 95 % t interval"
    if few < FEWEST_SEEDS <= many:
        spread = f"bands: 95 % t interval, from {FEWEST_SEEDS} seeds on; thin: seeds below that"
    return (
        f"Lines: mean over {count} seeds; {spread}. Stars: half-life, the median of "
        f"runs, longer where success has not halved; in the legend{where}."
    )
