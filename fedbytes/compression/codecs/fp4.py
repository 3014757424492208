"""FP4: one sign, two exponent bits and one mantissa bit, one scale per block."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedbytes.compression.codec import CODECS, Floats
from fedbytes.compression.quantisers.block_table import FourBit

_MAGNITUDES = (0, 0.0625, 2, 3, 4, 6, 8, 12)
_TABLE = np.array([-m for m in reversed(_MAGNITUDES)] + list(_MAGNITUDES), np.float32) / np.float32(
    12
)


@CODECS.register("fp4")
@dataclass(frozen=True)
class Fp4(FourBit):
    """Each coordinate as the nearest 4-bit float (E2M1) times its block's largest magnitude.

    The magnitudes are bitsandbytes': 0, 1/192, 1/6, 1/4, 1/3, 1/2, 2/3 and 1, also in their
    rounding, to the bit without double_quant, and with it given the same mean of the scales
    (`dynamic_8bit.py`). Zero is in the table twice. Wire and fields: `FourBit`.

    Biased. Contracts: zero and both peaks are levels, and no coordinate is off by more than 0.94
    of itself; with double_quant for blocks up to 256.

    Example:
        >>> codec = make_codec("fp4")
        >>> try_codec(codec, [3.0, -1.0, 0.5, 2.0])
        (10, [3.0, -1.0, 0.5, 2.0])
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"double_quant": True})

    @property
    def table(self) -> Floats:
        """The sixteen levels, ascending, from -1 to 1."""
        return _TABLE
