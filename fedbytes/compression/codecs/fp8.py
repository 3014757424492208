"""8-bit floats, with a power of two as each block's scale."""

import functools
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch

from fedbytes.arrays import LARGEST_FLOAT, Int32s, UInt8s
from fedbytes.compression.codec import CODECS, Codec, Floats, Payload
from fedbytes.compression.coding.reader import Reader
from fedbytes.compression.layout import Shared
from fedbytes.compression.numerics.groups import group_peaks, group_sizes, scale_groups
from fedbytes.compression.quantisers.block_table import dequantise_block_table
from fedbytes.plugin_fields import bounded

_DTYPES = {"e4m3": torch.float8_e4m3fn, "e5m2": torch.float8_e5m2}
_TOPS = {"e4m3": 8, "e5m2": 15}  # the largest value is 1.75 * 2^top
_LAST = {"e4m3": 0x7E, "e5m2": 0x7B}  # bits of the largest value; above are infinity and NaN
_HIGH = 240  # scale byte from which a value can be beyond float32
_BIASES = {"e4m3": 134, "e5m2": 142}  # scale byte less exponent; 255 holds float32's largest


@CODECS.register("fp8")
@dataclass(frozen=True)
class Fp8(Codec):
    """Each coordinate as an 8-bit float times a power of two that its block shares.

    Micikevicius et al. 2022 (FP8 formats, arXiv 2209.05433). The scale is the smallest power of
    two that brings the block's peak within the format (448 for e4m3, 57344 for e5m2), so scaling
    is exact and takes a byte; the rounding is torch's cast to float8_e4m3fn or float8_e5m2, to
    nearest, ties to even.

    Wire: scale uint8 [blocks], 2^(byte - 134) for e4m3 and 2^(byte - 142) for e5m2; then the
    floats uint8 [numel]. Infinities and NaN are refused; values are kept within float32's range.

    Biased. Contracts: zero is a level, so no coordinate gets worse, and the peak is off by at most
    2^-4 (2^-3 for e5m2) of itself (delta >= 0.98 / block).

    Attributes:
        format: "e4m3" (3 mantissa bits, range 2^17) or "e5m2" (2 bits, range 2^32).
        block: coordinates a scale.

    Example:
        >>> codec = make_codec("fp8")
        >>> try_codec(codec, [3.14159, -1.0, 0.1, 2.0])
        (9, [3.25, -1.0, 0.1016, 2.0])
    """

    format: Literal["e4m3", "e5m2"] = "e4m3"
    block: int = bounded(128, least=1)
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"format": "e5m2", "block": 32})
    contracts: ClassVar[bool] = True

    def _encode(self, x: Floats, shared: Shared) -> Payload:
        sizes = group_sizes(shared.layout, self.block)
        codes = self._scale_bytes(group_peaks(x, sizes))
        exponents = _BIASES[self.format] - codes.astype(np.int32)
        # In two steps: neither overflows, and what the first loses is far below the format.
        half = exponents >> 1
        scaled = scale_groups(x, _powers(half), sizes, np.empty_like(x))
        scale_groups(scaled, _powers(exponents - half), sizes, scaled)
        floats = torch.from_numpy(scaled).to(_DTYPES[self.format]).view(torch.uint8)
        return b"".join((codes.data, floats.numpy().data))

    def _scale_bytes(self, peaks: Floats) -> UInt8s:
        mantissas, exponents = np.frexp(peaks)
        exponents = exponents - _TOPS[self.format] - (mantissas <= np.float32(0.875))
        exponents[peaks == 0] = -_BIASES[self.format]
        codes: UInt8s = np.clip(exponents + _BIASES[self.format], 0, 255).astype(np.uint8)
        return codes

    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        sizes = group_sizes(shared.layout, self.block)
        reader = Reader(data, self.name)
        codes = reader.array("u1", sizes.size, "scales").astype(np.int32)
        floats = reader.array("u1", shared.layout.numel, "values")
        reader.end()
        if floats.size and int((floats & np.uint8(0x7F)).max()) > _LAST[self.format]:
            raise ValueError("fp8 payload: a float is infinite or NaN")
        scales = _powers(codes - _BIASES[self.format])
        y = dequantise_block_table(scales, floats, self.block, _table(self.format))
        if codes.max(initial=0) >= _HIGH:
            np.clip(y, -LARGEST_FLOAT, LARGEST_FLOAT, out=y)
        return y


@functools.cache
def _table(form: str) -> Floats:
    """Return the value of each byte."""
    every = torch.arange(256, dtype=torch.uint8).view(_DTYPES[form])
    return every.float().numpy()


def _powers(exponents: Int32s) -> Floats:
    return np.ldexp(np.float32(1), exponents)
