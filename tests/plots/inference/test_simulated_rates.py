"""The committed simulation shows what the pages say of it."""

import csv
from pathlib import Path

ROWS = Path(__file__).parents[3] / "docs" / "results" / "verdicts" / "rates.csv"


def rates(question, **where):
    with ROWS.open(encoding="utf-8") as file:
        found = [row for row in csv.DictReader(file) if row["question"].startswith(question)]
    found = [row for row in found if all(row[key] == value for key, value in where.items())]
    assert found
    return [(float(row["rate"]), float(row["error"])) for row in found]


def test_words_keep_their_level():
    for question in ("family of 12", "own variance"):
        assert all(rate <= 0.05 + 3 * error for rate, error in rates(question))


def test_pooling_does_not():
    for case in ("one of 12 louder by 2", "one of 12 louder by 3"):
        assert all(rate > 0.15 for rate, _ in rates("pooled", case=case, n="5"))


def test_intervals_hold():
    assert all(rate >= 0.93 for rate, _ in rates("bytes to the target"))
    assert all(rate >= 0.92 for rate, _ in rates("slope: clustered"))
    assert all(rate >= 0.92 for rate, _ in rates("lower bound over seeds and texts"))
    assert all(0.78 < rate < 0.86 for rate, _ in rates("power as planned"))
