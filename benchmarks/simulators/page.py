"""The table and the figure of what was measured."""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from fedbytes.plots.style import COLOURS, INK, make_panels, save_figure, styled

FLOWER = "Flower 1.42 simulation"


def summary(rounds: pd.DataFrame, client_steps: int) -> pd.DataFrame:
    """Return medians by row and way: milliseconds and processor ms a client-step, and ratios.

    `times_flower` is the median over repeats of how many times as fast as Flower it was in the same
    turn, `times_less_processor` that of processor seconds; the first round of each row is left out.
    """
    counted = rounds[rounds["repeat"] > 0]
    found = []
    for (row, way), own in counted.groupby(["row", "way"], sort=False):
        flower = counted[(counted["row"] == row) & (counted["way"] == FLOWER)]
        pairs = own.merge(flower, on="repeat", suffixes=("", "_flower"))
        ratios = pairs["seconds_flower"] / pairs["seconds"]
        less = pairs["processor_seconds_flower"] / pairs["processor_seconds"]
        found.append(
            {
                "row": row,
                "way": way,
                "ms": 1e3 * own["seconds"].median() / client_steps,
                "least_ms": 1e3 * own["seconds"].min() / client_steps,
                "processor_ms": 1e3 * own["processor_seconds"].median() / client_steps,
                "times_flower": ratios.median() if len(ratios) else float("nan"),
                "times_less_processor": less.median() if len(less) else float("nan"),
                "memory": int(own["memory"].median()),
            }
        )
    return pd.DataFrame(found).round(6)  # so that rows read back round to the table's digits


def norms(rounds: pd.DataFrame) -> tuple[dict[str, float], float]:
    """Return each way's squared norm after its first round of the first row, and the widest gap.

    The gap is relative, over all rounds of all rows.
    """
    first = rounds[(rounds["repeat"] == 0) & (rounds["row"] == rounds["row"].iloc[0])]
    spread = rounds.groupby(["row", "repeat"])["norm"].agg(["min", "max"])
    gap = float((spread["max"] / spread["min"] - 1).max())
    return dict(zip(first["way"], first["norm"], strict=True)), gap


def table(found: pd.DataFrame) -> str:
    """Return the medians as Markdown: of each row that was measured, wall and processor.

    Beside each stand how many times as fast, or as sparing, it was as Flower in the same turn.
    """
    rows = list(dict.fromkeys(found["row"]))
    heads = [f"{row}: wall | {row}: processor" for row in rows]
    lines = ["| | " + " | ".join(heads) + " |", "|---|" + "---|---|" * len(rows)]
    for way in dict.fromkeys(found["way"]):
        cells = []
        for row in rows:
            one = found[(found["row"] == row) & (found["way"] == way)]
            if not len(one):
                cells.append("– | –")
                continue
            ms, times, used, less = (float(one[key].iloc[0]) for key in _SHOWN)
            cells.append(f"{ms:.0f} ms, {times:.2f} × | {used:.0f} ms, {less:.2f} ×")
        lines.append(f"| {way} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


_SHOWN = ("ms", "times_flower", "processor_ms", "times_less_processor")


@styled
def draw(found: pd.DataFrame) -> Figure:
    """Return a panel a row: milliseconds a client-step, of the processor and of the wall."""
    rows = list(dict.fromkeys(found["row"]))
    ways = list(dict.fromkeys(found["way"]))[::-1]
    size = {"height": 0.9 + 0.22 * len(ways), "columns": len(rows), "title_width": 1.0}
    figure, panels = make_panels(rows, **size)
    for panel, row in zip(panels, rows, strict=True):
        own = found[found["row"] == row].set_index("way")
        for place, way in enumerate(ways):
            if way not in own.index:
                continue
            colour = COLOURS[0] if way.startswith("fedbytes") else INK
            panel.barh(place, own.loc[way, "ms"], height=0.62, color=colour, alpha=0.85)
            used = own.loc[way, "processor_ms"]
            panel.plot(used, place, "o", color=colour, markerfacecolor="none", markersize=4)
        panel.set_xlim(left=0)
        panel.set_yticks(range(len(ways)), ways if panel is panels[0] else [""] * len(ways))
        panel.set_ylim(-0.6, len(ways) - 0.4)
    figure.supxlabel("ms per client-step: bars of the wall, circles of processor time")
    return figure


def write_page(folder: Path, client_steps: int, out: Path | None = None) -> None:
    """Write `summary.csv`, `table.md` and `steps.svg`, `.png` and `.pdf` from `rounds.csv`.

    They go to `out`, or beside the rounds.
    """
    rounds = pd.read_csv(folder / "rounds.csv")
    out = out or folder
    found = summary(rounds, client_steps)
    found.to_csv(out / "summary.csv", index=False, float_format="%.9g", lineterminator="\n")
    first, gap = norms(rounds)
    lines = [table(found), "", "Squared norm of the model after round 1:", ""]
    lines += [f"- {way}: {norm:.7f}" for way, norm in first.items()]
    lines += ["", f"Widest gap between ways in any round, relative: {gap:.1e}."]
    text = "\n".join(lines) + "\n"
    (out / "table.md").write_text(text, encoding="utf-8")
    save_figure(draw(found), out, "steps")
    print(text)
