from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from fedbytes.models.adapter import ADAPTERS, AnyInitial, KeptForm, PeftMethod
from fedbytes.models.adapter_parts.peft_injection import drop_bypassed, inject_peft
from fedbytes.models.adapter_parts.target_layers import TargetedAdapter
from fedbytes.models.adapters.lora import check_rank_fits
from fedbytes.models.initialisers import (
    draw_uniform,
    fill_zeros,
    keep_value,
)
from fedbytes.plugin_fields import bounded


@ADAPTERS.register("dora")
@dataclass(frozen=True)
class Dora(TargetedAdapter):
    """Weights split into magnitude and direction; LoRA moves the direction (arXiv:2402.09353).

    The magnitude, one value per output, is also trained and sent; it starts as the norm of the
    weight, which both ends know.

    Attributes:
        rank: columns of each pair of factors.
        alpha: scaling; the update is multiplied by alpha / rank. None means 2 * rank.
    """

    kept_as: ClassVar[tuple[KeptForm, ...]] = ("peft", "merged")
    rank: int = bounded(8, least=1)
    alpha: float | None = bounded(None, above=0)

    def attach(self, backbone: nn.Module) -> dict[str, AnyInitial]:
        """Insert and return factors and magnitudes; A is drawn, B starts at zero.

        Raises:
            ValueError: if a target or layer does not exist (the message lists those that do), or
                is smaller than `rank`.
        """
        draws = {".lora_A.": draw_uniform(1), ".lora_B.": fill_zeros, ".lora_magnitude": keep_value}
        peft = self.as_peft(backbone)
        return inject_peft(backbone, peft.method, peft.options, peft.modules, draws)

    def as_peft(self, backbone: nn.Module) -> PeftMethod:
        """Return DoRA in peft's words."""
        alpha = self.alpha if self.alpha is not None else 2 * self.rank
        modules = self._modules(backbone)
        if self.targets == "auto":
            modules = drop_bypassed(backbone, modules)
        check_rank_fits(backbone, modules, self.rank)
        return PeftMethod("LORA", {"r": self.rank, "lora_alpha": alpha, "use_dora": True}, modules)
