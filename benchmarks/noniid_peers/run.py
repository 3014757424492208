"""fedbytes.noniid beside flwr-datasets and FedLab: success, seconds, memory, faults.

    python benchmarks/noniid_peers/run.py [--out docs/results/noniid-peers] [--quick]

It makes an environment of its own for the peers below the user's cache folder, once, from the
package index. Each library splits the same labels in a process of its own, one after another, on
one thread.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from fedbytes.experiments.store.provenance import provenance

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))
from peer_environment import peer_environment  # noqa: E402 - it lies beside this folder

PEERS = {"flwr-datasets": "0.6.1", "fedlab": "1.3.0"}
LIBRARIES = ("fedbytes", *PEERS)

NOTES = """\
One thread, one process a library and case. Labels are 10 equally frequent classes. Seconds are of
processor time, the median over the seeds that succeed, for making the partition alone. A case that
takes longer than its limit is stopped; both peers draw again until every client is large enough,
which the first case makes all but impossible. fedbytes keeps the draw and moves what is needed
(`on_small: repair`). FedLab cannot do without a least size, so 1 is asked of it where nothing is
asked of the others, and its labels are documented as 0 … K - 1. A rounding bias of -0.70 / +0.30
is that of cutting at the whole part of a cumulative sum, 997 samples a class over 10 clients.
"""

STUCK = 3600  # seconds until a process is given up that does not notice its own limit
SMALL = {"samples": 5_000, "classes": 10, "clients": 100, "alpha": 0.1, "min_size": 10}
MIDDLE = {"samples": 1_000_000, "classes": 10, "clients": 1_000, "alpha": 0.5, "min_size": 0}
LARGE = {"samples": 10_000_000, "classes": 10, "clients": 100_000, "alpha": 0.5, "min_size": 0}


def work(library: str, job: dict[str, Any], python: Path) -> dict[str, Any]:
    """Run a job in a fresh process of the library's environment."""
    interpreter = Path(sys.executable) if library == "fedbytes" else python
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            [interpreter, HERE / "worker.py"],
            input=json.dumps(job | {"library": library}),
            env=os.environ | threads,
            capture_output=True,
            text=True,
            timeout=STUCK,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"not done after {STUCK} s"}
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1][:100]}
    return dict(json.loads(done.stdout))


def measure(python: Path, quick: bool) -> pd.DataFrame:
    """Return a row a library and question, in words."""
    rows = []
    for library in LIBRARIES:
        seeds = 10 if quick else 100 if library == "fedbytes" else 20
        found = work(library, {"kind": "seeds", "seeds": seeds, "limit": 5, **SMALL}, python)
        title = "5,000 samples, 100 clients of at least 10, α = 0.1"
        rows.append([library, f"{title}: seeds that succeed", f"{found.get('done', 0)} of {seeds}"])
        rows.append([library, f"{title}: seconds", _seconds(found)])
        for title, size in (
            ("1 M samples, 1,000 clients, α = 0.5", MIDDLE),
            ("10 M samples, 100,000 clients, α = 0.5", LARGE),
        ):
            if quick and size is LARGE:
                continue
            job = {"kind": "seeds", "seeds": 1, "limit": 120, **size}
            found = work(library, job, python)
            rows.append([library, f"{title}: seconds", _seconds(found)])
            extra = found.get("extra_bytes", 0) / 1e6
            memory = f"{extra:.0f} MB" if found.get("done") else "–"
            rows.append([library, f"{title}: memory beyond the labels", memory])
        faults = work(library, {"kind": "faults", "limit": 40}, python)
        rows += [[library, name, words] for name, words in faults.items()]
    return pd.DataFrame(rows, columns=["library", "question", "answer"])


def _seconds(found: dict[str, Any]) -> str:
    seconds = found.get("seconds")
    return f"{seconds:.3g} s" if seconds is not None else str(found.get("error") or "–")


def table(rows: pd.DataFrame, versions: dict[str, str]) -> str:
    """Return the answers as Markdown, a column a library."""
    order = list(dict.fromkeys(rows["question"]))
    wide = rows.pivot(index="question", columns="library", values="answer").loc[order]
    names = [f"{library} {versions[library]}" for library in LIBRARIES]
    lines = [f"| | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
    for question, row in wide[list(LIBRARIES)].iterrows():
        cells = " | ".join(str(cell).replace("|", "/") for cell in row)
        lines.append(f"| {question} | {cells} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/results/noniid-peers"))
    parser.add_argument("--quick", action="store_true", help="fewer seeds, no large case")
    given = parser.parse_args()
    python = peer_environment(
        "noniid-peers", HERE / "requirements.txt", f"fedlab=={PEERS['fedlab']}"
    )
    origin = provenance()
    load = os.getloadavg()[0]
    rows = measure(python, given.quick)
    versions = {"fedbytes": str(origin["commit"])[:9], **PEERS}
    text = table(rows, versions)
    print(text)
    given.out.mkdir(parents=True, exist_ok=True)
    command = "python benchmarks/noniid_peers/run.py" + (" --quick" if given.quick else "")
    page = f"# Partitioners beside the peers\n\n```console\n$ {command}\n```\n\n{text}\n{NOTES}"
    (given.out / "README.md").write_text(page, encoding="utf-8")
    rows.to_csv(given.out / "answers.csv", index=False)
    record = origin | {"peers": PEERS, "load_at_start": load, "command": command}
    (given.out / "provenance.json").write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
