"""What a client sends and receives in a round of zeroth-order training of a whole model.

Runs SmolLM2-135M on Reuters R8, its classes as words, every parameter trained, and prints for every
round the loss, and the most bytes of any client by direction: measured messages with their frames,
metrics, catch-up and initial state. Other settings are given as `key=value`.

    python benchmarks/few_numbers.py [--out STORE] [key=value …]
"""

import argparse
import tempfile
from pathlib import Path

import pyarrow.parquet as pq

from fedbytes.experiments import load_suite
from fedbytes.experiments.execution.runner import run
from fedbytes.experiments.store.run_folder import RunFolder, read_json_lines

SETTINGS = """
name: few-numbers
base:
  task: {name: reuters-r8, max_length: 24, max_test_examples: 60}
  model:
    name: smollm2-135m
    head: words
    words: takeover,oil,profit,grain,interest,currency,ship,trade
    question: "\\nThis news is about"
  adapter: full
  partition: {name: iid, num_clients: 4}
  algorithm:
    {name: decomfl, perturbations: 4, difference: central, learning_rate: 5.0e-4, batch_size: 16}
  initial: seed
  clients_per_round: 2
  rounds: 6
  evaluate_every: 3
  checkpoint_every: 100  # each would be two whole models
"""


def most_bytes(folder: RunFolder) -> dict[int, dict[str, int]]:
    """Return, by round, the most bytes of any client up, down and in both directions."""
    ledger = pq.read_table(folder.path / "ledger.parquet").to_pandas()
    by = ledger.pivot_table(
        index=["round", "client"], columns="direction", values="message_bytes", aggfunc="sum"
    )
    by["both"] = by["up"] + by["down"]
    return by.groupby("round").max().astype(int).to_dict("index")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("overrides", nargs="*")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        suite = Path(scratch) / "few-numbers.yaml"
        suite.write_text(SETTINGS)
        for config in load_suite(suite).expand(given.overrides):
            folder = run(config, given.out or Path(scratch) / "store")
            evaluated = {row["round"]: row for row in read_json_lines(folder.path / "rounds.jsonl")}
            print(f"\n{config.algorithm}")
            for round_, spent in most_bytes(folder).items():
                row = evaluated.get(round_, {})
                seen = " ".join(
                    f"{key} {row[key]:.4g}"
                    for key in ("train_loss", "loss", "accuracy", "seconds")
                    if key in row
                )
                print(f"round {round_}: up {spent['up']} down {spent['down']} B {seen}", flush=True)


if __name__ == "__main__":
    main()
