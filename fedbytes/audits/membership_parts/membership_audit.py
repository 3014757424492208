"""The base of audits of membership: did a client train on this text?"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from torch import Tensor

from fedbytes.arrays import Doubles
from fedbytes.audits.membership_parts.audited_texts import draw_texts, draw_victims
from fedbytes.audits.membership_parts.operating_curve import (
    RATES,
    OperatingCurve,
    row_of_curve,
)
from fedbytes.audits.membership_parts.scored_texts import (
    Scored,
    joined_scores,
    packed_scores,
    unpacked_scores,
)
from fedbytes.audits.membership_parts.text_losses import borrowed
from fedbytes.federated import Audit, AuditedRun, Heard, PluginState, Reads, Row, StageContext
from fedbytes.registry import bounded

Look = Literal["model", "message", "sum"]
"""What an audit looks at: the model at the end of a round, what a client sent, or the change of the
model in a round, which all clients see."""
_OF_A_ROUND = ("round", "told", "held", "beside")


@dataclass(frozen=True)
class MembershipAudit(Audit):
    """Score texts that clients train on and texts of the same clients that nobody does.

    A derived class says what a text's score is. Both kinds of text are drawn at random within a
    client (`set_aside` of the run): nothing but training tells them apart. The rows have the
    AUC with its interval, and the share of members found at each rate of false alarms: of all
    victims together, and of messages also client by client. Scores of several clients are compared
    as they are.

    Attributes:
        of: what is looked at: the `model`, each client's `message`, or the `sum` of a round.
        clients: how many clients are victims, drawn once a run; all if there are fewer.
        texts: of each victim, how many members and how many others are scored at most.
        rounds: after which rounds; none given for all that are evaluated.
    """

    needs_texts: ClassVar[bool] = True
    needs_set_aside: ClassVar[bool] = True

    of: Look = "model"
    clients: int = bounded(10, least=1)
    texts: int = bounded(200, least=2)
    rounds: tuple[int, ...] = ()

    @property
    def reads(self) -> Reads:
        """Each client's delta, or what clients hold."""
        return "deltas" if self.of == "message" else "vectors"

    def refuses(self, run: AuditedRun) -> str | None:
        """Refuse rounds after which nothing is evaluated."""
        return run.misses(self.rounds)

    @abstractmethod
    def scores(
        self, model: Any, rows: np.ndarray, before: Tensor | None, change: Tensor | None
    ) -> Doubles:
        """Return the score of each text, the higher the likelier a member, float64 [rows].

        Args:
            model: as the observer has it: it holds the newest vector.
            rows: of the model's training split.
            before: what the model held before the change [numel]; None of the model itself.
            change: what a message or a sum changes it by [numel], likewise.
        """

    def at_start(self, model: Any, rows: np.ndarray) -> Doubles | None:
        """Return what is kept of each text before the first round, float64 [rows]; None if nothing.

        It is known to all: every client begins with that model.
        """
        return None

    def against_start(self, scores: Doubles, start: Doubles) -> Doubles:
        """Return the model's scores, given what was kept of each text before the first round."""
        return scores

    def prepared(self, context: StageContext, state: PluginState) -> PluginState:
        """Return the state with what an observer trains of its own before texts are scored.

        It is asked before each message that is scored, and before the model is.
        """
        return state

    def hear(
        self, heard: Heard, context: StageContext, state: PluginState
    ) -> tuple[list[Row], PluginState]:
        """Score a victim's texts by its message; keep what later scores are compared with."""
        state = self._begun(context, state)
        if self.of != "message" or heard.kind != "delta" or not self._now(context):
            return [], state
        if heard.client not in draw_victims(context, self.clients):
            return [], state
        try:
            change = heard.decode().float()
        except ValueError:  # of a hostile client: the server drops it
            return [], state
        state = self.prepared(context, state)
        scored = self._scored(context, state, [heard.client], context.held, change)
        told = {**state.get("told", {}), heard.client: packed_scores(scored)}
        return [self._row(scored, client=heard.client)], {**state, "told": told}

    def examine(self, context: StageContext, state: PluginState) -> tuple[list[Row], PluginState]:
        """Score all victims' texts together."""
        kept = {key: value for key, value in state.items() if key not in _OF_A_ROUND}
        victims = draw_victims(context, self.clients)
        if not self._now(context) or not victims:
            return [], kept
        if self.of == "model":
            kept = self.prepared(context, kept)
            return self._rows_of_model(context, kept), kept
        if state.get("round") != context.round:
            return [], kept  # nobody sent anything
        if self.of == "message":
            told = [unpacked_scores(one) for _, one in sorted(state.get("told", {}).items())]
            return ([self._row(joined_scores(told))] if told else []), kept
        before = state["held"]
        change = context.held - before
        return [self._row(self._scored(context, state, victims, before, change))], kept

    def _rows_of_model(self, context: StageContext, kept: PluginState) -> list[Row]:
        scored = self._scored(context, kept, draw_victims(context, self.clients), None, None)
        if "start" not in kept:
            return [self._row(scored)]
        start = unpacked_scores(kept["start"])
        against = self.against_start(scored[0], start[0]), self.against_start(scored[1], start[1])
        return [self._row(against) | self._untrained(start)]

    def _untrained(self, start: Scored) -> Row:
        """Return the AUC of the same score before anybody trained: what texts alone tell."""
        return {"auc_untrained": OperatingCurve(*start).auc.value}

    def columns(self, rows: Sequence[Row]) -> dict[str, float]:
        """Return the AUC and the hits of all victims together, by what was looked at."""
        found: dict[str, float] = {}
        for row in rows:
            if row.get("client") is not None:
                continue
            where = f"{self.name}_{row['of']}"
            found |= {f"auc_{where}": row["auc"], "mia_members": row["members"]}
            found |= {
                f"tpr_{where}_{rate:g}": row[f"tpr_{rate:g}"]
                for rate in RATES
                if row[f"tpr_{rate:g}"] is not None
            }
        return found

    def _now(self, context: StageContext) -> bool:
        return not self.rounds or context.round in self.rounds

    def _begun(self, context: StageContext, state: PluginState) -> PluginState:
        """Keep what all hold as the round begins, and before the first what texts scored."""
        if self.of != "model" and state.get("round") != context.round:
            state = {key: value for key, value in state.items() if key not in _OF_A_ROUND}
            held = {"held": context.held} if self.of == "sum" and self._now(context) else {}
            return {**state, "round": context.round, **held}
        if self.of != "model" or context.round > 1 or "begun" in state:
            return state
        state = {**state, "begun": True}
        victims, found = draw_victims(context, self.clients), []
        with borrowed(context.model, context.held):
            for rows in draw_texts(context, victims, self.texts):
                one = self.at_start(context.model, rows) if len(rows) else None
                if one is None:
                    return state
                found.append(one)
        return {**state, "start": packed_scores((found[0], found[1]))}

    def _scored(
        self,
        context: StageContext,
        state: PluginState,
        victims: Sequence[int],
        before: Tensor | None,
        change: Tensor | None,
    ) -> Scored:
        newest = context.held if before is None or change is None else before + change
        with borrowed(context.model, newest):
            members, others = (
                self.scores(context.model, rows, before, change)
                for rows in draw_texts(context, victims, self.texts)
            )
        return members, others

    def _row(self, scored: Scored, client: int | None = None) -> Row:
        return {"of": self.of, "client": client, **row_of_curve(OperatingCurve(*scored))}
