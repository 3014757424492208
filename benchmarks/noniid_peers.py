"""fedbytes.noniid beside flwr-datasets and FedLab: success, seconds, memory, faults.

    python benchmarks/noniid_peers.py [--out docs/results/noniid-peers] [--quick]

Peers are installed, in the versions below, into an environment of their own in the cache folder.
Each library splits the same labels in a process of its own, one after another, on one thread.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pandas as pd

from fedbytes.data.home import folder
from fedbytes.experiments.provenance import provenance

PEERS = {"flwr-datasets": "0.6.1", "fedlab": "1.3.0"}
# FedLab names torchvision and scikit-learn, which its partitioners do not use, and an open range
# of torch, which would be gigabytes of GPU libraries.
PINS = ("flwr-datasets==0.6.1", "datasets==4.8.5", "numpy==2.4.6", "pandas==3.1.1")
PINS_ALONE = ("fedlab==1.3.0",)
PINS_TORCH = ("torch==2.13.0",)
WORKER = Path(__file__).with_name("noniid_peers_worker.py")
LIBRARIES = ("fedbytes", *PEERS)

SMALL = {"samples": 5_000, "classes": 10, "clients": 100, "alpha": 0.1, "min_size": 10}
MIDDLE = {"samples": 1_000_000, "classes": 10, "clients": 1_000, "alpha": 0.5, "min_size": 0}
LARGE = {"samples": 10_000_000, "classes": 10, "clients": 100_000, "alpha": 0.5, "min_size": 0}


def environment() -> str:
    """Return the Python of the peers' environment, made now if it is not there yet."""
    pins = [*PINS, *PINS_ALONE, *PINS_TORCH]
    digest = hashlib.sha256(json.dumps([sys.version, pins]).encode()).hexdigest()[:12]
    root = folder("peers") / digest
    python, ready = root / "bin" / "python", root / "ready"
    if not ready.exists():
        print(f"installing {', '.join(pins)}", file=sys.stderr)
        venv.create(root, with_pip=True, clear=True)
        for words in (PINS_TORCH, PINS, ("--no-deps", *PINS_ALONE)):
            command = [str(python), "-m", "pip", "install", "--quiet", *words]
            subprocess.run(command, check=True, stdout=sys.stderr)
        ready.touch()
    return str(python)


def work(library: str, job: dict[str, Any], python: str, seconds: int) -> dict[str, Any]:
    """Run a job in a fresh process of the library's environment."""
    interpreter = sys.executable if library == "fedbytes" else python
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            [interpreter, str(WORKER)],
            input=json.dumps(job | {"library": library}),
            env=os.environ | threads,
            capture_output=True,
            text=True,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"not done after {seconds} s"}
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1][:100]}
    return dict(json.loads(done.stdout))


def measure(python: str, quick: bool) -> pd.DataFrame:
    """Return a row a library and question, in words."""
    rows = []
    for library in LIBRARIES:
        seeds = 10 if quick else 100 if library == "fedbytes" else 20
        found = work(library, {"kind": "seeds", "seeds": seeds, "limit": 5, **SMALL}, python, 600)
        title = "5,000 samples, 100 clients of at least 10, α = 0.1"
        rows.append([library, f"{title}: seeds that succeed", f"{found.get('done')} of {seeds}"])
        rows.append([library, f"{title}: seconds", _seconds(found)])
        for title, size in (
            ("1 M samples, 1,000 clients, α = 0.5", MIDDLE),
            ("10 M samples, 100,000 clients, α = 0.5", LARGE),
        ):
            if quick and size is LARGE:
                continue
            job = {"kind": "seeds", "seeds": 1, "limit": 240, **size}
            found = work(library, job, python, 300)
            rows.append([library, f"{title}: seconds", _seconds(found)])
            extra = found.get("extra_bytes", 0) / 1e6
            memory = f"{extra:.0f} MB" if found.get("done") else "–"
            rows.append([library, f"{title}: memory beyond the labels", memory])
        faults = work(library, {"kind": "faults", "limit": 60}, python, 600)
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
    rows = measure(environment(), given.quick)
    origin = provenance()
    versions = {"fedbytes": str(origin["commit"])[:9], **PEERS}
    text = table(rows, versions)
    print(text)
    given.out.mkdir(parents=True, exist_ok=True)
    command = "python benchmarks/noniid_peers.py" + (" --quick" if given.quick else "")
    (given.out / "README.md").write_text(
        f"# Splitting beside the peers\n\n`{command}`, one thread.\n\n{text}", encoding="utf-8"
    )
    rows.to_csv(given.out / "answers.csv", index=False)
    record = origin | {"peers": [*PINS, *PINS_ALONE, *PINS_TORCH], "command": command}
    (given.out / "provenance.json").write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
