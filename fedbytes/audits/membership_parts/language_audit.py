"""The base of audits of membership that read the losses of a text's tokens."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from fedbytes.arrays import Doubles
from fedbytes.audits.membership_parts.membership_audit import MembershipAudit
from fedbytes.audits.membership_parts.text_losses import TextLoss, text_losses
from fedbytes.data import Kind
from fedbytes.federated import AuditedRun


@dataclass(frozen=True)
class LanguageAudit(MembershipAudit):
    """Score texts by what a language model predicts of each of their tokens."""

    example_kind: ClassVar[Kind] = "causal-lm"

    def refuses(self, run: AuditedRun) -> str | None:
        """Refuse tasks whose texts are not predicted token by token."""
        if run.kind != "causal-lm":
            return (
                f"reads the losses of tokens, and the task is of kind {run.kind}: take calibrated, "
                "or a task of kind causal-lm"
            )
        return super().refuses(run)

    @abstractmethod
    def score(self, text: TextLoss, spelled: str) -> float:
        """Return the score of a text, the higher the likelier a member.

        Args:
            text: what the model predicted of its targets.
            spelled: the text as it reads.
        """

    def scores(
        self, model: Any, rows: np.ndarray, before: Tensor | None, change: Tensor | None
    ) -> Doubles:
        """Return each text's score under the newest model."""
        split, tokenizer = model.task.train, model.task.tokenizer
        spelled = [
            tokenizer.decode(split.tokens[split.offsets[row] : split.offsets[row + 1]].tolist())
            for row in rows
        ]
        found = zip(text_losses(model, rows), spelled, strict=True)
        return np.array([self.score(one, words) for one, words in found])

    def at_start(self, model: Any, rows: np.ndarray) -> Doubles:
        """Return the score before the first round."""
        return self.scores(model, rows, None, None)
