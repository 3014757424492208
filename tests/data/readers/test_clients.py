"""Several files are several clients, if they are given by name."""

from pathlib import Path

import pytest

from fedbytes.data import make_task


@pytest.fixture
def files(tmp_path):
    for name, rows in (("a", "x,0\ny,1\n"), ("b", "z,1\nw,0\n")):
        (tmp_path / f"{name}.csv").write_text("text,label\n" + rows)
    (tmp_path / "test.csv").write_text("text,label\nt,0\nu,1\n")
    return {"north": str(tmp_path / "a.csv"), "south": str(tmp_path / "b.csv")}


def test_a_column_names_the_file_of_each_row(files, tmp_path):
    data = make_task("file", path=files, test_path=files).load()
    for split in (data.train, data.test):
        assert split.texts == ["x", "y", "z", "w"]
        assert split.columns["client"].tolist() == ["north", "north", "south", "south"]
    shared = make_task("file", path=files, test_path=str(tmp_path / "test.csv")).load()
    assert shared.test.columns["client"].tolist() == ["", ""]
    held_out = make_task("file", path=files, test_fraction=0.5).load()
    assert set(held_out.train.columns["client"]) <= {"north", "south"}
    task = make_task("file", path=files, test_path=str(tmp_path / "test.csv"))
    assert task.read_paths() == (*map(Path, files.values()), tmp_path / "test.csv")


def test_files_of_several_formats_may_differ_in_their_columns(files, tmp_path):
    (tmp_path / "c.jsonl").write_text('{"label": 1, "text": "j", "extra": 5}\n')
    data = make_task(
        "file", path=files | {"east": str(tmp_path / "c.jsonl")}, test_path=files
    ).load()
    assert data.train.columns["client"].tolist()[-1] == "east"
    assert set(data.train.columns["label"]) == {"0", "1"}


def test_conversations_too(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(f"prompt,response\nwho?,{name}\n")
    files = {name: str(tmp_path / f"{name}.csv") for name in ("a", "b")}
    data = make_task("instruct", path=files, test_path=files).load()
    assert data.train.columns["client"].tolist() == ["a", "b"]


def test_wrong_files_are_refused(files, tmp_path):
    with pytest.raises(ValueError, match="test_path has client 'west', which path does not have"):
        make_task("file", path=files, test_path={"west": "c.csv"})
    with pytest.raises(ValueError, match="give the name of each client and its file"):
        make_task("file", path={"north": ""})
    with pytest.raises(ValueError, match="requires path"):
        make_task("file", path={})
    with pytest.raises(ValueError, match=r"path\.north must be of type str, got 3"):
        make_task("file", path={"north": 3})
    (tmp_path / "c.csv").write_text("text,label,client\nx,0,me\n")
    with pytest.raises(ValueError, match=r"c\.csv has a column 'client', .*: rename it"):
        make_task("file", path=files | {"west": str(tmp_path / "c.csv")}).load()
    with pytest.raises(ValueError, match="there is no file nowhere"):
        make_task("file", path=files | {"west": "nowhere.csv"}).load()
