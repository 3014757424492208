from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import nn

from fedbytes.models.adapter import ADAPTERS, AnyInitial, KeptForm, PeftMethod
from fedbytes.models.adapter_parts.peft_injection import inject_peft
from fedbytes.models.adapter_parts.target_layers import TargetedAdapter, first_present_group

KEY_VALUE = (
    ("key", "value"),
    ("k_proj", "v_proj"),
    ("k_lin", "v_lin"),
    ("key_proj", "value_proj"),
    ("query_key_value",),
    ("c_attn",),
    ("Wqkv",),
    ("qkv_proj",),
)


@ADAPTERS.register("ia3")
@dataclass(frozen=True)
class Ia3(TargetedAdapter):
    """Learned scales of keys, values and the feed-forward's inner states (IA3, arXiv:2205.05638).

    `targets: auto` selects keys, values and the feed-forward's down projections. Down projections
    are scaled at their input, all other layers at their output.
    """

    kept_as: ClassVar[tuple[KeptForm, ...]] = ("peft", "merged")

    def attach(self, backbone: nn.Module) -> dict[str, AnyInitial]:
        """Insert and return the scales, which start at one.

        Raises:
            ValueError: if a target or layer does not exist; the message lists those that do.
        """
        peft = self.as_peft(backbone)
        return inject_peft(backbone, peft.method, peft.options, peft.modules, draws={})

    def as_peft(self, backbone: nn.Module) -> PeftMethod:
        """Return the scales in peft's words."""
        modules = self._modules(backbone)
        inner = [name for name in modules if _is_down_projection(backbone, name)]
        return PeftMethod("IA3", {"feedforward_modules": inner}, modules)

    def _modules(self, backbone: nn.Module) -> list[str]:
        chosen = super()._modules(backbone)
        if self.targets != "auto":
            return chosen
        # BERT has three layers named "dense", only one of which is a down projection.
        keys = set(first_present_group(KEY_VALUE, {name.rsplit(".", 1)[-1] for name in chosen}))
        return [
            name
            for name in chosen
            if name.rsplit(".", 1)[-1] in keys or _is_down_projection(backbone, name)
        ]

    def _auto(self, linear: set[str]) -> Collection[str]:
        return sorted(linear)


def _is_down_projection(backbone: nn.Module, name: str) -> bool:
    """Return whether a linear layer maps the feed-forward's inner width to the model's."""
    config: Any = backbone.config
    width = getattr(config, "hidden_size", None)
    layer: Any = backbone.get_submodule(name)
    linear = isinstance(layer, nn.Linear)  # whose weight may be quantised
    shape = (layer.in_features, layer.out_features) if linear else tuple(layer.weight.shape)
    inner = getattr(config, "intermediate_size", None) or getattr(config, "n_inner", None)
    return width is not None and shape == (inner or 4 * width, width)
