"""Reads a store into tables: all that plots and papers need.

A run whose files are damaged is left out of every table but that of runs, with a
`DamagedRunWarning` of one line; no table is short without a word.
"""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fedbytes.experiments.config.method_name import AGAIN
from fedbytes.experiments.config.round_sections import SECTIONS
from fedbytes.experiments.store.damage import DamagedRunWarning, place_of
from fedbytes.experiments.store.find_runs import checked_runs, sound_runs
from fedbytes.experiments.store.find_runs import run_folders as run_folders
from fedbytes.experiments.store.ledger_files import read_ledger
from fedbytes.experiments.store.many_clients.holdings import HOLDINGS, read_holdings
from fedbytes.experiments.store.per_text.right_answers import RIGHT_FILE, unpack_right
from fedbytes.experiments.store.row_files import read_json_lines
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.run_state import state_of
from fedbytes.experiments.store.sealed_json import DamageError, read_sealed

IDENTITY = [
    "run", "suite", "task", "model", "adapter", "algorithm", "codec", "uplink", "downlink",
    "partition", "alpha", "heterogeneity", "seed",
    "attack", "defense", "clean", "privacy", "audit",
]  # fmt: skip
MEASURED = [
    "round", "rounds", "up_bytes", "down_bytes", "total_bytes", "train_loss", "loss", "accuracy",
    "macro_f1", "perplexity", "delta_cosine", "delta_diversity", "delta_norm", "delta_mean_norm",
    "seconds",
]  # fmt: skip
DELTAS = ["run", "round", "delta_cosine", "delta_diversity", "delta_norm", "delta_mean_norm"]
LEDGER = [
    "run", "round", "client", "direction", "kind", "payload_bytes", "message_bytes",
    "encode_seconds", "decode_seconds",
]  # fmt: skip


def load_results(folder: str | Path) -> pd.DataFrame:
    """Return one row per run and evaluated round, for runs of any status.

    Columns: `run, suite, task, model, adapter, algorithm, codec, uplink, downlink, partition,
    alpha, heterogeneity, seed, attack, defense, clean, privacy, audit` (the last five `none` where
    a run has no such plug-in; `partition_seed` where runs have one), then `round, rounds, up_bytes,
    down_bytes, total_bytes` (cumulative message bytes over all clients), `train_loss`, the task's
    metrics (`loss` and `accuracy, macro_f1` or `perplexity`; NaN where a task has none; others,
    such as `bits_per_byte` or `exact_match`, and what audits add, after all other columns where a
    run has them), how far the round's clients agree (`delta_cosine, delta_diversity, delta_norm,
    delta_mean_norm`, see `load_deltas`) and `seconds`.

    Raises:
        ValueError: if the folder does not exist.
    """
    rows = []
    for run in sound_runs(folder):
        identity = _identity(run)
        rows += [identity | row for row in read_json_lines(run.path / "rounds.jsonl")]
    return _table(rows, IDENTITY + MEASURED)


def load_deltas(folder: str | Path) -> pd.DataFrame:
    """Return one row per run and round, evaluated or not: how far its clients agree.

    `delta_cosine` is the mean cosine of two clients' deltas as the server decoded them,
    `delta_diversity` the sum of their squared norms over the squared norm of their sum,
    `delta_norm` their mean norm and `delta_mean_norm` the norm of their mean.
    """
    rows = [
        {"run": run.run} | row
        for run in sound_runs(folder)
        for row in read_json_lines(run.path / "deltas.jsonl")
    ]
    return _table(rows, DELTAS)


def load_audits(folder: str | Path) -> pd.DataFrame:
    """Return one row per finding of the audits of every run: `run, round, audit`, and its columns.

    Raises:
        ValueError: if the folder does not exist.
    """
    rows = [
        {"run": run.run} | row
        for run in sound_runs(folder)
        for row in read_json_lines(run.path / "audits.jsonl")
    ]
    return _table(rows, ["run", "round", "audit"])


def load_predictions(folder: str | Path) -> pd.DataFrame:
    """Return which test texts were answered rightly: `run, round, right`, of the last evaluations.

    `right` is bool [texts]. Only classifications have rows, and no run from before they were kept.

    Raises:
        ValueError: if the folder does not exist.
    """
    rows = [
        {"run": run.run, "round": row["round"], "right": unpack_right(row)}
        for run in sound_runs(folder)
        for row in read_json_lines(run.path / RIGHT_FILE)
    ]
    return _table(rows, ["run", "round", "right"])


