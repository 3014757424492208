"""One bit a coordinate and two magnitudes a group."""

from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar, Literal

import numpy as np

from ..bits import pack_bits, packed_bytes, unpack_bits
from ..core import CODECS, Codec, Floats, Layout, Payload, Shared
from ..groups import Sizes, group_sizes, group_sums, pick_levels
from ..wire import Reader


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
    """

    group: Literal["tensor", "column"] = "tensor"
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"group": "column"})

    def __post_init__(self) -> None:
        if self.group not in ("tensor", "column"):
            raise ValueError(f"onebit: group is 'tensor' or 'column', got {self.group!r}")

    @property
    def contracts(self) -> bool:
        """True, with delta >= 1 / (largest group)."""
        return True

    def _sizes(self, layout: Layout) -> Sizes:
        if self.group == "tensor":
            return group_sizes(layout, 0)
        sizes: list[int] = []
        for shape in layout.shapes.values():
            columns = shape[-1] if len(shape) > 1 else 1
            rows = prod(shape) // max(columns, 1)
            sizes += [rows] * columns if rows else []
        return np.array(sizes, np.int64)

    def _encode(self, x: Floats, shared: Shared) -> Payload:
        sizes = self._sizes(shared.layout)
        if sizes.size == 0:
            return b""
        if self.group == "column":
            x = _columns(x, shared.layout)
        negative = x < 0
        below = np.add.reduceat(negative, np.cumsum(sizes) - sizes, dtype=np.int64)
        low = group_sums(np.minimum(x, 0), sizes, 1) / np.maximum(below, 1)
        high = group_sums(np.maximum(x, 0), sizes, 1) / np.maximum(sizes - below, 1)
        means = np.concatenate((high, low)).astype("<f4")
        return means.tobytes() + pack_bits(negative, 1)

    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        sizes = self._sizes(shared.layout)
        numel = shared.layout.numel
        reader = Reader(data, self.name)
        high = reader.floats(sizes.size, "means")
        low = reader.floats(sizes.size, "means")
        bits = unpack_bits(reader.take(packed_bytes(numel, 1), "signs"), numel, 1)
        reader.end()
        y = pick_levels(bits, high, low, sizes)
        del bits
        if self.group == "column":
            _to_rows(y, shared.layout)
        return y


def _columns(x: Floats, layout: Layout) -> Floats:
    """Return x with each tensor's coordinates ordered by its last axis first."""
    out = np.empty_like(x)
    for place, shape in zip(layout.slices().values(), layout.shapes.values(), strict=True):
        out[place] = x[place].reshape(-1, max(shape[-1], 1)).T.ravel() if shape[1:] else x[place]
    return out


def _to_rows(y: Floats, layout: Layout) -> None:
    """Undo `_columns` in place."""
    for place, shape in zip(layout.slices().values(), layout.shapes.values(), strict=True):
        if shape[1:]:
            y[place] = y[place].reshape(max(shape[-1], 1), -1).T.ravel()
