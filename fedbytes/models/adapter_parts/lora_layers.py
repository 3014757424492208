"""Linear layers with LoRA factors, and offsets of their base weights.

Base weights are shared by all models of a process and never written: a layer gets a weight of its
own before an offset is added.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fedbytes.compression.layout import Layout
from fedbytes.models.forward_patch import replace_forward

_DEFAULT = "default"  # peft's name of the only adapter


@dataclass(frozen=True)
class LoraPair:
    """The factors of one layer: its weight is base + scale * B A.

    Attributes:
        a: name of A [rank, in] in the model's layout.
        b: name of B [out, rank].
        base: name of the layer's base weight in `LoraLayers.layout`.
        scale: factor of B A.
        rank, inputs, outputs: the factors' dimensions.
    """

    a: str
    b: str
    base: str
    scale: float
    rank: int
    inputs: int
    outputs: int


class LoraLayers:
    """The layers of a network whose two factors are both trained, and their base weights.

    Attributes:
        pairs: the factors, in the order of the layers; empty without LoRA.
        layout: base weights as [out, in], whatever order a layer stores them in.
        spread: whether some of the layers are in other processes.
    """

    spread = False

    def __init__(
        self, network: nn.Module, trained: Mapping[str, str], device: torch.device
    ) -> None:
        """Find the layers; `trained` maps names of parameters to names in the layout."""
        self._device = device
        found = [_pair(name, module, trained) for name, module in network.named_modules()]
        known = [entry for entry in found if entry is not None]
        self.pairs: tuple[LoraPair, ...] = tuple(pair for pair, _ in known)
        self._layers: list[Any] = [layer for _, layer in known]
        self._own: list[nn.Parameter] = []
        self._bases: list[Tensor | None] = []  # where a layer has a weight of its own
        self.layout = Layout({pair.base: (pair.outputs, pair.inputs) for pair in self.pairs})

    def base_weights(self) -> list[Tensor]:
        """Return the base weights [out, in], without offsets.

        Raises:
            ValueError: if some of them are in other processes.
        """
        self._require_all()
        bases = self._bases or [None] * len(self._layers)
        return [
            _stored(layer) if base is None else _transposed(layer, base)
            for layer, base in zip(self._layers, bases, strict=True)
        ]

    def set_delta(self, delta: Tensor) -> None:
        """Set the offset of every layer's base weight to its part of `delta` [layout.numel]."""
        if not self._own:
            self._separate()
        slices = self.layout.slices()
        with torch.no_grad():
            for index, pair in enumerate(self.pairs):
                part = delta[slices[pair.base]].view(pair.outputs, pair.inputs)
                own, base = self._own[index], self._bases[index]
                if base is None:
                    own.copy_(part)
                else:
                    part = _transposed(self._layers[index], part)
                    torch.add(base, part.to(own.device), out=own.data)

    @contextmanager
    def watched(self) -> Iterator[list[nn.Parameter]]:
        """Let backward passes in the block collect gradients of the base weights.

        Call `set_delta` first, and read the gradients with `gradients`.

        Raises:
            ValueError: if some of them are in other processes.
        """
        self._require_all()
        for own in self._own:
            own.requires_grad_(True)
        try:
            yield self._own
        finally:
            for own in self._own:
                own.requires_grad_(False)
                own.grad = None

    def gradients(self) -> list[Tensor]:
        """Return the gradients of the base weights [out, in] that `watched` collected."""
        found = []
        for layer, base, own in zip(self._layers, self._bases, self._own, strict=True):
            assert own.grad is not None
            gradient = own.grad if base is None else _transposed(layer, own.grad)
            found.append(gradient.float().cpu())
        return found

    def _require_all(self) -> None:
        if self.spread:
            raise ValueError(
                "this algorithm requires all base weights in one process: remove pipeline_parallel"
            )

    def _separate(self) -> None:
        """Give each layer a weight of its own.

        A quantised or offloaded weight stays as it is, and the offset is a second product.
        """
        for layer, pair in zip(self._layers, self.pairs, strict=True):
            weight = layer.weight
            if weight.is_floating_point() and weight.device.type == self._device.type:
                self._bases.append(weight.detach())
                layer.weight = own = nn.Parameter(weight.detach().clone(), requires_grad=False)
            else:
                self._bases.append(None)
                zeros = torch.zeros(pair.outputs, pair.inputs, device=self._device)
                own = nn.Parameter(zeros, requires_grad=False)
                replace_forward(layer, _adding(layer.forward, own))
            self._own.append(own)


def _pair(
    name: str, module: nn.Module, trained: Mapping[str, str]
) -> tuple[LoraPair, nn.Module] | None:
    a, b = (f"{name}.lora_{factor}.{_DEFAULT}.weight" for factor in "AB")
    if a not in trained or b not in trained or getattr(module, "lora_magnitude_vector", None):
        return None
    held: Any = module
    down, up = held.lora_A[_DEFAULT].weight, held.lora_B[_DEFAULT].weight
    pair = LoraPair(
        a=trained[a],
        b=trained[b],
        base=trained[a].replace(".lora_A.", ".base."),
        scale=float(held.scaling[_DEFAULT]),
        rank=down.shape[0],
        inputs=down.shape[1],
        outputs=up.shape[0],
    )
    return pair, held.base_layer


def _adding(forward: Callable[[Tensor], Tensor], own: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda x: forward(x) + nn.functional.linear(x, own.to(x.dtype))


def _stored(layer: Any) -> Tensor:
    """Return a layer's weight [out, in], whether whole, quantised or offloaded."""
    from fedbytes.models.base.quantised_base import dequantise_weight

    weight: Tensor = layer.weight
    if weight.device.type == "meta":
        weight = layer._hf_hook.weights_map["weight"]
    if weight.is_floating_point():
        return _transposed(layer, weight.detach())
    return dequantise_weight(weight, torch.float32)


def _transposed(layer: nn.Module, weight: Tensor) -> Tensor:
    """Convert a weight between [out, in] and the layer's order; the same both ways."""
    from transformers.pytorch_utils import Conv1D

    return weight.t() if isinstance(layer, Conv1D) else weight
