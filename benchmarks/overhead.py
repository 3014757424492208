"""What fedbytes itself costs: cold starts, and the seconds of a run outside training.

Makes one quickstart run of each codec for a few rounds in a temporary store, and prints the share
of seconds outside local training and evaluation (target: at most 5 %), and the median seconds of
`import fedbytes` and `fedbytes --help` (target: below 0.5 s each).

    python benchmarks/overhead.py [ROUNDS]
"""

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from fedbytes.experiments import load_runs, load_suite, run

PHASES = ("setup", "train", "evaluate", "encode", "decode", "aggregate", "other")


def cold_start(*command: str) -> float:
    """Return the median seconds of five processes."""
    seconds = []
    for _ in range(5):
        start = perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds.append(perf_counter() - start)
    return statistics.median(seconds)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 4
    script = str(Path(sys.executable).parent / "fedbytes")
    print(f"import fedbytes  {cold_start(sys.executable, '-c', 'import fedbytes'):.2f} s")
    print(f"fedbytes --help  {cold_start(script, '--help'):.2f} s")
    overrides = ["seed=0", "partition.alpha=1.0", f"rounds={rounds}"]
    with tempfile.TemporaryDirectory() as store:
        for config in load_suite("quickstart").expand(overrides):
            run(config, store)
        runs = load_runs(store)
    header = "".join(f"{phase:>10}" for phase in (*PHASES, "outside"))
    print(f"\n{f'seconds of {rounds} rounds':26}{header}")
    for row in runs.itertuples():
        spent = [getattr(row, f"seconds_{phase}") for phase in PHASES]
        numbers = "".join(f"{value:10.2f}" for value in spent)
        print(f"{row.codec[:26]:26}{numbers}{row.overhead_share:10.1%}")


if __name__ == "__main__":
    main()
