from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from fedbytes.models.adapter import ADAPTERS, Initial, KeptForm
from fedbytes.models.adapter_parts.target_layers import TargetedAdapter
from fedbytes.models.initialisers import keep_value


@ADAPTERS.register("matrices")
@dataclass(frozen=True)
class Matrices(TargetedAdapter):
    """Train the weights of chosen linear layers whole, starting from the pretrained ones.

    Biases stay. `{"name": "matrices", "targets": ["query", "key", "value"], "layers": [0]}` trains
    three matrices [384, 384] of MiniLM, 442,368 numbers: what a gradient of whole matrices tells of
    the texts is what the audit `span` reads.
    """

    kept_as: ClassVar[tuple[KeptForm, ...]] = ("merged",)

    def attach(self, backbone: nn.Module) -> dict[str, Initial]:
        """Return the weights and their pretrained values.

        Raises:
            ValueError: if a target or layer does not exist.
        """
        return {f"{name}.weight": keep_value for name in self._modules(backbone)}
