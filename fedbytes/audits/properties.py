"""Properties: does a client hold texts of this label? Its update tells."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from fedbytes.arrays import Doubles, Int64s
from fedbytes.audits.membership_parts.text_losses import borrowed
from fedbytes.audits.property_parts.update_classifier import UpdateClassifier, stratified_area
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

_RESAMPLES = 400


@AUDITS.register("properties")
@dataclass(frozen=True)
class Properties(Audit):
    """Infer from each message which labels its client holds (Melis et al. 2019, arXiv:1805.04049).

    The observer has public texts with labels, those that were set aside. It trains clients of its
    own on them as the round's clients do, from the same model, has the uplink's codec encode what
    they send, and fits a logistic model of each label to principal components of what that decodes
    to. A client holds a label if at least `least` of its texts have it. Of ten clients of whom four
    hold `grain`, 24 pairs are told apart or not; the AUC is over the pairs of all labels, so that
    how common a label is tells nothing, and guessing gives 0.5. The codec's error feedback is not
    imitated.

    Attributes:
        simulated: how many clients of its own the observer trains in a round.
        texts: how many texts each of them has.
        alpha: of the Dirichlet mix of labels that each has.
        least: share of a client's texts from which on it holds a label.
        axes: how many principal components.
        rounds: in which rounds; they must be evaluated. None given for all.
    """

    needs_texts: ClassVar[bool] = True
    needs_set_aside: ClassVar[bool] = True
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({"simulated": 6, "texts": 6, "axes": 3},)

    simulated: int = bounded(60, least=2)
    texts: int = bounded(40, least=1)
    alpha: float = bounded(0.3, above=0)
    least: float = bounded(0.05, above=0, most=1)
    axes: int = bounded(20, least=1)
    rounds: tuple[int, ...] = ()

    @property
    def reads(self) -> Reads:
        """Each client's delta."""
        return "deltas"

    def refuses(self, run: AuditedRun) -> str | None:
        """Refuse tasks without labels, and rounds that are not evaluated."""
        if run.kind != "classification":
            return f"infers labels, and the task is of kind {run.kind}: set a classification task"
        return run.misses(self.rounds)

    def hear(
        self, heard: Heard, context: StageContext, state: PluginState
    ) -> tuple[list[Row], PluginState]:
        """Score a message; before the first of a round, train clients of one's own."""
        if heard.kind != "delta" or (self.rounds and context.round not in self.rounds):
            return [], state
        if state.get("round") != context.round:
            fitted = self._fitted(heard, context)
            state = {"round": context.round, "fitted": _packed(fitted), "scores": {}}
        try:
            update = heard.decode().double().cpu().numpy()
        except ValueError:  # of a hostile client: the server drops it
            return [], state
        score = torch.from_numpy(_unpacked(state["fitted"]).score(update))
        return [], {**state, "scores": {**state["scores"], heard.client: score}}

    def examine(self, context: StageContext, state: PluginState) -> tuple[list[Row], PluginState]:
        """Say how well the round's messages told which labels their clients hold."""
        if state.get("round") != context.round or not state["scores"]:
            return [], {}
        clients = sorted(state["scores"])
        scores = np.stack([state["scores"][client].numpy() for client in clients])
        truth = np.stack([self._holds(context, client) for client in clients])
        area = stratified_area(scores, truth)
        row: Row = {"clients": len(clients), "labels": scores.shape[1], "auc": area}
        row |= dict(zip(("auc_low", "auc_high"), _interval(scores, truth, context), strict=True))
        return [row | {"chance": 0.5}], {}

    def columns(self, rows: Sequence[Row]) -> dict[str, float]:
        """Return the AUC."""
        known = [row["auc"] for row in rows if row["auc"] is not None]
        return {"property_auc": known[-1]} if known else {}

    def _fitted(self, heard: Heard, context: StageContext) -> UpdateClassifier:
        assert context.rehearse is not None
        public, labels = _public_rows(context)
        classes = int(labels.max()) + 1
        rng = stream(context.seed, context.stage, context.round)
        by_label = [public[labels == label] for label in range(classes)]
        present = np.array([len(rows) > 0 for rows in by_label])
        updates, properties = [], []
        with borrowed(context.model, context.held):
            for number in range(self.simulated):
                mix = rng.dirichlet(np.full(classes, self.alpha)) * present
                drawn = rng.multinomial(self.texts, mix / mix.sum())
                rows = [rng.choice(by_label[k], n) for k, n in enumerate(drawn) if n]
                sent = context.rehearse(np.sort(np.concatenate(rows)), number)
                codec, shared = heard.uplink.codec, heard.shared
                arrived = codec.decode(codec.encode(sent.cpu(), shared), shared)
                updates.append(arrived.double().numpy())
                properties.append(drawn >= self.least * self.texts)
        return UpdateClassifier.fit(np.stack(updates), np.stack(properties), self.axes)

    def _holds(self, context: StageContext, client: int) -> np.ndarray:
        assert context.truth is not None
        _, labels = _public_rows(context)
        split: Any = context.model.task.train  # type: ignore[attr-defined]
        own = split.labels[context.truth.trained(client, context.round)]
        counts = np.bincount(own, minlength=int(labels.max()) + 1)[: int(labels.max()) + 1]
        held: np.ndarray = counts >= self.least * len(own)
        return held


def _public_rows(context: StageContext) -> tuple[Int64s, Int64s]:
    """Return the rows that were set aside, and their labels."""
    assert context.truth is not None
    rows = np.concatenate([context.truth.set_aside(one) for one in context.truth.victims])
    split: Any = context.model.task.train  # type: ignore[attr-defined]
    return rows, split.labels[rows]


def _interval(
    scores: Doubles, truth: np.ndarray, context: StageContext
) -> tuple[float | None, float | None]:
    """Return the 95 % interval of the AUC over resampled clients; None where it cannot be had."""
    rng = stream(context.seed, "resampled clients", context.round)
    drawn = [rng.integers(len(scores), size=len(scores)) for _ in range(_RESAMPLES)]
    found = [stratified_area(scores[some], truth[some]) for some in drawn]
    known = [one for one in found if one is not None]
    if not known:
        return None, None
    low, high = np.quantile(known, [0.025, 0.975])
    return float(low), float(high)


def _packed(fitted: UpdateClassifier) -> list[torch.Tensor]:
    """Return a classifier as a checkpoint takes it."""
    parts = fitted.mean, fitted.axes, fitted.weights
    return [torch.from_numpy(np.ascontiguousarray(one)) for one in parts]


def _unpacked(packed: Sequence[torch.Tensor]) -> UpdateClassifier:
    return UpdateClassifier(*(one.numpy() for one in packed))
