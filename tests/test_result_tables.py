"""Tables that a page asks for are those of its rows."""

import importlib.util
import json

import pytest
import result_blocks
from result_blocks import with_blocks
from result_tables import write_table

ROWS = """run,round,codec,seed,accuracy,total_bytes
a,1,fp32,0,0.5,50
a,2,fp32,0,0.9,100
b,2,fp32,1,0.8,100
c,2,nf4,1,0.75,20
d,2,nf4,0,0.91,10
e,2,top_k,1,0.7,5
"""
ACCURACY = {"of": "accuracy", "times": 100, "digits": 1}


@pytest.fixture
def page(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "results.csv").write_text(ROWS)
    return tmp_path / "mine"


def asked(columns, **more):
    return {"rows": {"method": "codec"}, "columns": columns, **more}


def cells(text):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[2:]]


def test_each_seed_is_shown_and_pairs_are_taken_by_seed(page):
    columns = {
        "accuracy (%)": ACCURACY,
        "less fp32": {**ACCURACY, "less": "fp32"},
        "bytes": {"of": "total_bytes", "digits": 0},
        "of fp32": {"of": "total_bytes", "digits": 2, "over": "fp32"},
    }
    assert cells(write_table(page, asked(columns))) == [
        ["fp32", "90.0, 80.0", "–", "100", "1.00"],
        ["nf4", "91.0, 75.0", "+1.0, −5.0", "10, 20", "0.10, 0.20"],
        [r"top\_k", "70.0", "−10.0", "5", "0.05"],
    ]


def test_from_five_seeds_on_a_mean_has_its_interval(page):
    lines = [f"r{s},2,nf4,{s},{0.5 + s / 10:.1f},1" for s in range(5)]
    (page / "results.csv").write_text(ROWS.splitlines()[0] + "\n" + "\n".join(lines) + "\n")
    ((_, value),) = cells(write_table(page, asked({"accuracy (%)": ACCURACY})))
    assert value == "70.0 ± 19.6"  # 2.776 · 15.81 / √5


def test_rows_are_kept_and_ordered_as_asked(page):
    order = ["top_k", "nf4", "fp32"]
    text = write_table(page, asked({"a": ACCURACY}, where={"seed": 1}, order=order))
    assert cells(text) == [[r"top\_k", "70.0"], ["nf4", "75.0"], ["fp32", "80.0"]]
    first = {**ACCURACY, "where": {"seed": 0}}
    assert [row[1] for row in cells(write_table(page, asked({"a": first})))] == [
        "90.0",
        "91.0",
        "–",
    ]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (asked({"a": {"of": "recall", "digits": 1}}), "mine has no column recall"),
        (asked({"a": {**ACCURACY, "digit": 1}}), "unknown digit"),
        (asked({"a": ACCURACY}, sort="codec"), "unknown sort"),
        (asked({"a": ACCURACY}, order=["fp32"]), "the order of rows lacks nf4, top_k"),
    ],
)
def test_what_cannot_be_shown_is_said(page, table, words):
    with pytest.raises(ValueError, match=words):
        write_table(page, table)


def test_a_block_of_a_folder_below_is_written(page, monkeypatch):
    monkeypatch.setattr(result_blocks, "RESULTS", page.parent.parent)
    name = f"{page.parent.name}/mine"
    (page / "asked.json").write_text(json.dumps({"tables": {"ends": asked({"a": ACCURACY})}}))
    text = f"<!-- results:begin {name} table-ends -->\nold\n<!-- results:end -->\n"
    assert "| nf4 | 91.0, 75.0 |" in with_blocks(text)
    for kind in ("ends", "table-starts"):
        with pytest.raises(ValueError, match="there is no block"):
            with_blocks(text.replace("table-ends", kind))


LIVES = {"a": 4.25, "b": None, "c": 3.0, "d": 2.0}
LIFE = {"of": "half_life", "digits": 1, "missing": "over 14", "without": ["top_k"]}


