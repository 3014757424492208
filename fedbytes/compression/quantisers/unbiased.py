"""Any quantiser made unbiased by a random rotation and EDEN's scale per group.

For a uniformly random rotation R, the mean of R^T Q(Rx) * ||x||^2 / <Rx, Q(Rx)> is x for every Q
(Vargaftik et al. 2022): by symmetry only the component along x survives, and the scale makes it
exact. Each group of coordinates that are rotated together has its own scale, so that groups of
low energy keep their mean as well. The scale absorbs any factor, so the sender may magnify a
faint group before quantising; otherwise the whole group would round to zero.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fedbytes.arrays import Doubles, Floats, Int64s
from fedbytes.compression.coding.reader import Reader
from fedbytes.compression.numerics.groups import group_sums, scale_groups
from fedbytes.compression.numerics.hadamard import block_borders, inverse_rotate, rotate

SCALE_BLOCK = 16384  # coordinates per scale of 4 bytes: 0.002 bit per coordinate
_FINE_ENOUGH = 2.0  # step / rms up to which a group is not magnified
_COARSEST = 6.0  # largest step / rms of a group; beyond, too few levels determine its scale
_TRIES = 3
_LARGEST_FACTOR = 2.0**100
_LARGEST_SCALE = 2.0**90
_WORST = 1 - 1 / 256  # share of the energy that may be lost if the codec must contract


@dataclass(frozen=True)
class InnerQuantiser:
    """The quantiser that is made unbiased.

    Attributes:
        pack: packs float32 [n]; the flag asks for a step so fine that no group vanishes.
        unpack: reads what `pack` wrote.
        step: about the step that `pack` takes without the flag.
    """

    pack: Callable[[Floats, bool], bytes]
    unpack: Callable[[Reader], Floats]
    step: float


def scale_bytes(n: int) -> int:
    """Return the size in bytes of the scales of n coordinates."""
    return 4 * (block_borders(n, SCALE_BLOCK).size - 1)


def pack_unbiased(
    x: Floats, generator: np.random.Generator, quantiser: InnerQuantiser, contracting: bool
) -> bytes:
    """Return the scales of the groups, then the rotated x as the quantiser packs it.

    Args:
        x: float32 [n > 0], not all zero, magnitudes at most 2^64.
        generator: randomness that the receiver shares.
        quantiser: packs the rotated vector.
        contracting: whether to quantise more finely if the error would exceed the energy.
    """
    y = rotate(x, generator, SCALE_BLOCK)
    sizes = np.diff(block_borders(x.size, SCALE_BLOCK))
    energies = group_sums(y, sizes, 2)
    factors, fine = np.ones(sizes.size, np.float32), False
    wanted = _magnifications(energies, sizes, quantiser.step)
    for tries in range(_TRIES, -1, -1):
        # Quantise the magnified groups, and decode them to see what each one keeps.
        y = scale_groups(y, wanted / factors, sizes, y)
        factors = wanted
        body = quantiser.pack(y, fine)
        scales, loss = _scales(y, quantiser.unpack(Reader(memoryview(body), "own")), sizes)
        faint = (energies > 0) & (scales == 0)
        lossy = contracting and float((loss * energies).sum()) > _WORST * float(energies.sum())
        if fine or not (faint.any() or lossy):
            break
        # Double the factor of groups that vanished; the last try is a fine step for all.
        fine = tries == 1 or not faint.any()
        wanted = (
            _equalising_factors(energies, sizes) if fine else np.where(faint, 2 * factors, factors)
        )
    return (scales / factors).astype("<f4").tobytes() + body


def read_unbiased(
    reader: Reader, n: int, generator: np.random.Generator, unpack: Callable[[Reader], Floats]
) -> Floats:
    """Return the vector [n > 0] that `pack_unbiased` wrote; raise a ValueError for other bytes."""
    sizes = np.diff(block_borders(n, SCALE_BLOCK))
    scales = reader.floats(sizes.size, "scales", 0, _LARGEST_SCALE)
    y = unpack(reader)
    with np.errstate(all="ignore"):
        return inverse_rotate(scale_groups(y, scales, sizes, y), generator, SCALE_BLOCK)


def _scales(y: Floats, decoded: Floats, sizes: Int64s) -> tuple[Doubles, Doubles]:
    """Return each group's scale (0 if all of it rounded to zero) and the share of energy lost."""
    squares = group_sums(decoded, sizes, 2)
    energies = group_sums(y, sizes, 2)
    decoded *= y
    products = group_sums(decoded, sizes, 1)
    scales = np.divide(energies, products, out=np.zeros_like(products), where=products > 0)
    ratio = np.divide(squares, products, out=np.zeros_like(products), where=products > 0)
    return scales, scales * ratio - 1


def _magnifications(energies: Doubles, sizes: Int64s, step: float) -> Floats:
    """Return the factor of each group: faint groups are magnified, but not to equal rms.

    Beyond the limit of step / rms, the fourth root of the excess remains. At a given rate that is
    near the least error: a faint group should get few bits, but not none.
    """
    limit = max(_FINE_ENOUGH, step / float(np.sqrt(energies.sum() / sizes.sum())))
    excess = step / limit / np.sqrt(np.maximum(energies, 1e-300) / sizes)
    left = np.minimum(np.sqrt(np.sqrt(np.maximum(excess, 1))), max(_COARSEST / limit, 1))
    return _powers_of_two(np.where(energies > 0, np.maximum(excess, 1) / left, 1))


def _equalising_factors(energies: Doubles, sizes: Int64s) -> Floats:
    """Return the factors that bring the rms of each group between 1/2 and 1."""
    return _powers_of_two(np.where(energies > 0, np.sqrt(sizes / np.maximum(energies, 1e-300)), 1))


def _powers_of_two(factors: Doubles) -> Floats:
    """Round factors down to powers of two, which scale float32 exactly."""
    exponents = np.frexp(np.minimum(factors, _LARGEST_FACTOR))[1] - 1
    powers: Floats = np.ldexp(np.float32(1), exponents)
    return powers
