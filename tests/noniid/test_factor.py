"""The column that is split by: any type, one dimension, nothing missing."""

import numpy as np
import pandas as pd
import pytest

from fedbytes.noniid import Factor, make_partitioner


@pytest.mark.parametrize(
    "values",
    [
        [3, -1, 3],
        ["b", "a", "b"],
        [True, False, True],
        [0.5, -2.0, 0.5],
        np.array(["b", "a", "b"]),
        np.array(["b", "a", "b"], dtype=np.dtypes.StringDType()),
        np.array(["2026-02-01", "2026-01-01", "2026-02-01"], dtype="datetime64[D]"),
        np.array([3, -1, 3], dtype=">i2"),
        pd.Series(["b", "a", "b"], dtype="category"),
        pd.Series(["b", "a", "b"], dtype="string", index=[5, 6, 7]),
        (x for x in "bab"),
    ],
    ids=lambda values: type(values).__name__,
)
def test_codes_follow_the_sorted_categories(values):
    factor = Factor(values)
    assert factor.codes.tolist() == [1, 0, 1]
    assert factor.codes.dtype == np.int64
    assert factor.categories.size == 2


@pytest.mark.parametrize(
    "values",
    [
        ["a", None, "b", float("nan")],
        [1.0, float("nan"), 2.0, float("nan")],
        np.array([1.0, np.nan, 2.0, np.nan]),
        pd.Series(["a", pd.NA, "b", None], dtype="string"),
        pd.Series([1, pd.NA, 2, pd.NA], dtype="Int64"),
        np.array(["2026-01-01", "NaT", "2026-01-01", "NaT"], dtype="datetime64[D]"),
        np.ma.masked_array([1, 2, 3, 4], mask=[0, 1, 0, 1]),
    ],
    ids=str,
)
def test_missing_values_are_counted_and_placed(values):
    with pytest.raises(ValueError, match="2 missing values among 4, at positions 1, 3"):
        make_partitioner("iid")(values, 2)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((4, 2)), r"one dimension, got shape \(4, 2\)"),
        ([[1, 2], [3, 4]], "one dimension, got the element"),
        (np.float64(3.0), "one dimension"),
        ("abcdef", "column of values, got str"),
        (7, "column of values, got int"),
    ],
)
def test_what_is_no_column(values, message):
    with pytest.raises(ValueError, match=message):
        Factor(values)


def test_types_without_an_order():
    with pytest.raises(ValueError, match=r"int, str"):
        make_partitioner("dirichlet")(["a", 1, "b"], 2)


@pytest.mark.parametrize(
    ("clients", "message"),
    [(0, "at least 1, got 0"), (-3, "got -3"), (1.5, "whole number")],
)
def test_impossible_numbers_of_clients(clients, message):
    for name in ("iid", "dirichlet"):
        with pytest.raises(ValueError, match=message):
            make_partitioner(name)([0, 1, 0, 1], clients)
