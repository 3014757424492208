"""How long robust rules take: processor seconds of one thread, for twenty clients.

    python benchmarks/robust_rules.py [--out DIR] [NAME …]

Prints a table, and writes it with the machine into DIR (docs/results/robust-rules). Seconds are of
the processor, so that a busy machine does not change them much. The best of three calls is taken at
15,000 numbers, of two at a million.
"""

import argparse
import json
import time
from pathlib import Path

import torch

from fedbytes.federated import DEFENSES, Upload, make_defense
from fedbytes.federated.testing.plugin_bench import stage_context
from fedbytes.streams import stream

CLIENTS, F = 20, 4
SIZES = {15_000: 3, 1_000_000: 2}
LIMITS = {  # seconds at a million numbers that are asked for
    "krum": 0.5,
    "nnm": 0.5,
    "multi_krum": 0.5,
    "median": 4.7,
    "trimmed_mean": 6.6,
    "geometric_median": 11.8,
}
SMALL_LIMIT = 0.1
LEFT_OUT = {
    "fltrust": "trains",
    "post_hoc": "trains",
    "crfl": "bounds the model that the bench holds",
}


def rules(names: list[str]) -> dict[str, dict[str, object]]:
    """Return the specifications of the rules, for four attackers where they ask."""
    found = {}
    for name in names or DEFENSES.names():
        cls = DEFENSES.get(name)
        if "uploads" in make_defense(name).stages and name not in LEFT_OUT:
            found[name] = {"name": name} | ({"f": F} if "f" in cls.__dataclass_fields__ else {})
    return found


def seconds(spec: dict[str, object], numel: int, calls: int) -> float:
    """Return the least processor seconds of a call."""
    rng, context = stream(0, "benchmark"), stage_context("defense 0 benchmark")
    uploads = [
        Upload(c, torch.from_numpy(rng.standard_normal(numel, dtype="float32")), 50)
        for c in range(CLIENTS)
    ]
    defense, best = make_defense(spec), float("inf")
    for _ in range(calls):
        start = time.process_time()
        defense.uploads(uploads, context, {})
        best = min(best, time.process_time() - start)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    found = {
        name: {numel: seconds(spec, numel, calls) for numel, calls in SIZES.items()}
        for name, spec in rules(given.names).items()
    }
    lines = ["| rule | 15,000 numbers | 1,000,000 | asked for, at most |", "|---|---|---|---|"]
    for name, row in found.items():
        small, large = row.values()
        asked = f"{SMALL_LIMIT} s" + (f" and {LIMITS[name]} s" if name in LIMITS else "")
        missed = small > SMALL_LIMIT or large > LIMITS.get(name, float("inf"))
        lines.append(f"| `{name}` | {small * 1e3:.1f} ms | {large:.2f} s | {asked} |"
                     + (" missed" if missed else ""))  # fmt: skip
    print("\n".join(lines))
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
        (given.out / "table.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
        machine = {"torch": torch.__version__, "threads": 1, "clients": CLIENTS, "f": F}
        (given.out / "provenance.json").write_text(json.dumps(machine, indent=1) + "\n")


if __name__ == "__main__":
    main()
