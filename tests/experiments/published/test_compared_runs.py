import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fedbytes.cli.published.compare import compare_notes as notes
from fedbytes.experiments import load_clients, load_results, make_config, run
from fedbytes.experiments.published.comparison import (
    Compared,
    StoreComparison,
    compare_runs,
    compare_stores,
)
from fedbytes.experiments.published.run_record import RunRecord, read_records
from fedbytes.experiments.published.tolerance import (
    EXACT_LINKS,
    TestSizes,
    Tolerance,
    allowed_share,
)


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


R8 = TestSizes(classes=(336, 57, 488, 3, 33, 30, 23, 30), clients=(400, 300, 290, 10))


@pytest.mark.parametrize(
    ("metric", "allowed"),
    [
        ("accuracy", 0.005),
        ("macro_f1", (2 * 0.005 + 1 / 57 + 1 / 3 + 1 / 33 + 2 / 30 + 1 / 23) / 8),
        ("own_accuracy", (3 * 0.005 + 0.1) / 4),
        ("own_accuracy_worst_decile", 0.1),
        ("own_macro_f1", (8 / 400 + 8 / 300 + 8 / 290 + 8 / 10) / 4),
        ("exact_match", 0.005),
    ],
)
def test_what_is_allowed_follows_from_the_groups_that_a_metric_is_a_mean_over(metric, allowed):
    assert allowed_share(metric, 0.005, R8) == pytest.approx(allowed)


def test_one_text_of_each_group_is_always_allowed():
    assert allowed_share("accuracy", 0.0, TestSizes(classes=(3, 5))) == 1 / 8
    assert allowed_share("macro_f1", 0.0, TestSizes(classes=(2, 4))) == 3 / 8
    assert allowed_share("macro_f1", 0.005, TestSizes()) == 0.05
    assert allowed_share("accuracy", 0.005, TestSizes()) == 0.005


def test_macro_f1_of_few_texts_a_class_is_within_where_accuracy_would_not_be() -> None:
    one, other = (record([0.9], macro_f1=value) for value in (0.60, 0.638))
    assert compare_runs(one, replace(other, sizes=R8)).verdict == "within tolerance"
    many = TestSizes(classes=(1000,) * 8)
    assert compare_runs(replace(one, sizes=many), other).verdict == "differs"
    apart = record([0.938], macro_f1=0.6)
    assert compare_runs(one, replace(apart, sizes=R8)).reason == (
        "accuracy differ by more than is allowed"
    )


def test_a_store_says_how_many_test_texts_each_class_and_client_has(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    config = make_config(settings | {"rounds": 1, "evaluate_clients": True})
    folder = run(config, tmp_path)
    sizes = read_records(tmp_path)[config.id].sizes
    whole = load_clients(tmp_path)["examples"].sum()
    assert sum(sizes.clients) == whole == sum(sizes.classes)
    assert list(sizes.classes) == folder.provenance()["test_examples"]
    assert max(sizes.classes) / whole == pytest.approx(folder.provenance()["constant_accuracy"])


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


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"told": False}, "One of the two tells no provenance of single runs"),
        ({"told": True}, "No provenance explains a difference"),
        ({"told": True, "origins": (("commit", "a", "b", 1),)}, "What they were made from differs"),
        ({"told": True, "explained": True}, "They were made on different machines"),
    ],
)
def test_what_explains_a_difference_is_said(fields: dict[str, Any], sentence: str) -> None:
    runs = (Compared("a" * 16, "topk", 3, "differs", {"loss": 0.1}),)
    found = StoreComparison(runs, **{"origins": (), "explained": False, **fields})
    assert notes(found)[-1].startswith(sentence)
    equal = replace(found, runs=(replace(runs[0], verdict="equal", apart={}),))
    assert not any(sentence in line for line in notes(equal))


def test_a_published_table_tells_no_provenance_of_single_runs(
    fedbytes: Any, settings: dict[str, Any], tmp_path: Path
) -> None:
    store, published = tmp_path / "store", tmp_path / "published"
    run(make_config(settings | {"rounds": 1}), store)
    published.mkdir()
    rows = load_results(store)
    rows.assign(loss=rows["loss"] * 1.001).to_csv(published / "results.csv", index=False)
    found = " ".join(fedbytes("compare", store, published).stdout.split())
    assert "1 runs: 1 within tolerance." in found
    assert "One of the two tells no provenance of single runs" in found
