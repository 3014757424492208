import math
import re
from dataclasses import dataclass
from types import MethodType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fedbytes.data.quiet import quiet_logger
from fedbytes.models.adapter import ADAPTERS, Adapter, Initial
from fedbytes.models.layers import find_layers
from fedbytes.registry import nearest

# What architectures call the linear layers of attention's query and value, or of all three.
ATTENTION = (
    ("query", "value"),
    ("q_proj", "v_proj"),
    ("q_lin", "v_lin"),
    ("query_proj", "value_proj"),
    ("query_key_value",),
    ("c_attn",),
    ("Wqkv",),
    ("qkv_proj",),
)


@ADAPTERS.register("lora")
@dataclass(frozen=True)
class Lora(Adapter):
    """Low-rank updates beside frozen linear layers (LoRA, arXiv:2106.09685), attached by peft.

    Attributes:
        rank: columns of each pair of factors.
        alpha: scaling; the update is multiplied by alpha / rank. None means 2 * rank.
        targets: `auto` (attention's query and value; all linear layers where those are not
            found), `all-linear`, or names of linear layers.
        layers: `all`, the number of top layers, or the layers' places counted from 0.
    """

    rank: int = 8
    alpha: float | None = None
    targets: str | tuple[str, ...] = "auto"
    layers: str | int | tuple[int, ...] = "all"

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ValueError(f"rank must be at least 1, got {self.rank}")
        if self.alpha is not None and not self.alpha > 0:
            raise ValueError(f"alpha must be above 0, got {self.alpha}")
        if isinstance(self.layers, str) and self.layers.isdecimal():
            object.__setattr__(self, "layers", int(self.layers))
        if isinstance(self.layers, str) and self.layers != "all":
            raise ValueError(f"layers must be all, a number or places, got {self.layers!r}")
        if isinstance(self.layers, int) and self.layers < 1:
            raise ValueError(f"layers must be at least 1, got {self.layers}")

    def attach(self, backbone: nn.Module) -> dict[str, Initial]:
        """Insert the factors and return them; A is drawn, B starts at zero, as in peft.

        Raises:
            ValueError: if a target or layer does not exist; the message lists those that do.
        """
        with quiet_logger("bitsandbytes"):  # which peft imports where it is installed
            from peft import LoraConfig, inject_adapter_in_model

        config = LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha if self.alpha is not None else 2 * self.rank,  # type: ignore[arg-type]
            target_modules=self._modules(backbone),
        )
        with torch.random.fork_rng(devices=[]):  # peft draws values that are not used
            inject_adapter_in_model(config, backbone)
        for module in backbone.modules():
            if hasattr(module, "lora_A"):
                module.forward = MethodType(_forward, module)
        trained: dict[str, Initial] = {}
        for name, _ in backbone.named_parameters():
            if ".lora_A." in name:
                trained[name] = _uniform
            elif ".lora_B." in name:
                trained[name] = _zeros
        return trained

    def _modules(self, backbone: nn.Module) -> list[str]:
        """Return the full names of the linear layers that get factors."""
        from transformers.pytorch_utils import Conv1D

        prefix, layers = find_layers(backbone)
        wanted = self._places(len(layers))
        linear: dict[str, list[str]] = {}
        for name, module in backbone.named_modules():
            inside = re.match(rf"{re.escape(prefix)}\.(\d+)\.", name) if prefix else None
            if isinstance(module, nn.Linear | Conv1D) and (not prefix or inside):
                if inside and int(inside[1]) not in wanted:
                    continue
                linear.setdefault(name.rsplit(".", 1)[-1], []).append(name)
        names = self._target_names(set(linear))
        for name in names:
            if name not in linear:
                raise ValueError(
                    f"lora target {name!r} matches no linear layer{nearest(name, linear)}"
                )
        return [full for name in names for full in linear[name]]

    def _target_names(self, linear: set[str]) -> list[str]:
        if self.targets == "all-linear":
            return sorted(linear)
        if self.targets == "auto":
            return next((list(pair) for pair in ATTENTION if linear >= set(pair)), sorted(linear))
        return [self.targets] if isinstance(self.targets, str) else list(self.targets)

    def _places(self, count: int) -> set[int]:
        if self.layers == "all":
            return set(range(count))
        if isinstance(self.layers, int):
            if self.layers > count:
                raise ValueError(f"lora layers={self.layers}, but the model has {count}")
            return set(range(count - self.layers, count))
        places = {int(place) for place in self.layers}
        if not places or min(places) < 0 or max(places) >= count:
            raise ValueError(
                f"lora layers={self.layers}, but the model has layers 0 to {count - 1}"
            )
        return places


def _forward(self: Any, x: Tensor) -> Tensor:
    """Return peft's plain LoRA sum, without its dispatch and in one product less."""
    out = self.base_layer(x)
    down = nn.functional.linear(x, self.lora_A.default.weight)
    up = self.lora_B.default.weight.t()
    flat = torch.addmm(
        out.reshape(-1, out.shape[-1]),
        down.reshape(-1, down.shape[-1]),
        up.to(down.dtype),
        alpha=self.scaling["default"],
    )
    return flat.view(out.shape)


def _uniform(rng: np.random.Generator, like: Tensor) -> Tensor:
    bound = 1 / math.sqrt(like.shape[1])
    drawn = rng.uniform(-bound, bound, tuple(like.shape)).astype(np.float32)
    return torch.from_numpy(drawn)


def _zeros(_rng: np.random.Generator, like: Tensor) -> Tensor:
    return torch.zeros(like.shape)
