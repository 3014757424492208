import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fedbytes.experiments import load_results, make_config, run
from fedbytes.experiments.published.comparison import (
    EXACT_LINKS,
    Tolerance,
    compare_runs,
    compare_stores,
)
from fedbytes.experiments.published.run_record import RunRecord, read_records


def record(accuracy: list[float], **columns: Any) -> RunRecord:
    rows = {
        "run": "a" * 16, "suite": "s", "codec": "topk", "uplink": "topk", "downlink": "topk",
        "seed": 3, "round": range(1, 1 + len(accuracy)), "up_bytes": 1000, "down_bytes": 500,
        "total_bytes": 1500, "loss": 0.5, "accuracy": accuracy,
    }  # fmt: skip
    return RunRecord("a" * 16, pd.DataFrame(rows | columns))


def test_equal_to_the_bit_and_not_a_bit_less() -> None:
    assert compare_runs(record([0.5, 0.75]), record([0.5, 0.75])).verdict == "equal"
    found = compare_runs(record([0.5, 0.75]), record([0.5, np.nextafter(0.75, 1)]))
    assert found.verdict == "within tolerance"
    assert list(found.apart) == ["accuracy"]
    assert found.seed == 3


def test_half_a_point_is_within_tolerance_and_more_is_not() -> None:
    assert compare_runs(record([0.5]), record([0.5049])).verdict == "within tolerance"
    found = compare_runs(record([0.5]), record([0.5051]))
    assert found.verdict == "differs"
    assert found.reason == "accuracy differ by more than is allowed"
    assert found.apart["accuracy"] == pytest.approx(0.0051)


def test_fp32_links_have_less_room() -> None:
    links = {"uplink": "fp32", "downlink": "fp32"}
    assert compare_runs(record([0.5], **links), record([0.503], **links)).verdict == "differs"
    assert compare_runs(record([0.5]), record([0.503]), EXACT_LINKS).verdict == "differs"
    one, other = record([0.5], **links), record([0.5], **links, total_bytes=1501)
    assert compare_runs(one, other).verdict == "differs"
    assert compare_runs(record([0.5]), record([0.5], total_bytes=1501)).verdict == (
        "within tolerance"
    )


def test_losses_are_compared_relatively() -> None:
    assert compare_runs(record([0.5], loss=1e-3), record([0.5], loss=1.5e-3)).verdict == "differs"
    assert compare_runs(record([0.5], loss=9.0), record([0.5], loss=9.1)).verdict == (
        "within tolerance"
    )


def test_a_missing_value_and_missing_rounds_differ() -> None:
    assert compare_runs(record([0.5]), record([float("nan")])).verdict == "differs"
    found = compare_runs(record([0.5, 0.6]), record([0.5]))
    assert (found.verdict, found.reason) == ("differs", "2 and 1 evaluations, to rounds 2 and 1")


def test_a_run_that_diverged_throughout_is_no_equal_of_one_that_did_not() -> None:
    found = compare_runs(record([0.5], loss=2.0), record([0.5], loss=float("nan")))
    assert found.verdict == "differs"


def test_printed_bytes_are_whole() -> None:
    whole = record([0.5], total_bytes=10_000_000, uplink="fp32", downlink="fp32")
    other = RunRecord(whole.run, whole.rows.assign(total_bytes=10_000_050), exact=False)
    assert compare_runs(whole, other).verdict == "differs"


def test_printed_digits_are_equal_as_far_as_they_go() -> None:
    whole = record([0.123456789])
    printed = RunRecord(whole.run, whole.rows.assign(accuracy=0.123457), exact=False)
    assert compare_runs(whole, printed).verdict == "equal"
    assert compare_runs(whole, record([0.123457])).verdict == "within tolerance"


def test_stores_are_joined_by_id(settings: dict[str, Any], tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    config = make_config(settings)
    run(config, first)
    shutil.copytree(first, second)
    run(make_config(settings | {"seed": 7}), second)
    found = compare_stores(first, second)
    assert [one.verdict for one in found.runs] == ["equal", "only second"]
    assert found.origins == ()
    published = tmp_path / "published"
    published.mkdir()
    load_results(first).to_csv(published / "results.csv", index=False, float_format="%.6g")
    assert compare_stores(first, published).count("equal") == 1


def test_other_provenance_is_named(settings: dict[str, Any], tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    folder = run(make_config(settings), first)
    shutil.copytree(first, second)
    told = folder.provenance()
    folder.write_json("provenance.json", told | {"processor": "another", "commit": "abc"})
    found = compare_stores(first, second)
    assert {(what, one) for what, one, *_ in found.origins} == {
        ("processor", "another"),
        ("commit", "abc"),
    }
    assert found.explained


def test_nothing_in_common_is_refused(settings: dict[str, Any], tmp_path: Path) -> None:
    run(make_config(settings), tmp_path / "a")
    run(make_config(settings | {"seed": 1, "suite": "other"}), tmp_path / "b")
    with pytest.raises(ValueError, match=r"1 runs of run\) .* have no run in common"):
        compare_stores(tmp_path / "a", tmp_path / "b")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"holds no run and no results\.csv"):
        read_records(tmp_path / "empty")


def test_a_tolerance_is_a_share() -> None:
    with pytest.raises(ValueError, match="tolerance share must be from 0 to below 1, got 2"):
        Tolerance(share=2)
