import json

import numpy as np
import pandas as pd
import pytest

from fedbytes.data import TASKS, make_task
from fedbytes.data.readers.named_tables import load_friends, read_table
from fedbytes.data.text_data import make_split, make_text_data

ROWS = [("good day", "greeting"), ("stock falls", "money"), ("rate up", "money")] * 7


@pytest.fixture
def frame():
    table = pd.DataFrame(ROWS, columns=["body", "topic"])
    table["year"] = np.arange(len(table))
    return table


def test_published_split_sizes_and_classes(real_asset):
    real_asset("reuters-r8")
    data = make_task("reuters-r8").load()
    assert (len(data.train), len(data.test)) == (5_485, 2_189)
    assert len(set(data.train.columns["label"])) == len(set(data.test.columns["label"])) == 8
    assert data.train.columns["length"].min() > 0


def test_friends_holds_out_whole_episodes(real_asset):
    real_asset("friends")
    data = load_friends()
    train, test = (set(split.columns["episode"]) for split in (data.train, data.test))
    assert not train & test
    assert 0.08 < len(data.test) / (len(data.train) + len(data.test)) < 0.12
    assert {"Monica", "Joey"} <= set(data.train.columns["speaker"])
    assert load_friends().digest == data.digest


def test_rows_with_quotes_are_taken_literally_and_blank_rows_left_out(tmp_path):
    table = tmp_path / "t.tab"
    table.write_text('A\tB\nd\td\n\t\n\n"x\ty"\n\t\nz\tw\n')
    assert read_table(table) == {"A": ['"x', "z"], "B": ['y"', "w"]}


def test_a_short_row_is_an_error_with_its_line(tmp_path):
    table = tmp_path / "t.tab"
    table.write_text("A\tB\nd\td\n\t\n\nx\n")
    with pytest.raises(ValueError, match="line 5: 1 cells for 2 columns"):
        read_table(table)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_a_file_of_each_format_gives_the_same_data(tmp_path, frame, suffix):
    path = tmp_path / f"mine.{suffix}"
    if suffix == "parquet":
        frame.to_parquet(path)
    elif suffix == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        frame.to_csv(path, sep="," if suffix == "csv" else "\t", index=False)
    data = make_task("file", path=str(path), text="body", label="topic").load()
    assert len(data.train) == 17
    assert len(data.test) == 4
    assert set(data.train.columns) == {"body", "topic", "year", "label", "length"}
    typed = suffix in ("jsonl", "parquet")
    assert data.train.columns["year"].dtype.kind == ("i" if typed else "U")
    pairs = set(zip(data.train.texts, data.train.columns["label"].tolist(), strict=True))
    assert pairs == set(ROWS)


def test_the_held_out_share_is_disjoint_and_always_the_same(tmp_path, frame):
    path = tmp_path / "mine.csv"
    frame.to_csv(path, index=False)
    spec = {"name": "file", "path": str(path), "text": "body", "label": "topic"}
    first, second = make_task(spec).load(), make_task(spec).load()
    assert first.digest == second.digest
    held = set(first.test.columns["year"])
    assert not held & set(first.train.columns["year"])
    assert len(held) + len(first.train) == len(frame)


def test_a_test_file_of_its_own(tmp_path, frame):
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame[:3].to_csv(tmp_path / "b.csv", index=False)
    task = make_task(
        "file",
        path=str(tmp_path / "a.csv"),
        test_path=str(tmp_path / "b.csv"),
        text="body",
        label="topic",
    )
    data = task.load()
    assert (len(data.train), len(data.test)) == (21, 3)


def test_a_missing_column_lists_those_there_are(tmp_path, frame):
    path = tmp_path / "mine.csv"
    frame.to_csv(path, index=False)
    with pytest.raises(ValueError, match=r"no column 'text'.*known: body, topic, year"):
        make_task("file", path=str(path)).load()
    with pytest.raises(ValueError, match="no column 'topics'; did you mean 'topic'"):
        make_task("file", path=str(path), text="body", label="topics").load()


