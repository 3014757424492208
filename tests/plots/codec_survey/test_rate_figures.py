"""Limits are those of the literature, and the survey's figures show what they are given."""

import numpy as np
import pandas as pd
import pytest

from fedbytes.plots.codec_survey.db_above_shannon import draw_db_above_shannon
from fedbytes.plots.codec_survey.mean_error import draw_mean_error
from fedbytes.plots.codec_survey.rate_distortion import draw_rate_distortion
from fedbytes.plots.codec_survey.shannon_bounds import ecsq_curve, shannon_bound
from fedbytes.plots.codec_survey.survey_files import read_survey, write_survey

# Rate in bits, NMSE of the entropy-coded uniform scalar quantiser (Gish and Pierce 1968).
KNOWN = {
    "gauss": {0.25: 0.790, 0.5: 0.617, 1: 0.348, 2: 0.0888, 3: 0.0222, 4: 0.00555},
    "t3": {0.25: 0.513, 0.5: 0.373, 1: 0.210, 2: 0.0597, 3: 0.0150, 4: 0.0038},
}


@pytest.mark.parametrize("distribution", KNOWN)
def test_the_scalar_quantisers_curve(distribution: str) -> None:
    curve = ecsq_curve(distribution)
    for rate, nmse in KNOWN[distribution].items():
        found = np.exp(np.interp(rate, curve.rate, np.log(curve.nmse)))
        assert found == pytest.approx(nmse, rel=0.015)


def test_shannons_bound_is_below_it_by_a_quarter_bit_at_high_rate() -> None:
    assert shannon_bound("gauss", np.array([1.0, 2.0])) == pytest.approx([0.25, 0.0625])
    for distribution in KNOWN:
        curve = ecsq_curve(distribution)
        high = (curve.rate > 3.5) & (curve.rate < 5)
        gap = 10 * np.log10(curve.nmse[high] / shannon_bound(distribution, curve.rate[high]))
        assert gap == pytest.approx(1.53, abs=0.03)
        assert (curve.nmse >= shannon_bound(distribution, curve.rate) - 1e-9).all()


def _rows() -> pd.DataFrame:
    rows = [
        {
            "codec": f"{name} bits={bits}",
            "name": name,
            "spec": f'{{"name":"{name}","bits":{bits}}}',
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
            "codec": f"{name} {bits}",
            "unbiased": name == "b",
            "sparse": False,
            "clients": n,
            "correlation": r,
            "bits_per_coordinate": bits,
            "mean_nmse": 0.5 / n / bits,
        }
        for name in ("a", "b")
        for bits in (1, 2)
        for n in (4, 16, 64)
        for r in (0.0, 0.9)
    )


def test_each_series_is_a_line_in_each_panel() -> None:
    figure = draw_rate_distortion(_rows())
    assert [axis.get_title() for axis in figure.axes] == [
        "Gaussian",
        "Student-t, 3 degrees of freedom",
    ]
    for axis in figure.axes:
        first = axis.lines[0]
        assert first.get_xdata().tolist() == [1, 2, 4]
        assert first.get_ydata().tolist() == [0.5, 0.25, 0.0625]


def test_the_gap_is_measured_from_the_distributions_own_bound() -> None:
    rows = _rows().assign(series="one")
    rows.loc[rows["name"] == "b", "nmse"] = 16.0  # farther than can be shown
    figure = draw_db_above_shannon(rows, "All.")
    for axis, kind in zip(figure.axes, ("gauss", "t3"), strict=True):
        rate = np.array([1.0, 2.0, 4.0])
        expected = 10 * np.log10(0.5**rate / shannon_bound(kind, rate))
        kept = expected <= 12
        assert axis.lines[0].get_ydata() == pytest.approx(expected[kept])
    assert figure.get_supxlabel() == "All. Beyond 12 dB: b."


def test_the_mean_is_drawn_for_the_fewest_and_the_most_senders() -> None:
    means = _means().assign(kind="all")
    axes = draw_mean_error(means).axes
    assert [axis.get_title() for axis in axes] == [
        f"{n} senders, correlation {r:g}" for n in (4, 64) for r in (0, 0.9)
    ]
    best = axes[0].lines[1]
    assert best.get_xdata().tolist() == [1, 1, 2, 2]
    assert best.get_ydata().tolist() == [0.125, 0.125, 0.0625, 0.0625]


def test_a_survey_is_written_whole_and_drawn_again_from_its_rows(tmp_path) -> None:
    composite = _rows()[:1].assign(codec="chain (a)", spec='{"name":"chain","codec":{"name":"a"}}')
    rates = pd.concat([_rows(), composite.assign(name="chain", example=True)])
    costs = pd.DataFrame([{"measure": "a", "setting": "b", "above": 1.0, "unit": "c"}])
    paths = write_survey((rates, _means(), costs), tmp_path / "out")
    names = {path.name for path in paths}
    assert {
        "rates.csv",
        "means.csv",
        "overheads.csv",
        "table-gauss.md",
        "rates-biased.svg",
    } <= names
    assert {"rates-biased.svg", "rates-unbiased.png", "means.pdf", "table-means.md"} <= names
    assert all(path.stat().st_size for path in paths)
    table = (tmp_path / "out" / "table-gauss.md").read_text().splitlines()
    assert len(table) == 2 + 3  # the two examples, and what is made of another
    assert "| a bits=2 | 2.000 | 0.25 |" in table[2]
    before = {path: path.read_bytes() for path in paths}
    write_survey(read_survey(tmp_path / "out"), tmp_path / "out")
    assert {path: path.read_bytes() for path in paths} == before


def test_rows_that_are_not_there_are_named(tmp_path) -> None:
    with pytest.raises(ValueError, match=r"rates\.csv"):
        read_survey(tmp_path)
