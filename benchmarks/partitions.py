"""Seconds and peak memory of every partitioner at 10 M examples over 100,000 clients.

    python benchmarks/partitions.py [--examples N] [--clients N] [--classes N] [NAME ...]

Each partitioner runs in a process of its own, on one core. Seconds are those of the processor, so
that what else the machine does counts little; wall is beside them. Memory is the peak of the whole
process, with the column and the interpreter in it. Exits with 1 if one takes more than 30 seconds
or 2 GB.
"""

import argparse
import json
import os
import subprocess
import sys

SCHEMES = {
    "iid": {},
    "dirichlet": {"alpha": 0.1},
    "dirichlet, balanced": {"alpha": 0.1, "balance": True},
    "dirichlet, repaired": {"alpha": 0.1, "min_size": 10, "on_small": "repair"},
    "dirichlet_client": {"alpha": 0.1},
    "classes": {"classes_per_client": 2},
    "shards": {"shards_per_client": 2},
    "extended_dirichlet": {"classes_per_client": 2, "alpha": 0.5},
    "mixed": {"alpha": 0.5},
    "power_law": {},
    "quantity": {"scheme": "log-normal"},
    "continuous": {"strictness": 0.5},
    "mixture": {"then": "shards", "iid_share": 0.5},
    "compose": {"mixes": {"name": "dirichlet", "alpha": 0.1}, "sizes": "quantity"},
    "quantile": {"then": {"name": "dirichlet", "alpha": 0.1}},
    "natural": {"max_size": 5000, "min_size": 3},
    "transfer": {},
    "file": {},
}

CHILD = """
import json, os, resource, sys, tempfile, time
import numpy as np
from fedbytes.noniid import make_partitioner
name, fields, examples, clients, classes = json.loads(sys.argv[1])
rng = np.random.default_rng(0)
if name == "natural":
    column = (rng.random(examples) ** 3 * 2 * clients).astype(np.int64)
elif name == "quantile":
    column = rng.integers(1, 5000, examples)
else:
    column = rng.integers(classes, size=examples)
with tempfile.TemporaryDirectory() as folder:
    if name == "transfer":
        fields = {"matrix": os.path.join(folder, "m.npz")}
        np.savez(fields["matrix"], counts=rng.gamma(0.1, size=(clients, classes)) + 1e-9)
    if name == "file":
        fields = {"path": os.path.join(folder, "p.npz")}
        make_partitioner("iid")(column, clients).save(fields["path"])
    partitioner = make_partitioner(name, **fields)
    start, began = time.process_time(), time.perf_counter()
    split = partitioner(column, clients)
    seconds, wall = time.process_time() - start, time.perf_counter() - began
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
sizes = split.sizes
print(json.dumps([seconds, wall, peak, int(sizes.min()), int(sizes.max()), split.dropped.size]))
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="only these partitioners")
    parser.add_argument("--examples", type=int, default=10_000_000)
    parser.add_argument("--clients", type=int, default=100_000)
    parser.add_argument("--classes", type=int, default=20)
    given = parser.parse_args()
    one_core = os.environ | {"OMP_NUM_THREADS": "1"}
    print(f"{given.examples:,} examples, {given.clients:,} clients, {given.classes} classes")
    print(
        f"{'':22}{'seconds':>8}{'wall':>8}{'GB':>7}{'smallest':>10}{'largest':>10}{'dropped':>10}"
    )
    slow = False
    for title, fields in SCHEMES.items():
        name = title.split(",")[0]
        if given.names and name not in given.names:
            continue
        job = json.dumps([name, fields, given.examples, given.clients, given.classes])
        done = subprocess.run(
            [sys.executable, "-c", CHILD, job], env=one_core, capture_output=True, text=True
        )
        if done.returncode:
            print(f"{title:22}{done.stderr.strip().splitlines()[-1]}", flush=True)
            slow = True
            continue
        seconds, wall, peak, smallest, largest, dropped = json.loads(done.stdout)
        print(
            f"{title:22}{seconds:8.1f}{wall:8.1f}{peak:7.2f}{smallest:10}{largest:10}{dropped:10}",
            flush=True,
        )
        slow |= seconds > 30 or peak > 2
    return int(slow)


if __name__ == "__main__":
    raise SystemExit(main())
