"""Canaries: how exposed planted secrets are in the model, and whether it writes them out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log2
from typing import Any, ClassVar

from fedbytes.audits.canary_parts.exposure import (
    fitted_exposure,
    guessed_exposure,
    sampled_exposure,
)
from fedbytes.audits.canary_parts.sentence_losses import code_losses
from fedbytes.audits.membership_parts.text_losses import borrowed
from fedbytes.data import CANARY_CODES, Canary, Kind, draw_canaries, find_canaries, other_codes
from fedbytes.federated import (
    AUDITS,
    Audit,
    AuditedRun,
    Heard,
    PluginState,
    Reads,
    Row,
    StageContext,
)
from fedbytes.registry import bounded
from fedbytes.streams import stream


@AUDITS.register("canaries")
@dataclass(frozen=True)
class CanaryExposure(Audit):
    """Measure the exposure of the canaries that the attack `canaries` planted.

    Exposure (Carlini et al. 2019, arXiv:1802.08232) is log2 of how many secrets there could be,
    less log2 of the rank of the true one by the model's loss. It is ranked among a sample of
    `others` drawn as it was, which can show log2(others + 1) bits at most: 1,023 others show up to
    10. A row for each canary has that bound, the exposure, what a skew-normal fitted to the others'
    losses gives beyond it, and whether the model writes the code greedily after the opening.
    `controls` are canaries that nobody planted: they stand where guessing does, as all do before
    the first round, whose rows say `untrained`.

    Attributes:
        others: how many other codes each is ranked among.
        controls: how many canaries that nobody planted are ranked as well.
        rounds: after which rounds; none given for all that are evaluated.
    """

    needs_texts: ClassVar[bool] = True
    example_kind: ClassVar[Kind] = "causal-lm"
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({"others": 15, "controls": 2},)

    others: int = bounded(1023, least=1, most=CANARY_CODES // 2)
    controls: int = bounded(12, least=0, most=200)
    rounds: tuple[int, ...] = ()

    @property
    def reads(self) -> Reads:
        """What clients hold."""
        return "vectors"

    def refuses(self, run: AuditedRun) -> str | None:
        """Refuse tasks that have no sentences, and rounds that are not evaluated."""
        if run.kind != "causal-lm" or run.has_prompts:
            what = "conversations" if run.has_prompts else f"kind {run.kind}"
            return f"ranks sentences, and the task is of {what}: take plain texts, kind causal-lm"
        return run.misses(self.rounds)

    def hear(
        self, heard: Heard, context: StageContext, state: PluginState
    ) -> tuple[list[Row], PluginState]:
        """Rank the canaries once before anybody trained."""
        if context.round > 1 or "begun" in state:
            return [], state
        with borrowed(context.model, context.held):
            return self._rows(context, untrained=True), {**state, "begun": True}

    def examine(self, context: StageContext, state: PluginState) -> tuple[list[Row], PluginState]:
        """Rank the canaries by the model."""
        if self.rounds and context.round not in self.rounds:
            return [], state
        return self._rows(context, untrained=False), state

    def columns(self, rows: Sequence[Row]) -> dict[str, float]:
        """Return the mean exposure and the share extracted, by how often canaries were planted."""
        found: dict[str, float] = {}
        trained = [row for row in rows if not row["untrained"]]
        for times in sorted({row["repeats"] for row in trained}):
            some = [row for row in trained if row["repeats"] == times]
            for column in ("exposure", "exposure_fitted", "extracted"):
                mean = sum(float(row[column]) for row in some) / len(some)
                found[f"{column}_{times}"] = mean
        return found

    def _rows(self, context: StageContext, untrained: bool) -> list[Row]:
        return [
            {"canary": canary.name, "repeats": times, "untrained": untrained}
            | self._row(context, canary)
            for canary, times in self._canaries(context).items()
        ]

    def _row(self, context: StageContext, canary: Canary) -> Row:
        rng = stream(context.seed, "other codes", canary.code)
        codes = [canary.code, *other_codes(canary, self.others, rng)]
        losses, extracted = code_losses(context.model, canary, codes)
        return {
            "exposure": sampled_exposure(float(losses[0]), losses[1:]),
            "exposure_fitted": fitted_exposure(float(losses[0]), losses[1:], CANARY_CODES),
            "bound": log2(self.others + 1),
            "chance": guessed_exposure(self.others),
            "extracted": extracted,
        }

    def _canaries(self, context: StageContext) -> Mapping[Canary, int]:
        """Return what was planted, how often each, and the controls, 0 times."""
        task: Any = getattr(context.model, "task")  # noqa: B009
        planted = None if context.truth is None else context.truth.planted
        made = () if planted is None else range(planted.first, len(task.train))
        found = find_canaries(task, made)
        names = {canary.name for canary in found}
        drawn = draw_canaries(context.seed, min(self.controls + len(found), 256))
        spare = [canary for canary in drawn if canary.name not in names][: self.controls]
        return found | dict.fromkeys(spare, 0)
