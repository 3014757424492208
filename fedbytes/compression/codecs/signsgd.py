"""signSGD: one sign bit per coordinate and nothing else."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fedbytes.arrays import Unsigned
from fedbytes.compression.codec import CODECS, Floats, Payload
from fedbytes.compression.coding.bit_packing import pack_bits, packed_bytes, unpack_bits
from fedbytes.compression.coding.reader import Reader
from fedbytes.compression.layout import Shared
from fedbytes.compression.summable import Grid, Integers, Summable


@CODECS.register("signsgd")
@dataclass(frozen=True)
class SignSgd(Summable):
    """Each coordinate becomes its sign, +1 or -1: one bit per coordinate.

    Bernstein et al. 2018 (arXiv 1802.04434). No magnitude travels: the step is the server's
    learning rate, which with deltas of local training is about their mean magnitude (1e-4 to
    1e-3). `majority_vote` among the algorithms aggregates by vote. `sign` sends magnitudes too.

    Wire: sign bits [numel], packed, 1 for negative (zero counts as positive).

    Messages add: the sum of the signs is the vote, of log2(senders + 1) bits.

    Biased; does not contract, since the magnitude is not x's: no error feedback.

    Example:
        >>> codec = make_codec("signsgd")
        >>> try_codec(codec, [3.0, -1.0, 0.5, 2.0])
        (5, [1.0, -1.0, 1.0, 1.0])
    """

    to_add: ClassVar[str] = "nothing"

    @property
    def keeps_lengths(self) -> bool:
        """False: a sign says nothing of it."""
        return False

    @property
    def grid_levels(self) -> int:
        """2."""
        return 2

    def grid(self, shared: Shared) -> Grid:
        """Return the grid of -1 and 1."""
        return Grid(1.0, 1, stride=2)

    def round_image(
        self, image: Floats, shared: Shared, grid: Grid, noise: np.random.Generator
    ) -> Integers:
        """Return 1 for what is not negative, else 0."""
        return (~np.signbit(image)).astype(np.uint64)

    def read(self, body: memoryview, shared: Shared) -> Integers:
        """Return 1 for each positive sign, else 0."""
        return 1 - self._signs(body, shared).astype(np.uint64)

    def _encode(self, x: Floats, shared: Shared) -> Payload:
        return pack_bits(np.signbit(x), 1)

    def _signs(self, data: memoryview, shared: Shared) -> Unsigned:
        reader, numel = Reader(data, self.name), shared.layout.numel
        signs = unpack_bits(reader.take(packed_bytes(numel, 1), "signs"), numel, 1)
        reader.end()
        return signs

    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        signs = self._signs(data, shared)
        y = np.ones(shared.layout.numel, np.float32)
        y -= signs
        y -= signs
        return y
