"""A task names the files that it reads from disk."""

from pathlib import Path

from fedbytes.data import make_task


def test_files_of_both_paths():
    assert make_task("file", path="a.csv").read_paths() == (Path("a.csv"),)
    spec = {"path": "a.csv", "test_path": "b/c.csv"}
    both = (Path("a.csv"), Path("b/c.csv"))
    assert make_task("file", **spec).read_paths() == both
    assert make_task("instruct", **spec).read_paths() == both


def test_every_file_that_a_glob_matches(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("b.txt", "a.txt", "deep/c.txt", "d.md"):
        (tmp_path / name).write_text("words")
    task = make_task("text", path=f"{tmp_path}/**/*.txt", test_path=str(tmp_path / "d.md"))
    names = [path.relative_to(tmp_path).as_posix() for path in task.read_paths()]
    assert names == ["a.txt", "b.txt", "deep/c.txt", "d.md"]


def test_files_of_a_local_folder_but_not_of_the_hub(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.jsonl").write_text("{}")
    wanted = (tmp_path / "data" / "train.jsonl",)
    assert make_task("hub", hub_id=str(tmp_path)).read_paths() == wanted
    assert make_task("instruct", hub_id=str(tmp_path)).read_paths() == wanted
    assert make_task("hub", hub_id="ag_news").read_paths() == ()


def test_named_data_sets_read_none():
    assert make_task("friends").read_paths() == ()
