"""The base class of codecs that send some coordinates."""

from abc import abstractmethod
from typing import ClassVar

from fedbytes.arrays import Indices
from fedbytes.compression.codec import Codec, Floats, Payload
from fedbytes.compression.coding.reader import Reader
from fedbytes.compression.layout import Shared
from fedbytes.compression.sparsifiers.sparse_vector import pack_sparse, read_sparse


class SparseCodec(Codec):
    """A codec that sends some coordinates; a subclass selects them and bounds their number.

    Wire: the number of kept coordinates in LEB128, their indices (`index_sets.py`), their values
    (`log_magnitude.py`). Zeros are never sent, since a zero that is not sent is exact.

    It contracts if the largest coordinate is always kept: values decode near themselves, with
    their own sign.
    """

    bits: int
    contracts: ClassVar[bool] = True
    sparse: ClassVar[bool] = True

    @abstractmethod
    def _select(self, x: Floats, shared: Shared) -> Indices:
        """Return the ascending indices of the kept coordinates, none of a zero."""

    @abstractmethod
    def _most(self, shared: Shared) -> int:
        """Return how many coordinates may be kept at most."""

    def _encode(self, x: Floats, shared: Shared) -> Payload:
        return pack_sparse(x, self._select(x, shared), self.bits)

    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        reader = Reader(data, self.name)
        y = read_sparse(reader, self._most(shared), shared.layout.numel, self.bits)
        reader.end()
        return y
