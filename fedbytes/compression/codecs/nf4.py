"""NormalFloat 4: sixteen levels at the quantiles of a normal distribution, one scale per block."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedbytes.compression.codec import CODECS, Floats
from fedbytes.compression.quantisers.block_table import FourBit

_TABLE = np.array(
    [
        -1.0,
        -0.6961928009986877,
        -0.5250730514526367,
        -0.39491748809814453,
        -0.28444138169288635,
        -0.18477343022823334,
        -0.09105003625154495,
        0.0,
        0.07958029955625534,
        0.16093020141124725,
        0.24611230194568634,
        0.33791524171829224,
        0.44070982933044434,
        0.5626170039176941,
        0.7229568362236023,
        1.0,
    ],
    np.float32,
)


@CODECS.register("nf4")
@dataclass(frozen=True)
class Nf4(FourBit):
    """Each coordinate as the nearest of 16 normal quantiles times its block's largest magnitude.

    Dettmers et al. 2023 (QLoRA, arXiv 2305.14314); the values are bitsandbytes', to the bit
    without double_quant, and with it given the same mean of the scales (`dynamic_8bit.py`). Wire
    and fields: `FourBit`.

    Biased. Contracts: zero and both peaks are levels, so the error is at most about 0.12 of
    the energy, 0.3 with double_quant, which contracts for blocks up to 256.

    Example:
        >>> codec = make_codec("nf4")
        >>> try_codec(codec, [3.0, -1.0, 0.5, 2.0])
        (10, [3.0, -0.8533, 0.4828, 2.169])
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"double_quant": True})

    @property
    def table(self) -> Floats:
        """The sixteen levels, ascending, from -1 to 1."""
        return _TABLE
