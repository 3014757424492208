"""The audits of a run: they hear what arrives, and their findings are stored with the run."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from fedbytes.compression.layout import Shared
from fedbytes.federated.algorithm import Trained
from fedbytes.federated.context import RoundContext
from fedbytes.federated.federation import Federation
from fedbytes.federated.plugins.audit import Heard, Row
from fedbytes.federated.plugins.audit_truth import AuditTruth
from fedbytes.federated.plugins.stage_context import PluginState, StageContext
from fedbytes.streams import stream


class Auditors:
    """The audits of a run in its rounds.

    They are given copies of what the round computes with, so that they can change nothing.

    Args:
        fed: the federation.
        states: what each audit keeps, changed in place.
    """

    def __init__(self, fed: Federation, states: dict[str, PluginState]) -> None:
        self.fed, self.states = fed, states
        self.audits = [
            (audit, f"audit {place} {audit.name}") for place, audit in enumerate(fed.plugins.audit)
        ]
        self._read: dict[int, list[np.ndarray]] = {}
        self._truth = AuditTruth(fed.parts, fed.set_aside, fed.planted, self._read)
        self._rows: list[Row] = []
        self._watches = any(audit.scores_by_batches for audit, _ in self.audits)

    def witness(self, trained: Iterator[tuple[int, Trained]]) -> Iterator[tuple[int, Trained]]:
        """Hand on what clients train, and note which examples they read where an audit is scored.

        Args:
            trained: yields each client when it has trained, and not before it is asked to.
        """
        if not self._watches:
            yield from trained
            return
        self._read.clear()
        while True:
            with _noting(self.fed.model) as seen:
                made = next(trained, None)
            if made is None:
                return
            self._read[made[0]] = seen
            yield made

    def hear(
        self,
        context: RoundContext,
        held: Tensor,
        client: int,
        frames: Iterable[bytes],
        shared_up: Callable[[int], Shared],
    ) -> Iterator[bytes]:
        """Hand what arrives from a client on to the server, and let audits hear it.

        Args:
            context: the server's.
            held: what clients hold.
            client: who sent it.
            frames: its messages.
            shared_up: what both ends know of a client's message, by what it announced before.
        """
        for data in frames:
            shared = shared_up(client) if self.audits else None
            yield data
            if shared is not None:
                self._hear(context, held, client, bytes(data), shared)

    def _hear(
        self, context: RoundContext, held: Tensor, client: int, data: bytes, shared: Shared
    ) -> None:
        for audit, stage in self.audits:
            reference = None if shared.reference is None else shared.reference.clone()
            heard = Heard(client, data, replace(shared, reference=reference), self.fed.uplink)
            where = self._context(context, held, stage)
            if audit.asks_model and heard.kind == "delta":
                self.fed.algorithm.load(self.fed.model, held)
            rows, self.states[stage] = audit.hear(heard, where, self.states.get(stage, {}))
            self._put_down(audit.name, context.round, rows)

    def examine(self, round_: int, held: Tensor) -> None:
        """Let audits examine the model after a round; it is left with `held`."""
        for audit, stage in self.audits:
            context = self._context(self.fed.context(round_), held, stage)
            self.fed.algorithm.load(self.fed.model, held)
            rows, self.states[stage] = audit.examine(context, self.states.get(stage, {}))
            self._put_down(audit.name, round_, rows)

    def _context(self, context: RoundContext, held: Tensor, stage: str) -> StageContext:
        """Return what an audit may know, with what scores it and what imitates a client."""
        known = StageContext.of(context, held.clone(), stage)

        def rehearse(rows: np.ndarray, number: int) -> Tensor:
            own = known.for_client(known.clients[0])
            rng = stream(self.fed.seed, f"{stage} rehearsal", context.round, number)
            return self.fed.algorithm.train(own, known.held, rows, {}, rng).delta

        return replace(known, truth=self._truth, rehearse=rehearse, algorithm=self.fed.algorithm)

    def take_rows(self) -> list[Row]:
        """Return what was found since the last call."""
        rows, self._rows = self._rows, []
        return rows

    def _put_down(self, name: str, round_: int, rows: list[Row]) -> None:
        self._rows += [{"round": round_, "audit": name, **row} for row in rows]


@contextmanager
def _noting(model: Any) -> Iterator[list[np.ndarray]]:
    """Note the examples of each batch that is taken from a model's texts, within a block."""
    batches: Any = model.batches
    seen: list[np.ndarray] = []

    def noted(*args: Any, **options: Any) -> Iterator[Any]:
        for batch in batches(*args, **options):
            seen.append(np.asarray(getattr(batch, "rows", batch)))
            yield batch

    model.batches = noted  # of this object alone: its class's is found again afterwards
    try:
        yield seen
    finally:
        del model.batches
