"""Labels, texts and factors have the types of their file, in files and on the hub alike."""

import json
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fedbytes.data import hold_out, make_task, read_frame, to_split
from fedbytes.data.readers.factor_column import as_factor


def parquet(path, **columns):
    pq.write_table(pa.table(columns), path)
    return str(path)


def lines(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def labels(path, test_path=None, **fields):
    data = make_task("file", path=path, test_path=test_path or path, **fields).load()
    return [split.columns["label"].tolist() for split in (data.train, data.test)]


TEXTS = ["a", "b", "c"]


def test_an_int_label_has_no_point_whatever_a_gap_made_of_it(tmp_path):
    ints = parquet(tmp_path / "ints.parquet", text=TEXTS, label=[0, 1, 10])
    gap = parquet(tmp_path / "gap.parquet", text=TEXTS, label=pa.array([0, 1, None], pa.int64()))
    assert labels(ints, gap) == [["0", "1", "10"], ["0", "1"]]
    pd.DataFrame({"text": TEXTS, "label": [0, 1, None]}).to_parquet(tmp_path / "pandas.parquet")
    assert labels(ints, str(tmp_path / "pandas.parquet")) == [["0", "1", "10"], ["0", "1"]]
    assert labels(str(tmp_path / "pandas.parquet")) == [["0", "1"]] * 2
    (tmp_path / "text.csv").write_text("text,label\na,0\nb,1\nc,\n")
    assert labels(ints, str(tmp_path / "text.csv")) == [["0", "1", "10"], ["0", "1"]]


def test_other_labels_are_written_as_they_are(tmp_path):
    large = 2**53 + 1
    rows = [{"text": "a", "label": value} for value in (large, large + 1, -1)]
    assert labels(lines(tmp_path / "a.jsonl", *rows))[0] == [str(large), str(large + 1), "-1"]
    rows = [{"text": "a", "label": value} for value in (1.0, 2.5)]
    assert labels(lines(tmp_path / "b.jsonl", *rows))[0] == ["1.0", "2.5"]
    rows = [{"text": "a", "label": value} for value in ("NA", "01", "None", "", "x\0")]
    assert labels(lines(tmp_path / "c.jsonl", *rows))[0] == ["NA", "01", "None", "", "x\0"]
    tenths = pa.array([0.1, 0.2, 0.1], pa.float32())
    short = parquet(tmp_path / "d.parquet", text=TEXTS, label=tenths)
    assert labels(short)[0] == ["0.1", "0.2", "0.1"]
    flags = parquet(tmp_path / "e.parquet", text=TEXTS, label=[True, False, True])
    assert labels(flags)[0] == ["True", "False", "True"]
    coded = parquet(tmp_path / "f.parquet", text=TEXTS, label=pa.array(TEXTS).dictionary_encode())
    assert labels(coded)[0] == TEXTS


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (pa.array([["a"], ["b"], None]), "lists"),
        (pa.array([{"en": "a"}, None, None]), "mappings"),
        (pa.array([[("a", "b")], [], []], pa.map_(pa.string(), pa.string())), "mappings"),
        (pa.array([b"a", b"b", b"c"]), "bytes"),
        (pa.array([[1.0, 2.0]] * 3, pa.list_(pa.float32(), 2)), "lists"),
        (pa.array([b"a", b"b", b"a"]).dictionary_encode(), "bytes"),
    ],
)
@pytest.mark.parametrize("task", ["file", "hub", "instruct"])
def test_nested_texts_and_labels_are_refused_in_one_line(tmp_path, values, kind, task):
    if task == "hub" and pa.types.is_map(values.type):
        pytest.skip("the hub's library has no maps")
    names = ("prompt", "response") if task == "instruct" else ("text", "label")
    for name in names:
        columns = dict.fromkeys(names, TEXTS) | {name: values}
        folder = tmp_path / name
        folder.mkdir()
        path = parquet(folder / "train.parquet", **columns)
        fields = {"hub_id": str(folder)} if task == "hub" else {"path": path}
        with pytest.raises(ValueError, match=f"column '{name}' holds {kind}: give a") as error:
            make_task(task, **fields).load()
        assert "\n" not in str(error.value)


