"""Metrics of predicted classes, against their definitions class by class."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedbytes.models.heads.metrics import accuracy, macro_f1

CLASS = st.integers(0, 5)


def f1_of(name, pairs):
    """Return the harmonic mean of a class's precision and recall."""
    right = sum(truth == guess == name for truth, guess in pairs)
    if right == 0:
        return 0.0
    precision = right / sum(guess == name for _, guess in pairs)
    recall = right / sum(truth == name for truth, _ in pairs)
    return 2 / (1 / precision + 1 / recall)


@settings(deadline=None)
@given(st.lists(st.tuples(CLASS, CLASS), min_size=1, max_size=30))
def test_metrics_are_what_their_definitions_say(pairs):
    truth, guess = (np.array(column) for column in zip(*pairs, strict=True))
    assert accuracy(truth, guess) == pytest.approx(sum(t == g for t, g in pairs) / len(pairs))
    classes = {name for pair in pairs for name in pair}
    expected = sum(f1_of(name, pairs) for name in classes) / len(classes)
    assert macro_f1(truth, guess) == pytest.approx(expected)


def test_a_class_that_is_only_predicted_counts():
    truth, guess = np.array([0, 0, 0, 1]), np.array([0, 0, 2, 1])
    assert macro_f1(truth, guess) == pytest.approx((0.8 + 1 + 0) / 3)
