"""Base models whose linear layers hold packed weights (QLoRA, arXiv 2305.14314)."""

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
    """How the weights of a base model's linear layers are packed; the head's are not.

    Attributes:
        kind: `nf4` or `fp4` (blocks of 64 weights), or `int8` (a scale for each row, the
            weights of LLM.int8(), arXiv 2208.07339; what is multiplied with them stays whole).
        double: whether the scales of 4-bit blocks are quantised as well.
        compute: type of the products with the unpacked weights.
    """

    kind: WeightFormat
    double: bool
    compute: torch.dtype

    def __str__(self) -> str:
        double = " double" if self.double else ""
        return f"{self.kind}{double} {self.compute}".replace("torch.", "")


def loading_options(quantisation: Quantisation, device: str) -> dict[str, Any]:
    """Return what `from_pretrained` must be told: it packs layer by layer as it reads.

    Raises:
        ValueError: if bitsandbytes is not installed, or does not run on the device, or not there
            with products of that type.
    """
    what = f"quantise {quantisation.kind!r}"
    known = import_bitsandbytes(what).supported_torch_devices
    if torch.device(device).type not in known:
        raise ValueError(
            f"{what} does not run on {device}, only on {', '.join(sorted(known))}: "
            "choose another device, or leave quantise out"
        )
    if not _runs(quantisation, torch.device(device)):
        raise ValueError(
            f"{what} with products in {quantisation.compute} is not computed on {device} here: "
            "set compute_dtype=float32, or leave quantise out"
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
    """Return whether weights are packed on a device, and multiplied there and back."""

    def multiply(x: Tensor) -> Tensor:
        product: Any = _Product.apply
        found: Tensor = product(x.to(quantisation.compute), _packed(quantisation, device))
        return found

    return can_compute(multiply, torch.zeros(2, 128, device=device))


def _packed(quantisation: Quantisation, device: torch.device) -> Any:
    """Return a weight [64, 128] of zeros, packed."""
    theirs: Any = import_bitsandbytes(f"quantise {quantisation.kind!r}").nn
    zeros = torch.zeros(64, 128)
    weight: Any
    if quantisation.kind == "int8":
        weight = theirs.Int8Params(zeros, requires_grad=False, has_fp16_weights=False)
    else:
        kind, double = quantisation.kind, quantisation.double
        weight = theirs.Params4bit(zeros, False, quant_type=kind, compress_statistics=double)
    return weight.to(device)


def load_quantised(model: Any, options: dict[str, Any]) -> Any:
    """Return a model that was made and not read, such as a tiny one, with packed weights."""
    from fedbytes.process.quiet import quiet_transformers

    with quiet_transformers():
        return type(model).from_pretrained(
            None, config=model.config, state_dict=model.state_dict(), **options
        )


def finish_quantised(model: nn.Module, quantisation: Quantisation) -> None:
    """Give packed layers a forward of ours, the same in evaluation as in training.

    bitsandbytes' own, in evaluation mode, repacks 4-bit weights in place on some CPUs, after which
    no gradient passes; multiplies 8-bit ones in other numbers than in training; and casts biases
    in place, though they may be views.
    """
    for parameter in model.parameters():
        if parameter.is_floating_point():  # a view into the whole file, which else stays mapped
            parameter.data = parameter.data.clone()
    layers: list[Any] = [m for m in model.modules() if isinstance(m, nn.Linear)]
    for layer in layers:
        if layer.weight.is_floating_point():
            continue
        layer.compute_dtype = quantisation.compute
        layer.quant_state = None  # the weight has it; a copy of the module must not copy it
        replace_forward(layer, MethodType(_forward, layer))


def weight_count(parameter: Tensor) -> int:
    """Return how many weights a parameter stands for, packed or not."""
    state = getattr(parameter, "quant_state", None)
    return parameter.numel() if state is None else int(state.shape.numel())


def stored_bytes(parameter: Tensor) -> int:
    """Return the bytes of a parameter with the scales that unpack it.

    The code book of a kind is the same for all models, and not counted.
    """
    return parameter.nbytes + sum(tensor.nbytes for tensor in _beside(parameter))


def _beside(parameter: Tensor) -> Iterator[Tensor]:
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
    """A product with packed weights, unpacked again on the way back rather than kept."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.weight = weight
        return F.linear(x, unpack_weight(weight, x.dtype))

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return gradients[0] @ unpack_weight(ctx.weight, gradients[0].dtype), None


def unpack_weight(weight: Any, dtype: torch.dtype) -> Tensor:
    """Return the weights [out, in] that a packed parameter stands for."""
    if weight.dtype == torch.int8:
        rows: Tensor = weight.detach().to(dtype)
        return rows.mul_((weight.SCB / 127).to(dtype).unsqueeze(1))
    from bitsandbytes import functional

    state = weight.quant_state
    scales = state.absmax
    if state.nested:
        scales = functional.dequantize_blockwise(scales, state.state2) + state.offset
    # As one row: on some CPUs the library takes wrong scales for blocks that span rows.
    row = (state.shape.numel(),)
    run: Any = torch.ops.bitsandbytes.dequantize_4bit
    flat = run(weight.detach(), scales, state.blocksize, state.quant_type, row, dtype)
    whole: Tensor = flat.view(state.shape)
    return whole
