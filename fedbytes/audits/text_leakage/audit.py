"""The base class of audits that rebuild a client's texts from its message."""

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from fedbytes.audits.membership_parts.text_losses import borrowed
from fedbytes.audits.text_leakage.guess import Guess, Truth, mean_or_zero, score_guess
from fedbytes.audits.text_leakage.plain_part import plain_part
from fedbytes.compression import Shared
from fedbytes.data import EncodedSplit
from fedbytes.federated import Audit, AuditedRun, Heard, PluginState, Row, StageContext, make_link
from fedbytes.federated.plugins.audit import Reads
from fedbytes.plugin_fields import added_field, bounded

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
    `leak_recall_NAME` and `chance_recall_NAME`, and so for the other metrics; of a sum and of plain
    parts `sum_leak_recall_NAME` and `plain_leak_recall_NAME`.

    `of: sum` attacks what secure aggregation opens, and every client sees: the change of the model
    in a round, behind which stand the texts of all who took part. Chance is then as many texts that
    nobody read in the round. `of: plain` attacks the coordinates that `privacy: he` with a `share`
    leaves in the clear, as an adversary would who also knew the model and which ones they are.

    Attributes:
        of: what is attacked.
        clients: how many clients of a round are attacked, the first of those that take part.
        rounds: the rounds in which it listens. In the first a head or a factor of zeros lets no
            gradient through, so the default is the second.
    """

    needs_texts: ClassVar[bool] = True
    asks_model: ClassVar[bool] = True
    scores_by_batches: ClassVar[bool] = True

    clients: int = bounded(2, least=1)
    rounds: tuple[int, ...] = (2,)
    of: Literal["message", "sum", "plain"] = added_field("message")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.rounds or min(self.rounds) < 1:
            raise ValueError(f"{self.name}: rounds must be numbers from 1, got {self.rounds}")

    @property
    def reads(self) -> Reads:
        """Each client's delta; the model's change where it is the sum's, or what is held of it."""
        return "deltas" if self.of == "message" else "vectors"

    def refuses(self, run: AuditedRun) -> str | None:
        """Refuse rounds that the run does not have."""
        if max(self.rounds) <= run.rounds:
            return run.misses(self.rounds) if self.of == "sum" else None
        return (
            f"rounds has {max(self.rounds)}, and the run has {run.rounds}: set audit.rounds to "
            f"rounds from 1 to {run.rounds}"
        )

    @abstractmethod
    def rebuild(self, delta: Tensor, heard: Heard, context: StageContext) -> Guess:
        """Return what the texts behind a message are.

        Args:
            delta: what the codec makes of the message [numel], as the server decodes it.
            heard: the message; `heard.senders` clients' where it is a sum, which has no bytes.
            context: the server's, without the truth; its model holds what clients held.
        """

    def hear(
        self, heard: Heard, context: StageContext, state: PluginState
    ) -> tuple[list[Row], PluginState]:
        """Attack a delta or a plain part, and score what was found; keep what a sum begins with."""
        if context.round not in self.rounds:
            return [], state
        if self.of == "sum":
            begun = state.get("round") == context.round
            return [], state if begun else {"round": context.round, "held": context.held}
        wanted = "delta" if self.of == "message" else "plain-part"
        if heard.kind != wanted or heard.client not in context.clients[: self.clients]:
            return [], state
        try:
            delta = heard.decode() if self.of == "message" else plain_part(heard, context.held)
        except ValueError:  # of a hostile client: the server drops it
            return [], state
        if not bool(torch.isfinite(delta).all()):
            return [], state
        payload = len(heard.frame.payload)
        row: Row = {"client": heard.client} | ({} if self.of == "message" else {"of": self.of})
        row |= {"payload_bytes": payload, "payload_bits": 8 * payload / max(1, delta.numel())}
        with borrowed(context.model, context.held) if self.of == "plain" else nullcontext():
            guess = self.rebuild(delta, heard, replace(context, truth=None))
        return [row | self._score(guess, [heard.client], context)], state

    def examine(self, context: StageContext, state: PluginState) -> tuple[list[Row], PluginState]:
        """Attack the sum of a round, by how it has moved the model."""
        if self.of != "sum" or state.get("round") != context.round:
            return [], {}
        assert context.truth is not None
        before, model = state["held"], context.model
        senders = [one for one in context.clients if len(context.truth.read_by(one))]
        shared = Shared(model.layout, context.seed, context.round)
        heard = Heard(-1, b"", shared, make_link("fp32"), max(1, len(senders)))
        with borrowed(model, before):
            where = replace(context, truth=None, held=before)
            guess = self.rebuild(context.held - before, heard, where)
        row: Row = {"client": None, "of": "sum", "senders": len(senders)}
        return [row | self._score(guess, senders, context)], {}

    def columns(self, rows: Sequence[Row]) -> dict[str, float]:
        """Return the means of the round's rows, and how long their messages are."""
        found: dict[str, float] = {}
        sized = [row["payload_bits"] for row in rows if "of" not in row]
        if sized:
            found["payload_bits"] = mean_or_zero(sized)
        for of in sorted({row.get("of", "") for row in rows}):
            some = [row for row in rows if row.get("of", "") == of]
            for metric in _SHOWN:
                for column, prefix in ((metric, "leak_"), (f"{_BY_CHANCE}{metric}", "")):
                    values = [row[column] for row in some if row.get(column) is not None]
                    if values:
                        name = f"{of and of + '_'}{prefix}{column}_{self.name}"
                        found[name] = mean_or_zero(values)
        return found

    def _score(self, guess: Guess, clients: Sequence[int], context: StageContext) -> Row:
        """Return the metrics of a guess, by what clients read and by what others hold."""
        assert context.truth is not None
        model: Any = context.model
        special = frozenset(map(int, model.task.tokenizer.all_special_ids))
        own = [context.truth.read_by(client) for client in clients]
        read = np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *own]))
        if not len(read):  # an algorithm that reads no texts of the client's
            return {"examples": 0}
        true = truth_of(model.task.train, read)
        scores = score_guess(guess, true, special)
        by_chance = [
            score_guess(guess, truth_of(model.task.train, rows), special)
            for rows in self._strangers(clients, read, context)
        ]
        chance = {
            f"{_BY_CHANCE}{name}": mean_or_zero(one[name] for one in by_chance)
            for name in scores
            if by_chance
        }
        tokens = {token for row in true.texts for token in row} - special
        return {"examples": len(read), "tokens": len(tokens), **scores, **chance}

    def _strangers(
        self, clients: Sequence[int], read: np.ndarray, context: StageContext
    ) -> list[np.ndarray]:
        """Return rows that are not behind what was attacked, as many as are, several times over."""
        assert context.truth is not None
        if self.of != "sum":
            others = [client for client in context.clients if client not in clients]
            held = [context.truth.trained(one, context.round) for one in others[:_STRANGERS]]
            return [rows[: len(read)] for rows in held]
        unread = np.setdiff1d(np.concatenate([*context.truth.own]), read)
        if not len(unread):
            return []
        rng, size = context.rng(), min(len(read), len(unread))
        return [rng.choice(unread, size, replace=False) for _ in range(_STRANGERS)]


def truth_of(split: EncodedSplit, rows: np.ndarray) -> Truth:
    """Return examples of a split as what a guess is scored by."""
    starts = split.offsets
    texts = [split.tokens[starts[row] : starts[row + 1]].tolist() for row in rows]
    return Truth(texts, None if split.labels is None else split.labels[rows].tolist())


def examples_behind(context: StageContext, senders: int = 1) -> int:
    """Return how many examples stand at most behind a message, by what both ends know.

    Of each sender it is local steps times batch size, or the mean of what clients hold where they
    read that over.
    """
    algorithm: Any = context.algorithm
    held = -(-max(1, context.num_examples) // max(1, context.num_clients))
    steps, batch = getattr(algorithm, "local_steps", None), getattr(algorithm, "batch_size", None)
    if steps is None or batch is None:
        return senders * held
    return int(senders * steps * batch)
