"""CSV and TSV are read as they are written, or refused with file, line and remedy."""

import pytest

from fedbytes.data import make_task
from fedbytes.data.readers.table_file import load_table


def table(tmp_path, content, suffix="csv", **options):
    path = tmp_path / f"mine.{suffix}"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    found = load_table(str(path), **options)
    return {name: list(found.values(name)) for name in found.names}


def test_no_cell_is_taken_for_a_number_a_date_or_a_missing_value(tmp_path):
    cells = ["NA", "None", "null", "nan", "01", "1e2", "True", "2020-01-01", " x ", "1_000", "\\N"]
    found = table(tmp_path, "a,b\n" + "".join(f"{cell},\n" for cell in cells))
    assert found == {"a": cells, "b": [None] * len(cells)}


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ('a,b\n"x, y","say ""hi"""\n', ["x, y", 'say "hi"']),
        ('a,b\n"one\r\ntwo",z\n', ["one\r\ntwo", "z"]),
        ("a,b\r\nx,y\r\n", ["x", "y"]),
        ("a,b\rx,y", ["x", "y"]),
        ("\ufeffa,b\n\nx,y\n\n", ["x", "y"]),
        ('a,b\nthe "big" one, "y"\n', ['the "big" one', ' "y"']),
        ("a,b\nx\u2028\x0b\x1cz,y\x85\n", ["x\u2028\x0b\x1cz", "y\x85"]),
        ("a,b\n'x',#y\n", ["'x'", "#y"]),
        (f"a,b\n{'long ' * 60_000},y\n", ["long " * 60_000, "y"]),
        (f'a,b\n"{"long " * 60_000}",y\n', ["long " * 60_000, "y"]),
    ],
)
def test_cells_as_the_format_defines_them(tmp_path, content, wanted):
    assert [column[0] for column in table(tmp_path, content).values()] == wanted


def test_tabs_separate_tsv_alone(tmp_path):
    assert table(tmp_path, "a\tb\nx,y\t z\n", "tsv") == {"a": ["x,y"], "b": [" z"]}
    assert table(tmp_path, "a,b\nx\ty, z\n") == {"a": ["x\ty"], "b": [" z"]}


def test_no_column_becomes_an_index(tmp_path):
    assert table(tmp_path, ",a,b\n0,x,y\n1,z,w\n") == {"a": ["x", "z"], "b": ["y", "w"]}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("a,b\nx,y\nx,y,z\n", r"line 3: 3 fields for 2 columns \(a, b\)"),
        ("a,b\nx,y,\n", "line 2: 3 fields for 2 columns"),
        ('a,"b\nc"\nx\n', r"line 3: 1 fields for 2 columns \(a, b\\nc\)"),
        ("a,b\nx\n", "line 2: 1 fields for 2 columns"),
        ("a,b\n \n", "line 2: 1 fields for 2 columns"),
        ('a,b\nx,y\n5" pipe,z\n', "line 3: a single quote inside a cell"),
        ('a,b\n5" pipe,z\n6" pipe,w\n', "line 2: a single quote inside a cell"),
        ('a,b\nx"y\nz"w,v\n', "line 2: a single quote inside a cell"),
        ('a,b\n"x"y,z\n', "line 2: text beside a quoted cell"),
        ('a,b\n"x" ,z\n', "line 2: text beside a quoted cell"),
        ('a,b\nx,y\n"x,y\nz,w\n', "line 3: a quote that begins a cell is not closed"),
        ('a,b\nhe said "hi, you",\n', "line 2: a single quote inside a cell"),
        ("a,a\nx,y\n", "line 1: column 'a' stands twice"),
        ("a,b\nx,y\r\nx,y\n", r"line 2 ends in CR LF, line 1 in LF"),
        ("a,b\nx\r,y\n", r"line 2 ends in CR, line 1 in LF"),
        ("a,b\nx\0,y\n", "line 2: there is a zero character"),
        ("", "has no rows"),
        ("a,b\n", "has no rows"),
        ("\n\n", "has no rows"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(tmp_path, content, reason):
    with pytest.raises(ValueError, match=rf"mine\.csv.*{reason}") as error:
        table(tmp_path, content)
    assert "\n" not in str(error.value)


def test_quotes_are_ordinary_characters_if_asked(tmp_path):
    content = 'a\tb\n"x" and 5" pipe\t"y\n'
    with pytest.raises(ValueError, match=r"or set task\.quotes=false"):
        table(tmp_path, content, "tsv")
    assert table(tmp_path, content, "tsv", quotes=False) == {"a": ['"x" and 5" pipe'], "b": ['"y']}
    path = tmp_path / "mine.tsv"
    path.write_text("text\tlabel\n" + "".join(f'5" pipe {i}\t{i % 2}\n' for i in range(9)))
    data = make_task("file", path=str(path), quotes=False).load()
    assert sorted(data.train.texts + data.test.texts) == [f'5" pipe {i}' for i in range(9)]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("utf-16", r"begins with the mark of UTF-16: .* set task\.encoding=utf-16$"),
        ("utf-32", r"begins with the mark of UTF-32: .* set task\.encoding=utf-32$"),
        ("utf-16-le", r"(zero character|it looks like).* set task\.encoding=utf-16-le"),
        ("latin-1", r"line 2 has the byte 0xe9\): .* set task\.encoding to .* cp1252 or latin-1"),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl"])
def test_other_encodings_are_refused_with_a_hint_or_given(tmp_path, written, said, suffix):
    content = {
        "csv": "text,label\ncafé,a\nthé,b\n",
        "tsv": "text\tlabel\ncafé\ta\nthé\tb\n",
        "jsonl": '{"text": "eau", "label": "a"}\n{"text": "thé", "label": "b"}\n',
    }[suffix]
    with pytest.raises(ValueError, match=said):
        table(tmp_path, content.encode(written), suffix)
    found = table(tmp_path, content.encode(written), suffix, encoding=written)
    assert found["text"][1] == "thé"
    assert found["label"] == ["a", "b"]


def test_utf8_has_its_mark_or_not(tmp_path):
    for mark in ("", "\ufeff"):
        assert table(tmp_path, f"{mark}a\né\n") == {"a": ["é"]}
        assert table(tmp_path, mark + '{"a": "é"}\n', "jsonl") == {"a": ["é"]}


def test_an_unknown_encoding_is_refused_before_anything_is_read():
    for name in ("file", "text", "instruct"):
        with pytest.raises(ValueError, match=rf"task '{name}': encoding 'utf-9' is unknown"):
            make_task(name, path="x.csv", encoding="utf-9")
    for no_text in ("base64", "rot13"):
        with pytest.raises(ValueError, match=f"encoding '{no_text}' is unknown"):
            make_task("file", path="x.csv", encoding=no_text)
