"""Calibrated: members' loss falls more than that of other texts."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from fedbytes.arrays import Doubles
from fedbytes.audits.membership_parts.membership_audit import MembershipAudit
from fedbytes.audits.membership_parts.text_losses import borrowed, text_losses
from fedbytes.federated import AUDITS


@AUDITS.register("calibrated")
@dataclass(frozen=True)
class Calibrated(MembershipAudit):
    """Take texts for members whose loss fell most (Watson et al. 2022, arXiv:2111.08440).

    A text's difficulty is its loss under a reference model. A federation hands one to everybody:
    the model that it began with; of a message or a sum, the model that the round began with. Losses
    that fell from 1.0 to 0.4 and from 0.3 to 0.2 score 0.6 and 0.1: the first text is the likelier
    member, although its loss is higher.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"of": "message"}, {"of": "sum"})

    def scores(
        self, model: Any, rows: np.ndarray, before: Tensor | None, change: Tensor | None
    ) -> Doubles:
        """Return by how much each text's loss fell; of the model, minus its loss."""
        after = _negative_losses(model, rows)
        if before is None:
            return after
        with borrowed(model, before):
            return after - _negative_losses(model, rows)

    def at_start(self, model: Any, rows: np.ndarray) -> Doubles:
        """Return minus the loss before the first round."""
        return _negative_losses(model, rows)

    def against_start(self, scores: Doubles, start: Doubles) -> Doubles:
        """Return by how much each text's loss fell since the first round."""
        return scores - start


def _negative_losses(model: Any, rows: np.ndarray) -> Doubles:
    return np.array([-one.loss for one in text_losses(model, rows)])
