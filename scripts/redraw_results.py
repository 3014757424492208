"""Redraws the figures of docs/results from the rows beside them, and writes the pages' blocks anew.

    make results                                    # all of them
    python scripts/redraw_results.py quickstart backdoor/pilot     # these

Figures whose inputs are not among the rows (messages, holdings) stay as they are. Others that the
rows no longer give are removed.
"""

import re
import sys
from collections.abc import Collection
from pathlib import Path

import result_blocks

from fedbytes.plots import draw_all, figure_names, make_figure
from fedbytes.plots.tables.store_tables import Tables


def redraw(folder: Path) -> list[str]:
    """Draw what the rows of a folder allow; return the names of the files.

    Raises:
        ValueError: if the rows confuse settings that differ in fields which rows do not hold.
    """
    tables, asked = result_blocks.read_rows(folder)
    only = result_blocks.read_asked(folder).get("figures")
    figures = [make_figure(name) for name in (only or figure_names())]
    if only == []:
        figures = []
    had = {path.name for path in folder.iterdir()}
    paths = draw_all(tables, folder, asked.metric, asked.target, figures=figures)
    if only is not None:  # a page that names its figures has tables of its own
        for path in folder.glob("summary.*"):
            if path.name not in had:
                path.unlink()
    drawn = sorted({path.name for path in paths if path.exists()})
    for path in folder.iterdir():
        if path.name not in drawn and is_obsolete(path, tables):
            path.unlink()
    return drawn


def is_obsolete(path: Path, tables: Tables) -> bool:
    """Return whether a file is a figure that the rows would give, if there were still reason to."""
    known: Collection[str] = figure_names()
    found = re.fullmatch(r"([a-z_]+)(-\d+)?", path.stem)
    if path.suffix not in {".svg", ".pdf", ".png"} or not found or found[1] not in known:
        return False
    kept = {"spending": tables.ledger.empty, "partition": tables.partitions.empty}
    return found[1] in _FROM_ROWS or not kept.get(found[1], True)


_FROM_ROWS = frozenset(
    ("verdict", "bytes", "target", "profile", "pareto", "heterogeneity", "rounds", "differences")
)
"""Figures that need nothing but rows."""


def main(names: list[str]) -> int:
    """Redraw the named folders, or all that have rows; return how many could not be."""
    left, folders = 0, result_blocks.folders_of_rows()
    if unknown := sorted(set(names) - set(folders)):
        print(f"no rows of {', '.join(unknown)} (there are: {', '.join(folders)})")
        return len(unknown)
    for name in names or folders:
        try:
            drawn = redraw(folders[name])
        except ValueError as error:
            left += 1
            print(f"{name}: left as it is, {error}")
        else:
            print(f"{name}: {len(drawn)} files drawn")
    result_blocks.main(check=False)
    return 0 if not names else left


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
