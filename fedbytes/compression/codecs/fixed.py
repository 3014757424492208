"""Integers on one fixed grid, which is the same for every sender."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from fedbytes.arrays import Unsigned
from fedbytes.compression.codec import CODECS, Floats, Payload
from fedbytes.compression.coding.bit_packing import pack_bits, packed_bytes, unpack_bits
from fedbytes.compression.coding.reader import Reader
from fedbytes.compression.layout import Shared
from fedbytes.compression.quantisers.common_grid import round_to_grid
from fedbytes.compression.summable import Grid, Integers, Summable
from fedbytes.plugin_fields import bounded

_CHUNK = 1 << 12


@CODECS.register("fixed")
@dataclass(frozen=True)
class Fixed(Summable):
    """Each coordinate clipped to ±clip and rounded at random to one of 2^bits - 1 even levels.

    As nothing but the configuration decides the grid, what several clients send adds up without
    being decoded: the scheme of secure aggregation in practice (Bonawitz et al. 2019,
    arXiv 1912.00131). Zero is a level.

    Wire (docs/wire/casts.md): the codes, packed.

    Biased, by what is clipped; otherwise rounding has the right mean. Does not contract, as small
    vectors are rounded to levels far larger; its error is bounded by the grid within ±clip.

    Attributes:
        clip: largest magnitude that can be sent, known in advance.
        bits: bits per coordinate, 2 to 24.

    Example:
        >>> codec = make_codec("fixed", clip=1.0, bits=4)
        >>> try_codec(codec, [0.0, 1.0, -1.0, 3.0, 0.5, -0.25, 0.1, 0.002])
        (8, [0.0, 1.0, -1.0, 1.0, 0.4286, -0.1429, 0.1429, 0.0])
    """

    bounded_error: ClassVar[bool] = True
    one_map: ClassVar[bool] = True

    clip: float = bounded(1.0, least=1e-30, most=1e30)
    bits: int = bounded(8, least=2, most=24)
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"clip": 4.0, "bits": 3})
    to_add: ClassVar[str] = "nothing"

    @property
    def grid_levels(self) -> int:
        """2^bits - 1."""
        return (1 << self.bits) - 1

    def with_range(self, top: float) -> "Fixed":
        """Return the same with another clip."""
        return replace(self, clip=top)

    def grid(self, shared: Shared) -> Grid:
        """Return the grid that the fields fix."""
        zero = self.grid_levels // 2
        return Grid(self.clip / zero, zero)

    def round_image(
        self, image: Floats, shared: Shared, grid: Grid, noise: np.random.Generator
    ) -> Integers:
        """Round at random, up or down by the distance."""
        return round_to_grid(image, grid, noise)

    def read(self, body: memoryview, shared: Shared) -> Integers:
        """Return the codes."""
        return self._open(body, shared).astype(np.uint64)

    def _open(self, body: memoryview, shared: Shared) -> Unsigned:
        reader, numel = Reader(body, self.name), shared.layout.numel
        codes = unpack_bits(reader.take(packed_bytes(numel, self.bits), "codes"), numel, self.bits)
        reader.end()
        if numel and int(codes.max()) >= self.grid_levels:
            raise ValueError(
                f"fixed payload: code is {codes.max()}, allowed below {self.grid_levels}"
            )
        return codes

    def _encode(self, x: Floats, shared: Shared) -> Payload:
        grid, noise = self.grid(shared), shared.generator("fixed")
        return pack_bits(self.round_image(x, shared, grid, noise), self.bits)

    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        codes, grid = self._open(data, shared), self.grid(shared)
        y = np.empty(codes.size, np.float32)
        for start in range(0, y.size, _CHUNK):
            part = slice(start, start + _CHUNK)
            y[part] = grid.mean(codes[part].astype(np.uint64), 1)
        return y
