"""Redraws the figures of docs/results from the rows beside them, and writes the pages' blocks anew.

    make results                                    # all of them
    python scripts/redraw_results.py quickstart     # these

Figures whose inputs are not among the rows (messages, holdings) stay as they are, and so does a
summary with seconds, where the rows have none.
"""

import sys
from pathlib import Path

import result_blocks

from fedbytes.experiments.config.target import parse_target
from fedbytes.experiments.store.results import stored_target
from fedbytes.plots import draw_all, read_store_or_rows
from fedbytes.plots.tables.kept.kept_rows import RUNS_FILE


def redraw(folder: Path) -> list[str]:
    """Draw what the rows of a folder allow; return the names of the files.

    Raises:
        ValueError: if the rows confuse settings that differ in fields which rows do not hold.
    """
    measured = {} if (folder / RUNS_FILE).is_file() else _read(folder.glob("summary*.*"))
    tables = read_store_or_rows(folder)
    target = parse_target(stored_target(folder))
    paths = draw_all(tables, folder, target=target)
    for path, data in measured.items():
        path.write_bytes(data)
    return sorted({path.name for path in paths if path not in measured})


def _read(paths: object) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in paths}  # type: ignore[attr-defined]


def main(names: list[str]) -> int:
    """Redraw the named folders, or all that have rows; return how many could not be."""
    left = 0
    for rows in sorted(result_blocks.RESULTS.glob("*/results.csv")):
        if names and rows.parent.name not in names:
            continue
        try:
            drawn = redraw(rows.parent)
        except ValueError as error:
            left += 1
            print(f"{rows.parent.name}: left as it is, {error}")
        else:
            print(f"{rows.parent.name}: {len(drawn)} files drawn")
    result_blocks.main(check=False)
    return 0 if not names else left


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
