"""The update that texts of one's own would have made, as the victim's codec would deliver it."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from fedbytes.compression import Shared
from fedbytes.compression.codec import Codec
from fedbytes.federated.adversarial.text_frame import TextFrame


class DummyUpdate:
    """Computes what the gradient of dummy texts becomes behind a codec.

    Args:
        model: a `fedbytes.models.TrainableModel` of a classification; it holds what clients held.
        frame: how texts begin and end.
        labels: of the texts.
        codec: the uplink's.
        shared: what both ends know of the victim's message, whose random draws it has as well.
        rate: the learning rate of the step.
    """

    def __init__(
        self,
        model: Any,
        frame: TextFrame,
        labels: Sequence[int],
        codec: Codec,
        shared: Shared,
        rate: float,
    ) -> None:
        self.model, self.frame, self.codec, self.shared = model, frame, codec, shared
        self.rate = rate
        self.labels = torch.tensor([*labels], device=model.device)
        parameters = [one for one in model.network.parameters() if one.requires_grad]
        self._parameters = sorted(parameters, key=lambda one: one.storage_offset())

    def delta(self, embedded: Tensor, curved: bool = False) -> Tensor:
        """Return minus the rate times the gradient at embedded words, float32 [numel].

        Args:
            embedded: of the words between the special tokens [texts, length, width].
            curved: whether it is to be differentiated in turn.
        """
        rows = self.frame.blank(len(embedded)).to(self.model.device)
        first, last = self.frame.inside

        def placed(inputs: Tensor, _mask: Tensor) -> Tensor:
            return torch.cat([inputs[:, :first], embedded.to(inputs.dtype), inputs[:, last:]], 1)

        with self.model.shifted_inputs(placed), sdpa_kernel(SDPBackend.MATH):
            scores = self.model.score_tokens(rows, torch.ones_like(rows))
            loss = F.cross_entropy(scores, self.labels)
            slopes = torch.autograd.grad(
                loss, self._parameters, create_graph=curved, allow_unused=True
            )
        flat = [
            (torch.zeros_like(one) if slope is None else slope).flatten()
            for one, slope in zip(self._parameters, slopes, strict=True)
        ]
        return -self.rate * torch.cat(flat).float()

    def delivered(self, delta: Tensor) -> Tensor:
        """Return what the server would decode of a delta; its slope is that of the delta."""
        plain = delta.detach().cpu()
        arrived = self.codec.decode(self.codec.encode(plain, self.shared), self.shared)
        return delta + (arrived.to(delta.device) - delta.detach())
