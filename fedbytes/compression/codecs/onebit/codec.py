"""One bit per coordinate and two magnitudes per group."""

from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar, Literal

import numpy as np

from fedbytes.compression.codec import CODECS, Codec, Floats, Payload
from fedbytes.compression.codecs.onebit.sign_means import pick_sides, split_sides
from fedbytes.compression.coding.bit_packing import pack_bits, packed_bytes, unpack_bits
from fedbytes.compression.coding.reader import Reader
from fedbytes.compression.layout import Layout, Shared


@CODECS.register("onebit")
@dataclass(frozen=True)
class OneBit(Codec):
    """A coordinate becomes the mean of its group's coordinates on its side of zero.

    1-bit SGD, Seide et al. 2014 (Interspeech), which takes the columns of weight matrices as
    groups; made to be used with error feedback. Two means lose less than `sign`'s one
    magnitude where the two sides differ.

    Wire: float32 [groups] means of the coordinates >= 0; float32 [groups] means of the negative
    ones; bits [numel], packed, 1 for negative. With columns, a matrix's coordinates stand column
    by column.

    Biased. Contracts: the error is the variance within each side of a group, so delta >= 1 /
    (largest group).

    Attributes:
        group: "tensor", or "column" for one pair of means for each index of the last axis of
            tensors with two or more axes.

    Example:
        >>> codec = make_codec("onebit")
        >>> try_codec(codec, [3.0, -1.0, 0.5, 2.0])
        (13, [1.833, -1.0, 1.833, 1.833])
    """

    group: Literal["tensor", "column"] = "tensor"
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"group": "column"})
    contracts: ClassVar[bool] = True

    def _matrices(self, layout: Layout) -> list[tuple[slice, int, int]]:
        """Return each tensor's slice, rows and columns; a column is a group."""
        found = []
        for place, shape in zip(layout.slices().values(), layout.shapes.values(), strict=True):
            # With one axis, as in a bias, a column would be one number, and its mean itself.
            columns = shape[-1] if self.group == "column" and len(shape) > 1 else 1
            if prod(shape):
                found.append((place, prod(shape) // columns, columns))
        return found

    def _encode(self, x: Floats, shared: Shared) -> Payload:
        matrices = self._matrices(shared.layout)
        means = np.empty((2, sum(columns for _, _, columns in matrices)), np.float32)
        negative = np.empty(x.size, np.uint8)
        group = 0
        for place, rows, columns in matrices:
            part = means[:, group : group + columns]
            split_sides(x[place].reshape(rows, columns), part, negative[place])
            group += columns
        return means.astype("<f4", copy=False).tobytes() + pack_bits(negative, 1)

    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        matrices = self._matrices(shared.layout)
        groups, numel = sum(columns for _, _, columns in matrices), shared.layout.numel
        reader = Reader(data, self.name)
        means = np.stack([reader.floats(groups, "means"), reader.floats(groups, "means")])
        bits = unpack_bits(reader.take(packed_bytes(numel, 1), "signs"), numel, 1)
        reader.end()
        y = np.empty(numel, np.float32)
        group = 0
        for place, rows, columns in matrices:
            part = means[:, group : group + columns]
            pick_sides(bits[place], part, y[place].reshape(rows, columns))
            group += columns
        return y
