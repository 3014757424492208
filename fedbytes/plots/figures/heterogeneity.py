"""What clients that differ cost: final metric and bytes against measured heterogeneity."""

from collections.abc import Sequence
from math import exp, isfinite, log10, nan

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from fedbytes.experiments.config.target import Target
from fedbytes.plots.style import (
    INK,
    Look,
    format_bytes,
    label_bottom,
    legend,
    looks,
    note,
    panels,
    styled,
)
from fedbytes.plots.tables.comparison import Setting, Study, study
from fedbytes.plots.tables.statistics import Line, fit_line
from fedbytes.plots.tables.store_tables import NothingToDrawError, Tables
from fedbytes.plots.tables.target_bytes import bytes_to_target, resolve

SETTINGS, SPREAD = 3, 0.05  # the least that a line over heterogeneity is worth drawing for
STEP = 0.1  # slopes are told per so much NMI


def points(
    tables: Tables,
    metric: str | None = None,
    target: Target = None,
    baseline: str | None = None,
) -> pd.DataFrame:
    """Return a row a run: heterogeneity, how it ended, and how it compares with the baseline.

    Returns:
        columns setting, codec, seed, nmi (measured), value (final metric), bytes (to the target,
        NaN if not reached), difference (value minus the baseline's of the same seed and
        setting) and ratio (the baseline's bytes to the target over the codec's).

    Raises:
        NothingToDrawError: unless there are three settings whose heterogeneity differs, of one
            task, model, adapter and algorithm.
    """
    return _points(study(tables, metric, baseline), target)


def slopes(frame: pd.DataFrame, scale: float = 1.0) -> pd.DataFrame:
    """Return what a tenth of NMI does to each codec, by least squares over `points`.

    Returns:
        a row a codec and quantity (`value`, `difference`, `log2 bytes`, `log2 ratio`): slope per
        0.1 NMI with its 95 % interval, the p-value of a slope of 0, and the number of points.
    """
    rows = []
    for codec in frame["codec"].unique():
        part = frame[frame["codec"] == codec]
        for name in ("value", "difference", "bytes", "ratio"):
            logs = name in ("bytes", "ratio")
            values = np.log2(part[name]) if logs else part[name] * scale
            line = None if part[name].nunique() < 2 else fit_line(part["nmi"], values)
            if line is not None:
                rows.append(
                    {
                        "codec": codec,
                        "quantity": f"log2 {name}" if logs else name,
                        "slope": line.slope.mean * STEP,
                        "low": line.slope.low * STEP,
                        "high": line.slope.high * STEP,
                        "p_value": line.p_value,
                        "n": line.n,
                    }
                )
    columns = ["codec", "quantity", "slope", "low", "high", "p_value", "n"]
    return pd.DataFrame(rows, columns=columns)


@styled
def draw(
    tables: Tables,
    metric: str | None = None,
    target: Target = None,
    baseline: str | None = None,
) -> Figure:
    """Draw final metric and bytes to target, and both compared with the baseline, against NMI.

    Arguments and errors are those of `points`.
    """
    chosen = study(tables, metric, baseline)
    frame = _points(chosen, target)
    compared = [codec for codec in chosen.codecs if codec != chosen.baseline]
    paired = chosen.baseline is not None and bool(compared)
    columns = 2 if paired else 1
    look, scale = looks(chosen.codecs, chosen.baseline), chosen.metric.scale
    figure, axes = panels(_titles(chosen, paired), height=2.5, columns=columns, sharex=True)
    words = []
    _scatter(axes[0], frame, chosen.codecs, look, "value", scale)
    _scatter(axes[columns], frame, chosen.codecs, look, "bytes", log_scale=True)
    axes[columns].yaxis.set_major_formatter(FuncFormatter(format_bytes))
    if paired:
        lines = _scatter(axes[1], frame, compared, look, "difference", scale)
        words = [_slope(codec, line, scale == 100) for codec, line in lines.items()]
        axes[1].axhline(0, color=INK, linewidth=0.9, zorder=1)
        _scatter(axes[3], frame, compared, look, "ratio", log_scale=True)
        axes[3].axhline(1, color=INK, linewidth=0.9, zorder=1)
        axes[3].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
    label_bottom(axes, "Measured heterogeneity (NMI)", columns)
    legend(figure, [look[codec].handle(codec) for codec in chosen.codecs])
    note(figure, "\n".join([_how(frame, chosen), *words]))
    return figure


def _titles(chosen: Study, paired: bool) -> list[str]:
    value = chosen.metric.label.replace("Test", "Final test")
    if not paired:
        return [value, "Bytes to the target"]
    unit = " (points)" if chosen.metric.scale == 100 else ""
    return [
        value,
        f"Difference to {chosen.baseline}{unit}",
        "Bytes to the target",
        f"Times fewer bytes than {chosen.baseline}",
    ]


