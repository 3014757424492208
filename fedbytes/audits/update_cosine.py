"""Update cosine: an update points where the texts that it was trained on ask for."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from fedbytes.arrays import Doubles
from fedbytes.audits.membership_parts.membership_audit import MembershipAudit
from fedbytes.audits.membership_parts.text_losses import borrowed, wanted_gradients
from fedbytes.federated import AUDITS


@AUDITS.register("update_cosine")
@dataclass(frozen=True)
class UpdateCosine(MembershipAudit):
    """Take texts for members whose gradient an update goes along.

    The score is the cosine of what a message decodes to, or of the sum of a round, with minus the
    gradient of the text's loss at the model that the round began with. It needs no shadow model,
    and is the inner product by which passive observers of federated learning were first shown to
    find members (Nasr et al. 2019, arXiv:1812.00910; Li et al. 2023, ICLR). It sees
    only what survives the codec. An update [3, 4] has the cosine 0.6 with a text that asks for
    [1, 0], and -1 with one that asks for [-3, -4].
    """

    needs_texts: ClassVar[bool] = False
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"of": "sum", "texts": 2})

    of: Literal["message", "sum"] = "message"

    def scores(
        self, model: Any, rows: np.ndarray, before: Tensor | None, change: Tensor | None
    ) -> Doubles:
        """Return each text's cosine."""
        assert before is not None
        assert change is not None
        away = change.to(model.flat.device, torch.float64)
        length = float(torch.linalg.vector_norm(away))
        found = []
        with borrowed(model, before):
            for gradient in wanted_gradients(model, rows):
                wanted = -gradient.double()
                norm = length * float(torch.linalg.vector_norm(wanted))
                found.append(float(away @ wanted) / norm if norm else 0.0)
        return np.array(found)
