from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from fedbytes.models.adapter import ADAPTERS, Initial, KeptForm
from fedbytes.models.adapter_parts.target_layers import TargetedAdapter
from fedbytes.models.adapters.lora import check_rank_fits
from fedbytes.models.base.quantised_base import dequantise_weight
from fedbytes.models.initialisers import draw_normal
from fedbytes.plugin_fields import bounded

# The paper's initial deviation of R, so small that the model starts as good as the base.
_INITIAL_DEVIATION = 1e-5


@ADAPTERS.register("lora_xs")
@dataclass(frozen=True)
class LoraXs(TargetedAdapter):
    """A small square matrix between the singular vectors of each weight (arXiv:2405.17604).

    The frozen outer factors are the weight's first singular vectors, scaled by the singular values
    on the output side. Both ends compute them from the base, so only `rank` x `rank` values per
    layer are trained and sent.

    Attributes:
        rank: number of singular vectors.
        alpha: scaling; the update is multiplied by alpha / rank. None means 2 * rank.
    """

    kept_as: ClassVar[tuple[KeptForm, ...]] = ("own", "merged")
    rank: int = bounded(8, least=1)
    alpha: float | None = bounded(None, above=0)

    def attach(self, backbone: nn.Module) -> dict[str, Initial]:
        """Insert and return the matrices, which start near zero.

        Raises:
            ValueError: if a target or layer does not exist, or is smaller than `rank`.
        """
        scale = (self.alpha if self.alpha is not None else 2 * self.rank) / self.rank
        trained: dict[str, Initial] = {}
        modules = self._modules(backbone)
        check_rank_fits(backbone, modules, self.rank)
        for name in modules:
            layer = backbone.get_submodule(name)
            weight = _matrix(layer)
            parent, _, last = name.rpartition(".")
            down, up = singular_factors(weight, self.rank)
            setattr(backbone.get_submodule(parent), last, LoraXsLinear(layer, down, up, scale))
            trained[f"{name}.lora_xs_R"] = draw_normal(_INITIAL_DEVIATION)
        return trained


class LoraXsLinear(nn.Module):
    """A frozen linear layer plus `scale * up @ R @ down`.

    Args:
        base_layer: the frozen layer.
        down: [rank, in].
        up: [out, rank].
        scale: multiplies the update.
    """

    down: Tensor
    up: Tensor

    def __init__(self, base_layer: nn.Module, down: Tensor, up: Tensor, scale: float) -> None:
        super().__init__()
        self.base_layer = base_layer
        self.scale = scale
        self.register_buffer("down", down, persistent=False)
        self.register_buffer("up", up, persistent=False)
        self.lora_xs_R = nn.Parameter(torch.zeros(len(down), len(down), device=down.device))

    def forward(self, x: Tensor) -> Tensor:
        """Return [..., out] for x [..., in]."""
        inner = nn.functional.linear(nn.functional.linear(x, self.down), self.lora_xs_R)
        update = nn.functional.linear(inner, self.up)
        return self.base_layer(x) + self.scale * update  # type: ignore[no-any-return]

    def merged_layer(self) -> nn.Module:
        """Return the base layer with the update in its weight, which must be its own."""
        update = self.scale * self.up @ self.lora_xs_R @ self.down
        with torch.no_grad():
            _matrix(self.base_layer).add_(update)
        return self.base_layer


def singular_factors(weight: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Return the first right singular vectors [rank, in] and the scaled left ones [out, rank].

    Signs are chosen such that each right vector's largest component is positive: the decomposition
    leaves them open, so that machines would differ. Cached per weight in a process.
    """
    if weight not in _FACTORS:
        _FACTORS[weight] = {}
    held = _FACTORS[weight]
    if rank not in held:
        left, values, right = torch.linalg.svd(weight.detach().double(), full_matrices=False)
        left, values, right = left[:, :rank], values[:rank], right[:rank]
        largest = right.gather(1, right.abs().argmax(1, keepdim=True))
        signs = largest.sign().squeeze(1)
        down = (right * signs[:, None]).float().contiguous()
        held[rank] = down, (left * (signs * values)).float().contiguous()
    found: tuple[Tensor, Tensor] = held[rank]
    return found


_FACTORS = WeakTensorKeyDictionary()


def _matrix(layer: nn.Module) -> Tensor:
    """Return a linear layer's weight [out, in], as a view of the shared one if possible."""
    from transformers.pytorch_utils import Conv1D

    weight: Tensor = layer.weight  # type: ignore[assignment]
    if not weight.is_floating_point():
        return dequantise_weight(weight, torch.float32)
    return weight.t() if isinstance(layer, Conv1D) else weight
