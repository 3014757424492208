"""Integer sums of payloads, which a server can form without decoding, and their decoding."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from fedbytes.arrays import Int64s
from fedbytes.compression.codec import unseal
from fedbytes.compression.codecs.thc.codec import Thc
from fedbytes.compression.layout import Shared
from fedbytes.compression.numerics.exponents import apply_exponent
from fedbytes.compression.numerics.hadamard import block_borders, inverse_rotate

_WIDEST = 32  # largest log2 ratio of a group's units between senders
_NEGLIGIBLE = -1000  # 2^-1000 is below every float32


@dataclass(frozen=True)
class PayloadSum:
    """The sum of several senders' payloads, still rotated.

    Attributes:
        totals: int64 [numel].
        exponents: int64 [groups]: a coordinate is its total times 2^exponent of its group.
        senders: number of payloads in the sum.
    """

    totals: Int64s
    exponents: Int64s
    senders: int


def sum_payloads(codec: Thc, payloads: Sequence[bytes], shareds: Sequence[Shared]) -> PayloadSum:
    """Return the integer sum of the payloads of one round, without inverse rotation.

    Args:
        codec: the codec of all senders.
        payloads: results of `codec.encode`, at least one.
        shareds: the `Shared` of each sender; layout, seed and round must be equal.

    Raises:
        ValueError: for no payloads, unequal numbers, different rounds, or groups whose units
            differ by more than 2^32 between senders.
    """
    if not payloads or len(payloads) != len(shareds):
        raise ValueError(f"thc: {len(payloads)} payloads for {len(shareds)} senders; give pairs")
    rounds = {(shared.layout, shared.seed, shared.round) for shared in shareds}
    if len(rounds) > 1:
        raise ValueError(f"thc: a sum takes one layout, seed and round, got {len(rounds)}")
    pairs = zip(payloads, shareds, strict=True)
    found = (codec.scaled_integers(unseal(codec, data, shared), shared) for data, shared in pairs)
    return functools.reduce(_add_sums, (PayloadSum(*integers, 1) for integers in found))


def decode_sum(total: PayloadSum, shared: Shared) -> torch.Tensor:
    """Return the mean of the senders' vectors, float32 [numel].

    It equals the mean of the decoded vectors, exactly while float32 represents the intermediate
    integers of the rotation (few senders, whole blocks), otherwise up to float32 arithmetic.
    """
    if total.totals.size == 0:
        return torch.zeros(0)
    base = int(total.exponents.max())
    sizes = np.diff(block_borders(shared.layout.numel))
    shifts = np.repeat(np.maximum(total.exponents - base, _NEGLIGIBLE), sizes)
    y = np.ldexp(total.totals.astype(np.float64), shifts).astype(np.float32)
    mean = inverse_rotate(y, shared.common_generator("thc"))
    mean /= np.float32(total.senders)
    return torch.from_numpy(apply_exponent(mean, base))


def _add_sums(one: PayloadSum, other: PayloadSum) -> PayloadSum:
    """Add two sums; per group, totals of the coarser unit are shifted to the finer one."""
    if one.totals.size == 0:
        return PayloadSum(one.totals, one.exponents, one.senders + other.senders)
    borders = block_borders(one.totals.size)
    sizes, starts = np.diff(borders), borders[:-1]
    empty = [np.add.reduceat(s.totals != 0, starts) == 0 for s in (one, other)]
    low = np.where(empty[0], other.exponents, one.exponents)
    low = np.where(empty[1], low, np.minimum(low, other.exponents))
    shifts = [np.where(e, 0, s.exponents - low) for e, s in zip(empty, (one, other), strict=True)]
    widest = int(max(shift.max() for shift in shifts))
    if widest > _WIDEST:
        raise ValueError(
            f"thc: units of one group differ by 2^{widest} between senders, at most 2^{_WIDEST} "
            "can be summed; decode those apart"
        )
    totals = one.totals << np.repeat(shifts[0], sizes)
    totals += other.totals << np.repeat(shifts[1], sizes)
    return PayloadSum(totals, low, one.senders + other.senders)
