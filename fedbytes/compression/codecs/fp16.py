"""IEEE half precision: float16."""

from dataclasses import dataclass

import torch

from fedbytes.compression.codec import CODECS, Codec, Floats, Payload
from fedbytes.compression.coding.reader import Reader
from fedbytes.compression.layout import Shared

_LARGEST = 65504.0


@CODECS.register("fp16")
@dataclass(frozen=True)
class Fp16(Codec):
    """Each coordinate rounded to the nearest float16, ties to even: 16 bits per coordinate.

    Wire: float16 [numel], little-endian. Values beyond ±65504 become that; below 6.1e-5 they are
    subnormal, in steps of 6.0e-8.

    Biased. Does not contract: values below 3.0e-8 become zero, and beyond 65504 little is left.
    bf16 and fp8 do.

    Example:
        >>> codec = make_codec("fp16")
        >>> try_codec(codec, [3.14159, -1e-3, 1e5])
        (10, [3.141, -0.001, 65500.0])
    """

    def _encode(self, x: Floats, shared: Shared) -> Payload:
        half = torch.from_numpy(x).clamp(-_LARGEST, _LARGEST).half()
        return half.numpy().astype("<f2", copy=False)

    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        reader = Reader(data, self.name)
        half = reader.array("<f2", shared.layout.numel, "values")
        reader.end()
        values: Floats = half.astype("f4")
        return values
