"""The contract of every figure, as checks that also run on plug-ins of your own."""

import itertools
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from fedbytes.plots.store_figure import FIGURES, FigureOptions, StoreFigure
from fedbytes.plots.style import render_svg
from fedbytes.plots.tables.store_tables import NothingToDrawError, Tables
from fedbytes.plots.testing.rule_tables import rule_tables
from fedbytes.plots.testing.sample_tables import (
    ODD_LABELS,
    attacked_tables,
    name_codecs,
    sample_tables,
)
from fedbytes.testing import (
    BrokenError,
    Check,
    Finding,
    check_spec,
    no_global_random,
    require,
    run_checks,
)

_MIN_POINTS = 8.0  # points, at the printed width


def check_figure(figure: StoreFigure, samples: Mapping[str, Tables] | None = None) -> list[Finding]:
    """Run every contract check on a figure; failures are among the findings.

    Args:
        figure: any instance, registered or not.
        samples: tables to draw it from, by name; by default `figure_samples()`. Give tables of
            your own to a figure that reads columns which those lack.
    """
    trials = [_draw(figure, *item) for item in (samples or figure_samples()).items()]
    checks: list[Check] = [
        ("its spec rebuilds it", lambda: check_spec(FIGURES, figure)),
        ("has a title and a caption", lambda: _check_words(figure)),
        ("draws, or says why not", lambda: _check_draws(trials)),
        ("same tables, same bytes", lambda: _check_bytes(figure, trials)),
        ("leaves everything else alone", lambda: _check_changes(trials)),
        ("text is legible and inside", lambda: _check_text(trials)),
        ("its rows are a table", lambda: _check_rows(figure, trials)),
    ]
    return run_checks(checks)


def figure_samples() -> dict[str, Tables]:
    """Return the tables that the contract draws from: a whole sweep, and odd stores."""
    small = sample_tables(seeds=(0, 1), rounds=3)
    diverged = small.results.copy()
    diverged.loc[diverged["codec"] == "nf4", ["loss", "accuracy", "macro_f1"]] = np.nan
    nothing = pd.DataFrame()
    fooled = {f"robust_accuracy_{name}": small.results["accuracy"] * 0.6 for name in ("pgd", "gcg")}
    heard = {"payload_bits": 4.0, "leak_recall_span": 0.7, "chance_recall_span": 0.1}
    return {
        "two settings": sample_tables(rounds=8),
        "four settings": sample_tables((0.1, 0.3, 1.0, 10.0), seeds=(0, 1), rounds=3),
        "one run": sample_tables((0.1,), seeds=(0,), rounds=1, codecs=["fp32"]),
        "no baseline": sample_tables(seeds=(0, 1), rounds=2, codecs=["nf4", "ecsq 1.1 bit + EF"]),
        "many clients": sample_tables((0.1,), seeds=(0,), rounds=2, clients=100),
        "a language model": sample_tables(seeds=(0, 1), rounds=3, language_model=True),
        "rules under attack": rule_tables(("none", "sign_flip scale=5")),
        "odd labels": name_codecs(sample_tables(seeds=(0, 1), rounds=2), ODD_LABELS),
        "diverged runs": replace(small, results=diverged),
        "attacked texts": replace(small, results=small.results.assign(**fooled)),
        "private": replace(small, results=small.results.assign(epsilon=_epsilons(small.results))),
        "sums in secret": replace(small, ledger=_masked(small.ledger)),
        "audited messages": replace(small, results=small.results.assign(**heard)),
        "guessed members": replace(small, results=small.results.assign(**_guesses())),
        "planted secrets": replace(
            small, results=small.results.assign(exposure_0=1.4, exposure_4=6.0, exposure_16=11.0)
        ),
        "results alone": Tables(small.results, nothing, pd.DataFrame({"run": []}), small.runs),
        "attacks that end": attacked_tables(),
        "nothing": Tables(nothing, nothing, nothing, nothing),
    }


def _masked(ledger: pd.DataFrame) -> pd.DataFrame:
    """Return a ledger whose deltas are masked, beside messages of keys."""
    keys = ledger[ledger["kind"] == "metrics"].assign(kind="shares")
    names = ledger["kind"].replace({"delta": "masked"})
    return pd.concat([ledger.assign(kind=names), keys], ignore_index=True)


def _guesses() -> dict[str, float]:
    """Return what an audit of membership finds of the final model."""
    hits = {rate: min(1.0, 2 * rate) for rate in (0.01, 0.1, 0.5)}
    found = {f"tpr_calibrated_model_{rate:g}": share for rate, share in hits.items()}
    return found | {"auc_calibrated_model": 0.6}


def _epsilons(results: pd.DataFrame) -> pd.Series:
    """Return epsilon of rounds so far, another of each codec; none of fp32."""
    place = results["codec"].astype("category").cat.codes + 1.0
    return (place * results["round"] ** 0.5).where(results["codec"] != "fp32")


@dataclass(frozen=True, eq=False)
class _Trial:
    """One attempt to draw from one sample.

    Attributes:
        made: what `draw` returned, None if there was nothing to draw.
        changed: what else drawing changed: tables, pyplot, generators.
    """

    name: str
    tables: Tables
    made: Figure | None = None
    error: Exception | None = None
    changed: tuple[str, ...] = ()


