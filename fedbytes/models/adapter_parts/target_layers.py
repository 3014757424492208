"""The choice of layers that adapters share."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from torch import nn

from fedbytes.models.adapter import Adapter
from fedbytes.models.layer_stack import describe_missing_stack, find_layers
from fedbytes.registry import nearest

# Names of the linear layers of query and value, or of fused projections, by architecture.
QUERY_VALUE = (
    ("query", "value"),
    ("q_proj", "v_proj"),
    ("q_lin", "v_lin"),
    ("query_proj", "value_proj"),
    ("query_key_value",),
    ("c_attn",),
    ("Wqkv",),
    ("qkv_proj",),
    ("in_proj", "x_proj"),  # of Mamba
)


@dataclass(frozen=True, kw_only=True)
class TargetedAdapter(Adapter):
    """An adapter of selected linear layers.

    Attributes:
        targets: `auto` (the layers that the method's paper adapts, or all linear layers if those
            are not found), `all-linear`, or names of linear layers.
        layers: `all`, the number of top layers, or layer indices from 0.
    """

    targets: str | tuple[str, ...] = "auto"
    layers: str | int | tuple[int, ...] = "all"

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.layers, str) and self.layers.isdecimal():
            object.__setattr__(self, "layers", int(self.layers))
        if not self.targets:
            raise ValueError("targets is empty: set names of layers, auto or all-linear")
        if isinstance(self.layers, str) and self.layers != "all":
            raise ValueError(
                f"layers must be all, a number or a list of indices, got {self.layers!r}"
            )
        if isinstance(self.layers, int) and self.layers < 1:
            raise ValueError(f"layers must be at least 1, got {self.layers}")

    def _modules(self, backbone: nn.Module) -> list[str]:
        """Return the full names of the adapted linear layers."""
        found = find_modules(backbone, self._layer_indices(backbone), is_linear)
        return self._chosen(found, "linear layer", self._auto(set(found)))

    def _auto(self, linear: set[str]) -> Collection[str]:
        """Return the names that `auto` selects among the model's linear layers."""
        return first_present_group(QUERY_VALUE, linear)

    def _layer_indices(self, backbone: nn.Module) -> set[int] | None:
        """Return the indices of the adapted layers, None for a model without a stack."""
        name, stack = find_layers(backbone)
        if name:
            return select_layers(self.name, self.layers, len(stack))
        if self.layers != "all":
            raise ValueError(
                f"{self.name} layers={self.layers}: {describe_missing_stack(backbone)}: set "
                "adapter.layers=all"
            )
        return None

    def _chosen(
        self,
        found: dict[str, list[str]],
        what: str,
        auto: Collection[str],
        every: str = "all-linear",
    ) -> list[str]:
        """Return the full names of the modules in `found` that `targets` names."""
        if not found:
            raise ValueError(f"{self.name}: the model has no {what}: use adapter head or full")
        if self.targets == every:
            names: Collection[str] = sorted(found)
        elif self.targets == "auto":
            names = auto
        else:
            names = [self.targets] if isinstance(self.targets, str) else self.targets
        for name in names:
            if name not in found:
                raise ValueError(
                    f"{self.name} target {name!r} matches no {what}{nearest(name, found)}"
                )
        return [full for name in names for full in found[name]]


def is_linear(module: nn.Module) -> bool:
    """Return whether a module multiplies by one matrix."""
    from transformers.pytorch_utils import Conv1D

    return isinstance(module, nn.Linear | Conv1D)


def find_modules(
    backbone: nn.Module,
    indices: set[int] | None,
    kind: Callable[[nn.Module], bool],
    outside: bool = False,
) -> dict[str, list[str]]:
    """Return modules by the last part of their names: last part -> full names.

    Args:
        backbone: a base model.
        indices: layers of the stack; None for a model without a stack.
        kind: returns whether a module is wanted.
        outside: whether to include modules outside the stack.
    """
    stack = find_layers(backbone)[0]
    found: dict[str, list[str]] = {}
    for name, module in backbone.named_modules():
        inside = re.match(rf"{re.escape(stack)}\.(\d+)\.", name) if stack else None
        if not kind(module) or (stack and not inside and not outside):
            continue
        if inside and indices is not None and int(inside[1]) not in indices:
            continue
        found.setdefault(name.rsplit(".", 1)[-1], []).append(name)
    return found


def first_present_group(groups: tuple[tuple[str, ...], ...], found: set[str]) -> list[str]:
    """Return the first group whose names are all among `found`, or all of `found`, sorted."""
    return next((list(group) for group in groups if found >= set(group)), sorted(found))


def select_layers(what: str, layers: str | int | tuple[int, ...], count: int) -> set[int]:
    """Return the indices that an adapter's `layers` selects among `count` layers.

    Raises:
        ValueError: if the model has fewer layers.
    """
    if layers == "all":
        return set(range(count))
    if isinstance(layers, int):
        if layers > count:
            raise ValueError(f"{what} layers={layers}, but the model has {count} layers")
        return set(range(count - layers, count))
    indices = {int(index) for index in layers}
    if not indices or min(indices) < 0 or max(indices) >= count:
        raise ValueError(f"{what} layers={layers}, but the model has layers 0 to {count - 1}")
    return indices
