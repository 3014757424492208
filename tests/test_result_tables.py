"""Tables that a page asks for are those of its rows."""

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
