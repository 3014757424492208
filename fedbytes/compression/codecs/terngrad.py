"""TernGrad: each coordinate as -1, 0 or 1 times its group's peak, at random."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedbytes.arrays import Int64s
from fedbytes.compression.codec import CODECS, Codec, Floats, Payload
from fedbytes.compression.coding.reader import Reader, pack_exponent, read_exponent
from fedbytes.compression.layout import Shared
from fedbytes.compression.numerics.exponents import apply_exponent, split_exponent
from fedbytes.compression.numerics.groups import group_peaks, group_sizes, group_sums
from fedbytes.compression.quantisers.stochastic_levels import (
    pack_stochastic_levels,
    read_stochastic_levels,
)
from fedbytes.plugin_fields import bounded


@CODECS.register("terngrad")
@dataclass(frozen=True)
class TernGrad(Codec):
    """A coordinate becomes ± its group's largest magnitude with probability |x| / that, else zero.

    Wen et al. 2017 (arXiv 1705.07878), the ternary symbols entropy-coded. The error grows with
    the group's size, since its peak does; the paper clips against that.

    Wire (docs/wire/classic.md): exponent int16; scale float32 [groups]; token frequencies, coded
    tokens. Nothing for no coordinates.

    Unbiased without clipping, biased with it. Does not contract.

    Attributes:
        bucket: coordinates a scale; 0 gives each tensor of the layout one, as in the paper.
        clip: magnitudes are clipped to this many standard deviations of their group before
            rounding, 2.5 in the paper; 0 for never.

    Example:
        >>> codec = make_codec("terngrad")
        >>> try_codec(codec, [3.0, -1.0, 0.5, 2.0])
        (21, [3.0, 0.0, 0.0, 3.0])
    """

    bucket: int = bounded(0, least=0)
    clip: float = bounded(0.0, least=0, most=1e6)
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"bucket": 64, "clip": 2.5})

    @property
    def unbiased(self) -> bool:
        """True without clipping."""
        return self.clip == 0

    def _encode(self, x: Floats, shared: Shared) -> Payload:
        if x.size == 0:
            return b""
        sizes = group_sizes(shared.layout, self.bucket)
        scaled, exponent = split_exponent(x)
        scales = self._scales(scaled, sizes)
        noise = shared.generator("terngrad").random(x.size, np.float32)
        noise -= np.float32(0.5)
        scales, symbols = pack_stochastic_levels(scaled, scales, 1, sizes, noise)
        head = pack_exponent(exponent)
        return b"".join((head, scales.astype("<f4").tobytes(), symbols))

    def _scales(self, x: Floats, sizes: Int64s) -> Floats:
        peaks = group_peaks(x, sizes)
        if self.clip == 0:
            return peaks
        means = group_sums(x, sizes, 1) / sizes
        variances = np.maximum(group_sums(x, sizes, 2) / sizes - means**2, 0)
        limits = (self.clip * np.sqrt(variances)).astype(np.float32)
        # A group whose values are all alike has no deviation to clip by.
        return np.where(limits > 0, np.minimum(peaks, limits), peaks)

    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        numel = shared.layout.numel
        sizes = group_sizes(shared.layout, self.bucket)
        reader = Reader(data, self.name)
        exponent = read_exponent(reader) if numel else 0
        scales = reader.floats(sizes.size, "scales")
        if numel == 0:
            y = np.empty(0, np.float32)
        else:
            y = read_stochastic_levels(reader, scales, 1, sizes, numel)
        reader.end()
        return apply_exponent(y, exponent)
