"""Base models whose linear layers have quantised weights (QLoRA, arXiv 2305.14314)."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import MethodType
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fedbytes.models.base.capability import can_compute
from fedbytes.models.forward_patch import replace_forward
from fedbytes.process.optional_imports import import_bitsandbytes

WeightFormat = Literal["nf4", "fp4", "int8"]


@dataclass(frozen=True)
class Quantisation:
    """Format of the weights of a base model's linear layers, except the head's.

    Attributes:
        kind: `nf4` or `fp4` (blocks of 64 weights), or `int8` (a scale per row, the weights of
            LLM.int8(), arXiv 2208.07339; activations are not quantised).
        double: whether the scales of 4-bit blocks are quantised too.
        compute: type of products with the dequantised weights.
    """

    kind: WeightFormat
    double: bool
    compute: torch.dtype

    def __str__(self) -> str:
        double = " double" if self.double else ""
        return f"{self.kind}{double} {self.compute}".replace("torch.", "")


def loading_options(quantisation: Quantisation, device: str) -> dict[str, Any]:
    """Return the options of `from_pretrained`, which quantises layer by layer while loading.

    Raises:
        ValueError: if bitsandbytes is not installed, or does not support the device, or products
            of that type on it.
    """
    what = f"quantise={quantisation.kind}"
    known = import_bitsandbytes(what).supported_torch_devices
    if torch.device(device).type not in known:
        raise ValueError(
            f"{what} does not run on {device}, only on {', '.join(sorted(known))}: "
            "choose another device, or remove quantise"
        )
    if not _runs(quantisation, torch.device(device)):
        raise ValueError(
            f"{what} with products in {quantisation.compute} cannot be computed on {device} here: "
            "set compute_dtype=float32, or remove quantise"
        )
    from transformers import BitsAndBytesConfig

    if quantisation.kind == "int8":
        config = BitsAndBytesConfig(load_in_8bit=True)  # type: ignore[no-untyped-call]
    else:
        config = BitsAndBytesConfig(  # type: ignore[no-untyped-call]
            load_in_4bit=True,
            bnb_4bit_quant_type=quantisation.kind,
            bnb_4bit_use_double_quant=quantisation.double,
            bnb_4bit_compute_dtype=quantisation.compute,
        )
    return {"quantization_config": config, "device_map": {"": device}, "dtype": torch.float32}


@cache
def _runs(quantisation: Quantisation, device: torch.device) -> bool:
    """Return whether a device can quantise weights and multiply by them, forward and backward."""

    def multiply(x: Tensor) -> Tensor:
        product: Any = _Product.apply
        found: Tensor = product(x.to(quantisation.compute), _quantised_zeros(quantisation, device))
        return found

    return can_compute(multiply, torch.zeros(2, 128, device=device))


def _quantised_zeros(quantisation: Quantisation, device: torch.device) -> Any:
    """Return a quantised weight [64, 128] of zeros."""
    theirs: Any = import_bitsandbytes(f"quantise={quantisation.kind}").nn
    zeros = torch.zeros(64, 128)
    weight: Any
    if quantisation.kind == "int8":
        weight = theirs.Int8Params(zeros, requires_grad=False, has_fp16_weights=False)
    else:
        kind, double = quantisation.kind, quantisation.double
        weight = theirs.Params4bit(zeros, False, quant_type=kind, compress_statistics=double)
    return weight.to(device)


def load_quantised(model: Any, options: dict[str, Any]) -> Any:
    """Return a quantised copy of a model that was built rather than loaded, such as a tiny one."""
    from fedbytes.process.quiet import quiet_transformers

    with quiet_transformers():
        return type(model).from_pretrained(
            None, config=model.config, state_dict=model.state_dict(), **options
        )


def finish_quantised(model: nn.Module, quantisation: Quantisation) -> None:
    """Replace the forward pass of quantised layers by one that is the same in all modes.

    bitsandbytes' own, in evaluation mode, repacks 4-bit weights in place on some CPUs, after which
    no gradient passes; multiplies 8-bit ones with other rounding than in training; and casts biases
    in place, although they may be views.
    """
    for parameter in model.parameters():
        if parameter.is_floating_point():  # a view that would keep the whole file mapped
            parameter.data = parameter.data.clone()
    layers: list[Any] = [m for m in model.modules() if isinstance(m, nn.Linear)]
    for layer in layers:
        if layer.weight.is_floating_point():
            continue
        layer.compute_dtype = quantisation.compute
        layer.quant_state = None  # also in the weight; copies of the module must not copy it
        replace_forward(layer, MethodType(_forward, layer))


def weight_count(parameter: Tensor) -> int:
    """Return the number of weights of a parameter, quantised or not."""
    state = getattr(parameter, "quant_state", None)
    return parameter.numel() if state is None else int(state.shape.numel())


def stored_bytes(parameter: Tensor) -> int:
    """Return the bytes of a parameter and its scales.

    The code book of a format is the same for all models and not counted.
    """
    return parameter.nbytes + sum(tensor.nbytes for tensor in _scales(parameter))


def _scales(parameter: Tensor) -> Iterator[Tensor]:
    state = getattr(parameter, "quant_state", None)
    if state is not None:
        yield state.absmax
        if state.nested:
            yield from (state.offset, state.state2.absmax)
    scales = getattr(parameter, "SCB", None)
    if scales is not None:
        yield scales


def _forward(self: Any, x: Tensor) -> Tensor:
    product: Any = _Product.apply  # which torch leaves untyped
    out: Tensor = product(x.to(self.compute_dtype), self.weight).to(x.dtype)
    return out if self.bias is None else out + self.bias.to(x.dtype)


class _Product(torch.autograd.Function):
    """A product with quantised weights, which are dequantised again in the backward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.weight = weight
        return F.linear(x, dequantise_weight(weight, x.dtype))

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return gradients[0] @ dequantise_weight(ctx.weight, gradients[0].dtype), None


def dequantise_weight(weight: Any, dtype: torch.dtype) -> Tensor:
    """Dequantise a parameter to weights [out, in]."""
    if weight.dtype == torch.int8:
        rows: Tensor = weight.detach().to(dtype)
        return rows.mul_((weight.SCB / 127).to(dtype).unsqueeze(1))
    from bitsandbytes import functional

    state = weight.quant_state
    scales = state.absmax
    if state.nested:
        scales = functional.dequantize_blockwise(scales, state.state2) + state.offset
    # As one row: on some CPUs bitsandbytes uses wrong scales for blocks that span rows.
    row = (state.shape.numel(),)
    run: Any = torch.ops.bitsandbytes.dequantize_4bit
    flat = run(weight.detach(), scales, state.blocksize, state.quant_type, row, dtype)
    whole: Tensor = flat.view(state.shape)
    return whole
