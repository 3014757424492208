"""What a round of secret sums costs: bytes a client up and down, and processor seconds.

    python benchmarks/secure_sums.py                    # 15,369 numbers, 10 and 100 clients
    python benchmarks/secure_sums.py --numel 1000000 --clients 10 --out FILE.csv

Clients send Gaussian vectors without training, over the same parts that a run is made of. Bytes are
of the second round, the ledger's, without the broadcast of a plain update, which is given apart.
"""

import argparse
import csv
import itertools
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from fedbytes.compression import Layout
from fedbytes.federated import Averaging, Federation, Rehearsal, Trained, make_link, make_plugins
from fedbytes.streams import stream


class Numbers:
    """Numbers to be moved, which stand for a model."""

    def __init__(self, numel: int) -> None:
        self.layout = Layout({"numbers": (numel,)})
        self.flat = torch.nn.Parameter(torch.zeros(numel))

    def draw_initial(self, seed: int) -> torch.Tensor:  # noqa: ARG002
        return torch.zeros(self.layout.numel)

    def set_state(self, state: torch.Tensor) -> None:
        pass


@dataclass(frozen=True)
class Drawn(Averaging):
    """Deltas of Gaussian numbers, of the magnitude of a LoRA's."""

    name: ClassVar[str] = "drawn"
    local_steps: int | None = 1

    def train(self, context, start, indices, memory, rng):  # noqa: ARG002
        rng = stream(0, "drawn deltas", context.round, context.client)
        values = rng.normal(0, 4e-3, context.model.layout.numel).astype(np.float32)
        return Trained(torch.from_numpy(values), 1.0)


FOUR = {"name": "thc", "bits": 4, "granularity": 15, "unit": 8e-4}
TWO = {"name": "thc", "bits": 2, "granularity": 3, "unit": 4e-3}
EIGHT = {"name": "fixed", "clip": 0.016, "bits": 8}
CODECS = {"fixed 8 bit": EIGHT, "thc 4 bit": FOUR, "thc 2 bit": TWO}


def methods(clients: int) -> dict[str, tuple[Any, Any]]:
    """Return uplink and privacy of each method by its name."""
    found: dict[str, tuple[Any, Any]] = {"plain, fp32": ("fp32", None)}
    found |= {f"plain, {name}": (codec, None) for name, codec in CODECS.items()}
    found |= {f"SecAgg, {name}": (codec, "secagg") for name, codec in CODECS.items()}
    if clients > 20:
        near = {"name": "secagg", "neighbours": 20}
        found |= {f"SecAgg, {name}, 20 neighbours": (c, near) for name, c in CODECS.items()}
    found |= {f"BFV, {name}": (codec, "he") for name, codec in CODECS.items()}
    return found | {"CKKS, fp32": ("fp32", {"name": "he", "scheme": "ckks"})}


def measure(clients: int, numel: int, uplink: Any, privacy: Any) -> tuple[float, float, float]:
    """Return bytes up and down of a client in the second round, and processor seconds of all."""
    run = Rehearsal(
        Federation(
            model=Numbers(numel),  # type: ignore[arg-type]
            parts=[np.arange(c, c + 1) for c in range(clients)],
            algorithm=Drawn(),
            uplink=make_link(uplink),
            downlink=make_link("fp32"),
            clients_per_round=clients,
            plugins=make_plugins(privacy=privacy),
            initial="seed",
        )
    )
    run.run_round()
    start = time.process_time()
    run.run_round()
    spent = time.process_time() - start
    ways = [
        sum(e.message_bytes for e in run.ledger.entries if e.round == 2 and e.direction == way)
        for way in ("up", "down")
    ]
    return ways[0] / clients, ways[1] / clients, spent


def main() -> None:
    """Print tables, and write their rows into a file where one is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--numel", type=int, nargs="*", default=[15_369])
    parser.add_argument("--clients", type=int, nargs="*", default=[10, 100])
    parser.add_argument("--out", type=Path, help="a CSV file")
    given, rows = parser.parse_args(), []
    for numel, clients in itertools.product(given.numel, given.clients):
        print(f"\n{clients} clients, {numel:,} numbers\n")
        print("| method | up, bytes | of fp32 | down, bytes | of fp32 | seconds of a round |")
        print("|---|---|---|---|---|---|")
        for name, (uplink, privacy) in methods(clients).items():
            up, down, spent = measure(clients, numel, uplink, privacy)
            shares = f"{up / numel / 4:.2f} | {down:,.0f} | {down / numel / 4:.2f}"
            print(f"| {name} | {up:,.0f} | {shares} | {spent:.2f} |", flush=True)
            rows.append([numel, clients, name, round(up), round(down), round(spent, 3)])
    if given.out is not None:
        with given.out.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["numel", "clients", "method", "up_bytes", "down_bytes", "seconds"])
            writer.writerows(rows)


if __name__ == "__main__":
    main()