def with_lives(page, lives):
    lines = [json.dumps({"run": run} | ({"half_life": life} if life else {}))
             for run, life in lives.items()]  # fmt: skip
    (page / "runs.jsonl").write_text("\n".join(lines))
    return page


def test_what_is_known_of_a_run_is_a_column_and_one_that_ended_before_is_not_left_out(page):
    text = write_table(with_lives(page, LIVES), asked({"half-life": LIFE}))
    assert cells(text) == [["fp32", "4.2, over 14"], ["nf4", "2.0, 3.0"], [r"top\_k", "–"]]
    with pytest.raises(ValueError, match="no column half_life"):
        write_table(with_lives(page, {"a": None}), asked({"half-life": LIFE}))


@pytest.mark.parametrize(
    ("lives", "shown"),
    [
        ([1, 2, 3, 4, 5], "3.0 ± 2.0"),
        ([1, 2, 4, None, None], "median 4.0 (3 of 5)"),
        ([1, 2, None, None, None], "median over 14 (2 of 5)"),
        ([None] * 4 + [1], "median over 14 (1 of 5)"),
    ],
)
def test_from_five_seeds_on_runs_that_ended_before_are_the_longest(page, lives, shown):
    lines = [f"r{s},2,nf4,{s},0.5,1" for s in range(5)]
    (page / "results.csv").write_text(ROWS.splitlines()[0] + "\n" + "\n".join(lines) + "\n")
    with_lives(page, {f"r{s}": life for s, life in enumerate(lives)})
    assert cells(write_table(page, asked({"half-life": LIFE}))) == [["nf4", shown]]


def test_a_round_of_its_own_digits_that_count_means_and_a_value_beside(page):
    columns = {
        "then": {**ACCURACY, "round": 1},
        "bytes": {"of": "total_bytes", "times": 0.001, "significant": 2},
        "mean": {**ACCURACY, "mean": True, "beside": {"of": "total_bytes", "digits": 0}},
    }
    text = write_table(page, asked(columns))
    assert cells(text)[:2] == [
        ["fp32", "50.0", "0.10", "85.0 (100)"],
        ["nf4", "–", "0.010, 0.020", "83.0 (10, 20)"],
    ]
    with pytest.raises(ValueError, match="no column seconds"):
        write_table(page, asked({"a": {**ACCURACY, "beside": {"of": "seconds", "digits": 0}}}))


def test_the_table_of_simulators_is_that_of_their_rounds(tmp_path):
    folder = result_blocks.RESULTS / "simulators"
    place = result_blocks.ROOT / "benchmarks" / "simulators" / "page.py"
    spec = importlib.util.spec_from_file_location("simulators_page", place)
    page = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    steps = json.loads((folder / "provenance.json").read_text())["client_steps"]
    page.write_page(folder, steps, tmp_path)
    for name in ("summary.csv", "table.md"):
        assert (folder / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_findings_of_several_kinds_in_a_run_are_told_apart_by_where(page):
    lines = ["run,round,attack,robust_accuracy"]
    lines += [f"{run},2,{name},{share}" for run in "ab" for name, share in (("h", 0.1), ("t", 0.9))]
    (page / "audits.csv").write_text("\n".join(lines) + "\n")
    runs = [{"run": run, "codec": "fp32", "seed": seed} for run, seed in (("a", 1), ("b", 0))]
    (page / "runs.jsonl").write_text("".join(json.dumps(run) + "\n" for run in runs))
    held = {"of": "robust_accuracy", "times": 100, "digits": 0}
    both = asked({"held (%)": held}, file="audits.csv")
    with pytest.raises(ValueError, match="several rows of one round"):
        write_table(page, both)
    assert cells(write_table(page, both | {"where": {"attack": "t"}})) == [["fp32", "90"]]
    of_seed = both | {"where": {"attack": "h", "seed": 0}}
    assert cells(write_table(page, of_seed)) == [["fp32", "10"]]
    with pytest.raises(ValueError, match="no column atack"):
        write_table(page, both | {"where": {"atack": "t"}})
