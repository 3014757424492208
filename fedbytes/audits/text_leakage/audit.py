"""The base class of audits that rebuild a client's texts from its message."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from fedbytes.audits.text_leakage.guess import Guess, Truth, mean_or_zero, score_guess
from fedbytes.data import EncodedSplit
from fedbytes.federated import Audit, AuditedRun, Heard, PluginState, Row, StageContext
from fedbytes.federated.plugins.audit import Reads
from fedbytes.plugin_fields import bounded

_BY_CHANCE = "chance_"
"""What the name of a metric begins with that is of other clients' texts."""
_STRANGERS = 8
_SHOWN = ("recall", "f1", "placed", "rouge_2", "label_recall")


@dataclass(frozen=True, kw_only=True)
class TextLeakage(Audit):
    """Rebuilds the texts of some clients from their messages, and says how much is true.

    The adversary is the server or whoever listens: it knows the model that clients held, the
    algorithm, the codec and what both ends share of a message, and of the client its bytes alone.
    Each row has the metrics of `score_guess`, and each again with `chance_` before it: the same
    guess scored by as many texts of each of up to eight other clients. `payload_bits` is of a
    coordinate, framing left out. The results' columns are means over the round's rows:
    `leak_recall_NAME` and `chance_recall_NAME`, and so for the other metrics.

    Attributes:
        clients: how many clients of a round are attacked, the first of those that take part.
        rounds: the rounds in which it listens. In the first a head or a factor of zeros lets no
            gradient through, so the default is the second.
    """

    needs_texts: ClassVar[bool] = True
    asks_model: ClassVar[bool] = True
    scores_by_batches: ClassVar[bool] = True

    clients: int = bounded(2, least=1)
    rounds: tuple[int, ...] = (2,)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.rounds or min(self.rounds) < 1:
            raise ValueError(f"{self.name}: rounds must be numbers from 1, got {self.rounds}")

    @property
    def reads(self) -> Reads:
        """Each client's delta."""
        return "deltas"

    def refuses(self, run: AuditedRun) -> str | None:
        """Refuse rounds that the run does not have."""
        if max(self.rounds) <= run.rounds:
            return None
        return (
            f"rounds has {max(self.rounds)}, and the run has {run.rounds}: set audit.rounds to "
            f"rounds from 1 to {run.rounds}"
        )

    @abstractmethod
    def rebuild(self, delta: Tensor, heard: Heard, context: StageContext) -> Guess:
        """Return what the texts behind a message are.

        Args:
            delta: what the codec makes of the message [numel], as the server decodes it.
            heard: the message.
            context: the server's, without the truth; its model holds what clients held.
        """

    def hear(
        self, heard: Heard, context: StageContext, state: PluginState
    ) -> tuple[list[Row], PluginState]:
        """Attack a delta, then score what was found."""
        listens = context.round in self.rounds and heard.kind == "delta"
        if not listens or heard.client not in context.clients[: self.clients]:
            return [], state
        try:
            delta = heard.decode()
        except ValueError:  # of a hostile client: the server drops it
            return [], state
        if not bool(torch.isfinite(delta).all()):
            return [], state
        guess = self.rebuild(delta, heard, replace(context, truth=None))
        payload = len(heard.frame.payload)
        size = {"payload_bytes": payload, "payload_bits": 8 * payload / max(1, delta.numel())}
        return [{"client": heard.client} | size | self._score(guess, heard, context)], state

    def columns(self, rows: Sequence[Row]) -> dict[str, float]:
        """Return the means of the round's rows, and how long their messages are."""
        found: dict[str, float] = {}
        if rows:
            found["payload_bits"] = mean_or_zero(row["payload_bits"] for row in rows)
        for metric in _SHOWN:
            for column, prefix in ((metric, "leak_"), (f"{_BY_CHANCE}{metric}", "")):
                values = [row[column] for row in rows if row.get(column) is not None]
                if values:
                    found[f"{prefix}{column}_{self.name}"] = mean_or_zero(values)
        return found

    def _score(self, guess: Guess, heard: Heard, context: StageContext) -> Row:
        """Return the metrics of a guess, by what the client read and by what others hold."""
        assert context.truth is not None
        model: Any = context.model
        special = frozenset(map(int, model.task.tokenizer.all_special_ids))
        read = context.truth.read_by(heard.client)
        if not len(read):  # an algorithm that reads no texts of the client's
            return {"examples": 0}
        true = truth_of(model.task.train, read)
        scores = score_guess(guess, true, special)
        others = [client for client in context.clients if client != heard.client]
        strangers = [context.truth.trained(client, context.round) for client in others[:_STRANGERS]]
        by_chance = [
            score_guess(guess, truth_of(model.task.train, rows[: len(read)]), special)
            for rows in strangers
        ]
        chance = {
            f"{_BY_CHANCE}{name}": mean_or_zero(one[name] for one in by_chance)
            for name in scores
            if by_chance
        }
        tokens = {token for row in true.texts for token in row} - special
        return {"examples": len(read), "tokens": len(tokens), **scores, **chance}


def truth_of(split: EncodedSplit, rows: np.ndarray) -> Truth:
    """Return examples of a split as what a guess is scored by."""
    starts = split.offsets
    texts = [split.tokens[starts[row] : starts[row + 1]].tolist() for row in rows]
    return Truth(texts, None if split.labels is None else split.labels[rows].tolist())


def examples_behind(context: StageContext) -> int:
    """Return how many examples stand at most behind a message, by what both ends know.

    Local steps times batch size, or the mean of what clients hold where they read that over.
    """
    algorithm: Any = context.algorithm
    held = -(-max(1, context.num_examples) // max(1, context.num_clients))
    steps, batch = getattr(algorithm, "local_steps", None), getattr(algorithm, "batch_size", None)
    if steps is None or batch is None:
        return held
    return int(steps * batch)
