from dataclasses import dataclass
from types import MethodType
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from fedbytes.models.adapter import ADAPTERS, AnyInitial, Initial, KeptForm, PeftMethod
from fedbytes.models.adapter_parts.peft_injection import drop_bypassed, inject_peft
from fedbytes.models.adapter_parts.target_layers import TargetedAdapter
from fedbytes.models.forward_patch import replace_forward
from fedbytes.models.initialisers import draw_uniform, fill_zeros
from fedbytes.plugin_fields import added_field, bounded


@ADAPTERS.register("lora")
@dataclass(frozen=True)
class Lora(TargetedAdapter):
    """Low-rank updates of frozen linear layers (LoRA, arXiv:2106.09685), attached by peft.

    Attributes:
        rank: columns of each pair of factors.
        alpha: scaling; the update is multiplied by alpha / rank. None means 2 * rank.
        train: `both` factors, or one of them; the other is then drawn from the run's seed and
            never sent. `b` is FFA-LoRA (arXiv:2403.12313), `a` its mirror image, where A starts
            at zero (arXiv:2402.16842 compares the two).
        use_rslora: scale by alpha / sqrt(rank) instead (rsLoRA, arXiv:2312.03732).
    """

    kept_as: ClassVar[tuple[KeptForm, ...]] = ("peft", "merged")
    side_by_side: ClassVar[bool] = True
    rank: int = bounded(8, least=1)
    alpha: float | None = bounded(None, above=0)
    train: Literal["both", "a", "b"] = added_field("both")
    use_rslora: bool = added_field(False)

    def attach(self, backbone: nn.Module) -> dict[str, AnyInitial]:
        """Insert the factors and return the trained ones.

        A is drawn and B starts at zero, as in peft, or the other way round if only A is trained.

        Raises:
            ValueError: if a target or layer does not exist (the message lists those that do), or
                is smaller than `rank`.
        """
        peft = self.as_peft(backbone)
        draws = {".lora_A.": draw_uniform(1), ".lora_B.": fill_zeros}
        if self.train == "a":
            draws[".lora_A."] = fill_zeros
        trained = inject_peft(backbone, peft.method, peft.options, peft.modules, draws)
        for module in backbone.modules():
            if hasattr(module, "lora_A"):
                replace_forward(module, MethodType(_forward, module))
        frozen = self._frozen_factor
        if frozen is None:
            return trained
        for name in trained:
            if frozen in name:  # a buffer is not trained, offloaded or split over processes
                factor = backbone.get_submodule(name.removesuffix(".weight"))
                held = factor._parameters.pop("weight")
                assert held is not None
                factor.register_buffer("weight", held.detach(), persistent=False)
        return {name: draw for name, draw in trained.items() if frozen not in name}

    def as_peft(self, backbone: nn.Module) -> PeftMethod:
        """Return LoRA in peft's words; a factor that is not trained is kept like one that is."""
        modules = self._modules(backbone)
        if self.targets == "auto":
            modules = drop_bypassed(backbone, modules)
        check_rank_fits(backbone, modules, self.rank)
        options = {
            "r": self.rank,
            "lora_alpha": self.alpha if self.alpha is not None else 2 * self.rank,
            "use_rslora": self.use_rslora,
        }
        return PeftMethod("LORA", options, modules)

    @property
    def _frozen_factor(self) -> str | None:
        """Part of the names of the frozen factors; None if both are trained."""
        return {"both": None, "a": ".lora_B.", "b": ".lora_A."}[self.train]

    def trains_factors(self) -> bool:
        """Return whether both factors are trained."""
        return self.train == "both"

    def frozen(self, backbone: nn.Module) -> dict[str, Initial]:
        """Return the factor that is drawn and never trained, if any."""
        frozen = self._frozen_factor
        if frozen is None:
            return {}
        draw = draw_uniform(1 if self.train == "b" else 0)
        return {name: draw for name, _ in backbone.named_buffers() if frozen in name}


def check_rank_fits(backbone: nn.Module, modules: list[str], rank: int) -> None:
    """Raise ValueError for a rank above the smaller dimension of any of these linear layers."""
    sizes = {name: min(_sides(backbone.get_submodule(name))) for name in modules}
    smallest = min(sizes, key=lambda name: sizes[name])
    if rank > sizes[smallest]:
        raise ValueError(
            f"rank={rank} exceeds the rank of layer {smallest}: set adapter.rank to at most "
            f"{sizes[smallest]}, or choose other adapter.targets"
        )


def _sides(layer: Any) -> tuple[int, int]:
    """Return the inputs and outputs of a linear layer, whose weights may be quantised."""
    if isinstance(layer, nn.Linear):
        return layer.in_features, layer.out_features
    return tuple(layer.weight.shape)  # transformers' Conv1D


def _forward(self: Any, x: Tensor) -> Tensor:
    """Return peft's LoRA sum without its dispatch, in one operation less."""
    out = self.base_layer(x)
    a, b = self.lora_A.default.weight, self.lora_B.default.weight
    if a.dim() == 3 or b.dim() == 3:
        return _add_each(out, x, a, b, self.scaling["default"])
    down = nn.functional.linear(x, a)
    up = b.t()
    flat = torch.addmm(
        out.reshape(-1, out.shape[-1]),
        down.reshape(-1, down.shape[-1]),
        up.to(down.dtype),
        alpha=self.scaling["default"],
    )
    return flat.view(out.shape)


def _add_each(out: Tensor, x: Tensor, a: Tensor, b: Tensor, scale: float) -> Tensor:
    """Add each client's product to its share of the rows; a factor of all is [rank, in] or so."""
    clients = len(a) if a.dim() == 3 else len(b)
    rows = x.reshape(clients, -1, x.shape[-1])
    down = torch.bmm(rows, a.mT) if a.dim() == 3 else nn.functional.linear(rows, a)
    up = (b if b.dim() == 3 else b.expand(clients, -1, -1)).mT
    sums = torch.baddbmm(
        out.reshape(clients, -1, out.shape[-1]), down, up.to(down.dtype), alpha=scale
    )
    return sums.view(out.shape)
