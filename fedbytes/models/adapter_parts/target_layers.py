"""Which layers of a base model an adapter works on: the choice that adapters share."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from torch import nn

from fedbytes.models.adapter import Adapter
from fedbytes.models.layer_stack import find_layers
from fedbytes.registry import nearest

# What architectures call the linear layers of attention's query and value, or of all three.
QUERY_VALUE = (
    ("query", "value"),
    ("q_proj", "v_proj"),
    ("q_lin", "v_lin"),
    ("query_proj", "value_proj"),
    ("query_key_value",),
    ("c_attn",),
    ("Wqkv",),
    ("qkv_proj",),
)


@dataclass(frozen=True, kw_only=True)
class TargetedAdapter(Adapter):
    """An adapter of some linear layers.

    Attributes:
        targets: `auto` (what the method's paper adapts; all linear layers where those are not
            found), `all-linear`, or names of linear layers.
        layers: `all`, the number of top layers, or the layers' places counted from 0.
    """

    targets: str | tuple[str, ...] = "auto"
    layers: str | int | tuple[int, ...] = "all"

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.layers, str) and self.layers.isdecimal():
            object.__setattr__(self, "layers", int(self.layers))
        if not self.targets:
            raise ValueError("targets is empty: give names of layers, auto or all-linear")
        if isinstance(self.layers, str) and self.layers != "all":
            raise ValueError(f"layers must be all, a number or places, got {self.layers!r}")
        if isinstance(self.layers, int) and self.layers < 1:
            raise ValueError(f"layers must be at least 1, got {self.layers}")

    def _modules(self, backbone: nn.Module) -> list[str]:
        """Return the full names of the linear layers that are adapted."""
        found = find_modules(backbone, self._places(backbone), is_linear)
        return self._chosen(found, "linear layer", self._auto(set(found)))

    def _auto(self, linear: set[str]) -> Collection[str]:
        """Return the names that `auto` stands for among those that the model has."""
        return first_present_group(QUERY_VALUE, linear)

    def _places(self, backbone: nn.Module) -> set[int] | None:
        """Return the places of the layers that are adapted, None for a model without a stack."""
        prefix, stack = find_layers(backbone)
        wanted = select_layers(self.name, self.layers, len(stack))
        return wanted if prefix else None

    def _chosen(
        self,
        found: dict[str, list[str]],
        what: str,
        auto: Collection[str],
        every: str = "all-linear",
    ) -> list[str]:
        """Return the full names of the modules in `found` that `targets` names."""
        if not found:
            raise ValueError(f"{self.name}: the model has no {what}")
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
    places: set[int] | None,
    kind: Callable[[nn.Module], bool],
    outside: bool = False,
) -> dict[str, list[str]]:
    """Return the modules of a kind in the layers at `places`: last part of the name -> full names.

    Args:
        backbone: a base model.
        places: the layers' places in the stack; None where the model has no stack.
        kind: which modules are meant.
        outside: whether those outside the stack are meant as well.
    """
    prefix = find_layers(backbone)[0]
    found: dict[str, list[str]] = {}
    for name, module in backbone.named_modules():
        inside = re.match(rf"{re.escape(prefix)}\.(\d+)\.", name) if prefix else None
        if not kind(module) or (prefix and not inside and not outside):
            continue
        if inside and places is not None and int(inside[1]) not in places:
            continue
        found.setdefault(name.rsplit(".", 1)[-1], []).append(name)
    return found


def first_present_group(groups: tuple[tuple[str, ...], ...], found: set[str]) -> list[str]:
    """Return the first group whose names are all among `found`, or all of `found`, sorted."""
    return next((list(group) for group in groups if found >= set(group)), sorted(found))


def select_layers(what: str, layers: str | int | tuple[int, ...], count: int) -> set[int]:
    """Return the places, among `count` layers, that an adapter's `layers` stands for.

    Raises:
        ValueError: if the model has fewer layers.
    """
    if layers == "all":
        return set(range(count))
    if isinstance(layers, int):
        if layers > count:
            raise ValueError(f"{what} layers={layers}, but the model has {count}")
        return set(range(count - layers, count))
    places = {int(place) for place in layers}
    if not places or min(places) < 0 or max(places) >= count:
        raise ValueError(f"{what} layers={layers}, but the model has layers 0 to {count - 1}")
    return places
