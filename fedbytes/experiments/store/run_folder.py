"""The run store: one folder per run, written so that a kill loses at most the current round.

A folder holds `config.yaml`, `provenance.json`, `partition.npz`, `rounds.jsonl` (one row per
evaluated round), `deltas.jsonl` (one row per round: how far its clients agree), with a cleaner
`cleaned.jsonl` (one row per client and round: how many examples it dropped), with audits
`audits.jsonl` (their findings), of a classification `predictions.jsonl` (which test texts were
answered rightly at the last evaluations), with `evaluate_clients` `clients.jsonl` (one row per
client and evaluated round: its metrics on its own tests) and `reports.jsonl` (one row per client
and round: the loss that it said), `checkpoint/` (the newest state, and the ledger's rows by round),
and at the end `model` (what `keep` asks for), `ledger.parquet`, `summary.json` and, last of all,
`done`. A run that failed has `error.json` instead. Each file has a digest: its own, or one in
`summary.json` or
`checkpoint/state.json`.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fedbytes.experiments.store.attempts.attempt_folders import newest_attempt
from fedbytes.experiments.store.ledger_files import (
    check_ledger,
    ledger_parts,
    ledger_table,
    read_ledger,
    round_of,
    write_ledger,
)
from fedbytes.experiments.store.row_files import (
    ROW_FILES,
    RunningSum,
    Sum,
    append_row,
    keep_rows,
)
from fedbytes.experiments.store.row_files import (
    read_json_lines as read_json_lines,
)
from fedbytes.experiments.store.sealed_json import (
    ROOM,
    DamageError,
    read_sealed,
    read_sealed_yaml,
    write_atomically,
    write_sealed,
    write_sealed_yaml,
)
from fedbytes.html_view import html_table
from fedbytes.process.disk_errors import explained_disk_errors


class RunFolder:
    """The folder of one run inside a store.

    Args:
        store: the folder of runs.
        run: the run's id.
        path: the run's folder, if it is not called by its id. By default the one that counts:
            the newest of its attempts, if a silent worker was replaced.

    Attributes:
        live_bytes: of clients' records in `checkpoint/`, as they were counted last.
        anew: why nothing of the attempt before could be gone on with; empty if it was.
    """

    def __init__(self, store: Path, run: str, path: Path | None = None) -> None:
        self.run = run
        self.path = path or newest_attempt(store / run)[1]
        self.checkpoints = self.path / "checkpoint"
        self.model = self.path / "model"
        self.state = self.checkpoints / "state.pt"
        self.live_bytes = 0
        self.anew = ""
        self._sums: dict[str, RunningSum] = {}

    def create(self, settings: dict[str, Any]) -> None:
        """Create the folder, and write the configuration into it."""
        with explained_disk_errors(self.path, ROOM):
            self.path.mkdir(parents=True, exist_ok=True)
        write_sealed_yaml(self.path / "config.yaml", settings)

    def _repr_html_(self) -> str:
        """Show the run in a notebook: its status, its settings and its newest row."""
        try:
            settings, rows = self.settings(), read_json_lines(self.path / "rounds.jsonl")
        except (OSError, DamageError):
            settings, rows = {}, []
        shown: list[tuple[str, object]] = [("status", self.status), ("folder", self.path)]
        shown += [(key, value) for key, value in settings.items() if value not in (None, [], ())]
        return html_table(f"run {self.run}", [*shown, *(rows[-1].items() if rows else ())])

    def settings(self) -> dict[str, Any]:
        """Return the run's configuration as it was written.

        Raises:
            DamageError: if it is missing, cut or altered.
        """
        return read_sealed_yaml(self.path / "config.yaml")

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

    @property
    def is_begun(self) -> bool:
        """Whether something is stored that a further call would reuse."""
        return (self.path / "done").exists() or self.state.exists()

    def provenance(self) -> dict[str, Any]:
        """Return what the run was made from; empty if it has not begun.

        Raises:
            DamageError: if it is cut or altered, or missing from a run that has begun.
        """
        path = self.path / "provenance.json"
        return read_sealed(path) if self.is_begun or path.exists() else {}

    def require_hooks(self, names: Mapping[str, Sequence[str]]) -> None:
        """Check that what is here, finished or cut, was made with the same Python hooks.

        They are no part of the run's id, so another run may stand under it.

        Args:
            names: of the hooks that the run is asked for with (see `Hooks.names`).

        Raises:
            ValueError: if other hooks made it, or none.
        """
        if not self.is_begun or not (self.path / "provenance.json").exists():
            return
        made = self.provenance().get("hooks", {})
        if made != names:
            raise ValueError(
                f"run {self.run} in {self.path.parent} was made {_with_hooks(made)} and is asked "
                f"for {_with_hooks(names)}: take another store, or make the hooks registered "
                "plug-ins, which the run's id covers (fedbytes docs add-an-attack-or-defense)"
            )

    def append_row(self, row: dict[str, Any], name: str = "rounds.jsonl") -> None:
        """Append a round's row to a file of JSON lines."""
        append_row(self.path / name, row)

    def sums(self) -> dict[str, Sum]:
        """Return rows, bytes and digest of each file of rows as it is now."""
        found = {}
        for name in ROW_FILES:
            if (self.path / name).exists():
                running = self._sums.setdefault(name, RunningSum(self.path / name))
                found[name] = running.now()
        return found

    def rewind(self, round_: int) -> None:
        """Discard a failure, and everything written after the checkpoint of `round_`."""
        (self.path / "error.json").unlink(missing_ok=True)
        self._sums.clear()
        self._remove_parts()
        for name in ROW_FILES:
            keep_rows(self.path / name, lambda row: bool(row["round"] <= round_))
        for path in self.ledger_parts():
            if round_of(path) > round_:
                path.unlink()

    def clear(self) -> None:
        """Discard everything except the configuration and the provenance."""
        shutil.rmtree(self.checkpoints, ignore_errors=True)
        shutil.rmtree(self.model, ignore_errors=True)
        with explained_disk_errors(self.checkpoints, ROOM):
            self.checkpoints.mkdir(parents=True)
        self._sums.clear()
        self._remove_parts()
        for name in (*ROW_FILES, "done", "error.json", "ledger.parquet", "summary.json"):
            (self.path / name).unlink(missing_ok=True)

    def _remove_parts(self) -> None:
        """Remove what a kill has left of files that were being written."""
        for part in [*self.path.glob(".*.part"), *self.checkpoints.glob(".*.part")]:
            part.unlink(missing_ok=True)
        for spilled in self.checkpoints.glob(".spilled-*"):
            shutil.rmtree(spilled, ignore_errors=True)

    def append_ledger(self, round_: int, rows: dict[str, list[Any]]) -> None:
        """Write the ledger's rows since the last call, up to `round_`."""
        write_ledger(self.checkpoints / f"ledger-{round_:06d}.parquet", ledger_table(rows))

    def ledger_parts(self) -> list[Path]:
        """Return the ledger's parts in the order of their rounds."""
        return ledger_parts(self.checkpoints)

    def fail(self, message: str, trace: str) -> None:
        """Record why the run failed, in one line and with a traceback."""
        with explained_disk_errors(self.path, ROOM):
            self.path.mkdir(parents=True, exist_ok=True)
        self.write_json("error.json", {"message": message, "traceback": trace})

    @property
    def failure(self) -> str:
        """The one line that says why the run failed."""
        try:
            return str(read_sealed(self.path / "error.json").get("message", ""))
        except DamageError as error:
            return f"it failed before, and {error}: make it again with --retry-failed"

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Write `name` whole or not at all, with a digest of its content."""
        write_sealed(self.path / name, content)

    def finish(self, summary: dict[str, Any]) -> None:
        """Join the ledger, write the summary, and last of all mark the run as done.

        Raises:
            DamageError: if a part of the ledger is missing or altered.
        """
        path = self.path / "ledger.parquet"
        table = read_ledger(self.ledger_parts())
        check_ledger(path, table, summary, int(summary["rounds"]))
        write_ledger(path, table)
        ledger = RunningSum(path).now() | {"rows": table.num_rows}
        self.write_json("summary.json", summary | {"files": self.sums() | {path.name: ledger}})
        write_atomically(self.path / "done", "")
        shutil.rmtree(self.checkpoints)


def _with_hooks(names: Mapping[str, Sequence[str]]) -> str:
    """Return `with hooks …` or `without hooks`."""
    found = [f"{point} {', '.join(hooks)}" for point, hooks in names.items()]
    return f"with hooks {'; '.join(found)}" if found else "without hooks"
