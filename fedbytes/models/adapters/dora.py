from dataclasses import dataclass

from torch import nn

from fedbytes.models.adapter import ADAPTERS, Initial
from fedbytes.models.adapter_parts.peft_injection import inject
from fedbytes.models.adapter_parts.target_layers import Targeted
from fedbytes.models.adapters.lora import check_fits
from fedbytes.models.initialisers import as_it_is, uniform, zeros
from fedbytes.plugin_fields import bounded


@ADAPTERS.register("dora")
@dataclass(frozen=True)
class Dora(Targeted):
    """Weights split into magnitude and direction; LoRA moves the direction (arXiv:2402.09353).

    The magnitude, one value an output, is trained and sent too; it starts as the norm of the
    weight, which both ends have.

    Attributes:
        rank: columns of each pair of factors.
        alpha: scaling; the update is multiplied by alpha / rank. None means 2 * rank.
    """

    rank: int = bounded(8, least=1)
    alpha: float | None = bounded(None, above=0)

    def attach(self, backbone: nn.Module) -> dict[str, Initial]:
        """Insert factors and magnitudes and return them; A is drawn, B starts at zero.

        Raises:
            ValueError: if a target or layer does not exist (the message lists those that do), or
                is smaller than `rank`.
        """
        alpha = self.alpha if self.alpha is not None else 2 * self.rank
        modules = self._modules(backbone)
        check_fits(backbone, modules, self.rank)
        options = {"r": self.rank, "lora_alpha": alpha, "use_dora": True}
        draws = {".lora_A.": uniform(1), ".lora_B.": zeros, ".lora_magnitude": as_it_is}
        return inject(backbone, "LORA", options, modules, draws)
