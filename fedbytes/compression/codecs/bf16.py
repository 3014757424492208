"""bfloat16: the upper half of a float32."""

from dataclasses import dataclass
from typing import ClassVar

from fedbytes.compression.codec import CODECS, Codec, Floats, Payload
from fedbytes.compression.coding.reader import Reader
from fedbytes.compression.layout import Shared
from fedbytes.compression.quantisers.bfloat16 import from_bf16, to_bf16


@CODECS.register("bf16")
@dataclass(frozen=True)
class Bf16(Codec):
    """Each coordinate rounded to the nearest bfloat16, ties to even: 16 bits per coordinate.

    Wire: bfloat16 [numel], little-endian. Values beyond the largest finite bfloat16 become it.
    Biased (by at most 2^-9 of a value); contracts, since the error of a normal value is at most
    2^-8 of it.

    Example:
        >>> codec = make_codec("bf16")
        >>> try_codec(codec, [3.14159, -1e-3, 0.1])
        (10, [3.141, -0.0009995, 0.1001])
    """

    contracts: ClassVar[bool] = True
    relative_error: ClassVar[float] = 2.0**-8

    def _encode(self, x: Floats, shared: Shared) -> Payload:
        return to_bf16(x).astype("<u2", copy=False)

    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        reader = Reader(data, self.name)
        bits = reader.array("<u2", shared.layout.numel, "values")
        reader.end()
        return from_bf16(bits)
