"""Counts that may be a word instead of a number."""

from typing import Any

from pydantic import ValidatorFunctionWrapHandler

from fedbytes.noniid import ONE_PER_VALUE


def count_or_all(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    """Return a number of clients that `check` lets pass, or the word `all`.

    Raises:
        ValueError: for another word, or what `check` refuses.
    """
    if value == ONE_PER_VALUE:
        return value
    if isinstance(value, str) and not value.strip().isdecimal():
        raise ValueError("must be a whole number, or all")
    return check(value)


def count_or_auto(value: Any) -> Any:
    """Return a whole number of at least 1, or the word `auto`.

    Raises:
        ValueError: for anything else.
    """
    number = int(value) if isinstance(value, str) and value.strip().isdecimal() else value
    whole = isinstance(number, int) and not isinstance(number, bool) and number >= 1
    if not whole and value != "auto":
        raise ValueError("must be a whole number of at least 1, or auto")
    return number
