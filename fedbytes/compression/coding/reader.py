"""Read a payload without trusting it: every size is checked before anything is allocated."""

import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from fedbytes.arrays import LARGEST_FLOAT, Floats
from fedbytes.compression.numerics.exponents import EXPONENTS


class Reader:
    """A cursor over a payload; every fault raises a ValueError that names the part.

    Args:
        data: the whole payload.
        name: the codec's name, for messages.
    """

    def __init__(self, data: memoryview, name: str) -> None:
        self._data = data
        self._at = 0
        self.name = name

    @property
    def left(self) -> int:
        """Bytes not yet read."""
        return len(self._data) - self._at

    def take(self, size: int, part: str) -> memoryview:
        """Return the next `size` bytes."""
        if not 0 <= size <= self.left:
            raise ValueError(
                f"{self.name} payload: {part} needs {size} bytes, {self.left} are left"
            )
        self._at += size
        return self._data[self._at - size : self._at]

    def rest(self) -> memoryview:
        """Return all bytes that are left."""
        return self.take(self.left, "rest")

    def numbers(self, form: str, part: str) -> tuple[Any, ...]:
        """Return numbers in the little-endian `struct` format `form`."""
        form = "<" + form
        return struct.unpack(form, self.take(struct.calcsize(form), part))

    def number(self, form: str, part: str, low: float, high: float) -> Any:
        """Return one number after checking low <= number <= high (NaN fails)."""
        (value,) = self.numbers(form, part)
        if not low <= value <= high:
            raise ValueError(f"{self.name} payload: {part} is {value}, allowed {low} to {high}")
        return value

    def count(self, part: str, limit: int) -> int:
        """Return a count in LEB128 after checking that it is at most `limit`."""
        value = 0
        for position in range(5):
            byte = self.take(1, part)[0]
            value |= (byte & 0x7F) << 7 * position
            if byte < 0x80:
                break
        # A last byte of zero would be a second spelling of a shorter count.
        if byte >= 0x80 or (byte == 0 and position > 0) or value > limit:
            raise ValueError(f"{self.name} payload: {part} is {value}, allowed 0 to {limit}")
        return value

    def array(self, dtype: str, size: int, part: str) -> npt.NDArray[Any]:
        """Return `size` numbers as a read-only view."""
        width = np.dtype(dtype).itemsize
        return np.frombuffer(self.take(width * size, part), dtype=dtype)

    def floats(
        self, size: int, part: str, low: float = -LARGEST_FLOAT, high: float = LARGEST_FLOAT
    ) -> Floats:
        """Return `size` float32 after checking that all are from `low` to `high` (NaN fails)."""
        values = self.array("<f4", size, part).astype(np.float32, copy=False)
        if size and not low <= float(values.min()) <= float(values.max()) <= high:
            raise ValueError(
                f"{self.name} payload: {part} from {values.min()} to {values.max()}, "
                f"allowed {low:g} to {high:g}"
            )
        return values

    def end(self) -> None:
        """Check that nothing is left."""
        if self.left:
            raise ValueError(f"{self.name} payload: {self.left} bytes are left over")


def pack_count(value: int) -> bytes:
    """Return a count below 2^35 in LEB128, which `Reader.count` reads."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def pack_exponent(exponent: int) -> bytes:
    """Return an exponent of `split_exponent` as int16, which `read_exponent` reads."""
    return exponent.to_bytes(2, "little", signed=True)


def read_exponent(reader: Reader) -> int:
    """Return a checked exponent."""
    exponent: int = reader.number("h", "exponent", *EXPONENTS)
    return exponent