def test_language_modelling_needs_no_label(tmp_path, frame):
    path = tmp_path / "mine.csv"
    frame[["body"]].to_csv(path, index=False)
    data = make_task("file", path=str(path), text="body", kind="causal-lm").load()
    assert "label" not in data.train.columns


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "file"}, "requires path"),
        ({"name": "file", "path": "/no/such.csv"}, "there is no file /no/such.csv"),
        ({"name": "reuters-r8", "max_lenght": 3}, "did you mean 'max_length'"),
        ({"name": "reuters-r9"}, "unknown task 'reuters-r9'; did you mean 'reuters-r"),
        ({"name": "reuters-r8", "max_length": 0}, "max_length must be at least 1, got 0"),
        ({"name": "reuters-r8", "kind": "regression"}, "kind must be one of"),
        ({"name": "file", "path": "x.csv", "test_fraction": 1.5}, "test_fraction"),
        ({"name": "reuters-r8", "max_train_examples": 0}, "max_train_examples"),
        ({"name": "hub"}, "requires hub_id"),
    ],
)
def test_bad_tasks_are_one_line_errors(spec, message):
    with pytest.raises(ValueError, match=message) as error:
        make_task(spec).load()
    assert "\n" not in str(error.value)


def test_a_file_that_does_not_parse_is_a_one_line_error(tmp_path):
    path = tmp_path / "mine.parquet"
    path.write_bytes(b"not parquet")
    with pytest.raises(ValueError, match="does not parse as parquet") as error:
        make_task("file", path=str(path)).load()
    assert "\n" not in str(error.value)
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(ValueError, match=r"unknown suffix '\.txt'"):
        make_task("file", path=str(tmp_path / "mine.txt")).load()


def test_subsamples_are_nested_draws_that_do_not_depend_on_a_seed(tmp_path, frame):
    path = tmp_path / "mine.csv"
    frame.to_csv(path, index=False)
    spec = {"name": "file", "path": str(path), "text": "body", "label": "topic"}
    small = make_task(spec, max_train_examples=4).load()
    larger = make_task(spec, max_train_examples=9, max_test_examples=2).load()
    assert set(small.train.columns["year"]) < set(larger.train.columns["year"])
    assert len(larger.test) == 2
    assert small.digest != larger.digest


def test_every_task_is_registered_with_a_default_kind():
    assert {"reuters-r8", "reuters-r52", "20newsgroups", "friends", "file", "hub"} <= set(
        TASKS.names()
    )
    assert make_task("friends").kind == "causal-lm"
    assert make_task("reuters-r52").kind == "classification"


def test_the_digest_sees_texts_labels_and_their_borders():
    one = make_split(["ab", "c"], {"label": ["x", "y"]})
    digests = {
        make_text_data("n", one, one).digest,
        make_text_data("n", make_split(["a", "bc"], {"label": ["x", "y"]}), one).digest,
        make_text_data("n", make_split(["ab", "c"], {"label": ["x", "x"]}), one).digest,
    }
    assert len(digests) == 3


def test_hub_data_sets_from_a_local_folder(tmp_path):
    folder = tmp_path / "hub"
    folder.mkdir()
    for part, rows in (("train", ROWS), ("test", ROWS[:3])):
        lines = [json.dumps({"text": text, "label": label}) for text, label in rows]
        (folder / f"{part}.jsonl").write_text("\n".join(lines))
    data = make_task("hub", hub_id=str(folder)).load()
    assert (len(data.train), len(data.test)) == (21, 3)
    assert data.test.columns["label"].tolist() == ["greeting", "money", "money"]


def test_hub_class_numbers_become_names_and_a_missing_test_split_is_held_out(tmp_path):
    import datasets

    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])}
    )
    rows = {"text": [f"text {i}" for i in range(10)], "label": [i % 2 for i in range(10)]}
    saved = datasets.DatasetDict({"train": datasets.Dataset.from_dict(rows, features=features)})
    saved.save_to_disk(tmp_path / "saved")
    data = make_task("hub", hub_id=str(tmp_path / "saved")).load()
    assert (len(data.train), len(data.test)) == (8, 2)
    assert set(data.train.columns["label"]) == {"no", "yes"}


def test_a_hub_data_set_that_is_not_there_is_a_one_line_error(tmp_path):
    with pytest.raises(ValueError, match="cannot load data set") as error:
        make_task("hub", hub_id=str(tmp_path / "missing")).load()
    assert "\n" not in str(error.value)
