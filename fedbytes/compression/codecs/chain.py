"""Composition: transforms in a row, then a codec for what is left."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fedbytes.compression.codec import CODECS, Codec, Floats, Payload
from fedbytes.compression.coding.reader import Reader
from fedbytes.compression.layout import Layout, Shared
from fedbytes.compression.summable import Grid, Integers, Summable, as_summable
from fedbytes.compression.transform import Transform


@CODECS.register("chain")
@dataclass(frozen=True)
class Chain(Summable):
    """Transform, then sparsify, then quantise, then code: parts put together in configuration.

    Wire: the side bytes of each transform in order, then the bytes of the codec over the vector
    that the last one gave. The first transform sees the message's layout and reference; what
    follows sees one tensor `x` of the length that is left, and no reference.

    Behind transforms that are one linear map for all senders (`dct`, `rotate` and `draw` with
    `common`) a codec that adds still adds, and then no side bytes travel.

    Unbiased, contracts or sparse where the codec and every transform keep it.

    Attributes:
        transforms: at least one, applied in order: `normalise`, `rotate`, `dct`, `keep`, `draw`.
        codec: codes what they give.

    Example:
        >>> codec = make_codec("chain", transforms=[{"name": "keep", "density": 0.5}], codec="bf16")
        >>> try_codec(codec, [3.14159, -1.0, 0.5, 2.0])
        (11, [3.141, 0.0, 0.0, 2.0])
    """

    transforms: tuple[Transform, ...]
    codec: Codec
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"transforms": [{"name": "keep", "density": 0.1}], "codec": {"name": "int", "bits": 4}},
        {"transforms": ["normalise", "rotate"], "codec": {"name": "ecsq", "bits": 1.0}},
        {
            "transforms": [{"name": "draw", "density": 0.25}, "rotate"],
            "codec": {"name": "ecsq", "bits": 2.0, "rounding": "dither"},
        },
        {
            "transforms": [{"name": "dct", "chunk": 64}],
            "codec": {"name": "chunked_topk", "chunk": 64, "k": 8, "bits": 16},
        },
        {
            "transforms": [{"name": "dct", "chunk": 8, "square": True}],
            "codec": {"name": "chunked_topk", "chunk": 64, "k": 8, "bits": 16},
        },
        {
            "transforms": [
                {"name": "draw", "density": 0.25, "common": True},
                {"name": "rotate", "common": True},
            ],
            "codec": {"name": "fixed", "clip": 4.0},
        },
    )
    to_add: ClassVar[str] = (
        "transforms that all senders share (dct, rotate and draw with common=true) and a codec "
        "that adds, such as fixed"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.transforms:
            raise ValueError("chain: give at least one transform, or name the codec alone")

    @property
    def revision(self) -> int:
        """2 where it adds: `dct` before a codec with one grid sent an exponent, which moved it."""
        return 2 if self.summable else 1

    @property
    def unbiased(self) -> bool:
        """Whether the codec is and every transform keeps it."""
        return self.codec.unbiased and all(t.unbiased for t in self.transforms)

    @property
    def contracts(self) -> bool:
        """Whether the codec does and every transform keeps it."""
        return self.codec.contracts and all(t.contracts for t in self.transforms)

    @property
    def bounded_error(self) -> bool:
        """Whether the codec's is, behind transforms that keep lengths."""
        kept = all(t.unbiased and t.contracts for t in self.transforms)
        return self.codec.bounded_error and kept

    @property
    def summable(self) -> bool:
        """Whether the codec adds, and every transform is one map for all senders."""
        return self.codec.summable and all(t.common for t in self.transforms)

    @property
    def keeps_lengths(self) -> bool:
        """Whether the codec's integers do."""
        return as_summable(self.codec).keeps_lengths

    @property
    def grid_levels(self) -> int:
        """Those of the codec."""
        return as_summable(self.codec).grid_levels

    @property
    def recovers_linearly(self) -> bool:
        """Whether the codec does."""
        return as_summable(self.codec).recovers_linearly

    def _steps(self, shared: Shared) -> list[Shared]:
        """Return what both ends know before each transform, and last before the codec."""
        steps = [shared]
        for transform in self.transforms:
            steps.append(_after(shared, transform.image_size(steps[-1])))
        return steps

    def coordinates(self, shared: Shared) -> int:
        """Return the codec's, of what the last transform gives."""
        return as_summable(self.codec).coordinates(self._steps(shared)[-1])

    def with_range(self, top: float) -> "Chain | None":
        """Return the same with the codec's grid of that range, if it has one."""
        inner = as_summable(self.codec).with_range(top)
        return None if inner is None else replace(self, codec=inner)

    def grid(self, shared: Shared) -> Grid:
        """Return the codec's grid."""
        return as_summable(self.codec).grid(self._steps(shared)[-1])

    def project(self, x: Floats, shared: Shared) -> Floats:
        """Return the image under all transforms and the codec's own map."""
        steps = self._steps(shared)
        for transform, step in zip(self.transforms, steps, strict=False):
            x = transform.project(x, step)
        return as_summable(self.codec).project(x, steps[-1])

    def recover(self, image: Floats, shared: Shared) -> Floats:
        """Return the vector that an image stands for."""
        steps = self._steps(shared)
        y = as_summable(self.codec).recover(image, steps[-1])
        pairs = list(zip(self.transforms, steps, strict=False))
        for transform, step in reversed(pairs):
            y = transform.recover(np.array(y), step)
        return y

    def round_image(
        self, image: Floats, shared: Shared, grid: Grid, noise: np.random.Generator
    ) -> Integers:
        """Round as the codec does."""
        last = self._steps(shared)[-1]
        return as_summable(self.codec).round_image(image, last, grid, noise)

    def read(self, body: memoryview, shared: Shared) -> Integers:
        """Return the codec's integers."""
        return as_summable(self.codec).read(body, self._steps(shared)[-1])

    @property
    def sparse(self) -> bool:
        """Whether every transform sends zeros for what it leaves out, and mixes nothing."""
        return all(t.sparse for t in self.transforms)

    @property
    def shows_sent(self) -> bool:
        """Whether it is sparse, or its one transform shows what its sparse codec sent."""
        return self.sparse or (
            len(self.transforms) == 1 and self.transforms[0].shows_sent and self.codec.sparse
        )

    def find_sent(self, y: Floats, shared: Shared) -> npt.NDArray[np.bool_]:
        """Return what was sent of a decoded y, of its transform's numbers if it is not sparse."""
        if self.sparse:
            return super().find_sent(y, shared)
        return self.transforms[0].find_sent(self.transforms[0].forward(y, shared).vector)

    def scale_sent(self, y: Floats, factors: Floats, shared: Shared) -> Floats:
        """Return y with each number of which `find_sent` tells multiplied by its factor."""
        if self.sparse:
            return super().scale_sent(y, factors, shared)
        step = self.transforms[0].forward(y, shared)
        _, side = self.transforms[0].read(Reader(memoryview(step.side), self.name), shared)
        return self.transforms[0].inverse(step.vector * factors, side, shared)

    def _encode(self, x: Floats, shared: Shared) -> Payload:
        if self.summable:  # the grid fits whatever the sides would be there for
            for transform, known in zip(
                self.transforms, steps := self._steps(shared), strict=False
            ):
                x = transform.project(x, known)
            return self.codec.encode_body(x, steps[-1])
        sides = []
        for transform in self.transforms:
            step = transform.forward(x, shared)
            x, shared = step.vector, _after(shared, step.vector.size)
            sides.append(step.side)
        return b"".join([*sides, self.codec.encode_body(x, shared)])

    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        if self.summable:
            known = self._steps(shared)
            y = self.codec.decode_body(data, known[-1])
            for transform, before in reversed(list(zip(self.transforms, known, strict=False))):
                y = transform.recover(y, before)
            return y
        reader = Reader(data, self.name)
        steps = list(self._read(reader, shared))
        last = _after(steps[-1][2], steps[-1][3])
        y = self.codec.decode_body(reader.rest(), last)
        for transform, side, before, _ in reversed(steps):
            y = transform.inverse(y, side, before)
        return y

    def _read(self, reader: Reader, shared: Shared) -> Iterator[tuple[Transform, Any, Shared, int]]:
        for transform in self.transforms:
            size, side = transform.read(reader, shared)
            yield transform, side, shared, size
            shared = _after(shared, size)


def _after(shared: Shared, size: int) -> Shared:
    return replace(shared, layout=Layout({"x": (size,)}), reference=None)
