"""The Lloyd-Max quantiser of the standard normal distribution, 1 to 8 bits, over groups.

Max 1960, Lloyd 1982. A code is 2 * level + (1 if negative); levels are symmetric. Each run of
coordinates (see `hadamard.block_borders`) is divided by its root mean square first.
"""

import functools

import numpy as np

from fedbytes.arrays import LARGEST_FLOAT, Doubles, Floats, Int64s, UInt8s
from fedbytes.compression.quantisers.loops.lloyd_max_loops import (
    SUM_LANES,
    dequantise_runs,
    quantise_runs,
    sum_run_squares,
)

_UNIT = 8192
# The positive levels in units of 1 / 8192: the means of the cells, accurate enough to keep the
# optimal distortion (0.36338, 0.11748, 0.034548, 0.0095010, … 4.119e-5).
# fmt: off
_TABLES = {
    1: (6536,),
    2: (3709, 12373),
    3: (2008, 6193, 11009, 17629),
    4: (1052, 3179, 5380, 7720, 10291, 13255, 16949, 22385),
    5: (
        540, 1622, 2715, 3823, 4956, 6121, 7328, 8592, 9927, 11357, 12912, 14641, 16619,
        18987, 22046, 26712,
    ),
    6: (
        274, 821, 1370, 1922, 2476, 3033, 3596, 4164, 4739, 5322, 5914, 6516, 7131, 7759,
        8403, 9064, 9746, 10451, 11183, 11946, 12745, 13587, 14480, 15434, 16463, 17587,
        18833, 20245, 21891, 23899, 26546, 30672,
    ),
    7: (
        138, 414, 690, 966, 1242, 1519, 1797, 2075, 2354, 2634, 2915, 3198, 3481, 3766,
        4052, 4340, 4630, 4922, 5216, 5512, 5810, 6112, 6415, 6722, 7032, 7346, 7663,
        7984, 8309, 8639, 8973, 9312, 9657, 10007, 10364, 10728, 11098, 11477, 11863,
        12259, 12664, 13080, 13508, 13948, 14402, 14872, 15358, 15863, 16389, 16938,
        17514, 18121, 18762, 19445, 20175, 20964, 21823, 22770, 23831, 25045, 26476,
        28241, 30597, 34322,
    ),
    8: (
        69, 208, 346, 484, 623, 761, 900, 1039, 1178, 1317, 1456, 1595, 1734, 1874, 2013,
        2153, 2293, 2434, 2574, 2715, 2856, 2997, 3139, 3281, 3423, 3566, 3709, 3852,
        3996, 4140, 4285, 4430, 4575, 4721, 4868, 5015, 5163, 5311, 5459, 5609, 5759,
        5909, 6061, 6213, 6365, 6519, 6673, 6828, 6984, 7140, 7298, 7456, 7615, 7776,
        7937, 8099, 8263, 8427, 8593, 8760, 8928, 9097, 9268, 9440, 9613, 9788, 9964,
        10142, 10322, 10503, 10686, 10870, 11057, 11245, 11436, 11628, 11823, 12020,
        12219, 12421, 12625, 12832, 13042, 13254, 13470, 13689, 13911, 14136, 14365,
        14598, 14835, 15077, 15322, 15572, 15828, 16088, 16354, 16626, 16904, 17189,
        17481, 17780, 18088, 18404, 18730, 19066, 19413, 19772, 20144, 20530, 20933,
        21353, 21792, 22254, 22740, 23255, 23802, 24387, 25016, 25699, 26448, 27278,
        28214, 29291, 30570, 32159, 34297, 37712,
    ),
}
# fmt: on


@functools.cache
def lloyd_max_levels(bits: int) -> Floats:
    """Return the 2^(bits - 1) positive levels, ascending; exact in float32."""
    return np.array(_TABLES[bits], np.float32) / np.float32(_UNIT)


def run_energies(y: Floats, starts: Int64s, stops: Int64s) -> Doubles:
    """Return the sum of squares of each run of y."""
    out = np.empty(starts.size)
    sum_run_squares(y, starts, stops, np.empty(SUM_LANES), out)
    return out


def quantise_lloyd_max(
    y: Floats, starts: Int64s, stops: Int64s, roots: Doubles, bits: int
) -> tuple[UInt8s, Doubles]:
    """Return the codes of all runs, joined, and two sums over each run.

    Args:
        y: float32 [n].
        starts: first index of each run.
        stops: index after the last of each run.
        roots: root mean square of each run; 0 only for a run of zeros.
        bits: width of the codes, 1 to 8.

    Returns:
        uint8 codes, and float64 [runs, 2]: sum of |y| * level and sum of level^2.
    """
    codes = np.empty(int((stops - starts).sum()), np.uint8)
    sums = np.empty((starts.size, 2))
    with np.errstate(divide="ignore", over="ignore"):
        # A run of zeros has root 0; a finite inverse keeps 0 * inverse at 0 rather than NaN.
        inverses = np.minimum(1 / roots, LARGEST_FLOAT).astype(np.float32)
    table = lloyd_max_levels(bits)
    edges = (table[1:] + table[:-1]) / np.float32(2)
    scratch = (
        np.empty(SUM_LANES, np.float32),
        np.empty((2, SUM_LANES)),
        np.empty(SUM_LANES, np.int32),
    )
    quantise_runs(y, starts, stops, inverses, edges, table, *scratch, codes, sums)
    return codes, sums


def dequantise_lloyd_max(
    codes: UInt8s, starts: Int64s, stops: Int64s, scales: Floats, bits: int, y: Floats
) -> None:
    """Write fl(± level * scale) of each code to its run of y."""
    table = np.stack((lloyd_max_levels(bits), -lloyd_max_levels(bits)), axis=1).ravel()
    dequantise_runs(codes, starts, stops, scales, table, y)
