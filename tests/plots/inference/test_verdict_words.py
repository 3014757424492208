"""Verdicts of a family: which word, how often it is wrong, and how many seeds are missing."""

import numpy as np
import pytest
from scipy import stats

from fedbytes.plots import adjust_holm, compare_with_margin, count_seeds, decide

MARGIN = 0.5
NOISE = np.array([-0.1, 0.05, 0.0, 0.1, -0.05])


def verdict(*methods, **how):
    tests = [None if d is None else compare_with_margin(d, MARGIN) for d in methods]
    return decide(tests, MARGIN, **how)


@pytest.mark.parametrize(
    ("differences", "word"),
    [
        (NOISE + 0.3, "better"),
        (NOISE, "equal"),
        (NOISE * 5 + 0.3, "non-inferior"),
        (NOISE - 1, "worse"),
        (NOISE * 30, "not shown"),
        (NOISE[:4], "no verdict"),
        (None, "no verdict"),
    ],
)
def test_the_words(differences, word):
    assert verdict(differences)[0].word == word


def test_holm_takes_the_family_into_account():
    alone = NOISE * 5 + 0.3
    assert verdict(alone)[0].word == "non-inferior"
    many = verdict(alone, *[NOISE * 30] * 11)
    assert many[0].word == "not shown"
    expected = adjust_holm([compare_with_margin(d, MARGIN).p_non_inferior
                            for d in [alone, *[NOISE * 30] * 11]])  # fmt: skip
    assert many[0].p_non_inferior == pytest.approx(expected[0])


def test_a_method_without_a_verdict_is_no_member_of_the_family():
    assert verdict(NOISE * 5 + 0.3, *[NOISE[:3]] * 11)[0].word == "non-inferior"


def test_nothing_good_is_shown_of_survivors():
    (found,) = verdict(NOISE + 0.3, unknown=[True])
    assert (found.word, found.p_non_inferior, found.p_better, found.p_equal) == (
        "not shown",
        1,
        1,
        1,
    )
    assert verdict(NOISE - 1, unknown=[True])[0].word == "worse"


def test_seeds_that_are_missing():
    sd = 0.65
    (found,) = verdict(NOISE / NOISE.std(ddof=1) * sd - 0.2)
    assert found.sentence == "not shown: about n = 12 needed"
    one, other = verdict(NOISE / NOISE.std(ddof=1) * sd, NOISE / NOISE.std(ddof=1) * sd)
    assert one.seeds_needed == other.seeds_needed == count_seeds(sd, MARGIN, level=0.025)
    assert verdict(NOISE * 1e4)[0].sentence == "not shown: more than n = 10,000 needed"
    assert verdict(NOISE)[0].seeds_needed is None
    (near,) = verdict(NOISE - 0.5)  # more seeds are no help where the difference is the margin
    assert (near.sentence, near.seeds_needed) == ("not shown: too near the margin", None)


@pytest.mark.parametrize("n", [5, 10])
@pytest.mark.parametrize("louder", [1, 3])
def test_words_err_at_their_level(n, louder):
    """2,000 families of 12, half of them at the margin, with a baseline that all share."""
    random = np.random.default_rng([n, louder])
    sds = 0.35 * np.where(np.arange(12) % 2, louder, 1)[:, None]
    truth = np.where(np.arange(12) < 6, -MARGIN, 0.0)[:, None]
    wrong = np.zeros(4)
    for _ in range(2000):
        draw = truth + sds * (random.normal(size=(12, n)) + 0.5 * random.normal(size=n))
        words = [found.word for found in verdict(*draw)]
        wrong += [
            any(word in ("non-inferior", "equal", "better") for word in words[:6]),
            any(word in ("equal", "better") for word in words[:6]),
            "better" in words,
            "worse" in words,
        ]
    # Three Monte Carlo errors above the level.
    assert (wrong / 2000 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 2000)).all(), wrong / 2000


def test_pooling_would_not_keep_the_level():
    """Why each method has its own variance: the audit's 18 % where 5 are promised."""
    draws = np.random.default_rng(0).normal(size=(400, 12, 5))
    draws[:, 0] *= 2
    own, pooled = [], []
    for one in draws:
        own.append(compare_with_margin(one[0] - MARGIN, MARGIN).p_non_inferior <= 0.05)
        alike = stats.levene(*one).pvalue > 0.05
        sd = np.sqrt(one.var(axis=1, ddof=1).mean()) if alike else one[0].std(ddof=1)
        degrees = 48 if alike else 4
        pooled.append(stats.t.sf(one[0].mean() / sd * np.sqrt(5), degrees) <= 0.05)
    assert np.mean(own) < 0.09
    assert np.mean(pooled) > 0.13
