"""The record: a line an entry, sorted, so that a diff shows what changed and nothing else.

Entries `codec …`, `partition …`, `run …` and `store …` hold on any processor. Those that begin
with `on FINGERPRINT` hold where `processor.fingerprint` is that. Elsewhere a run is compared
loosely with any processor's: bytes where no codec looks at values, and losses.
"""

import json
from pathlib import Path
from typing import Any

from configurations import CONFIGURATIONS, CUTS, RESUMED, lossless

PATH = Path(__file__).parent / "record.json"
REWRITE = "python -m tests.golden.make_record"
LOSS, CODED_LOSS = 1e-4, 0.05  # a value near the edge of a cell can be coded as the next one

Lines = dict[str, Any]


def read() -> Lines:
    """Return the record, empty where there is none."""
    return json.loads(PATH.read_text(encoding="utf-8")) if PATH.exists() else {}


def write(lines: Lines) -> None:
    rows = (f"{json.dumps(name)}: {json.dumps(lines[name])}" for name in sorted(lines))
    PATH.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")


def under(lines: Lines, prefix: str) -> Lines:
    """Return the entries of a prefix, by the rest of their names."""
    start = prefix + ": "
    return {name.removeprefix(start): lines[name] for name in lines if name.startswith(start)}


def over(prefix: str, lines: Lines) -> Lines:
    """Return entries with the prefix before their names."""
    return {f"{prefix}: {name}": value for name, value in lines.items()}


def processors(lines: Lines) -> list[str]:
    """Return the fingerprints that there are entries of."""
    return sorted({name.split()[1] for name in lines if name.startswith("on ")})


def differ(found: Lines, known: Lines) -> list[str]:
    """Return a line for each entry that is not the same in both, bit for bit."""
    return [
        f"{name}: {found.get(name)}, and the record has {known.get(name)}"
        for name in sorted(found.keys() | known.keys())
        if found.get(name) != known.get(name)
    ]


def differ_on(processor: str, run: str, found: Lines, record: Lines) -> tuple[list[str], bool]:
    """Compare a run: return what differs, and whether the processor is a known one.

    Args:
        processor: the fingerprint of the place where the run was made.
        run: its name in `CONFIGURATIONS`.
        found: `run_lines`' second part.
        record: from `read`.
    """
    known = {p: under(record, f"on {p} {run}") for p in processors(record)}
    held = {p: entries for p, entries in known.items() if entries}
    exact = processor in held
    other = held.get(processor) or next(iter(held.values()), {})
    return (differ(found, other) if exact else _differ_loosely(run, found, other)), exact


def _differ_loosely(run: str, found: Lines, known: Lines) -> list[str]:
    fixed = lossless(run)
    exact = ("ledger", "partition") if fixed else ("partition",)
    wrong = differ(*({n: v for n, v in lines.items() if n in exact} for lines in (found, known)))
    for name in sorted(name for name in found.keys() | known.keys() if name.startswith("rounds")):
        row, other = found.get(name), known.get(name)
        if row is None or other is None or row.keys() != other.keys():
            wrong.append(f"{name}: {row}, and the record has {other}")
            continue
        for key in ("round", *(("up_bytes", "down_bytes") if fixed else ())):
            if row[key] != other[key]:
                wrong.append(f"{name}: {key} {row[key]}, and the record has {other[key]}")
        if not abs(row["loss"] - other["loss"]) <= (LOSS if fixed else CODED_LOSS):
            wrong.append(f"{name}: loss {row['loss']}, and the record has {other['loss']}")
    return wrong


def merge(old: Lines, made: Lines) -> Lines:
    """Return a new record: `made`, and what `old` holds of other processors and still holds.

    A run that changed where it was made anew has changed everywhere, so what other processors
    had for it is dropped, and compared loosely there until the record is made there.
    """
    here = processors(made)
    kept = {}
    for run in (*CONFIGURATIONS, *(name + RESUMED for name in CUTS)):
        changed = any(
            differ_on(p, run, under(made, f"on {p} {run}"), old)[0] for p in here
        ) or differ(under(made, f"run {run}"), under(old, f"run {run}"))
        for p in processors(old):
            if p not in here and not changed:
                kept |= over(f"on {p} {run}", under(old, f"on {p} {run}"))
    return kept | made
