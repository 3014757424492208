"""DRIVE: one sign bit per coordinate after a random rotation."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from fedbytes.compression.codec import CODECS
from fedbytes.compression.quantisers.lloyd_rotated import RotatedCodec


@CODECS.register("drive")
@dataclass(frozen=True)
class Drive(RotatedCodec):
    """The signs of the rotated coordinates times one scale per group (Vargaftik et al. 2021).

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
    bits: ClassVar[float] = 1  # type: ignore[misc]
