from dataclasses import dataclass

from torch import nn

from fedbytes.models.adapter import ADAPTERS, Adapter, Initial
from fedbytes.models.initialisers import as_it_is


@ADAPTERS.register("full")
@dataclass(frozen=True)
class FullFineTuning(Adapter):
    """Train every parameter, starting from the pretrained ones."""

    def attach(self, backbone: nn.Module) -> dict[str, Initial]:
        """Return all parameters; tied ones once."""
        return {name: as_it_is for name, _ in backbone.named_parameters()}
