"""NormalFloat 4: sixteen levels at the quantiles of a normal distribution, one scale a block."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .. import nf4
from ..bits import pack_bits, packed_bytes, unpack_bits
from ..core import CODECS, Codec, Floats, Payload, Shared
from ..wire import Reader

_BLOCKS = (32, 64, 128, 256, 512, 1024, 2048, 4096)


@CODECS.register("nf4")
@dataclass(frozen=True)
class Nf4(Codec):
    """Each coordinate as the nearest of 16 normal quantiles times its block's largest magnitude.

    Dettmers et al. 2023 (QLoRA); the values are bitsandbytes'. Wire: scale float32 [blocks], or
    with double_quant: mean float32, top float32 [ceil(blocks / 256)], scale code uint8 [blocks];
    then 4-bit codes [numel], packed, low half first.

    Biased. Contracts: zero and both peaks are levels, so the error is at most about 0.12 of
    the energy, 0.27 with double_quant.

    Attributes:
        block: coordinates a scale, a power of two from 32 to 4096.
        double_quant: whether the scales themselves are sent in 8 bits.
    """

    block: int = 64
    double_quant: bool = False
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"double_quant": True})

    def __post_init__(self) -> None:
        if self.block not in _BLOCKS:
            raise ValueError(f"nf4: block must be one of {_BLOCKS}, got {self.block}")

    @property
    def contracts(self) -> bool:
        """True: zero and the peak are levels."""
        return True

    def _encode(self, x: Floats, shared: Shared) -> Payload:
        scales, codes = nf4.quantise(x, self.block)
        if not self.double_quant or x.size == 0:
            return scales.astype("<f4").tobytes() + pack_bits(codes, 4)
        mean, tops, small = nf4.quantise_scales(scales)
        head = np.concatenate(([mean], tops)).astype("<f4").tobytes()
        return b"".join((head, small.data, pack_bits(codes, 4)))

    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        numel = shared.layout.numel
        blocks = -(-numel // self.block)
        reader = Reader(data, self.name)
        if not self.double_quant or numel == 0:
            scales = reader.floats(blocks, "scales")
        else:
            mean, *tops = reader.floats(1 + -(-blocks // nf4.SCALE_GROUP), "scale groups")
            small = reader.array("u1", blocks, "scale codes")
            scales = nf4.dequantise_scales(mean, np.array(tops, np.float32), small)
        codes = unpack_bits(reader.take(packed_bytes(numel, 4), "codes"), numel, 4)
        reader.end()
        return nf4.dequantise(scales, codes.astype(np.uint8, copy=False), self.block)