def test_lists_and_mappings_of_json_lines_are_refused(tmp_path):
    for value, kind in (([], "lists"), ({}, "mappings")):
        rows = [{"text": "a", "label": "x"}, {"text": value, "label": "x"}]
        with pytest.raises(ValueError, match=f"column 'text' holds {kind}: give a column of plain"):
            labels(lines(tmp_path / "a.jsonl", *rows))


@pytest.mark.parametrize("dtype", ["Int64", "string", "boolean", "Float64", "category"])
def test_nullable_columns_with_a_gap_are_read(tmp_path, dtype):
    kinds = {"Int64": [1, None, 3], "Float64": [0.5, None, 1.0], "boolean": [True, None, False]}
    frame = pd.DataFrame({"text": TEXTS, "label": TEXTS})
    frame["extra"] = pd.Series(kinds.get(dtype, ["x", None, "y"]), dtype=dtype)
    frame.to_parquet(tmp_path / "mine.parquet")
    data = make_task("file", path=str(tmp_path / "mine.parquet"), test_fraction=0.4).load()
    assert len(data.train) + len(data.test) == 3
    assert "extra" in data.train.columns
    wanted = to_split(frame, "text", "label", "frame").columns["extra"]
    read = to_split(read_frame(str(tmp_path / "mine.parquet")), "text", "label", "x")
    np.testing.assert_array_equal(read.columns["extra"], wanted)


def test_factors_are_numbers_or_words_by_their_types():
    assert as_factor([1, 2]).dtype == np.int64
    assert as_factor([2**63, -1]).tolist() == [2**63, -1]
    assert as_factor([2**53 + 1, None]).tolist() == [2**53 + 1, None]
    assert as_factor([2**53 + 1, 0.5]).tolist() == [2**53 + 1, 0.5]
    np.testing.assert_array_equal(as_factor([1, None]), [1.0, np.nan])
    assert as_factor([True, False]).dtype == bool
    assert as_factor([True, 2]).tolist() == ["True", "2"]
    assert as_factor(["1", "2", None]).tolist() == ["1", "2", ""]
    assert as_factor([1, "n/a"]).tolist() == ["1", "n/a"]
    assert as_factor(["x\0", "x"]).tolist() == ["x\0", "x"]
    assert as_factor([date(2020, 1, 2), None]).tolist() == ["2020-01-02", ""]
    assert as_factor([None, pd.NA, pd.NaT]).tolist() == ["", "", ""]
    assert as_factor([b"a"]) is None
    assert as_factor(["a", {}]) is None
    assert as_factor(["long" * 100]) is None


def test_rows_that_are_left_out_are_said(tmp_path):
    (tmp_path / "a.csv").write_text("text,label\n" + "x,a\ny,b\n" * 5 + ",a\nz,\n,\n")
    (tmp_path / "b.csv").write_text("text,label\nx,a\ny,b\n,a\n")
    task = make_task("file", path=str(tmp_path / "a.csv"), test_path=str(tmp_path / "b.csv"))
    data = task.load()
    assert (len(data.train), len(data.test)) == (10, 2)
    assert data.notes == (
        f"{tmp_path}/a.csv: 3 of 13 rows left out: 2 without 'text' and 1 without 'label'",
        f"{tmp_path}/b.csv: 1 of 3 rows left out: 1 without 'text'",
    )
    rows = [{"prompt": "a", "response": answer} for answer in ("x", "", None, "y", "z")]
    path = lines(tmp_path / "chats.jsonl", *rows)
    notes = make_task("instruct", path=path, test_fraction=0.4).load().notes
    assert notes == (f"{path}: 2 of 5 rows left out: no answer",)
    (tmp_path / "one.txt").write_text("words")
    (tmp_path / "two.txt").write_text("words")
    (tmp_path / "empty.txt").write_text("\n")
    notes = make_task("text", path=f"{tmp_path}/*.txt", test_fraction=0.5).load().notes
    assert notes == (f"{tmp_path}/*.txt: 1 of 3 files left out: no text",)


