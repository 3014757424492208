"""Bring tensors to one scale."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedbytes.arrays import CHUNK, LARGEST_FLOAT, Floats
from fedbytes.compression.coding.reader import Reader
from fedbytes.compression.layout import Layout, Shared
from fedbytes.compression.transform import TRANSFORMS, Transform, Transformed


@TRANSFORMS.register("normalise")
@dataclass(frozen=True)
class Normalise(Transform):
    """Each tensor is divided by its root mean square, which is sent.

    Then a codec of one step spends as much on a tensor of small updates as on one of large ones:
    worse for the total error, better where small tensors matter more than their size. Wire:
    float32 for each tensor that is not empty, 0 for one of zeros.

    Unbiased; does not contract: the error of a large tensor may outgrow a small one's energy.

    Example:
        >>> transform = make_transform("normalise")
        >>> try_transform(transform, [300.0, -400.0, 3.0, 4.0], {"a": (2,), "b": (2,)})
        ([0.8487, -1.132, 0.8486, 1.131], [300.0, -400.0, 3.0, 4.0])
    """

    unbiased: ClassVar[bool] = True

    def forward(self, x: Floats, shared: Shared) -> Transformed:
        """Return the tensors at root mean square 1, and what they were."""
        y, scales = np.empty_like(x), []
        for part in _parts(shared.layout):
            scales.append(_rms(x[part]))
            with np.errstate(all="ignore"):
                y[part] = x[part] / scales[-1] if scales[-1] else 0
        return Transformed(np.array(scales, "<f4").tobytes(), y)

    def read(self, reader: Reader, shared: Shared) -> tuple[int, Floats]:
        """Return the length, which stays, and the scales."""
        return shared.layout.numel, reader.floats(len(_parts(shared.layout)), "scales", low=0)

    def inverse(self, y: Floats, side: Floats, shared: Shared) -> Floats:
        """Return the tensors at their scales, within float32's finite range."""
        for part, scale in zip(_parts(shared.layout), side.tolist(), strict=True):
            for start in range(part.start, part.stop, CHUNK):
                piece = slice(start, min(start + CHUNK, part.stop))
                y[piece] = np.clip(
                    y[piece].astype(np.float64) * scale, -LARGEST_FLOAT, LARGEST_FLOAT
                )
        return y


def _parts(layout: Layout) -> list[slice]:
    return [part for part in layout.slices().values() if part.stop > part.start]


def _rms(x: Floats) -> np.float32:
    """Return the root mean square, rounded so that its last bits depend on no platform."""
    top = float(np.abs(x).max())
    if top == 0:
        return np.float32(0)
    total = sum(
        float(np.square(x[i : i + CHUNK].astype(np.float64) / top).sum())
        for i in range(0, x.size, CHUNK)
    )
    bits = np.float32(top * (total / x.size) ** 0.5).view(np.uint32) + np.uint32(1 << 11)
    rounded = np.uint32(bits & np.uint32(0xFFFFF000)).view(np.float32)
    return rounded if 0 < rounded <= LARGEST_FLOAT else np.float32(top)