def _draw(figure: StoreFigure, name: str, tables: Tables) -> _Trial:
    frames, before = _copies(tables), _open_figures()
    made: Figure | None = None
    error: Exception | None = None
    changed: list[str] = []
    try:
        with no_global_random():
            made = _drawn(figure, tables)
    except BrokenError:
        changed.append("a global random generator")
    except Exception as failure:  # whatever a figure raises is what is to be reported
        error = failure
    changed += [key for key, copy in frames.items() if not copy.equals(getattr(tables, key))]
    changed += ["pyplot's open figures"] if _open_figures() != before else []
    return _Trial(name, tables, made, error, tuple(changed))


def _copies(tables: Tables) -> dict[str, pd.DataFrame]:
    found = {field.name: getattr(tables, field.name) for field in fields(tables)}
    return {k: v.copy(deep=True) for k, v in found.items() if isinstance(v, pd.DataFrame)}


def _drawn(figure: StoreFigure, tables: Tables) -> Figure | None:
    try:
        return figure.draw(tables)
    except NothingToDrawError:
        return None


def _open_figures() -> list[int]:
    pyplot = sys.modules.get("matplotlib.pyplot")  # figures made without it need no closing
    return pyplot.get_fignums() if pyplot else []


def _figures(trials: list[_Trial]) -> Iterator[tuple[str, Figure]]:
    return ((trial.name, trial.made) for trial in trials if isinstance(trial.made, Figure))


def _check_words(figure: StoreFigure) -> str:
    title = figure.title_for("macro_f1")
    require(bool(title.strip()), "the title is empty")
    require("macro_f1" not in title, "the title has no dash for an underscore")
    require(figure.caption.strip().endswith("."), "the caption is no sentence with a full stop")
    return f"{title}. {figure.caption}"


def _check_draws(trials: list[_Trial]) -> str:
    for trial in trials:
        kind = type(trial.error or trial.made).__name__
        require(trial.error is None, f"{trial.name}: {kind}: {trial.error}")
        if trial.made is not None:
            drawn = isinstance(trial.made, Figure)
            require(drawn, f"{trial.name}: returned {kind}, not a matplotlib Figure")
            require(bool(trial.made.axes), f"{trial.name}: no axes; raise NothingToDrawError")
    names = [name for name, _ in _figures(trials)]
    require(bool(names), "no sample has what it shows; give check_figure tables that have it")
    return "drawn: " + ", ".join(names)


def _check_bytes(figure: StoreFigure, trials: list[_Trial]) -> str:
    for trial in trials:
        if isinstance(trial.made, Figure):
            first, second = (render_svg(figure.draw(trial.tables)) for _ in range(2))
            require(first == second, f"{trial.name}: another SVG the second time")
            return trial.name  # one is enough: rendering takes most of the time
    return "nothing drawn"


def _check_changes(trials: list[_Trial]) -> str:
    for trial in trials:
        changed = ", ".join(trial.changed)
        require(not trial.changed, f"{trial.name}: drawing changed {changed}")
    return "tables, pyplot's figures, global random generators"


def _check_text(trials: list[_Trial]) -> str:
    for name, made in _figures(trials):
        canvas: Any = FigureCanvasAgg(made)
        renderer = canvas.get_renderer()
        made.draw(renderer)
        ticks = {t for a in made.axes for t in (*a.get_xticklabels(), *a.get_yticklabels())}
        for text in made.findobj(Text):
            if not (isinstance(text, Text) and text.get_text() and text.get_visible()):
                continue
            words = f"{name}: {text.get_text()!r}"
            require(
                float(text.get_fontsize()) >= _MIN_POINTS,
                f"{words} is below {_MIN_POINTS:g} points",
            )
            if text not in ticks:  # a tick beyond its axis is not drawn
                box = text.get_window_extent(renderer)
                require(_inside(box, made.bbox), f"{words} is cut off by the figure's edge")
        _check_ticks(name, made, renderer)
    return f"at least {_MIN_POINTS:g} points"


def _inside(box: Bbox, frame: Any) -> bool:
    across = box.x0 > -1 and box.x1 < frame.width + 1
    return bool(across and box.y0 > -1 and box.y1 < frame.height + 1)


def _check_ticks(name: str, made: Figure, renderer: Any) -> None:
    for axes in made.axes:
        for labels, side in ((axes.get_xticklabels(), "x"), (axes.get_yticklabels(), "y")):
            shown = [text for text in labels if text.get_text() and text.get_visible()]
            boxes = [text.get_window_extent(renderer) for text in shown]
            spans = sorted((getattr(b, f"{side}0"), getattr(b, f"{side}1")) for b in boxes)
            for (_, end), (start, _) in itertools.pairwise(spans):
                require(end <= start + 1, f"{name}: labels of the {side} axis overlap")


def _check_rows(figure: StoreFigure, trials: list[_Trial]) -> str:
    written = 0
    for trial in trials:
        if isinstance(trial.made, Figure):
            rows: Any = figure.rows(trial.tables, FigureOptions())
            kind = type(rows).__name__
            fits = rows is None or isinstance(rows, pd.DataFrame)
            require(fits, f"{trial.name}: rows returned {kind}, not a DataFrame")
            written += rows is not None
    return f"rows for {written} samples" if written else "no rows"
