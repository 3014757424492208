"""Check every submission under results/ and write their table, `results/README.md`.

With `--again`, one run of each is made again as well. With `--check`, nothing is written: exit code
1 says that the page is not the one that would be written.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd

from fedbytes.experiments.published.verification import Submission, make_again, verify_submission
from fedbytes.labels import markdown_line, single_line
from fedbytes.plots.output.summary import as_markdown, summary, summary_text
from fedbytes.plots.tables.store_tables import Tables, apply_labels

RESULTS = Path(__file__).parents[1] / "results"
HEAD = """# Submissions

Rows that anybody can send: `fedbytes submit` makes a folder, a pull request adds it here, and a
check verifies its files, ids and sums and makes one of its runs again
([how](../CONTRIBUTING.md#send-your-rows)). `python scripts/submissions.py` writes this page.

"""
_COLUMNS = ("Codec", "Total", "To baseline", "To target", "Ratio")


def submissions(folder: Path = RESULTS) -> list[Submission]:
    """Return every submission of a folder, verified, in the order of their names."""
    return [verify_submission(path) for path in sorted(folder.iterdir()) if path.is_dir()]


def page(found: list[Submission]) -> str:
    """Return the page: a row per submission, setting and method."""
    parts = [table(one) for one in found]
    rows = pd.concat(parts).fillna("–") if parts else pd.DataFrame()
    links = [
        f"- [{one.card['name']}]({one.card['name']}/README.md): "
        f"{', '.join(markdown_line(one.card[key]) for key in ('title', 'authors', 'created'))}\n"
        for one in found
    ]
    return HEAD + ("\n".join(["".join(links), as_markdown(rows)]) if found else "None yet.\n")


def table(one: Submission) -> pd.DataFrame:
    """Return the rows of a submission."""
    ids = list(one.configs)
    runs = pd.DataFrame({"run": ids, "status": "done", "config": list(one.configs.values())})
    nothing = pd.DataFrame({"run": []})
    frame = summary(Tables(apply_labels(one.rows), nothing, nothing, runs))
    shown = summary_text(frame)
    final = next(name for name in shown if name.startswith("Final "))
    kept = pd.DataFrame(
        {
            "Submission": one.card["name"],
            "Task": one.rows["task"].iloc[0],
            "Model": one.rows["model"].iloc[0],
            "Setting": shown["Setting"],
            "Metric": final.removeprefix("Final "),
            "Final": shown[final],
        }
    )
    return kept.join(shown[[name for name in _COLUMNS if name in shown]])


def main() -> int:
    """Verify, and write the page or compare it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--again", action="store_true", help="make one run of each again")
    parser.add_argument("--check", action="store_true", help="compare the page, write nothing")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of submissions")
    given = parser.parse_args()
    try:
        found = submissions(given.results)
        differ = 0
        for one in found if given.again else ():
            compared = make_again(one)
            differ += compared.verdict not in ("equal", "within tolerance")
            print(f"{one.card['name']}: run {compared.run}, made again: {compared.verdict}")
    except ValueError as error:
        print(f"error: {single_line(error)}", file=sys.stderr)
        return 2
    written, text = given.results / "README.md", page(found)
    if given.check:
        differ += not written.is_file() or written.read_text(encoding="utf-8") != text
    else:
        written.write_text(text, encoding="utf-8")
    print(f"{len(found)} submissions hold" + (f"; {differ} differ" if differ else ""))
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
