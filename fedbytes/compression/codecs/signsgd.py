"""signSGD: one sign bit per coordinate and nothing else."""

from dataclasses import dataclass

import numpy as np

from fedbytes.compression.codec import CODECS, Codec, Floats, Payload
from fedbytes.compression.coding.bit_packing import pack_bits, packed_bytes, unpack_bits
from fedbytes.compression.coding.reader import Reader
from fedbytes.compression.layout import Shared


@CODECS.register("signsgd")
@dataclass(frozen=True)
class SignSgd(Codec):
    """Each coordinate becomes its sign, +1 or -1: one bit per coordinate.

    Bernstein et al. 2018 (arXiv 1802.04434). No magnitude travels: the step is the server's
    learning rate, which with deltas of local training is about their mean magnitude (1e-4 to
    1e-3). `majority_vote` among the algorithms aggregates by vote. `sign` sends magnitudes too.

    Wire: sign bits [numel], packed, 1 for negative (zero counts as positive).

    Biased; does not contract, since the magnitude is not x's: no error feedback.

    Example:
        >>> codec = make_codec("signsgd")
        >>> try_codec(codec, [3.0, -1.0, 0.5, 2.0])
        (5, [1.0, -1.0, 1.0, 1.0])
    """

    def _encode(self, x: Floats, shared: Shared) -> Payload:
        return pack_bits(np.signbit(x), 1)

    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        numel = shared.layout.numel
        reader = Reader(data, self.name)
        signs = unpack_bits(reader.take(packed_bytes(numel, 1), "signs"), numel, 1)
        reader.end()
        y = np.ones(numel, np.float32)
        y -= signs
        y -= signs
        return y
