"""Crossed designs: the test of crossed means, and the components of the variance."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from known_stores import store_of

from fedbytes.plots import (
    compare_crossed,
    count_seeds,
    measure_power,
    measure_verdicts,
    split_variance,
)
from fedbytes.plots.tables.kept.crossed_seeds import join_seeds
from fedbytes.plots.verdicts.crossed_design import read_design
from fedbytes.plots.verdicts.power_text import explain_power
from fedbytes.plots.verdicts.verdict_text import explain_verdicts

TABLE = np.array([[1.0, 1.4], [-0.6, 0.1], [0.2, 0.4]]) / 1000  # [partitions, seeds]


def crossed(table=TABLE):
    """Return a store of three partitions by two seeds with these differences of `a` to fp32."""
    tables = store_of({"a": table.ravel()})
    numbers = tables.results["seed"]
    results = tables.results.assign(partition_seed=numbers // 2 + 5, seed=numbers % 2)
    results, runs = join_seeds(results, tables.runs)
    return replace(tables, results=results, runs=runs)


def test_the_cells_are_tested_as_a_crossed_design():
    found = measure_verdicts(crossed()).iloc[0]
    expected, parts = compare_crossed(TABLE, 0.005), split_variance(TABLE)
    assert found["n"] == 6
    assert found["low"] == pytest.approx(expected.low)
    assert found["p_equal"] == pytest.approx(expected.p_equal)
    assert found["partition_sd"] == pytest.approx(parts.rows**0.5)
    assert found["training_sd"] == pytest.approx(parts.columns**0.5)
    assert found["rest_sd"] == pytest.approx(parts.rest**0.5)


def test_both_components_are_said():
    sentence = "deviation by partition 0.07, by training seed 0.03, by neither alone"
    text = " ".join(explain_verdicts(measure_verdicts(crossed())))
    parts = split_variance(TABLE)
    sentence = (
        f"deviation by partition {parts.rows**0.5 * 100:.2f}, by training seed "
        f"{parts.columns**0.5 * 100:.2f}, by neither alone {parts.rest**0.5 * 100:.2f} points"
    )
    assert sentence in text
    assert sentence in " ".join(explain_power(measure_power(crossed())))


def test_a_missing_cell_leaves_the_partitions_means():
    tables = crossed()
    results = tables.results[tables.results["run"] != "a-5"]
    found = measure_verdicts(replace(tables, results=results)).iloc[0]
    means = np.array([1.2, -0.25, 0.2]) / 1000
    assert np.isnan(found["rest_sd"])
    assert found["sd"] == pytest.approx(means.std(ddof=1))
    assert found["word"] == "no verdict"  # three independent means


def test_planned_are_partitions_since_runs_of_one_are_not_independent():
    tables = crossed()
    found = measure_power(tables, 0.0005).iloc[0]
    means = TABLE.mean(axis=1)
    assert (found["n"], found["unit"]) == (3, "partitions")
    assert found["paired_sd"] == pytest.approx(means.std(ddof=1))
    assert found["seeds"] == count_seeds(float(means.std(ddof=1)), 0.0005)
    assert "count partitions" in " ".join(explain_power(measure_power(tables)))
    two = tables.results[~tables.results["run"].isin(["a-4", "a-5"])]
    with pytest.raises(ValueError, match=r"at least 3 partitions .* has 2"):
        measure_power(replace(tables, results=two))


def test_fixed_or_uncrossed_seeds_are_no_crossed_design():
    tables = store_of({"a": TABLE.ravel()})
    assert read_design(tables) == {}
    for partition in (7, tables.results["seed"]):
        results, runs = join_seeds(tables.results.assign(partition_seed=partition), tables.runs)
        assert read_design(replace(tables, results=results, runs=runs)) == {}


def test_two_seeds_are_one_number_that_can_be_read():
    rows = pd.DataFrame({"run": list("abc"), "seed": [0, 12, 5], "partition_seed": [3.0, 3.0, 4.0]})
    joined, _ = join_seeds(rows, rows)
    assert joined["seed"].tolist() == [300, 312, 405]
    assert joined["training_seed"].tolist() == [0, 12, 5]
    huge = rows.assign(partition_seed=[2.0**60, 2.0**60, 1.0])
    assert join_seeds(huge, huge)[0]["seed"].tolist() == [100, 112, 105]
    some = rows.assign(partition_seed=[3.0, np.nan, 4.0])
    assert join_seeds(some, some)[0] is some
