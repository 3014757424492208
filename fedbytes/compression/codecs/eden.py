"""EDEN: Lloyd-Max levels after a random rotation, scaled so that the mean is right."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from fedbytes.compression.codec import CODECS
from fedbytes.compression.quantisers.lloyd_rotated import RotatedCodec
from fedbytes.plugin_fields import bounded


@CODECS.register("eden")
@dataclass(frozen=True)
class Eden(RotatedCodec):
    """Rotated coordinates on the Lloyd-Max levels of N(0, 1) (Vargaftik et al. 2022).

    EDEN's scale ||x||^2 / <Rx, Q(Rx)> makes the decoded vector's projection on x exact, one
    scale a group of `hadamard.BLOCK` coordinates, and no coordinate is padded. A fractional
    rate gives a share of the coordinates one bit more; below 1 bit the others are not sent.

    Wire (docs/wire/rotated.md): nothing for no coordinates; else exponent int16, scale float32
    [groups], and the codes of fixed width, packed.

    The scale "unbiased" is unbiased for a uniformly random rotation. The two rounds of signs and
    Hadamard transforms come so near to one that a bias does not show from some hundred
    coordinates on; vectors of a few coordinates have too few signs, and a bias. It does not
    contract for every vector. "biased" scales by <Rx, Q(Rx)> / ||Q(Rx)||^2, which minimises the
    error of one vector and contracts, since each code has its coordinate's sign.

    Attributes:
        bits: bits per coordinate, 0.01 to 8; scales add 32 / 4096.
        scale: "unbiased" or "biased".

    Example:
        >>> codec = make_codec("eden", bits=2.0)
        >>> try_codec(codec, [3.0, -1.0, 0.5, 2.0, -0.25, 0.75, -2.0, 1.5])
        (12, [3.293, -0.8872, -0.0, 2.406, -0.0, 0.8872, -1.774, 0.8872])
    """

    bits: float = bounded(2.0, least=0.01, most=8)
    scale: Literal["unbiased", "biased"] = "unbiased"
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"bits": 2.0},
        {"bits": 0.5},
        {"bits": 1.5},
        {"bits": 4.0, "scale": "biased"},
    )
