"""Exponents after random rounding."""

import numpy as np

from fedbytes.arrays import Floats, UInt8s, UInt32s
from fedbytes.compression.numerics.kernels import kernel

FLOAT_MANTISSA_BITS = 23
LARGEST_EXPONENT = 254  # the largest exponent field of a finite float32


def _round_exponents_numpy(bits: UInt32s, noise: Floats, exponents: UInt8s) -> None:
    carry = (noise * np.float32(1 << FLOAT_MANTISSA_BITS)).astype(np.uint32)
    carry += bits & np.uint32(0x7FFFFFFF)
    exponents[:] = np.minimum(carry >> np.uint32(FLOAT_MANTISSA_BITS), LARGEST_EXPONENT)


@kernel(_round_exponents_numpy)
def round_exponents(bits, noise, exponents):
    """Write the exponent of each magnitude, rounded up by chance in the mantissa."""
    scale = np.float32(8388608)
    for i in range(bits.size):
        carry = np.uint32(np.int32(noise[i] * scale)) + np.uint32(bits[i] & np.uint32(0x7FFFFFFF))
        exponent = np.uint32(carry) >> np.uint32(23)
        exponents[i] = np.uint8(exponent if exponent < np.uint32(254) else np.uint32(254))
