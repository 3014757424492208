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


def test_the_order_in_which_files_are_given_does_not_matter(files):
    backwards = dict(reversed(files.items()))
    one = make_task("file", path=files).load()
    other = make_task("file", path=backwards).load()
    assert list(backwards) != list(files)
    assert one.digest == other.digest
    assert one.train.columns["client"].tolist() == other.train.columns["client"].tolist()


def test_files_of_several_formats_may_differ_in_their_columns(files, tmp_path):
    (tmp_path / "c.jsonl").write_text('{"label": 1, "text": "j", "extra": 5}\n')
    data = make_task(
        "file", path=files | {"east": str(tmp_path / "c.jsonl")}, test_path=files
    ).load()
    assert data.train.columns["client"].tolist()[0] == "east"
    assert set(data.train.columns["label"]) == {"0", "1"}


def test_conversations_too(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(f"prompt,response\nwho?,{name}\n")
    files = {name: str(tmp_path / f"{name}.csv") for name in ("a", "b")}
    data = make_task("instruct", path=files, test_path=files).load()
    assert data.train.columns["client"].tolist() == ["a", "b"]


def test_clients_without_training_examples_are_said(files, tmp_path):
    (tmp_path / "gap.csv").write_text("text,label\n,0\n,1\n")
    given = files | {"west": str(tmp_path / "gap.csv")}
    data = make_task("file", path=given, test_path=str(tmp_path / "test.csv")).load()
    assert data.notes[-1].startswith(
        "1 of 3 files given as clients have no training examples (west)"
    )
    assert make_task("file", path=files, test_path=files).load().notes == ()
    (tmp_path / "chat.csv").write_text("prompt,response\nwho?,me\n")
    (tmp_path / "silent.csv").write_text("prompt,response\nwho?,\nwhy?,because\n")
    chats = {"a": str(tmp_path / "chat.csv"), "b": str(tmp_path / "silent.csv")}
    one = make_task("instruct", path=chats, test_fraction=0.5).load()  # one of two is held out
    assert any("1 of 2 files given as clients" in note for note in one.notes)


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
