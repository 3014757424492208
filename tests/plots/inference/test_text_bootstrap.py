"""Bounds over seeds and texts."""

import numpy as np
import pytest

from fedbytes.plots import bootstrap_texts, compare_with_margin


def answers(random, seeds, texts, loss=0.0):
    """Return right and wrong answers of two methods on texts of unlike difficulty."""
    hard = random.random(texts)
    base = random.random((seeds, texts)) < 0.6 + 0.35 * hard
    own = np.where(random.random((seeds, texts)) < 0.1, random.random((seeds, texts)) < 0.5, base)
    return own & (random.random((seeds, texts)) >= loss), base


def test_it_repeats_and_holds_the_mean():
    own, base = answers(np.random.default_rng(0), 6, 300)
    found = bootstrap_texts(own, base)
    assert found == bootstrap_texts(own, base)
    assert found.mean == pytest.approx((own.astype(float) - base).mean())
    assert found.low < found.mean < found.high
    assert (found.seeds, found.texts) == (6, 300)


def test_texts_that_all_seeds_share_widen_it():
    """A text on which the method errs at every seed is seen as one text."""
    random = np.random.default_rng(1)
    held, alone = [], []
    for _ in range(60):
        gaps = 0.2 * random.normal(size=400) + 0.05 * random.normal(size=(8, 400))
        held.append(bootstrap_texts(gaps, 0 * gaps, resamples=400).low <= 0)
        alone.append(compare_with_margin(gaps.mean(axis=1), 1.0).low <= 0)
    assert np.mean(held) > 0.88
    assert np.mean(alone) < 0.8


def test_no_difference_has_no_width():
    own, _ = answers(np.random.default_rng(2), 5, 50)
    found = bootstrap_texts(own, own)
    assert (found.low, found.mean, found.high) == (0, 0, 0)


def test_what_is_no_pair_of_tables():
    ones = np.ones((5, 10))
    with pytest.raises(ValueError, match=r"\[5, 10\] and \[5, 9\]"):
        bootstrap_texts(ones, ones[:, 1:])
    with pytest.raises(ValueError, match="1 seeds and 10 texts"):
        bootstrap_texts(ones[:1], ones[:1])
    with pytest.raises(ValueError, match="finite"):
        bootstrap_texts(ones * np.nan, ones)