def load_clients(folder: str | Path) -> pd.DataFrame:
    """Return each client's own view, of runs with `evaluate_clients`: a row per client and round.

    Columns: `run, round, client`; of evaluated rounds `examples` (of its own tests) and its metrics
    on them (`accuracy, macro_f1, loss` or `loss, perplexity`); of rounds in which it took part
    `train_examples` and `train_loss`, as it said them. What a row lacks is NaN. `client_name` is
    added where a run's clients have names, as in `load_ledger`.
    """
    runs = sound_runs(folder)
    found: dict[tuple[str, int, int], dict[str, Any]] = {}
    for run in runs:
        said = [
            {"train_examples": row.pop("examples"), **row}
            for row in read_json_lines(run.path / "reports.jsonl")
        ]
        for row in [*read_json_lines(run.path / "clients.jsonl"), *said]:
            key = run.run, row["round"], row["client"]
            found[key] = {"run": run.run, **found.get(key, {}), **row}
    rows = _table([found[key] for key in sorted(found)], ["run", "round", "client"])
    return _with_names(rows, _client_names(runs))


def load_ledger(folder: str | Path) -> pd.DataFrame:
    """Return one row per message of every run (columns: `fedbytes.federated.Entry`).

    Where a run's clients have names, such as the author whose examples they hold, `client_name`
    is the name of `client`, and None of other runs' clients and of all at once.
    """
    tables, runs = [], sound_runs(folder)
    for run in runs:
        whole = run.path / "ledger.parquet"
        paths = [whole] if whole.exists() else run.ledger_parts()
        tables += [read_ledger([path]).to_pandas().assign(run=run.run) for path in paths]
    if not tables:
        return _table([], LEDGER)
    return _with_names(pd.concat(tables, ignore_index=True)[LEDGER], _client_names(runs))


def load_partitions(folder: str | Path) -> pd.DataFrame:
    """Return who holds what: `run, client, category, examples`, one row per count above 0.

    `client_name` is added where a run's clients have names, as in `load_ledger`.
    """
    runs, tables = sound_runs(folder), []
    columns = ["run", "client", "category", "examples"]
    for run in runs:
        if (run.path / HOLDINGS).exists():
            held = read_holdings(run.path)
            table, named = held.table, np.array(held.categories, dtype=object)
            parts = [run.run, table.clients, named[table.categories], table.counts]
            tables.append(pd.DataFrame(dict(zip(columns, parts, strict=True))))
    held_rows = pd.concat(tables, ignore_index=True) if tables else _table([], columns)
    return _with_names(held_rows, _client_names(runs))


def _client_names(runs: Sequence[RunFolder]) -> dict[str, list[str]]:
    """Return the clients' names of the runs whose clients have some, by run."""
    found = {r.run: read_holdings(r.path).names for r in runs if (r.path / HOLDINGS).exists()}
    return {run: names for run, names in found.items() if names}


def _with_names(rows: pd.DataFrame, names: dict[str, list[str]]) -> pd.DataFrame:
    """Return rows with the column `client_name`, if any run has names."""
    if not names:
        return rows
    known = {
        (run, client): name for run, found in names.items() for client, name in enumerate(found)
    }
    pairs = zip(rows["run"], rows["client"], strict=True)
    named = np.array([known.get(pair) for pair in pairs], dtype=object)
    return rows.assign(client_name=named)


def load_runs(folder: str | Path) -> pd.DataFrame:
    """Return one row per run: identity, `status`, `error`, `config`, `summary`, `provenance`.

    `status` is `done`, `failed`, `interrupted`, `waiting`, `stale` (made from files that have
    changed since, or at an earlier revision of a plug-in) or `damaged` (its files are missing, cut
    or altered); `reason` says what, or why a run could not be verified.
    """
    rows = []
    for run, damage in checked_runs(folder):
        row: dict[str, Any] = {"run": run.run, "status": "damaged", "reason": damage}
        if not damage:
            state, error = state_of(run), _read(run, "error.json")
            row = (
                _identity(run)
                | {"status": state.status, "reason": state.reason}
                | {"error": error.get("message", "")}
                | {"traceback": error.get("traceback", ""), "config": run.settings()}
                | {"provenance": _read(run, "provenance.json")}
                | {key: v for key, v in _read(run, "summary.json").items() if key != "files"}
            )
        empty = {"error": "", "traceback": "", "config": {}, "provenance": {}}
        rows.append(empty | ({"error": place_of(run, damage)} if damage else {}) | row)
    columns = [*IDENTITY, "status", "reason", "error", "traceback", "config", "provenance"]
    return _table(rows, columns)


