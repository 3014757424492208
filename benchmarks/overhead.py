"""What fedbytes itself costs: the seconds of a run outside training.

Makes one quickstart run of each codec for a few rounds in a temporary store, and prints the share
of seconds outside local training and evaluation (target: at most 5 %). Cold starts have a script of
their own, `cold_start.py`.

    python benchmarks/overhead.py [ROUNDS]
"""

import sys
import tempfile

from fedbytes.experiments import load_runs, load_suite, run

PHASES = ("setup", "train", "evaluate", "encode", "decode", "aggregate", "other")


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 4
    overrides = ["seed=0", "partition.alpha=1.0", f"rounds={rounds}"]
    with tempfile.TemporaryDirectory() as store:
        for config in load_suite("quickstart").expand(overrides):
            run(config, store)
        runs = load_runs(store)
    header = "".join(f"{phase:>10}" for phase in (*PHASES, "outside"))
    print(f"{f'seconds of {rounds} rounds':26}{header}")
    for row in runs.itertuples():
        spent = [getattr(row, f"seconds_{phase}") for phase in PHASES]
        numbers = "".join(f"{value:10.2f}" for value in spent)
        print(f"{row.codec[:26]:26}{numbers}{row.overhead_share:10.1%}")


if __name__ == "__main__":
    main()
