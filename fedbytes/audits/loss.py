"""Loss: members of a training set have the lower loss."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from fedbytes.arrays import Doubles
from fedbytes.audits.membership_parts.membership_audit import MembershipAudit
from fedbytes.audits.membership_parts.text_losses import text_losses
from fedbytes.federated import AUDITS


@AUDITS.register("loss")
@dataclass(frozen=True)
class LossMembership(MembershipAudit):
    """Take texts of low loss for members (Yeom et al. 2018, arXiv:1709.01604).

    The score is minus the mean loss of a text's targets: its class, or its next tokens. Easy texts
    have a low loss too, whoever holds them, which `calibrated` takes off. Of losses 0.1 and 0.4 of
    members and 0.2 and 0.9 of others, three of four pairs are in order: an AUC of 0.75.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"of": "message", "clients": 2})

    def scores(
        self, model: Any, rows: np.ndarray, before: Tensor | None, change: Tensor | None
    ) -> Doubles:
        """Return minus each text's loss."""
        return np.array([-one.loss for one in text_losses(model, rows)])

    def at_start(self, model: Any, rows: np.ndarray) -> Doubles:
        """Return minus the loss before the first round."""
        return self.scores(model, rows, None, None)
