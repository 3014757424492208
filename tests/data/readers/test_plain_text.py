import pytest

from fedbytes.data import TASKS, make_task


@pytest.fixture
def books(tmp_path):
    (tmp_path / "books" / "old").mkdir(parents=True)
    (tmp_path / "books" / "one.txt").write_text("first\nline\n\n  \nsecond\n\n\nthird\n")
    (tmp_path / "books" / "old" / "two.txt").write_text("a\nb\nc\n", encoding="utf-8")
    (tmp_path / "books" / "empty.txt").write_text(" \n")
    return str(tmp_path / "books" / "**" / "*.txt")


def everything(spec):
    data = make_task(spec).load()
    pairs = []
    for split in (data.train, data.test):
        pairs += zip(split.texts, split.columns["file"].tolist(), strict=True)
    return sorted(pairs)


PIECES = {
    "file": ["a\nb\nc", "first\nline\n\n  \nsecond\n\n\nthird"],
    "paragraph": ["a\nb\nc", "first\nline", "second", "third"],
    "lines": ["a\nb", "c", "first\nline", "second", "third"],
}


@pytest.mark.parametrize("documents", PIECES)
def test_documents_and_their_files(books, documents):
    spec = {"name": "text", "path": books, "test_fraction": 0.5, "lines_per_document": 2}
    wanted = PIECES[documents]
    files = ["old/two.txt" if text in ("a\nb\nc", "a\nb", "c") else "one.txt" for text in wanted]
    found = everything(spec | {"documents": documents})
    assert found == list(zip(wanted, files, strict=True))


def test_folders_can_be_clients(tmp_path):
    for name in ("north/a", "north/b", "south/deep/a", "c"):
        path = tmp_path / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"text of {name}")
    path = f"{tmp_path}/**/*.txt"
    columns = make_task("text", path=path, test_path=path).load().train.columns
    pairs = zip(columns["file"].tolist(), columns["folder"].tolist(), strict=True)
    wanted = {"c.txt": ".", "north/a.txt": "north", "north/b.txt": "north"}
    assert dict(pairs) == wanted | {"south/deep/a.txt": "south/deep"}


def test_another_encoding_is_given(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.txt").write_bytes("thé".encode("cp1252"))
    task = {"name": "text", "path": f"{tmp_path}/*.txt", "test_fraction": 0.5}
    with pytest.raises(ValueError, match=r"a\.txt is not UTF-8 text \(line 1 has the byte 0xe9\)"):
        make_task(task).load()
    assert make_task(task, encoding="cp1252").load().train.texts == ["thé"]


def test_one_file_of_its_own_for_testing(books, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("test text")
    data = make_task({"name": "text", "path": books, "test_path": str(other)}).load()
    assert len(data.train) == 2
    assert data.test.texts == ["test text"]
    assert data.test.columns["file"].tolist() == ["other.txt"]


def test_bad_input(tmp_path):
    with pytest.raises(ValueError, match="task 'text' requires path"):
        make_task("text")
    with pytest.raises(ValueError, match=r"there is no file .*nothing\.txt"):
        make_task("text", path=str(tmp_path / "nothing.txt")).load()
    with pytest.raises(ValueError, match="documents must be one of file, paragraph, lines"):
        make_task("text", path="x", documents="page")
    with pytest.raises(ValueError, match="requires kind: causal-lm"):
        make_task("text", path="x", kind="classification")
    (tmp_path / "one.txt").write_text("only one")
    with pytest.raises(ValueError, match="1 documents, none to hold out for testing: set test_p"):
        make_task("text", path=str(tmp_path / "one.txt")).load()
    (tmp_path / "bad.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"bad\.txt is not UTF-8 text"):
        make_task("text", path=str(tmp_path / "bad.txt")).load()


def test_fields_added_later_leave_the_specification_of_old_tasks_as_it_was():
    assert TASKS.spec(make_task("friends")) == {
        "name": "friends",
        "kind": "causal-lm",
        "max_length": 64,
        "max_train_examples": None,
        "max_test_examples": None,
    }
