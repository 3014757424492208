"""Limits are those of the literature, and the survey's figures show what they are given."""

import numpy as np
import pandas as pd
import pytest

from fedbytes.plots.codecs import write_survey
from fedbytes.plots.limits import ecsq, shannon
from fedbytes.plots.rates import draw_means, draw_rates

# Rate in bits, NMSE of the entropy-coded uniform scalar quantiser (Gish and Pierce 1968).
KNOWN = {
    "gauss": {0.25: 0.790, 0.5: 0.617, 1: 0.348, 2: 0.0888, 3: 0.0222, 4: 0.00555},
    "t3": {0.25: 0.513, 0.5: 0.373, 1: 0.210, 2: 0.0597, 3: 0.0150, 4: 0.0038},
}


@pytest.mark.parametrize("distribution", KNOWN)
def test_the_scalar_quantisers_curve(distribution: str) -> None:
    curve = ecsq(distribution)
    for rate, nmse in KNOWN[distribution].items():
        found = np.exp(np.interp(rate, curve.rate, np.log(curve.nmse)))
        assert found == pytest.approx(nmse, rel=0.015)


def test_shannons_bound_is_below_it_by_a_quarter_bit_at_high_rate() -> None:
    assert shannon("gauss", np.array([1.0, 2.0])) == pytest.approx([0.25, 0.0625])
    for distribution in KNOWN:
        curve = ecsq(distribution)
        high = (curve.rate > 3.5) & (curve.rate < 5)
        gap = 10 * np.log10(curve.nmse[high] / shannon(distribution, curve.rate[high]))
        assert gap == pytest.approx(1.53, abs=0.03)
        assert (curve.nmse >= shannon(distribution, curve.rate) - 1e-9).all()


def _rows() -> pd.DataFrame:
    rows = [
        {
            "codec": f"{name} {bits}",
            "name": name,
            "distribution": distribution,
            "example": bits == 2,
            "unbiased": name == "b",
            "sparse": False,
            "bits_per_coordinate": bits,
            "nmse": 0.5**bits,
            "gap_db": 1.0,
            "encode_mb_s": 100.0,
            "decode_mb_s": 200.0,
            "encode_memory": 8.0,
            "decode_memory": 8.0,
        }
        for name in ("a", "b")
        for distribution in ("gauss", "t3")
        for bits in (1, 2, 4)
    ]
    return pd.DataFrame(rows)


def _means() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "codec": name,
            "unbiased": name == "b",
            "clients": n,
            "correlation": r,
            "mean_nmse": 0.5 / n,
        }
        for name in ("a", "b")
        for n in (4, 16)
        for r in (0.0, 0.9)
    )


def test_each_series_is_a_line_in_each_panel() -> None:
    figure = draw_rates(_rows())
    assert [axis.get_title() for axis in figure.axes] == [
        "Gaussian",
        "Student-t, 3 degrees of freedom",
    ]
    for axis in figure.axes:
        first = axis.lines[0]
        assert first.get_xdata().tolist() == [1, 2, 4]
        assert first.get_ydata().tolist() == [0.5, 0.25, 0.0625]
    panels = draw_means(_means(), ["a"]).axes
    assert [axis.lines[0].get_ydata().tolist() for axis in panels] == [[0.125, 0.03125]] * 2


def test_a_survey_is_written_whole(tmp_path) -> None:
    paths = write_survey(_rows(), _means(), tmp_path / "out")
    names = {path.name for path in paths}
    assert {"rates.csv", "means.csv", "table-gauss.md", "rates-biased.svg"} <= names
    assert {"rates-unbiased.png", "means-unbiased.pdf"} <= names
    assert all(path.stat().st_size for path in paths)
    table = (tmp_path / "out" / "table-gauss.md").read_text().splitlines()
    assert len(table) == 2 + 2  # the two examples
    assert "| a 2 | 2.000 | 0.25 |" in table[2]
