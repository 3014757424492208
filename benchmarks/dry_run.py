"""How near `--dry-run` comes to what a sweep takes: minutes, bytes and memory.

Each suite is estimated and then swept by one worker in a temporary store, first with an empty cache
of tokens and frozen layers ("cold") and then with a full one. Prints the factor between the
estimated and the real seconds of the runs, whichever is larger over the other, the bytes of both
that differ, and the factor of memory; fails above a factor of 1.5 in time.

    python benchmarks/dry_run.py [--processor] [--out FILE.csv] [SUITE [KEY=VALUE …]]

Without a suite: a few rounds of several of those that are shipped. `--processor` compares processor
seconds in place of wall time, on both sides, for a machine that does other work as well.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import pandas as pd

MOST = 1.5
STAGES = Path(__file__).with_name("dry_run_stages.yaml")
CASES = {
    "quickstart": ["rounds=6", "seed=0", "partition.alpha=1.0"],
    "noniid": ["rounds=3", "seed=0", "codec={name: ecsq, bits: 1.0, error_feedback: true}"],
    "lora-aggregation": ["rounds=2", "seed=0"],
    "pretrain": ["rounds=2", "seed=0"],
    str(STAGES): ["seed=0"],
}
KINDS = ("setup", "train", "codec", "evaluate")


def estimate_in_process(suite: str, words: list[str], processor: bool) -> pd.DataFrame:
    """Return the estimate of each run, made in a process of its own as a user's is."""
    code = (
        f"import time\nif {processor}: time.perf_counter = time.process_time\n"
        "import sys, pandas as pd\n"
        "from dataclasses import asdict\n"
        "from fedbytes.experiments import load_suite\n"
        "from fedbytes.experiments.execution.cost_estimate import estimate\n"
        "costs = estimate(load_suite(sys.argv[1]).expand(sys.argv[3:]), 1)\n"
        "rows = [asdict(cost) | {'estimated': cost.seconds} for cost in costs]\n"
        "pd.DataFrame(rows).to_csv(sys.argv[2], index=False)"
    )
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "costs.csv"
        subprocess.run([sys.executable, "-c", code, suite, out, *words], check=True)
        return pd.read_csv(out, dtype={"run": str})


def sweep_in_process(suite: str, words: list[str]) -> tuple[pd.DataFrame, float]:
    """Return the summaries of a suite's runs, and the seconds of the whole command."""
    from fedbytes.experiments import load_runs

    with tempfile.TemporaryDirectory() as store:
        start = perf_counter()
        command = [sys.executable, "-m", "fedbytes", "sweep", suite, *words, "--out", store]
        subprocess.run(
            [*command, "--workers", "1", "--threads", "1", "--no-report"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return load_runs(store), perf_counter() - start


def compare(suite: str, words: list[str], state: str, processor: bool) -> dict[str, object]:
    """Return one row: a suite estimated and swept."""
    begun = perf_counter()
    costs = estimate_in_process(suite, words, processor)
    spent = perf_counter() - begun
    runs, whole = sweep_in_process(suite, words)
    if processor:
        phases = runs.filter(regex="^process_seconds_")
        runs = runs.assign(seconds=phases.sum(axis=1))
    both = costs.merge(runs, on="run", suffixes=("", "_real"))
    real, foretold = both["seconds"].sum(), both["estimated"].sum()
    factors = both["estimated"] / both["seconds"]
    bytes_right = (both["up_bytes"] == both["up_bytes_real"]) & (
        both["down_bytes"] == both["down_bytes_real"]
    )
    codec = both["seconds_encode"] + both["seconds_decode"]
    return {
        "suite": suite,
        "cache": state,
        "runs": len(both),
        "estimated_seconds": round(foretold, 1),
        "run_seconds": round(real, 1),
        "factor": round(max(foretold / real, real / foretold), 2),
        "worst_run": round(float(pd.concat([factors, 1 / factors]).max()), 2),
        "sweep_seconds": round(whole, 1),
        "dry_run_seconds": round(spent, 1),
        "runs_with_exact_bytes": int(bytes_right.sum()),
        "largest_byte_error": f"{_byte_error(both):.2%}",
        "codec_factor": round(both["codec_seconds"].sum() / max(codec.sum(), 1e-9), 2),
        "memory_factor": round(
            float((both["memory_bytes"] / both["peak_memory_bytes"]).median()), 2
        ),
    }


def _byte_error(both: pd.DataFrame) -> float:
    sent = both["up_bytes"] + both["down_bytes"]
    real = both["up_bytes_real"] + both["down_bytes_real"]
    return float((sent / real - 1).abs().max())


def cold_home(folder: str) -> None:
    """Use an empty cache that has the user's assets, which are not what is measured."""
    from fedbytes.process.user_cache import home

    assets = home() / "assets"
    os.environ["FEDBYTES_HOME"] = folder
    if assets.is_dir():
        (Path(folder) / "assets").symlink_to(assets)


def main() -> None:
    words = [word for word in sys.argv[1:] if word != "--processor"]
    processor = len(words) < len(sys.argv[1:])
    out = Path(words[words.index("--out") + 1]) if "--out" in words else None
    if out is not None:
        at = words.index("--out")
        words = words[:at] + words[at + 2 :]
    cases = {words[0]: words[1:]} if words else CASES
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        cold_home(folder)
        for suite, given in cases.items():
            for state in ("cold", "warm"):
                rows.append(compare(suite, given, state, processor))
                print(pd.DataFrame(rows[-1:]).T.to_string(header=False), end="\n\n", flush=True)
    frame = pd.DataFrame(rows)
    if out is not None:
        frame.to_csv(out, index=False, lineterminator="\n")
    sys.exit(bool((frame["factor"] > MOST).any()))


if __name__ == "__main__":
    main()
