"""Random-k: coordinates drawn from the shared seed, whose places are free."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from fedbytes.arrays import Indices
from fedbytes.compression.codec import CODECS, Codec, Floats, Payload
from fedbytes.compression.coding.reader import Reader
from fedbytes.compression.layout import Layout, Shared
from fedbytes.compression.quantisers.log_magnitude import WIDTHS
from fedbytes.compression.sparsifiers.density import count_for_density
from fedbytes.compression.sparsifiers.random_subset import random_subset, scale_clipped
from fedbytes.compression.sparsifiers.sparse_vector import pack_sparse, read_sparse
from fedbytes.compression.summable import Grid, Integers, Summable, as_summable
from fedbytes.plugin_fields import added_field, bounded


@CODECS.register("randk")
@dataclass(frozen=True)
class RandK(Summable):
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
        common: whether all senders of a round draw the same coordinates.
        values: codec of the drawn values, in place of `bits`; with `common` and one that adds,
            such as `fixed`, messages add.

    Example:
        >>> codec = make_codec("randk", density=0.5, bits=32, scale=True)
        >>> try_codec(codec, [3.0, -1.0, 0.5, 2.0])
        (13, [0.0, -2.0, 1.0, 0.0])
    """

    density: float = bounded(0.01, above=0, most=1)
    bits: int = bounded(8, choices=WIDTHS)
    scale: bool = False
    common: bool = added_field(False)
    values: Codec | None = added_field(None)
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"density": 0.1, "bits": 8},
        {"density": 0.1, "bits": 32, "scale": True},
        {"density": 0.1, "common": True, "values": {"name": "fixed", "clip": 4.0}},
    )
    to_add: ClassVar[str] = (
        "its values, as in uplink={name: randk, common: true, values: {name: fixed}}"
    )
    sparse: ClassVar[bool] = True

    @property
    def unbiased(self) -> bool:
        """True for scaled float32 values, or such of a codec that is unbiased."""
        return self.scale and (self.bits == 32 if self.values is None else self.values.unbiased)

    @property
    def contracts(self) -> bool:
        """True without scale, with delta of about density, if the values' codec contracts."""
        return not self.scale and (self.values is None or self.values.contracts)

    def _drawn(self, shared: Shared) -> Indices:
        numel = shared.layout.numel
        open_generator = shared.common_generator if self.common else shared.generator
        return random_subset(open_generator("randk"), numel, count_for_density(self.density, numel))

    def _inner(self, shared: Shared) -> Shared:
        """Return what both ends know of the drawn values."""
        numel = shared.layout.numel
        layout = Layout({"values": (min(numel, count_for_density(self.density, numel)),)})
        return replace(shared, layout=layout, reference=None)

    @property
    def summable(self) -> bool:
        """True with common coordinates, whose values add."""
        return self.common and self.values is not None and self.values.summable

    @property
    def keeps_lengths(self) -> bool:
        """Whether the values' integers do."""
        assert self.values is not None
        return as_summable(self.values).keeps_lengths

    @property
    def grid_levels(self) -> int:
        """Those of the values."""
        assert self.values is not None
        return as_summable(self.values).grid_levels

    def coordinates(self, shared: Shared) -> int:
        """Return how many integers the values' codec has for the drawn coordinates."""
        assert self.values is not None
        return as_summable(self.values).coordinates(self._inner(shared))

    @property
    def recovers_linearly(self) -> bool:
        """Whether the values' codec does."""
        return self.values is None or as_summable(self.values).recovers_linearly

    def with_range(self, top: float) -> "RandK | None":
        """Return the same with the values' grid of that range, if it has one."""
        assert self.values is not None
        inner = as_summable(self.values).with_range(top)
        return None if inner is None else replace(self, values=inner)

    def grid(self, shared: Shared) -> Grid:
        """Return the grid of the values."""
        assert self.values is not None
        return as_summable(self.values).grid(self._inner(shared))

    def project(self, x: Floats, shared: Shared) -> Floats:
        """Return the image of the drawn coordinates under the values' own map."""
        assert self.values is not None
        return as_summable(self.values).project(x[self._drawn(shared)], self._inner(shared))

    def recover(self, image: Floats, shared: Shared) -> Floats:
        """Return the values that the image stands for in their places, and zeros."""
        assert self.values is not None
        values = as_summable(self.values).recover(image, self._inner(shared))
        return self._spread(values.copy(), self._drawn(shared), shared)

    def round_image(
        self, image: Floats, shared: Shared, grid: Grid, noise: np.random.Generator
    ) -> Integers:
        """Round the values as their codec does."""
        assert self.values is not None
        return as_summable(self.values).round_image(image, self._inner(shared), grid, noise)

    def read(self, body: memoryview, shared: Shared) -> Integers:
        """Return the integers of the values."""
        assert self.values is not None
        return as_summable(self.values).read(body, self._inner(shared))

    def _spread(self, values: Floats, kept: Indices, shared: Shared) -> Floats:
        y = np.zeros(shared.layout.numel, np.float32)
        if self.scale and kept.size:
            values = scale_clipped(values, y.size / kept.size)
        y[kept] = values
        return y

    def _encode(self, x: Floats, shared: Shared) -> Payload:
        values = x[self._drawn(shared)]
        if self.values is not None:
            return self.values.encode_body(values, self._inner(shared))
        return pack_sparse(values, np.flatnonzero(values), self.bits)

    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        kept, reader = self._drawn(shared), Reader(data, self.name)
        if self.values is not None:
            values = self.values.decode_body(reader.rest(), self._inner(shared))
        else:
            values = read_sparse(reader, kept.size, kept.size, self.bits)
            reader.end()
        return self._spread(values, kept, shared)
