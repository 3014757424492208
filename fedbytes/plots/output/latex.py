"""The summary as a LaTeX table: chosen columns, the best in bold, caption and label."""

import re
from collections.abc import Sequence
from math import isfinite

import pandas as pd

from fedbytes.labels import single_line
from fedbytes.plots.output.summary import shown_metric, summary_text
from fedbytes.registry import nearest

_ESCAPED = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "±": r"$\pm$", "α": r"$\alpha$", "−": "$-$", "–": "--", "×": r"$\times$",
    "≥": r"$\geq$", "≤": r"$\leq$", "…": r"\dots{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "∞": r"$\infty$",
}  # fmt: skip
_LEFT = ("Setting", "Codec")
_FINAL = "Final"
_RANKED = {
    "Gain": ("gain", None),
    "Total": ("total_bytes", False),
    "To target": ("bytes_to_target", False),
    "Ratio": ("ratio", True),
    "Seconds": ("seconds", False),
    "Overhead": ("overhead", False),
}
"""The raw column behind a printed one, and whether more is better, None as for the metric."""


def to_latex(
    frame: pd.DataFrame,
    *,
    columns: Sequence[str] | None = None,
    bold_best: bool = False,
    caption: str | None = None,
    label: str | None = None,
) -> str:
    r"""Return the summary as a LaTeX tabular for the package booktabs, a rule between settings.

    Args:
        frame: from `summary`.
        columns: heads of `summary_text` in the order wanted; `Final` stands for the final metric.
        bold_best: write each setting's best value of a column in bold, ties too. Bytes to target
            compete where all seeds reach it. What is best by its mean need not be so by any test.
        caption: stands above the tabular, within a `table`.
        label: what `\ref` refers to; likewise.

    Raises:
        ValueError: for a column that the summary does not have.
    """
    text = summary_text(frame)
    heads = _chosen(columns, [*text.columns])
    best = _best_cells(frame, heads) if bold_best else set()
    aligned = "".join("l" if head in _LEFT else "r" for head in heads)
    lines = [f"\\begin{{tabular}}{{{aligned}}}", "\\toprule"]
    lines += [_join([_escape(head) for head in heads]), "\\midrule"]
    settings = text["Setting"].tolist() if len(text) else []
    for place, setting in enumerate(settings):
        same = place > 0 and setting == settings[place - 1]
        if place and not same:
            lines.append("\\midrule")
        cells = []
        for head in heads:
            cell = "" if head == "Setting" and same else _escape(text[head].iloc[place])
            cells.append(rf"\textbf{{{cell}}}" if (place, head) in best else cell)
        lines.append(_join(cells))
    lines += ["\\bottomrule", "\\end{tabular}", ""]
    return "\n".join(lines) if caption is None and label is None else _float(lines, caption, label)


def _chosen(columns: Sequence[str] | None, known: list[str]) -> list[str]:
    """Return the heads that are asked for, with the final metric's own for `Final`."""
    if columns is None:
        return known
    final = next((head for head in known if head.startswith(f"{_FINAL} ")), _FINAL)
    wanted = [final if name == _FINAL else name for name in columns]
    for name in wanted:
        if name not in known:
            raise ValueError(f"the summary has no column {name!r}{nearest(name, known)}")
    return wanted


def _best_cells(frame: pd.DataFrame, heads: Sequence[str]) -> set[tuple[int, str]]:
    """Return the row and the head of each cell that is its setting's best."""
    found = set()
    ranked = {head: _RANKED[head] for head in heads if head in _RANKED}
    ranked |= {head: ("value", None) for head in heads if head.startswith(f"{_FINAL} ")}
    for head, (column, more) in ranked.items():
        values = frame[column].reset_index(drop=True).where(lambda known: known.map(isfinite))
        if head == "To target":
            values = values.where((frame["reached"] == frame["seeds"]).to_numpy())
        larger = shown_metric(frame).rises if more is None else more
        for _, own in values.dropna().groupby(frame["setting"].to_numpy()[values.notna()]):
            if len(own) > 1:
                top = own.max() if larger else own.min()
                found |= {(int(row), head) for row in own.index[own == top]}
    return found


def _float(lines: Sequence[str], caption: str | None, label: str | None) -> str:
    above = [] if caption is None else [f"\\caption{{{_escape(caption)}}}"]
    above += [] if label is None else [f"\\label{{{label}}}"]
    return "\n".join(["\\begin{table}", "\\centering", *above, *lines[:-1], "\\end{table}", ""])


def _join(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _escape(cell: object) -> str:
    pattern = "|".join(map(re.escape, _ESCAPED))
    return re.sub(pattern, lambda found: _ESCAPED[found[0]], single_line(cell))
