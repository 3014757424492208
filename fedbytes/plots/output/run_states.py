"""What a report says of its runs: how many finished, which failed, what made them."""

from collections import Counter

import pandas as pd

from fedbytes.plots.number_words import format_bytes, format_value
from fedbytes.plots.tables.store_tables import Tables, flatten_keys, read_mapping

# Results of one run rather than provenance; the table shows them.
_PER_RUN = ("labels", "heterogeneity", "setup_bytes", "tokenizer_bytes", "unigram_perplexity")


def describe_status(tables: Tables) -> str:
    """Return how many runs there are, how many finished, and which of them are shown."""
    if "status" not in tables.runs:
        return ""
    counts = Counter(tables.runs["status"])
    order = sorted(counts, key=lambda status: ("done", "running", "failed", status).index(status))
    names = {"done": "finished"}
    parts = ", ".join(f"{counts[status]} {names.get(status, status)}" for status in order)
    plural = "run" if len(tables.runs) == 1 else "runs"
    left_out = (
        ""
        if set(counts) <= {"done"} or "done" not in counts
        else (" Figures and table show the finished ones.")
    )
    return f"{len(tables.runs)} {plural}: {parts}.{left_out}{_stale(tables, 'done' in counts)}"


def _stale(tables: Tables, left_out: bool) -> str:
    """Return what is said of stale runs; empty if there is none."""
    count = len(tables.stale())
    if not count:
        return ""
    runs, verb = ("run", "is") if count == 1 else ("runs", "are")
    return (
        f" {count} stale {runs} {verb} {'left out' if left_out else 'shown'}: made from files that "
        "have changed since, or at an earlier revision of a plug-in (fedbytes status says which)."
    )


def measure_facts(runs: pd.DataFrame) -> list[tuple[str, str]]:
    """Return set-up bytes, memory, and the perplexity that word frequencies alone reach."""
    facts = []
    for column, words, show in (
        (
            "setup_bytes",
            "Set-up bytes of a run (frozen base model, tokenizer), not in the figures",
            format_bytes,
        ),
        ("peak_memory_bytes", "Peak memory of a run", format_bytes),
        ("peak_gpu_bytes", "Peak GPU memory of a run", format_bytes),
        (
            "unigram_perplexity",
            "Test perplexity of a unigram model",
            lambda value: format_value(value, 1),
        ),
    ):
        values = pd.to_numeric(runs.get(column, pd.Series(dtype=float)), "coerce").dropna()
        if len(values):
            low, high = show(float(values.min())), show(float(values.max()))
            facts.append((words, low if low == high else f"{low} to {high}"))
    return facts


def list_failed(tables: Tables) -> list[dict[str, str]]:
    """Return run, configuration, last line and whole error of each run that failed."""
    found = []
    for row in tables.failed().to_dict("records"):
        error = _words(row.get("error")) or "no error was recorded"
        config = flatten_keys(read_mapping(row.get("config")))
        found.append(
            {
                "run": str(row["run"]),
                "config": ", ".join(f"{key}={value}" for key, value in config.items()),
                "line": error.splitlines()[-1],
                "error": _words(row.get("traceback")) or error,
            }
        )
    return found


def _words(value: object) -> str:
    """Return a stored text; nothing if there is none, or NaN for none."""
    return value.strip() if isinstance(value, str) else ""


def list_provenance(runs: pd.DataFrame) -> list[tuple[str, str]]:
    """Return each fact of the provenance; where runs differ, each value and its number of runs."""
    if "provenance" not in runs:
        return []
    flat = [flatten_keys(read_mapping(value)) for value in runs["provenance"]]
    flat = [facts for facts in flat if facts]
    keys = dict.fromkeys(key for facts in flat for key in facts)
    return [
        (key, _shared([str(facts.get(key, "not recorded")) for facts in flat]))
        for key in keys
        if not key.startswith(_PER_RUN)
    ]


def _shared(values: list[str]) -> str:
    counts = Counter(values)
    if len(counts) == 1:
        return values[0]
    if len(counts) > 4:
        return f"{min(values)} … {max(values)} ({len(counts)} values)"
    return "; ".join(
        f"{value} ({count} of {len(values)} runs)" for value, count in counts.most_common()
    )
