"""Numbers of any size, in few letters."""

import pytest

from fedbytes.plots.number_words import format_bytes, format_value


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.5, "0.50"), (1e200, "1e+200"), (-12345678.0, "-1.23e+07"), (1e-300, "0.00"),
     (float("inf"), "∞"), (float("nan"), "–")],
)  # fmt: skip
def test_values_in_few_letters(value, shown):
    assert format_value(value, 2) == shown


@pytest.mark.parametrize("count", [0.0, 1e-300, 1e200, 1.7e308, -1e30, float("inf")])
def test_bytes_in_few_letters(count):
    assert len(format_bytes(count)) <= 12
