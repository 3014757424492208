from dataclasses import dataclass

from torch import nn

from fedbytes.models.adapter import ADAPTERS, Adapter, Initial
from fedbytes.models.initialisers import keep_value


@ADAPTERS.register("full")
@dataclass(frozen=True)
class FullFineTuning(Adapter):
    """Train every parameter, starting from the pretrained ones."""

    def attach(self, backbone: nn.Module) -> dict[str, Initial]:
        """Return all parameters; tied ones once."""
        return {name: keep_value for name, _ in backbone.named_parameters()}