def stored_target(folder: str | Path) -> float | str | None:
    """Return the target of the suite that was swept into `folder`, as it was written, if any.

    None where a protocol declares targets, which `ask` takes from the tables.
    """
    found = _stored_suite(folder)
    target: float | str | None = found.get("target")
    return None if found.get("protocol") else target


def stored_baseline(folder: str | Path) -> str | None:
    """Return the label that the suite swept into `folder` compares others with, if any."""
    found = _stored_suite(folder).get("baseline")
    return None if found is None else str(found)


def stored_protocol(folder: str | Path) -> dict[str, Any] | None:
    """Return the protocol that was declared for the runs in `folder`, if any.

    It is that of the suite that was swept into it last, or what the runs there have in common:
    the fields of `Protocol`, `sha256`, and with overrides that depart from it `overrides`.
    """
    found = _stored_suite(folder).get("protocol")
    return dict(found) if isinstance(found, Mapping) else None


def stored_title(folder: str | Path) -> str:
    """Return the title of the suite that was swept into `folder`, or the folder's name."""
    suite = _stored_suite(folder)
    return str(suite.get("title") or suite.get("name") or Path(folder).resolve().name)


def _stored_suite(folder: str | Path) -> dict[str, Any]:
    path = Path(folder) / "suite.json"
    try:
        return read_sealed(path) if path.exists() else {}
    except DamageError as error:
        warnings.warn(
            f"{error} in {path.parent}: title, target and baseline are not known; sweep the "
            "suite again, which writes it anew",
            DamagedRunWarning,
            stacklevel=3,
        )
        return {}


def _identity(run: RunFolder) -> dict[str, Any]:
    config, started = run.settings(), _read(run, "provenance.json")
    split = config["partition"]
    alpha = started.get("found", {}).get("alpha")  # of a split with a target
    for part in (split, split.get("then") or {}):
        alpha = part.get("alpha") if alpha is None else alpha
    labels = started.get("labels", {})
    again = AGAIN * bool(config.get("batch_stream"))
    named = {"label": config["label"] + again} if config.get("label") else {}
    if split.get("seed") is not None:
        named["partition_seed"] = split["seed"]
    aggregation = config.get("aggregation", {}).get("name", "decode_each")
    named |= {"aggregation": aggregation} if aggregation != "decode_each" else {}
    hooks = started.get("hooks", {})
    if hooks:  # no part of the run's id, so its rows say it
        named["hooks"] = ", ".join(name for names in hooks.values() for name in names)
    return {
        "run": run.run,
        "suite": config["suite"],
        "task": config["task"]["name"],
        "model": config["model"]["name"],
        "adapter": config["adapter"]["name"],
        "algorithm": config["algorithm"]["name"],
        "codec": labels.get("codec", config["uplink"]["name"]),
        "uplink": labels.get("uplink", config["uplink"]["name"]),
        "downlink": labels.get("downlink", config["downlink"]["name"]),
        "partition": config["partition"]["name"],
        "alpha": float(alpha) if isinstance(alpha, int | float) else float("nan"),
        "heterogeneity": started.get("heterogeneity", {}).get("nmi", float("nan")),
        "seed": config["seed"],
        **{key: labels.get(key) or _names(config.get(key, ())) for key in SECTIONS},
        **named,
    }


def _names(section: Sequence[Mapping[str, Any]]) -> str:
    """Return the names of a section's plug-ins; `none` if it is empty."""
    return " + ".join(str(one["name"]) for one in section) or "none"


def _read(run: RunFolder, name: str) -> dict[str, Any]:
    path = run.path / name
    return read_sealed(path) if path.exists() else {}


def _encodable(value: Any) -> Any:
    """Return a text with a question mark for halves of surrogate pairs, as file names may have."""
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", "replace").decode("utf-8")
    return value


def _table(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    table = pd.DataFrame([{key: _encodable(value) for key, value in row.items()} for row in rows])
    return table.reindex(columns=[*columns, *(c for c in table.columns if c not in columns)])
