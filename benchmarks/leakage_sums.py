"""What an opened sum still tells, by how many are in it; and what selective encryption leaves.

    python benchmarks/leakage_sums.py [--out DIR] [--seeds 0] [--senders 1 2 5 10] [--shares ...]

The federation of `leakage_messages.py`: MiniLM on Reuters R8, seven rounds, whole matrices of the
first layer. In the eighth, ten clients take one step on one text of 16 tokens each. `span` then
attacks the mean of the first n deltas, as integers that add (`fixed`), which is what
secure aggregation opens; and one client's delta without the coordinates that `privacy: he` with a
`share` encrypts, those with the largest |weight * last update|. A row for each goes to
DIR/sums.csv.
"""

import argparse
import json
import shlex
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from leakage_messages import ROUND, STEP, WHOLE, trained_federation
from torch import Tensor

from fedbytes.compression import Shared
from fedbytes.compression.summable import as_summable
from fedbytes.experiments.store.provenance import provenance
from fedbytes.federated import (
    AuditTruth,
    Federation,
    Heard,
    StageContext,
    make_algorithm,
    make_audit,
    make_link,
)
from fedbytes.federated.aggregations.encrypted_sum.payloads import pack_plain
from fedbytes.federated.aggregations.encrypted_sum.places import encrypted_places
from fedbytes.federated.protocol.messages import frame_exchange


class LastRound:
    """What ten clients send in the last round, and which texts they read.

    Args:
        fed: the federation.
        held: what clients hold.
        bits: of an integer; its range is that of the largest number of any delta.
    """

    def __init__(self, fed: Federation, held: Tensor, bits: int) -> None:
        algorithm = make_algorithm("fedavg", **STEP | {"batch_size": 1})
        self.fed, self.held = replace(fed, algorithm=algorithm), held
        everyone = tuple(range(len(fed.parts)))
        self.context = replace(fed.context(ROUND), clients=everyone)
        self.deltas: dict[int, Tensor] = {}
        self.read: dict[int, list[np.ndarray]] = {}
        for client in everyone:
            rows, own = fed.parts[client], self.context.for_client(client)
            batches = fed.model.batches(rows, 1, fed.batch_rng(ROUND, client))
            self.read[client] = [np.asarray(batch.rows) for batch in islice(batches, 1)]
            rng = fed.batch_rng(ROUND, client)
            self.deltas[client] = algorithm.train(own, held, rows, {}, rng).delta
        widest = max(float(delta.abs().max()) for delta in self.deltas.values())
        self.uplink = make_link({"name": "fixed", "clip": widest, "bits": bits})
        self.bits = bits

    def stage(self, audit: Any, clients: tuple[int, ...], held: Tensor) -> StageContext:
        """Return the context of an audit in a round of some clients, with a model that is held."""
        read = {client: self.read[client] for client in clients}
        context = replace(self.context, clients=clients)
        where = StageContext.of(context, held, f"audit 0 {audit.name}")
        truth = AuditTruth(self.fed.parts, read=read)
        return replace(where, algorithm=self.fed.algorithm, truth=truth)

    def shared(self, client: int, reference: Tensor | None = None) -> Shared:
        """Return what both ends know of a client's message."""
        return self.fed.shared_up(self.context.for_client(client), reference)


def of_sums(last: LastRound, senders: list[int]) -> Iterator[dict[str, Any]]:
    """Yield a row for the sum of each number of clients."""
    codec, audit = last.uplink.codec, make_audit("span", rounds=(ROUND,), of="sum")
    decoded = []
    for client, delta in last.deltas.items():
        shared = last.shared(client)
        decoded.append(codec.decode(codec.encode(delta, shared), shared))
    for count in senders:
        moved = last.held + torch.stack(decoded[:count]).mean(0)
        where = last.stage(audit, tuple(range(count)), moved)
        rows, _ = audit.examine(where, {"round": ROUND, "held": last.held})
        yield from ({"attacked": "sum", **row} for row in rows)


def of_plain_parts(
    last: LastRound, shares: list[float], update: Tensor, clients: int
) -> Iterator[dict[str, Any]]:
    """Yield a row for each share that is encrypted, and client."""
    audit = make_audit("span", rounds=(ROUND,), of="plain", clients=len(last.deltas))
    everyone = tuple(last.deltas)
    for share in shares:
        for client in everyone[:clients]:
            shared = last.shared(client, update)
            codec = as_summable(last.uplink.codec)
            places = encrypted_places(share, last.held.numpy(), shared)
            payload = last.uplink.codec.encode(last.deltas[client], shared)
            numbers = codec.open_integers(payload, shared)[~places]
            frame = frame_exchange(pack_plain(numbers, last.bits), shared, "plain-part")
            heard = Heard(client, frame.pack(), shared, last.uplink)
            rows, _ = audit.hear(heard, last.stage(audit, everyone, last.held), {})
            yield from ({"attacked": "plain part", "share": share, **row} for row in rows)


def main() -> None:
    """Make the rows, and write them seed by seed."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    asked.add_argument("--out", type=Path, default=Path("docs/results/leakage/sums"))
    asked.add_argument("--seeds", type=int, nargs="+", default=[0])
    asked.add_argument("--senders", type=int, nargs="*", default=[1, 2, 5, 10])
    asked.add_argument("--shares", type=float, nargs="*", default=[0.0, 0.1, 0.5, 0.9])
    asked.add_argument("--clients", type=int, default=2)
    asked.add_argument("--bits", type=int, nargs="+", default=[8, 16])
    given = asked.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    for seed in given.seeds:
        fed, held, update = trained_federation(seed, WHOLE)
        for bits in given.bits:
            last = LastRound(fed, held, bits)
            made = [*of_sums(last, given.senders)]
            made += of_plain_parts(last, given.shares, update, given.clients)
            rows += [{"seed": seed, "bits": bits, **row} for row in made]
        pd.DataFrame(rows).to_csv(given.out / "sums.csv", index=False, float_format="%.6g")
    said = [one for one in sys.argv[1:] if one not in ("--out", str(given.out))]
    command = shlex.join(["python", "benchmarks/leakage_sums.py", *said])
    origin = provenance() | {"command": command}
    (given.out / "provenance.json").write_text(json.dumps(origin, indent=2) + "\n")
    shown = ["bits", "attacked", "senders", "share", "client", "tokens", "recall", "chance_recall"]
    print(pd.DataFrame(rows)[[*shown, "placed", "chance_placed"]].round(2).to_string())


if __name__ == "__main__":
    main()
