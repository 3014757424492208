"""No compression: the baseline that every other codec is held against."""

from dataclasses import dataclass
from typing import ClassVar

from fedbytes.compression.codec import CODECS, Codec, Floats, Payload
from fedbytes.compression.coding.reader import Reader
from fedbytes.compression.layout import Shared


@CODECS.register("fp32")
@dataclass(frozen=True)
class Fp32(Codec):
    """The vector as it is: exact, 32 bits per coordinate.

    Wire: float32 [numel], little-endian. Exact, hence unbiased and contracting.

    Example:
        >>> codec = make_codec("fp32")
        >>> try_codec(codec, [3.0, -1.0, 0.5, 2.0])
        (20, [3.0, -1.0, 0.5, 2.0])
    """

    exact: ClassVar[bool] = True

    def _encode(self, x: Floats, shared: Shared) -> Payload:
        return x.astype("<f4", copy=False)

    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        reader = Reader(data, self.name)
        values = reader.array("<f4", shared.layout.numel, "values")
        reader.end()
        return values.astype("=f4")
