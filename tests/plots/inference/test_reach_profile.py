"""The share of runs that have reached their target, by hand."""

import numpy as np
import pytest

from fedbytes.plots import Hit, profile_reached


def test_kaplan_meier_by_hand():
    hits = [
        Hit(1, "between"),
        Hit(2, "at once"),
        Hit(3, "missed"),
        Hit(4, "between"),
        Hit(9, "missed"),
    ]
    found = profile_reached(hits)
    assert found.bytes.tolist() == [1, 2, 4]
    # The run that stopped at 3 is no failure at 4: half of the two that are left get there.
    assert found.share.tolist() == pytest.approx([0.2, 0.4, 0.7])
    assert (found.reached, found.n) == (3, 5)
    assert ((found.low <= found.share) & (found.share <= found.high)).all()
    assert np.isfinite(found.low).all()


def test_all_and_none():
    every = profile_reached([Hit(1, "between"), Hit(1, "between")])
    assert (every.share.tolist(), every.low.tolist(), every.high.tolist()) == ([1], [0], [1])
    none = profile_reached([Hit(1, "missed")])
    assert (none.bytes.size, none.reached, none.n) == (0, 0, 1)


def test_settings_of_unlike_size_are_pooled_by_their_scales():
    small, large = Hit(1, "between"), Hit(1000, "between")
    found = profile_reached([small, large], [10, 10_000])
    assert found.bytes.tolist() == [0.1]


def test_what_has_no_profile():
    with pytest.raises(ValueError, match="at least one run"):
        profile_reached([])
    with pytest.raises(ValueError, match="one scale above 0 for each of 1 runs"):
        profile_reached([Hit(1, "between")], [0])
