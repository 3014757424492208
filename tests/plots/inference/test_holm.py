"""Holm's adjustment, by hand."""

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedbytes.plots import adjust_holm
from fedbytes.plots.inference import holm

P_VALUES = st.lists(st.floats(0, 1), max_size=8)


def test_by_hand():
    assert adjust_holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx(
        [0.03, 0.06, 0.06, 0.02]
    )
    assert adjust_holm([]).size == 0
    assert adjust_holm([0.04]).tolist() == [0.04]


def test_the_example_is_true():
    assert doctest.testmod(holm).failed == 0
    assert doctest.testmod(holm).attempted > 0


@given(P_VALUES)
def test_it_rejects_what_the_steps_reject(values):
    adjusted = adjust_holm(values)
    rejected, ranks = [False] * len(values), np.argsort(values, kind="stable")
    for step, i in enumerate(ranks):
        if values[i] * (len(values) - step) > 0.05:
            break
        rejected[i] = True
    assert (adjusted <= 0.05).tolist() == rejected


def test_what_is_no_p_value():
    with pytest.raises(ValueError, match="from 0 to 1"):
        adjust_holm([0.5, float("nan")])