def _points(chosen: Study, target: Target) -> pd.DataFrame:
    settings = [s for s in chosen.settings if isfinite(s.heterogeneity)]
    families = {tuple(_family(setting)) for setting in settings}
    levels = [setting.heterogeneity for setting in settings]
    if len(settings) < SETTINGS or max(levels) - min(levels) < SPREAD or len(families) > 1:
        raise NothingToDrawError(
            "a line over heterogeneity needs three settings of one task, model, adapter and "
            "algorithm whose measured NMI differs"
        )
    return pd.DataFrame([row for s in settings for row in _rows(chosen, s, target)])


def _family(setting: Setting) -> list[str]:
    return [str(setting.keys.get(k)) for k in ("task", "model", "adapter", "algorithm")]


def _rows(chosen: Study, setting: Setting, target: Target) -> list[dict[str, object]]:
    final, base = chosen.final(setting), chosen.baseline or ""
    goal = resolve(chosen, setting, target)[0]
    reference = chosen.by_seed(final, base, "value")
    base_bytes = bytes_to_target(chosen, setting, base, goal)
    rows: list[dict[str, object]] = []
    for codec in chosen.present(setting):
        nmi = chosen.by_seed(final, codec, "heterogeneity")
        needed = bytes_to_target(chosen, setting, codec, goal)
        for seed, value in chosen.by_seed(final, codec, "value").items():
            rows.append(
                {
                    "setting": setting.title,
                    "codec": codec,
                    "seed": seed,
                    "nmi": nmi[seed],
                    "value": value,
                    "bytes": needed[seed],
                    "difference": value - reference.get(seed, nan),
                    "ratio": base_bytes.get(seed, nan) / needed[seed],
                }
            )
    return rows


def _scatter(
    axis: Axes,
    frame: pd.DataFrame,
    codecs: Sequence[str],
    look: dict[str, Look],
    column: str,
    scale: float = 1.0,
    log_scale: bool = False,
) -> dict[str, Line]:
    """Draw the runs of each codec and the line through them; return the lines."""
    lines = {}
    for codec in codecs:
        part = frame[(frame["codec"] == codec) & np.isfinite(frame[column].astype(float))]
        style = look[codec]
        x, y = part["nmi"].to_numpy(dtype=float), part[column].to_numpy(dtype=float) * scale
        axis.plot(
            x,
            y,
            style.marker,
            color=style.color,
            markersize=3.2,
            markerfacecolor="none",
            markeredgewidth=0.7,
            alpha=0.8,
        )
        line = fit_line(x, np.log(y) if log_scale else y)
        if line is not None:
            lines[codec] = line
            _draw_line(axis, line, (float(x.min()), float(x.max())), style, log_scale)
    if log_scale:
        axis.set_yscale("log")
        low, high = axis.get_ylim()
        subs = (1.0, 2.0, 5.0) if log10(high / low) < 2.5 else (1.0,)
        axis.yaxis.set_major_locator(LogLocator(subs=subs, numticks=12))
        axis.yaxis.set_minor_formatter(NullFormatter())
    axis.set_xlim(0, max(0.05, axis.get_xlim()[1]))
    return lines


def _draw_line(
    axis: Axes, line: Line, ends: tuple[float, float], style: Look, log_scale: bool
) -> None:
    x = np.linspace(*ends, 50)
    found = [line.at(float(place)) for place in x]
    means, lows, highs = (
        [exp(value) if log_scale else value for value in values]
        for values in zip(*((f.mean, f.low, f.high) for f in found), strict=True)
    )
    axis.plot(x, means, color=style.color, linestyle=style.linestyle, linewidth=1.4)
    axis.fill_between(x, lows, highs, color=style.color, alpha=0.15, linewidth=0)


def _slope(codec: str, line: Line, percent: bool) -> str:
    unit = " points" if percent else ""
    values = (line.slope.mean, line.slope.low, line.slope.high)
    signed = [f"{value * STEP:+.2g}".replace("-", "−") for value in values]
    return (
        f"{codec}: difference {signed[0]}{unit} for each 0.1 of NMI "
        f"({signed[1]} to {signed[2]}), n = {line.n}"
    )


def _how(frame: pd.DataFrame, chosen: Study) -> str:
    words = "Markers: runs. Lines: least squares, with the 95 % band of the mean."
    short = [
        f"{codec} {int(missed)}"
        for codec, missed in frame.groupby("codec", sort=False)["bytes"]
        .apply(lambda column: column.isna().sum())
        .items()
        if missed
    ]
    if short:
        words += f"\nNot reaching the target, and left out below: {', '.join(short)} runs."
    if chosen.baseline:
        words += "\nDifferences and ratios are paired by seed and partition."
    return words
