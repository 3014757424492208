from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from fedbytes.models.adapter import ADAPTERS, Adapter, Initial, KeptForm
from fedbytes.models.initialisers import keep_value


@ADAPTERS.register("full")
@dataclass(frozen=True)
class FullFineTuning(Adapter):
    """Train every parameter, starting from the pretrained ones."""

    kept_as: ClassVar[tuple[KeptForm, ...]] = ("merged",)

    def attach(self, backbone: nn.Module) -> dict[str, Initial]:
        """Return all parameters; tied ones once."""
        return {name: keep_value for name, _ in backbone.named_parameters()}
