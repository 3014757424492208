"""Random-k: coordinates drawn from the shared seed, whose places are free."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedbytes.arrays import Indices
from fedbytes.compression.codec import CODECS, Codec, Floats, Payload
from fedbytes.compression.coding.reader import Reader
from fedbytes.compression.layout import Shared
from fedbytes.compression.quantisers.log_magnitude import WIDTHS
from fedbytes.compression.sparsifiers.density import count_for_density
from fedbytes.compression.sparsifiers.random_subset import random_subset, scale_clipped
from fedbytes.compression.sparsifiers.sparse_vector import pack_sparse, read_sparse
from fedbytes.plugin_fields import bounded


@CODECS.register("randk")
@dataclass(frozen=True)
class RandK(Codec):
    """k = density * numel coordinates drawn at random, anew each round and sender.

    Konečný et al. 2016 (random mask); Stich et al. 2018. Both ends draw the same k coordinates
    from the shared seed: those whose random uint32 is smallest. Only the values travel, and which
    of the k are zeros, where some are.

    Wire: of the k drawn values, in order: how many are not zero, which, their values
    (`sparse_vector.py`); nothing for "which" if all are. The decoder
    multiplies by n / k where `scale`.

    Unbiased with scale at 32 bits (narrower values are rounded to nearest). Contracts without
    scale: E||x - C(x)||^2 = (1 - k / n) ||x||^2.

    Attributes:
        density: share of the coordinates that is drawn, in (0, 1].
        bits: bits per value: 32 (float32), 16 (bfloat16), or 8 to 1 (sign and geometric cells).
        scale: multiply by n / k, which makes it unbiased and multiplies the error.

    Example:
        >>> codec = make_codec("randk", density=0.5, bits=32, scale=True)
        >>> try_codec(codec, [3.0, -1.0, 0.5, 2.0])
        (13, [0.0, -2.0, 1.0, 0.0])
    """

    density: float = bounded(0.01, above=0, most=1)
    bits: int = bounded(8, choices=WIDTHS)
    scale: bool = False
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"density": 0.1, "bits": 8},
        {"density": 0.1, "bits": 32, "scale": True},
    )
    sparse: ClassVar[bool] = True

    @property
    def unbiased(self) -> bool:
        """True for scaled float32 values."""
        return self.scale and self.bits == 32

    @property
    def contracts(self) -> bool:
        """True without scale, with delta of about density."""
        return not self.scale

    def _drawn(self, shared: Shared) -> Indices:
        numel = shared.layout.numel
        return random_subset(
            shared.generator("randk"), numel, count_for_density(self.density, numel)
        )

    def _encode(self, x: Floats, shared: Shared) -> Payload:
        values = x[self._drawn(shared)]
        return pack_sparse(values, np.flatnonzero(values), self.bits)

    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        kept, reader = self._drawn(shared), Reader(data, self.name)
        values = read_sparse(reader, kept.size, kept.size, self.bits)
        reader.end()
        y = np.zeros(shared.layout.numel, np.float32)
        if self.scale and kept.size:
            values = scale_clipped(values, y.size / kept.size)
        y[kept] = values
        return y
