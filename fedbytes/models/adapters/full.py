from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from fedbytes.models.adapter import ADAPTERS, Adapter, Initial


@ADAPTERS.register("full")
@dataclass(frozen=True)
class Full(Adapter):
    """Train every parameter, starting from the pretrained ones."""

    def attach(self, backbone: nn.Module) -> dict[str, Initial]:
        """Return all parameters; tied ones once."""
        return {name: _as_it_is for name, _ in backbone.named_parameters()}


def _as_it_is(_rng: np.random.Generator, pretrained: Tensor) -> Tensor:
    return pretrained
