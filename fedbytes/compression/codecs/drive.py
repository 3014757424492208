"""DRIVE: one sign bit a coordinate after a random rotation."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from fedbytes.compression.codec import CODECS, Codec, Floats, Payload
from fedbytes.compression.coding.reader import Reader
from fedbytes.compression.layout import Shared
from fedbytes.compression.quantisers.lloyd_rotated import pack_rotated, read_rotated


@CODECS.register("drive")
@dataclass(frozen=True)
class Drive(Codec):
    """The signs of the rotated coordinates times one scale a group (Vargaftik et al. 2021).

    "unbiased" scales by ||x||^2 / ||Rx||_1, "biased" by ||Rx||_1 / n, which minimises the error.

    Wire (docs/wire/rotated.md): as `eden` at 1 bit.

    Unbiased for a uniformly random rotation, with the caveat that `eden` states. The biased scale
    contracts: the error is ||x||^2 - ||Rx||_1^2 / n in each group of n.

    Attributes:
        scale: "unbiased" or "biased".

    Example:
        >>> codec = make_codec("drive")
        >>> try_codec(codec, [3.0, -1.0, 0.5, 2.0, -0.25, 0.75, -2.0, 1.5])
        (11, [1.92, -1.92, 1.92, 1.92, -1.92, 1.92, -1.92, 1.92])
    """

    scale: Literal["unbiased", "biased"] = "unbiased"
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"scale": "biased"})

    @property
    def unbiased(self) -> bool:
        """True for the unbiased scale, as far as the rotation is uniform."""
        return self.scale == "unbiased"

    @property
    def contracts(self) -> bool:
        """True for the biased scale."""
        return self.scale == "biased"

    def _encode(self, x: Floats, shared: Shared) -> Payload:
        return pack_rotated(x, shared.generator("drive"), 1, self.unbiased)

    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        reader = Reader(data, self.name)
        y = read_rotated(reader, shared.layout.numel, shared.generator("drive"), 1)
        reader.end()
        return y
