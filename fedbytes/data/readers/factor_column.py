"""Columns that can split examples among clients: numbers and short words."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from fedbytes.data.text_data import Column

LONGEST_FACTOR = 200
_EXACT = 2**53
_PLAIN = {str, int, float, bool, type(None)}
NESTED = {
    dict: "mappings",
    list: "lists",
    tuple: "lists",
    set: "lists",
    np.ndarray: "lists",
    bytes: "bytes",
    bytearray: "bytes",
}
"""What messages call values that are not plain, by their types."""


def as_factor(values: Iterable[object]) -> Column | None:
    """Return a column as numbers or short strings, or None if it is neither.

    Numbers that are missing are NaN, or None beside ints too large for a float; words that are
    missing are empty.
    """
    plain: list[Any] = list(values)
    if not set(map(type, plain)) <= _PLAIN:
        plain = [python_value(value) for value in plain]
    kinds = set(map(type, plain)) - {type(None)}
    if kinds <= {int, float} and kinds:
        return _numbers(plain)
    if kinds == {bool} and None not in plain:
        return np.array(plain)
    if any(kind in NESTED for kind in kinds):
        return None
    words = ["" if value is None or value != value else str(value) for value in plain]
    if max(map(len, words), default=0) > LONGEST_FACTOR:
        return None
    return word_array(words)


def word_array(words: list[str]) -> Column:
    """Return words as an array, of objects if an array of characters would cut a word's end."""
    cut = any(word[-1:] == "\0" for word in words)
    return np.array(words, dtype=object if cut else np.str_)


def _numbers(values: list[Any]) -> Column:
    ints = [value for value in values if isinstance(value, int)]
    if len(ints) == len(values):
        fits = all(-(2**63) <= value < 2**63 for value in ints)
        return np.array(values, dtype=np.int64 if fits else object)
    if any(abs(value) > _EXACT for value in ints):
        return np.array(values, dtype=object)
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def python_value(value: Any) -> Any:
    """Return a value of numpy or pandas as one of Python, None if it is missing."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, str | int | bool) or type(value) in NESTED:
        return value
    try:
        return value if bool(value == value) or isinstance(value, float) else None
    except (TypeError, ValueError):  # pandas.NA is neither equal to itself nor unequal
        return None
