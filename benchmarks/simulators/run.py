"""The same federated rounds by a plain loop, pfl-research, Flower's simulation, and fedbytes.

    python benchmarks/simulators/run.py --out docs/results/simulators [--repeats 5]

MiniLM with LoRA of rank 8, ten clients of equally many texts of Reuters R8, four steps of AdamW on
batches of texts of 24 tokens, FedAvg without compression, no evaluation. Each way runs in a process
of its own, the peers in environments that are made for them once, from the locks beside this file.
Ways take turns round by round, so that what else the machine does strikes all alike; the first
round of each batch size is not counted. After each round all must have the same model.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from page import write_page
from processor_time import MARK, processes_of, processor_seconds, resident_bytes

from fedbytes.experiments.store.provenance import provenance

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent))
from peer_environment import peer_environment  # noqa: E402 - it lies beside this folder

CLIENT_STEPS = 40  # of a round: ten clients, four steps each
CORES = 2
PEERS = {"flower": "flwr", "pfl": "pfl"}


@dataclass(frozen=True)
class Way:
    """A way to make the rounds.

    Attributes:
        name: in tables and figures.
        call: its file in `ways/`, and a variant.
        threads: of each of its processes; all together have as many as there are cores.
        cached: whether it keeps the states of frozen layers.
    """

    name: str
    call: str
    threads: int = CORES
    cached: bool = False


@dataclass(frozen=True)
class Row:
    """What is trained, on batches of which size."""

    name: str
    layers: int
    batch: int


WAYS = (
    Way("plain loop", "plain"),
    Way("pfl-research 0.6", "pfl"),
    Way("Flower 1.42 simulation", "flower", 1),
    Way("fedbytes, one process", "ours"),
    Way("fedbytes, two workers", "ours:workers", 1),
    Way("fedbytes, ten clients at once", "ours:at_once"),
    Way("fedbytes, two workers, five at once", "ours:at_once+workers", 1),
    Way("fedbytes, layers kept", "ours:cached", cached=True),
    Way("fedbytes, layers kept, two workers", "ours:cached+workers", 1, cached=True),
    Way("fedbytes, layers kept, at once", "ours:cached+at_once", cached=True),
    Way(
        "fedbytes, layers kept, two workers, five at once",
        "ours:cached+at_once+workers",
        1,
        cached=True,
    ),
)
ROWS = (
    Row("all layers, batch 16", 6, 16),
    Row("all layers, batch 4", 6, 4),
    Row("top layer, batch 16", 1, 16),
)


class Running:
    """A way's process."""

    def __init__(self, way: Way, layers: int) -> None:
        self.way = way
        paths = [str(HERE), str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")]
        self.process = subprocess.Popen(
            [_interpreter(way), HERE / "one_way.py", way.call, str(layers), str(way.threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ
            | {
                MARK: way.call,
                "PYTHONPATH": os.pathsep.join(filter(None, paths)),
                "OMP_NUM_THREADS": str(way.threads),
            },
        )

    def hear(self) -> dict[str, Any]:
        """Return the next answer."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise ValueError(f"{self.way.name} ended with exit code {self.process.wait()}")
        found: dict[str, Any] = json.loads(line)
        return found

    def is_there(self) -> bool:
        """Return whether it has built what it needs; if not, it says why itself."""
        try:
            return bool(self.hear()["ready"])
        except ValueError as error:
            print(error, file=sys.stderr)
            return False

    def make_round(self, batch: int) -> dict[str, Any]:
        """Make a round; return its seconds, processor seconds, memory and the model's norm."""
        assert self.process.stdin is not None
        processes = processes_of(self.way.call)
        before = processor_seconds(processes)
        try:
            self.process.stdin.write(f"{batch}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise ValueError(f"{self.way.name} has ended") from None
        found = self.hear()
        after = processes_of(self.way.call)
        return found | {
            "processor_seconds": processor_seconds(after) - before,
            "memory": resident_bytes(after),
        }

    def close(self) -> None:
        """End it and what it has started."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _interpreter(way: Way) -> Path:
    peer = way.call if way.call in PEERS else ""
    if not peer:
        return Path(sys.executable)
    return peer_environment(f"simulators-{peer}", HERE / f"{peer}.lock")


@contextmanager
def started(ways: Sequence[Way], layers: int) -> Iterator[list[Running]]:
    """Start ways one after the other, and end all."""
    running: list[Running] = []
    try:
        for way in ways:
            print(f"starting {way.name}", file=sys.stderr)
            running.append(Running(way, layers))
            if not running[-1].is_there():
                running.pop().close()
        yield running
    finally:
        for one in running:
            one.close()


def measure(ways: Sequence[Way], wanted: Sequence[Row], repeats: int) -> Iterator[dict[str, Any]]:
    """Yield a row for each round of each way."""
    for layers in dict.fromkeys(row.layers for row in wanted):
        rows = [row for row in wanted if row.layers == layers]
        chosen = [way for way in ways if not way.cached or layers == 1]
        with started(chosen, layers) as running:
            for row in rows:
                for repeat in range(repeats + 1):
                    for one in [*running]:
                        try:
                            found = one.make_round(row.batch)
                        except ValueError as error:  # the others go on
                            print(error, file=sys.stderr)
                            running.remove(one)
                            continue
                        about = {"row": row.name, "way": one.way.name, "repeat": repeat}
                        yield about | found | {"load": os.getloadavg()[0]}


def main() -> None:
    """Measure, write the rows, and draw them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/results/simulators"))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--ways", nargs="*", help="files and variants, such as plain ours:workers")
    parser.add_argument("--rows", nargs="*", type=int, help="add these rows alone, from 0")
    parser.add_argument("--threads", type=int, default=CORES, help="of a way of one process")
    parser.add_argument("--redraw", action="store_true", help="draw from the rows that are there")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    path = asked.out / "rounds.csv"
    if not asked.redraw:
        ways = [way for way in WAYS if not asked.ways or way.call in asked.ways]
        ways = [replace(way, threads=min(way.threads, asked.threads)) for way in ways]
        rows = ROWS if asked.rows is None else [ROWS[place] for place in asked.rows]
        adds = asked.rows is not None and path.exists()
        with path.open("a" if adds else "w", newline="", encoding="utf-8") as file:
            writer: Any = None
            for found in measure(ways, rows, asked.repeats):
                if writer is None:
                    writer = csv.DictWriter(file, found, lineterminator="\n")
                    if not adds:
                        writer.writeheader()
                writer.writerow(found)
                file.flush()
                print(json.dumps(found), file=sys.stderr)
        about = provenance() | {
            "client_steps": CLIENT_STEPS,
            "threads": asked.threads,
            "peers": _versions(),
        }
        text = json.dumps(about, indent=2, sort_keys=True)
        (asked.out / "provenance.json").write_text(text + "\n", encoding="utf-8")
    write_page(asked.out, CLIENT_STEPS)


def _versions() -> dict[str, str]:
    """Return what the locks pin of the peers."""
    found = {}
    for peer in PEERS:
        pins = (HERE / f"{peer}.lock").read_text().split()
        found |= dict(
            pin.split("==")
            for pin in pins
            if pin.partition("==")[0] in (*PEERS.values(), "ray", "torch")
        )
    return found


if __name__ == "__main__":
    main()
