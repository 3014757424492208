"""What is observed: lines of the record, made by the package's public faces and the run store.

Nothing of the package's inside is imported, so that the record can guard its rebuilding.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from inputs import columns, messages

from fedbytes.compression import CODECS, codec_id, default_variants, make_codec
from fedbytes.experiments import (
    load_deltas,
    load_ledger,
    load_partitions,
    load_results,
    load_runs,
    make_config,
    run,
)
from fedbytes.noniid import PARTITIONERS, make_partitioner, partitioner_names

Lines = dict[str, Any]
"""Entries of the record by their names."""


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:24]


def codec_lines(spec: dict[str, Any]) -> Lines:
    """Return what a codec writes for each message, and what it reads from that."""
    codec = make_codec(spec)
    lines: Lines = {}
    for message, x, shared in messages():
        payload = codec.encode(x, shared)
        decoded = codec.decode(payload, shared).numpy().astype("<f4").tobytes()
        lines[message] = {
            "bytes": len(payload),
            "payload": digest(payload),
            "decoded": digest(decoded),
        }
    return lines


def codec_specs() -> list[dict[str, Any]]:
    """Return the examples of all registered codecs but a plug-in's, in this process."""
    return [spec for spec in default_variants() if _ours(CODECS.get(spec["name"]))]


def codec_name(spec: dict[str, Any]) -> str:
    """Return what a codec's entries are under."""
    return f"codec {spec['name']}-{codec_id(make_codec(spec)):08x}"


def partition_lines() -> Lines:
    """Return the fingerprint of every partitioner's examples, where they need no file.

    Those that cluster texts are left out: their factor rounds as the processor does.
    """
    held = columns()
    lines = {}
    for name in partitioner_names():
        if name in ("clusters", "file") or not _ours(PARTITIONERS.get(name)):
            continue
        for i, fields in enumerate(PARTITIONERS.get(name).examples):
            for factor, column in held.items():
                split = make_partitioner({"name": name, **fields})
                clients = split.required_clients or 5
                try:
                    found = split(column, clients, 3).fingerprint
                except ValueError:
                    found = "refused"
                lines[f"{name} {i} by {factor}"] = found
    return lines


def _ours(plugin: type) -> bool:
    return plugin.__module__.startswith("fedbytes.")


class Wire:
    """Stands for the medium: passes each message on, and keeps a digest of all of them."""

    def __init__(self) -> None:
        self.hash = hashlib.sha256()

    def __call__(self, data: bytes) -> bytes:
        self.hash.update(len(data).to_bytes(8, "little") + data)
        return data


def run_lines(
    fields: dict[str, Any], store: Path, on_event: Callable[[Any], None] = lambda _: None
) -> tuple[Lines, Lines]:
    """Make or finish a run in `store`; return what is its own anywhere, and what the processor's.

    The model is what a checkpoint holds when the last round is told of: a finished run has none.
    """
    config = make_config(fields)
    folder, wire, model = store / config.id, Wire(), {}

    def look(event: Any) -> None:
        on_event(event)
        if getattr(event, "round", None) == config.rounds:
            saved = torch.load(folder / "checkpoint" / "state.pt", weights_only=True)
            held = saved["server"]["model"] if "format" in saved else saved["model"]
            model["model"] = digest(held.numpy().astype("<f4").tobytes())

    run(config, store, deliver=wire, on_event=look)
    own: Lines = {
        "model": model["model"],
        "wire": digest(wire.hash.digest()),
        "ledger": ledger_digest(folder),
    }
    for name in ("rounds", "deltas"):
        own |= {f"{name} {row['round']:02}": row for row in _rows(folder / f"{name}.jsonl")}
    provenance = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    clustered = config.partition["name"] == "clusters"
    split = {"partition": provenance["partition"]}
    return {"id": config.id} | ({} if clustered else split), own | (split if clustered else {})


def store_lines(stores: Path) -> Lines:
    """Return what is read from each store of before: its tables' columns, on any processor."""
    lines: Lines = {}
    for store in sorted(path for path in stores.iterdir() if path.is_dir()):
        for load in (load_results, load_deltas, load_ledger, load_partitions, load_runs):
            table = load(store).drop(columns=["config", "provenance"], errors="ignore")
            for column in table.columns:  # None for what a run lacks
                values = [None if value != value else value for value in table[column].tolist()]
                lines[f"{store.name} {load.__name__} {column}"] = values
    return lines


def ledger_digest(folder: Path) -> str:
    """Return the digest of the ledger's columns but the seconds, and of its rows' order."""
    table = pd.read_parquet(folder / "ledger.parquet")
    kept = [name for name in sorted(table.columns) if not name.endswith("seconds")]
    text = json.dumps({name: table[name].tolist() for name in kept})
    return digest(text.encode())


def _rows(path: Path) -> Iterator[Lines]:
    for line in path.read_text(encoding="utf-8").splitlines():
        yield {key: value for key, value in json.loads(line).items() if key != "seconds"}
