"""Seconds of each round over a link, from the messages that crossed and the seconds they took.

A round lasts until its slowest client is heard: it receives, decodes, trains, encodes and sends.
Then the server decodes, aggregates and encodes the update. Nothing is trained again: bytes and
seconds are those that the store recorded.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from fedbytes.plots.link_time.computing_seconds import without_waiting
from fedbytes.plots.link_time.link import MEGA, NetworkLink, wire_bits
from fedbytes.plots.tables.store_tables import NothingToDrawError, Tables

Links = Mapping[int, NetworkLink]
"""Of clients whose link is another, by their number."""
_NEEDED = ["round", "client", "direction", "message_bytes", "encode_seconds", "decode_seconds"]
_EVERYONE = -1
_PHASES = ("train", "aggregate")


@dataclass(frozen=True)
class ComputeSeconds:
    """Seconds of a run that the ledger does not have, and how much slower clients are.

    Attributes:
        train: of one client's turn in a round.
        aggregate: of the server's aggregation in a round.
        slower: factor of the clients' seconds: training, encoding and decoding.
    """

    train: float
    aggregate: float
    slower: float = 1.0


def round_seconds(
    ledger: pd.DataFrame,
    link: NetworkLink,
    compute: ComputeSeconds,
    own: Links | None = None,
) -> pd.Series:
    """Return the seconds of each round of one run, by round.

    Args:
        ledger: the run's messages, as `load_ledger` returns them.
        link: of every client.
        compute: what the ledger does not have.
        own: of clients whose link is another, by their number.
    """
    later = ledger["kind"] == "exchange" if "kind" in ledger else ledger["round"] < 0
    messages = ledger.assign(
        bits=wire_bits(ledger["message_bytes"]),
        exchanges=later.astype(int),
        others=(~later).astype(int),
    )
    down = _direction_seconds(messages, "down", link, own or {})
    up = _direction_seconds(messages, "up", link, own or {}, asked=down["exchanges"])
    paths = down.add(up, fill_value=0).assign(
        compute=lambda part: compute.slower * (part["coding"] + compute.train)
    )
    rounds = (paths["transfer"] + paths["compute"]).groupby("round").max()
    up, down = (ledger[ledger["direction"] == way] for way in ("up", "down"))
    serving = up.groupby("round")["decode_seconds"].sum().reindex(rounds.index, fill_value=0)
    serving += down.groupby("round")["encode_seconds"].sum().reindex(rounds.index, fill_value=0)
    return rounds + serving + compute.aggregate


def _direction_seconds(
    messages: pd.DataFrame,
    way: Literal["up", "down"],
    link: NetworkLink,
    own: Links,
    asked: pd.Series | None = None,
) -> pd.DataFrame:
    """Return the seconds of transfer and of the client's coding, by round and client.

    Messages of an exchange each wait for the one before; others follow each other. A client that
    was `asked` in so many exchanges answers each, by a message of whatever kind.
    """
    coding = "decode_seconds" if way == "down" else "encode_seconds"
    chosen = messages[messages["direction"] == way].rename(columns={coding: "coding"})
    columns = ["bits", "exchanges", "others", "coding"]
    to_one = chosen[chosen["client"] != _EVERYONE]
    parts = to_one.groupby(["round", "client"])[columns].sum()
    common = chosen[chosen["client"] == _EVERYONE].groupby("round")[columns].sum()
    if len(common):  # a multicast: each client that takes part hears it
        heard = messages[messages["client"] != _EVERYONE].groupby(["round", "client"]).size().index
        parts = parts.reindex(heard, fill_value=0)
        rounds = parts.index.get_level_values("round")
        parts = parts + common.reindex(rounds, fill_value=0).to_numpy()
    clients = parts.index.get_level_values("client")
    links = [own.get(int(client), link) for client in clients]
    rate = np.array([getattr(one, way) for one in links], dtype=float)
    latency = np.array([one.latency for one in links], dtype=float)
    # The server's own line carries everyone's bits before the last client has them.
    line = chosen.groupby("round")["bits"].sum().reindex(parts.index.get_level_values("round"))
    bits = np.maximum(parts["bits"] / (MEGA * rate), line.to_numpy() / (MEGA * link.server))
    trips = parts["exchanges"] + (parts["others"] > 0)
    if asked is not None:  # the first is what it sends by itself
        answers = asked.reindex(parts.index, fill_value=0)
        trips = trips.clip(lower=(answers + 1).where(answers > 0, 0))
    transfer = trips * latency + bits
    kept = {"transfer": transfer, "exchanges": parts["exchanges"], "coding": parts["coding"]}
    return pd.DataFrame(kept)


def seconds_over_link(
    tables: Tables,
    link: NetworkLink,
    slower: float = 1.0,
    own: Links | None = None,
) -> pd.DataFrame:
    """Return the results of finished runs with a column `link_seconds`: since the first round.

    Runs that send no updates are left out: those of the algorithms `local` and `centralised`.

    Args:
        tables: the store's tables.
        link: of every client.
        slower: how much slower clients compute than the machine that made the runs.
        own: of clients whose link is another, by their number.

    Raises:
        NothingToDrawError: if the ledger lacks rounds, or the runs their seconds.
    """
    tables = without_waiting(tables)
    results, found = tables.finished(), []
    missing = [name for name in _NEEDED if name not in tables.ledger]
    if missing:
        raise NothingToDrawError(f"the ledger has no column {', '.join(missing)}")
    ledgers = dict(tuple(tables.ledger.groupby("run")))
    summaries = {str(row["run"]): row for _, row in tables.runs.iterrows()}
    for run, rows in results.groupby("run", sort=False):
        ledger = ledgers.get(run)
        if float(rows["total_bytes"].max()) == 0 or _is_of_texts(ledger):
            continue
        if ledger is None or set(range(1, int(rows["round"].max()) + 1)) - set(ledger["round"]):
            raise NothingToDrawError(
                f"run {run}: its ledger does not have the messages of all rounds"
            )
        compute = _compute_of(summaries[str(run)], ledger, slower)
        spent = round_seconds(ledger, link, compute, own).sort_index().cumsum().to_dict()
        seconds = [float(spent.get(number, 0.0)) for number in rows["round"]]  # round 0 begins it
        found.append(rows.assign(link_seconds=seconds))
    if not found:
        raise NothingToDrawError("no run sends updates, whose way over a link could be timed")
    return pd.concat(found)


def _is_of_texts(ledger: pd.DataFrame | None) -> bool:
    """Return whether a run sends texts once, and no updates (algorithm `centralised`)."""
    return ledger is not None and "kind" in ledger and set(ledger["kind"]) == {"texts"}


def _compute_of(run: pd.Series, ledger: pd.DataFrame, slower: float) -> ComputeSeconds:
    """Return the seconds of a client's turn and of an aggregation, on average over a run."""
    spent = {phase: run.get(f"seconds_{phase}", np.nan) for phase in _PHASES}
    unknown = [phase for phase, value in spent.items() if pd.isna(value)]
    if unknown:
        raise NothingToDrawError(
            f"run {run['run']}: its summary has no seconds of {' and '.join(unknown)}"
        )
    turns = ledger[(ledger["direction"] == "up") & (ledger["client"] != _EVERYONE)]
    count = max(1, len(turns[["round", "client"]].drop_duplicates()))
    rounds = max(1, ledger["round"].nunique())
    return ComputeSeconds(float(spent["train"]) / count, float(spent["aggregate"]) / rounds, slower)
