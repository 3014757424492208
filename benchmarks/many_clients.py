"""What a round, a checkpoint and a run's files cost by the number of clients.

`python benchmarks/many_clients.py [--before CHECKOUT] [--most CLIENTS]`; each line is a process of
its own. With `--before` each is also measured in another checkout of fedbytes, right after ours, so
that the two have the same machine; larger counts than 100,000 are left out there.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import process_time
from types import SimpleNamespace
from typing import Any

HERE = Path(__file__).resolve().parents[1]
COUNTS = [10**n for n in range(2, 7)]
ROUNDS, SAMPLED, WIDE = 30, 10, 1_000_000
COMPRESSED = {"name": "ecsq", "bits": 1.0, "error_feedback": True}
TOPK = {"name": "topk", "density": 0.01, "error_feedback": True}
Row = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--most", type=int, default=COUNTS[-1])
    parser.add_argument("--only", nargs="*", choices=sorted(MEASURES))
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        print(json.dumps(MEASURES[given.run[0]](int(given.run[1]))))
        return
    for name in given.only or MEASURES:
        counts = {"memory": [100_000], "million": [1_000_000]}.get(name, COUNTS)
        for clients in (n for n in counts if n <= given.most):
            print(f"{name:10} {clients:9,} clients  now   ", told(measured(HERE, name, clients)))
            if given.before and clients <= 100_000:
                found = told(measured(given.before, name, clients))
                print(f"{name:10} {clients:9,} clients  before", found, flush=True)


def measured(checkout: Path, name: str, clients: int) -> Row:
    # The C library gives large blocks back at once, so that what is held is what is in use.
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = str(checkout)
    command = [sys.executable, __file__, "--run", name, str(clients)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        return {"failed": (done.stderr.splitlines() or [str(done.returncode)])[-1]}
    row: Row = json.loads(done.stdout.splitlines()[-1])
    return row


def told(row: Row) -> str:
    return ", ".join(
        f"{k} {v:,.1f}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()
    )


def federation(clients: int, link: Any, sampled: int = SAMPLED, model: Any = None) -> Any:
    import numpy as np

    from fedbytes.federated import Federation, TinyRegression, make_algorithm, make_link

    rows = np.arange(2 * clients) * 7 % 240
    return Federation(
        model=model or TinyRegression(),
        parts=np.split(rows, np.arange(2, 2 * clients, 2)),
        algorithm=make_algorithm("fedavg", local_steps=1, batch_size=2, learning_rate=0.01),
        uplink=make_link(link),
        downlink=make_link(link),
        clients_per_round=sampled,
    )


def rounds(clients: int) -> Row:
    """Processor time of late rounds, and the bytes of the checkpoint that follows each."""
    from fedbytes.experiments.store.checkpoint import save_checkpoint
    from fedbytes.experiments.store.run_folder import RunFolder
    from fedbytes.federated import Simulation

    run, spent, written = Simulation(federation(clients, COMPRESSED)), [], []
    with tempfile.TemporaryDirectory() as store:
        folder = RunFolder(Path(store), "run")
        folder.clear()
        for _ in range(ROUNDS):
            start = process_time()
            run.run_round()
            spent.append(1e3 * (process_time() - start))
            known = stamps(folder.checkpoints)
            save_checkpoint(folder, run.state, run.ledger, {})
            new = {
                path
                for path, stamp in stamps(folder.checkpoints).items()
                if known.get(path) != stamp
            }
            written.append(sum(path.stat().st_size for path in new))
    return {
        "ms a round": median(spent[-5:]),
        "of round 2": spent[1],
        "kB a checkpoint at 3": written[2] / 1e3,
        "at 30": median(written[-5:]) / 1e3,
    }


def stamps(folder: Path) -> dict[Path, Any]:
    return {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in folder.glob("*")}


def counting(clients: int) -> Row:
    """Processor time of asking for a round's context again, as each client and message does."""
    fed = federation(clients, "fp32")
    fed.context(2)
    start = process_time()
    for _ in range(20):
        fed.context(2)
    return {"ms a context": 1e3 * (process_time() - start) / 20}


