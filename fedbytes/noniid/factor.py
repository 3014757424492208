"""The column of a data set that a partitioner splits by, checked."""

import hashlib
import re
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedbytes.arrays import Int64s

_WHOLE = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


class Factor:
    """A one-dimensional column of any sortable type: label, author, language, length.

    Attributes:
        values: the column as given, [examples]; not copied when it is an array already.
    """

    def __init__(self, values: Any) -> None:
        """Check a column.

        Raises:
            ValueError: if it is not one-dimensional or has missing values (how many, and where).
        """
        self.values = _column(values)
        missing = np.flatnonzero(_missing(self.values))
        if missing.size:
            where = ", ".join(map(str, missing[:5])) + (", ..." if missing.size > 5 else "")
            raise ValueError(
                f"the factor has {missing.size} missing values among {self.values.size}, at "
                f"positions {where}; fill them or drop those examples"
            )

    def __len__(self) -> int:
        return int(self.values.size)

    @property
    def categories(self) -> NDArray[Any]:
        """The distinct values, sorted."""
        return self._coded[0]

    @property
    def codes(self) -> Int64s:
        """The index of each example's value in `categories`, [examples]."""
        return self._coded[1]

    @cached_property
    def digest(self) -> str:
        """SHA-256 over all values; the same for equal columns of any type and platform."""
        digest = hashlib.sha256(b"fedbytes factor 1")
        for text in map(str, self.categories.tolist()):
            data = text.encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(8, "little") + data)
        digest.update(np.ascontiguousarray(self.codes, dtype="<i8").data)
        return digest.hexdigest()

    def ordered(self) -> "Factor":
        """Return the column in the order of its numbers, where text spells them: 9 before 10.

        Other columns are returned as they are: words and dates have the order of text.

        Raises:
            ValueError: if some texts are numbers and others are not; the message has one of these.
        """
        texts = self.categories.tolist()
        if not texts or not all(isinstance(text, str) for text in texts):
            return self
        words = [text for text in texts if _NUMBER.fullmatch(text) is None]
        if len(words) == len(texts):
            return self
        if words:
            number = next(text for text in texts if _NUMBER.fullmatch(text))
            raise ValueError(
                f"its values are sorted, but {words[0][:80]!r} is no number, as {number!r} is: "
                "write a number, or leave those examples out"
            )
        return Factor(_numbers(texts)[self.codes])

    def take(self, indices: Int64s) -> "Factor":
        """Return the column of some examples, without categories that none of them has."""
        return self.with_codes(self.codes[indices], self.categories)

    @classmethod
    def with_codes(cls, codes: Int64s, categories: NDArray[Any]) -> "Factor":
        """Return the column that has `categories[code]` for each code, without sorting again."""
        kept = np.bincount(codes, minlength=categories.size) > 0
        index = np.cumsum(kept) - 1
        column = cls.__new__(cls)
        column.values = categories[codes]
        column.__dict__["_coded"] = categories[kept], index[codes].astype(np.int64, copy=False)
        return column

    @cached_property
    def _coded(self) -> tuple[NDArray[Any], Int64s]:
        if self.values.dtype != object:
            categories, codes = np.unique(self.values, return_inverse=True)
            return categories, codes.astype(np.int64, copy=False)
        try:
            distinct = sorted(set(self.values.tolist()))
        except TypeError as error:
            kinds = sorted({type(value).__name__ for value in self.values})
            raise ValueError(
                f"the factor mixes types that have no order ({', '.join(kinds)}); "
                "convert the column to one type"
            ) from error
        index = {value: i for i, value in enumerate(distinct)}
        found = (index[value] for value in self.values)
        return np.array(distinct), np.fromiter(found, np.int64, len(self))


def _numbers(texts: list[str]) -> NDArray[Any]:
    """Return the numbers that texts spell; ints too large for a float stay ints of Python."""
    numbers = [int(text) if _WHOLE.fullmatch(text) else float(text) for text in texts]
    large = any(isinstance(number, int) and abs(number) > 2**53 for number in numbers)
    return np.array(numbers, dtype=object if large else None)


def _column(values: Any) -> NDArray[Any]:
    """Return `values` as a one-dimensional array without changing any value's type."""
    if hasattr(values, "__array__"):
        array = np.asarray(values)
        if np.ma.is_masked(values):
            array = array.astype(object)
            array[np.ma.getmaskarray(values)] = None
    elif isinstance(values, Iterable) and not isinstance(values, str | bytes | dict):
        # np.asarray would write the nan of ["a", nan] as text, and so hide that it is missing.
        array = np.fromiter(values, dtype=object)
    else:
        raise ValueError(f"a factor is a column of values, got {type(values).__name__}")
    if array.ndim != 1:
        raise ValueError(f"a factor has one dimension, got shape {array.shape}")
    if array.dtype.kind == "T":
        array = array.astype(object)
    if array.dtype == object:
        nested = next((v for v in array if isinstance(v, list | tuple | dict | np.ndarray)), None)
        if nested is not None:
            raise ValueError(f"a factor has one dimension, got the element {nested!r}")
    return array


def _missing(array: NDArray[Any]) -> NDArray[np.bool_]:
    missing: NDArray[np.bool_] = np.zeros(array.size, dtype=bool)
    if array.dtype.kind in "fc":
        missing = np.isnan(array)
    elif array.dtype.kind in "mM":
        missing = np.isnat(array)
    elif array.dtype == object:
        missing = np.fromiter(map(_is_missing, array), bool, array.size)
    return missing


def _is_missing(value: Any) -> bool:
    """True for None, NaN, NaT and pandas.NA, without importing pandas."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError):  # pandas.NA is neither equal to itself nor unequal
        return True
