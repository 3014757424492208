"""The run store: one folder per run, written so that a kill loses at most the current round.

A folder holds `config.yaml`, `provenance.json`, `partition.npz`, `rounds.jsonl` (one row per
evaluated round), `deltas.jsonl` (one row per round: how far its clients agree), with a cleaner
`cleaned.jsonl` (one row per client and round: how many examples it dropped), with audits
`audits.jsonl` (their findings), `checkpoint/` (the newest state, and the ledger's rows by round),
and at the end `ledger.parquet`, `summary.json` and, last of all, `done`. A run that failed has
`error.json` instead.
"""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

ROWS = ("rounds.jsonl", "deltas.jsonl", "cleaned.jsonl", "audits.jsonl")
"""Files of rows, each of which says of which round it is."""


def write_atomically(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


class RunFolder:
    """The folder of one run inside a store."""

    def __init__(self, store: Path, run: str) -> None:
        self.run = run
        self.path = store / run
        self.checkpoints = self.path / "checkpoint"
        self.state = self.checkpoints / "state.pt"

    def create(self, settings: dict[str, Any]) -> None:
        """Create the folder, and write the configuration into it."""
        self.path.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(settings, sort_keys=False)
        write_atomically(self.path / "config.yaml", text)

    def settings(self) -> dict[str, Any]:
        """Return the run's configuration as it was written."""
        return dict(yaml.safe_load((self.path / "config.yaml").read_text(encoding="utf-8")))

    def relabel(self, label: str | None) -> bool:
        """Give a stored run another label, which is not part of its identity.

        Returns:
            whether there is a run here that had another one.
        """
        if not (self.path / "config.yaml").exists():
            return False
        settings = self.settings()
        if settings.get("label") == label:
            return False
        self.create(settings | {"label": label})
        return True

    @property
    def status(self) -> str:
        """`done`, `failed`, `interrupted` (with a checkpoint) or `waiting`."""
        if (self.path / "done").exists():
            return "done"
        if (self.path / "error.json").exists():
            return "failed"
        return "interrupted" if self.state.exists() else "waiting"

    def require_hooks(self, names: Mapping[str, Sequence[str]]) -> None:
        """Check that what is here, finished or cut, was made with the same Python hooks.

        They are no part of the run's id, so another run may stand under it.

        Args:
            names: of the hooks that the run is asked for with (see `Hooks.names`).

        Raises:
            ValueError: if other hooks made it, or none.
        """
        path = self.path / "provenance.json"
        if not path.exists() or not ((self.path / "done").exists() or self.state.exists()):
            return
        made = json.loads(path.read_text(encoding="utf-8")).get("hooks", {})
        if made != names:
            raise ValueError(
                f"run {self.run} in {self.path.parent} was made {_with_hooks(made)} and is asked "
                f"for {_with_hooks(names)}: take another store, or make the hooks registered "
                "plug-ins, which the run's id covers (docs/add-an-attack-or-defense.md)"
            )

    def append_row(self, row: dict[str, Any], name: str = "rounds.jsonl") -> None:
        """Append a round's row to a file of JSON lines."""
        with (self.path / name).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def rewind(self, round_: int) -> None:
        """Discard a failure, and everything written after the checkpoint of `round_`."""
        (self.path / "error.json").unlink(missing_ok=True)
        for name in ROWS:
            if not (self.path / name).exists():
                continue
            kept = [row for row in read_json_lines(self.path / name) if row["round"] <= round_]
            write_atomically(self.path / name, "".join(json.dumps(row) + "\n" for row in kept))
        for path in self.ledger_parts():
            if int(path.stem.removeprefix("ledger-")) > round_:
                path.unlink()

    def clear(self) -> None:
        """Discard everything except the configuration."""
        shutil.rmtree(self.checkpoints, ignore_errors=True)
        self.checkpoints.mkdir(parents=True)
        for name in (*ROWS, "error.json", "ledger.parquet", "summary.json"):
            (self.path / name).unlink(missing_ok=True)

    def append_ledger(self, round_: int, rows: dict[str, list[Any]]) -> None:
        """Write the ledger's rows since the last call, up to `round_`."""
        part = self.checkpoints / f"ledger-{round_:06d}.part"
        pq.write_table(pa.table(rows), part)
        part.replace(part.with_suffix(".parquet"))

    def ledger_parts(self) -> list[Path]:
        """Return the ledger's parts in the order of their rounds."""
        return sorted(self.checkpoints.glob("ledger-*.parquet"))

    def fail(self, message: str, trace: str) -> None:
        """Record why the run failed, in one line and with a traceback."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.write_json("error.json", {"message": message, "traceback": trace})

    @property
    def failure(self) -> str:
        """The one line that says why the run failed."""
        return str(json.loads((self.path / "error.json").read_text(encoding="utf-8"))["message"])

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Write `name` whole or not at all."""
        write_atomically(self.path / name, json.dumps(content, indent=2) + "\n")

    def finish(self, summary: dict[str, Any]) -> None:
        """Join the ledger, write the summary, and last of all mark the run as done."""
        table = pa.concat_tables(pq.read_table(path) for path in self.ledger_parts())
        part = self.path / "ledger.parquet.part"
        pq.write_table(table, part)
        part.replace(self.path / "ledger.parquet")
        self.write_json("summary.json", summary)
        (self.path / "done").touch()
        shutil.rmtree(self.checkpoints)


def _with_hooks(names: Mapping[str, Sequence[str]]) -> str:
    """Return `with hooks …` or `without hooks`."""
    found = [f"{point} {', '.join(hooks)}" for point, hooks in names.items()]
    return f"with hooks {'; '.join(found)}" if found else "without hooks"


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a JSON-lines file; a last line truncated by a kill is left out."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1]]
