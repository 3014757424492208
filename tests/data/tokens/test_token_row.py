"""Rows of splits, and splits that go on where another ends."""

import numpy as np
import pytest

from fedbytes.data import TokenRow, extend_split, row_of, split_of
from fedbytes.models.testing.tiny_task import colour_task


def test_added_rows_come_after_rows_that_keep_their_numbers():
    train = colour_task("classification").train
    row = TokenRow(np.array([7, 8, 9], np.int32), 1)
    longer = extend_split(train, [row, row])
    assert len(longer) == len(train) + 2
    assert longer.extends is train
    assert longer.digest != train.digest
    for index in (0, len(train) - 1):
        assert row_of(longer, index).same_as(row_of(train, index))
    assert row_of(longer, len(train) + 1).same_as(row)
    assert len(longer.added) == 2
    assert row_of(longer.added, 1).same_as(row)
    assert longer.added.digest == split_of("train", [row, row]).digest
    assert extend_split(train, []) is train


def test_rows_that_say_what_is_learned_make_a_split_say_it():
    train = colour_task("causal-lm").train
    masked = TokenRow(np.array([7, 8], np.int32), None, np.array([False, True]))
    longer = extend_split(train, [masked])
    assert longer.learned[: len(train.tokens)].all()
    assert longer.learned[len(train.tokens) :].tolist() == [False, True]
    assert not row_of(longer, len(train)).same_as(TokenRow(np.array([7, 8], np.int32)))


def test_a_split_has_rows():
    with pytest.raises(ValueError, match="'probe' would have no rows"):
        split_of("probe", [])
