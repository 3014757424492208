"""One sign bit per coordinate and one magnitude per group."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedbytes.compression.codec import CODECS, Codec, Floats, Payload
from fedbytes.compression.coding.bit_packing import pack_bits, packed_bytes, unpack_bits
from fedbytes.compression.coding.reader import Reader
from fedbytes.compression.layout import Shared
from fedbytes.compression.numerics.groups import group_sizes, group_sums, pick_levels
from fedbytes.plugin_fields import bounded


@CODECS.register("sign")
@dataclass(frozen=True)
class Sign(Codec):
    """Each coordinate becomes its sign times its group's mean magnitude (EF-sign).

    Karimireddy et al. 2019. Wire: scale float32 [groups]; sign bits [numel], packed, 1 for
    negative (zero counts as positive).

    Biased. Contracts: the error is ||x||^2 - ||x||_1^2 / n in each group of n, so delta >= 1/n.

    Attributes:
        block: coordinates a scale; 0 gives each tensor of the layout one scale.

    Example:
        >>> codec = make_codec("sign")
        >>> try_codec(codec, [3.0, -1.0, 0.5, 2.0])
        (9, [1.625, -1.625, 1.625, 1.625])
    """

    block: int = bounded(0, least=0)
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"block": 256}, {"block": 100})
    contracts: ClassVar[bool] = True

    def _encode(self, x: Floats, shared: Shared) -> Payload:
        sizes = group_sizes(shared.layout, self.block)
        if sizes.size == 0:
            return b""
        sums = group_sums(np.abs(x), sizes, 1)
        return (sums / sizes).astype("<f4").tobytes() + pack_bits(np.signbit(x), 1)

    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        sizes = group_sizes(shared.layout, self.block)
        numel = shared.layout.numel
        reader = Reader(data, self.name)
        scales = reader.floats(sizes.size, "scales")
        packed = reader.take(packed_bytes(numel, 1), "signs")
        reader.end()
        return pick_levels(unpack_bits(packed, numel, 1), scales, -scales, sizes)