def test_a_file_of_which_no_row_is_left_is_refused_with_the_reason(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label\na,\n,y\n")
    what = "2 of 2 rows left out: 1 without 'text' and 1 without 'label'"
    with pytest.raises(ValueError, match=f"a.csv: {what}"):
        make_task("file", path=str(path)).load()


def test_a_frame_of_your_own_is_read_by_its_types(tmp_path):
    (tmp_path / "a.csv").write_text("text,label,year\na,01,2001\nb,NA,\n")
    frame = read_frame(str(tmp_path / "a.csv"))
    assert frame["label"].tolist() == ["01", "NA"]
    assert frame["year"].tolist() == ["2001", None]
    frame["year"] = [2001, 2002]
    split = to_split(frame, "text", "label", "a.csv")
    assert split.columns["year"].dtype == np.int64
    assert len(hold_out(split, 0.5)) == 2
    assert read_frame(str(tmp_path / "a.csv"), as_written=True).equals(
        read_frame(str(tmp_path / "a.csv"))
    )


def test_tables_of_a_hub_folder_are_read_as_they_are_written(tmp_path):
    for suffix, separator in (("csv", ","), ("tsv", "\t")):
        folder = tmp_path / suffix
        folder.mkdir()
        for part in ("train", "test"):
            rows = ["text,label,n", "a,NA,01", "b,None,2", "c,null,3", ",x,4"]
            content = "\n".join(rows).replace(",", separator)
            (folder / f"{part}.{suffix}").write_text(content)
        data = make_task("hub", hub_id=str(folder)).load()
        assert data.train.columns["label"].tolist() == ["NA", "None", "null"]
        assert data.test.columns["n"].tolist() == ["01", "2", "3"]
        assert data.notes[0].endswith("1 of 4 rows left out: 1 without 'text'")
    folder = tmp_path / "json"
    folder.mkdir()
    rows = [{"text": "2020-01-01", "label": 0}, {"text": "b", "label": 2**60 + 1}]
    rows += [{"text": "c", "label": None}]
    lines(folder / "train-1.jsonl", *rows)
    (folder / "test.json").write_text(json.dumps(rows))
    data = make_task("hub", hub_id=str(folder)).load()
    for split in (data.train, data.test):
        assert split.texts == ["2020-01-01", "b"]
        assert split.columns["label"].tolist() == ["0", str(2**60 + 1)]


def test_a_bad_file_of_a_hub_folder_is_refused_with_its_line(tmp_path):
    (tmp_path / "train.csv").write_text("text,label\na,b,c\n")
    with pytest.raises(ValueError, match=r"train\.csv, line 2: 3 fields for 2 columns"):
        make_task("hub", hub_id=str(tmp_path)).load()


def test_encoding_and_quotes_of_a_hub_folder_may_be_given(tmp_path):
    rows = 'text,label\n5" naïve,x\nb,y\nc,x\nd,y\ne,x\n'
    (tmp_path / "train.csv").write_text(rows, encoding="latin-1")
    with pytest.raises(ValueError, match=r"set task\.encoding to what it is"):
        make_task("hub", hub_id=str(tmp_path)).load()
    data = make_task("hub", hub_id=str(tmp_path), encoding="latin-1", quotes=False).load()
    assert '5" naïve' in data.train.texts + data.test.texts


def test_declared_types_of_a_hub_folder_are_kept(tmp_path):
    names = "class_label: {names: {'0': bad, '1': good}}"
    features = f"[{{name: text, dtype: string}}, {{name: label, dtype: {{{names}}}}}]"
    about = f"---\ndataset_info:\n  features: {features}\n---\n"
    (tmp_path / "README.md").write_text(about)
    (tmp_path / "train.csv").write_text("text,label\nNA,0\nb,1\nc,0\nd,1\n")
    data = make_task("hub", hub_id=str(tmp_path), test_fraction=0.5).load()
    assert set(data.train.texts) | set(data.test.texts) == {"NA", "b", "c", "d"}
    assert set(data.train.columns["label"]) == {"bad", "good"}
