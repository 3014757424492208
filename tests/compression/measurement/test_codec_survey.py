"""The survey measures every codec, at more rates than the codecs' own examples."""

import math

import pytest

from fedbytes.compression import codec_names, make_codec, measure, measure_mean
from fedbytes.compression.measurement.codec_survey import (
    CLIENTS,
    CORRELATIONS,
    survey,
    survey_means,
    survey_points,
)
from fedbytes.compression.measurement.overheads import overheads


def test_every_codec_is_surveyed_on_both_distributions() -> None:
    found = survey_points()
    assert {p.codec.name for p in found} == set(codec_names())
    assert {p.distribution for p in found if p.codec.name == "nf4"} == {"gauss", "t3"}
    assert len({(p.codec, p.distribution) for p in found}) == len(found)


def test_rates_are_swept_where_a_codec_has_them() -> None:
    rates = {p.codec.bits for p in survey_points(["ecsq"]) if not p.example}  # type: ignore[attr-defined]
    assert {0.25, 1.5, 3.0} <= rates
    densities = {p.codec.density for p in survey_points(["topk"])}  # type: ignore[attr-defined]
    assert {0.01, 0.05, 0.1, 0.25} <= densities
    assert {p.codec.bits for p in survey_points(["int"])} >= {2, 4, 8}  # type: ignore[attr-defined]
    assert {p.codec.bits for p in survey_points(["thc"])} >= {1, 2, 3, 4}  # type: ignore[attr-defined]
    roundings = {
        (p.codec.rounding, p.codec.bits)  # type: ignore[attr-defined]
        for p in survey_points(["tcq"])
    }
    assert {("nearest", 4.0), ("unbiased", 2.0)} <= roundings


def test_rows_say_what_they_are_of() -> None:
    rows = list(survey(survey_points(["sign"])[:2], numel=5000))
    assert [row["name"] for row in rows] == ["sign", "sign"]
    assert [row["distribution"] for row in rows] == ["gauss", "t3"]
    assert rows[0]["nmse"] == pytest.approx(1 - 2 / math.pi, abs=0.02)  # signs and their mean
    means = list(survey_means(["bf16"]))
    assert {(row["clients"], row["correlation"]) for row in means} == {
        (n, rho) for n in CLIENTS for rho in CORRELATIONS
    }
    assert all(row["bits_per_coordinate"] == pytest.approx(16, abs=0.01) for row in means)


def test_memory_is_what_is_allocated() -> None:
    found = measure(make_codec("fp32"), numel=100_000, repeats=1)
    # The joined message, and the decoded vector.
    assert 4 <= found["encode_memory"] < 9
    assert 4 <= found["decode_memory"] < 9


def test_the_mean_of_equal_vectors_keeps_a_deterministic_error() -> None:
    codec = make_codec("sign")
    alone = measure_mean(codec, 1, 1.0, 20_000)
    assert measure_mean(codec, 8, 1.0, 20_000) == pytest.approx(alone)
    assert measure_mean(codec, 8, 0.0, 20_000) == pytest.approx(alone, rel=0.1)


def test_codes_are_near_their_bounds() -> None:
    rows = {(row["measure"], row["setting"]): row["above"] for row in overheads()}
    assert len(rows) == 10
    coder = [value for (name, _), value in rows.items() if name == "entropy coder"]
    assert all(-1e-9 < value < 0.005 for value in coder)
    places = [value for (name, _), value in rows.items() if name.startswith("top-k")]
    assert all(-0.01 < value < 0.03 for value in places)
    framing = [value for (name, _), value in rows.items() if name.startswith("framing")]
    assert all(40 < value < 128 for value in framing)
