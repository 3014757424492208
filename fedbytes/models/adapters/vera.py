import math
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from fedbytes.models.adapter import ADAPTERS, AnyInitial, Initial, KeptForm, PeftMethod
from fedbytes.models.adapter_parts.peft_injection import inject_peft
from fedbytes.models.adapter_parts.target_layers import TargetedAdapter
from fedbytes.models.initialisers import draw_uniform
from fedbytes.plugin_fields import bounded


@ADAPTERS.register("vera")
@dataclass(frozen=True)
class Vera(TargetedAdapter):
    """Two scaling vectors per layer around one random pair of factors (arXiv:2310.11454).

    All layers share the pair, which is drawn from the run's seed and never sent. Layers of
    different sizes use slices of it, as in peft.

    Attributes:
        rank: columns of the shared pair.
        d_initial: initial value of the vector between the two factors; the other starts at zero.
    """

    kept_as: ClassVar[tuple[KeptForm, ...]] = ("peft", "merged")
    rank: int = bounded(256, least=1)
    d_initial: float = bounded(0.1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.d_initial == 0:
            raise ValueError("d_initial must not be 0: neither vector would get a gradient")

    def attach(self, backbone: nn.Module) -> dict[str, AnyInitial]:
        """Insert and return the vectors.

        Raises:
            ValueError: if a target or layer does not exist; the message lists those that do.
        """
        peft = self.as_peft(backbone)
        return inject_peft(backbone, peft.method, peft.options, peft.modules, draws={})

    def as_peft(self, backbone: nn.Module) -> PeftMethod:
        """Return VeRA in peft's words, whose files hold the random pair as well."""
        options = {"r": self.rank, "d_initial": self.d_initial}
        return PeftMethod("VERA", options, self._modules(backbone))

    def frozen(self, backbone: nn.Module) -> dict[str, Initial]:
        """Return the shared pair with Kaiming initialisation, as in the paper."""
        draw = draw_uniform(1, gain=math.sqrt(6))
        found = (name for name, _ in backbone.named_buffers())
        return {name: draw for name in found if ".vera_A." in name or ".vera_B." in name}