def holdings(clients: int) -> Row:
    """Bytes of the files that say who holds what: eight categories, four examples a client."""
    import numpy as np

    from fedbytes.experiments.execution import run_setup
    from fedbytes.experiments.store.run_folder import RunFolder
    from fedbytes.noniid import make_partitioner

    rng = np.random.default_rng(0)
    column = rng.choice(8, 4 * clients, p=np.arange(1, 9) / 36)
    partition = make_partitioner("iid")(column, clients, seed=0)
    fed = federation(clients, "fp32")
    problem: Any = SimpleNamespace(
        split=SimpleNamespace(partition=partition, factor=column), federation=fed
    )
    with tempfile.TemporaryDirectory() as store:
        folder = RunFolder(Path(store), "run")
        folder.path.mkdir()
        held = run_setup.who_holds_what(problem)
        if isinstance(held, tuple):
            from fedbytes.experiments.store.many_clients.holdings import write_holdings

            write_holdings(folder.path, *held)
        else:
            folder.write_json("holdings.json", held)
        sizes = [path.stat().st_size for path in folder.path.glob("holdings.*")]
    return {"MB of holdings": sum(sizes) / 1e6}


def broadcast(clients: int) -> Row:
    """How often the frame of one broadcast is digested, at its sender and by ten receivers."""
    from fedbytes.compression import frame
    from fedbytes.federated import Simulation

    digest, count = frame._digest, 0

    def counted(head: Any, payload: Any) -> bytes:
        nonlocal count
        count += len(payload) >= 4 * 903
        return digest(head, payload)

    run = Simulation(federation(min(clients, 1000), "fp32", sampled=10))
    frame._digest = counted
    run.run_round()
    return {"digests of the broadcast": count - 2 * SAMPLED}


def memory(clients: int) -> Row:
    """Peak memory where each of a thousand reached clients keeps a residual of 4 MB."""
    os.environ.setdefault("FEDBYTES_CLIENT_MEMORY_BYTES", "512e6")
    from fedbytes.experiments.store.provenance import peak_memory_bytes
    from fedbytes.federated import Simulation

    run, start = Simulation(federation(clients, TOPK, model=wide_model())), process_time()
    run.run_round()
    before = peak_memory_bytes()
    while len(run.state.clients) < 1000:
        run.run_round()
    anonymous, resident = resident_parts()
    return {
        "MB above the first round": (peak_memory_bytes() - before) / 1e6,
        "MB of it kept of clients": run.state.clients.bytes_held / 1e6,
        "MB resident at the end": resident / 1e6,
        "of them no file's": anonymous / 1e6,
        "clients reached": len(run.state.clients),
        "processor seconds": process_time() - start,
    }


def resident_parts() -> tuple[int, int]:
    """Return the bytes in memory of this process that no file has, and all of them (on Linux)."""
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    sizes = {line.split(":")[0]: 1024 * int(line.split()[1]) for line in lines}
    return sizes["Anonymous"], sizes["Rss"]


def wide_model() -> Any:
    """Return the tiny regression with so many more numbers that a vector takes 4 MB."""
    import torch

    from fedbytes.compression import Layout
    from fedbytes.federated import TinyRegression

    class Wide(TinyRegression):
        def __init__(self) -> None:
            super().__init__()
            narrow = self.layout.numel
            shapes = {**self.layout.shapes, "more": (WIDE - narrow,)}
            self.layout = Layout(shapes)
            self.flat = torch.nn.Parameter(torch.zeros(self.layout.numel))
            self.flat.grad = torch.zeros_like(self.flat)
            self.narrow = narrow

        def logits(self, indices: Any) -> Any:
            weight, bias = self.flat[: self.narrow - 3], self.flat[self.narrow - 3 : self.narrow]
            return self.x[indices] @ weight.view(3, 300).T + bias

    return Wide()


def million(clients: int) -> Row:
    """Fifty rounds of which a hundred take part, with a checkpoint after each."""
    from fedbytes.experiments.store.checkpoint import save_checkpoint
    from fedbytes.experiments.store.provenance import peak_memory_bytes
    from fedbytes.experiments.store.run_folder import RunFolder
    from fedbytes.federated import Simulation

    start = process_time()
    run = Simulation(federation(clients, COMPRESSED, sampled=100))
    ready = process_time()
    with tempfile.TemporaryDirectory() as store:
        folder = RunFolder(Path(store), "run")
        folder.clear()
        for _ in range(50):
            run.run_round()
            save_checkpoint(folder, run.state, run.ledger, {})
        size = sum(path.stat().st_size for path in folder.checkpoints.glob("*"))
    return {
        "rounds": run.state.round,
        "processor seconds": process_time() - ready,
        "of setting up": ready - start,
        "peak MB": peak_memory_bytes() / 1e6,
        "MB of checkpoint": size / 1e6,
    }


MEASURES = {
    "rounds": rounds,
    "counting": counting,
    "holdings": holdings,
    "broadcast": broadcast,
    "memory": memory,
    "million": million,
}

if __name__ == "__main__":
    main()
