"""What is read from a table equals what was written, or is refused: over tables at random."""

import csv
import json
import math
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedbytes.data.readers.table_file import load_table

AWKWARD = [
    *("", "NA", "None", "null", "nan", "01", "1e2", "-0", " ", " a ", "True", "2020-01-01", "#"),
    *('"', '""', 'a"b', "'", "\t", ",", ";", "a,b", "\n", "\r\n", "\r", "a\nb", "x\r", "\\", "\\N"),
    *("\ufeff", "é", "日本", "\u2028", "\x0b", "\x1c", "=1+1", "🙂"),
]
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
CELL = st.one_of(st.sampled_from(AWKWARD), TEXT, st.text(' \t,"\r\na1', max_size=6))
NAME = CELL.filter(lambda name: name and not name.startswith("\ufeff"))
ENDS = st.sampled_from(["\n", "\r\n", "\r"])
DELIMITED = {"csv": ",", "tsv": "\t"}


@st.composite
def text_tables(draw):
    names = draw(st.lists(NAME, min_size=1, max_size=4, unique=True))
    row = st.lists(CELL, min_size=len(names), max_size=len(names))
    return names, draw(st.lists(row, min_size=1, max_size=6))


def read(content, suffix):
    """Return the rows of a file with these bytes, with "" for what is missing."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"table.{suffix}"
        path.write_bytes(content)
        table = load_table(str(path))
        rows = zip(*(table.values(name) for name in table.names), strict=True)
        return table.names, [list(row) for row in rows]


def check_delimited(suffix, table, end, mark, quoting):
    """Write by the rules of RFC 4180, and read the same."""
    names, rows = table
    separator = DELIMITED[suffix]

    def written(cell):
        needed = any(c in cell for c in (separator, '"', "\r", "\n"))
        quoted = '"' + cell.replace('"', '""') + '"'
        return quoted if needed or quoting == "all" or not (cell or names[1:]) else cell

    lines = [separator.join(map(written, row)) for row in [names, *rows]]
    found = read((mark + end.join(lines) + end).encode(), suffix)
    assert found == (names, [[cell or None for cell in row] for row in rows])


def check_writers(suffix, table, end, writer):
    """Write as Python and pandas do, and as who only joins cells: the same is read, or refused."""
    names, rows = table
    with TemporaryDirectory() as folder:
        path = Path(folder) / "written"
        if writer == "csv":
            with path.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file, delimiter=DELIMITED[suffix], lineterminator=end).writerows(
                    [names, *rows]
                )
        elif writer == "pandas":
            frame = pd.DataFrame(rows, columns=names, dtype=object)
            frame.to_csv(path, sep=DELIMITED[suffix], index=False, lineterminator=end)
        else:
            breaks = (DELIMITED[suffix], "\r", "\n")
            plain = [[c for c in row if not c.startswith('"')] for row in [names, *rows]]
            plain = [[c for c in row if not any(b in c for b in breaks)] for row in plain]
            kept = [row for row in plain if len(row) == len(names)]
            if len(kept) < 2 or kept[0] != names:
                return
            rows = kept[1:]
            lines = [DELIMITED[suffix].join(row) for row in kept]
            path.write_text(end.join(lines) + end, encoding="utf-8", newline="")
        content = path.read_bytes()
    try:
        found = read(content, suffix)
    except ValueError:
        return
    wanted = [[cell or None for cell in row] for row in rows]
    if len(names) == 1:  # a blank line is no row, and an empty cell alone is one
        wanted, found = [r for r in wanted if r[0]], (found[0], [r for r in found[1] if r[0]])
    assert found == (names, wanted)


NUMBER = st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False))
SCALAR = st.one_of(st.none(), st.booleans(), NUMBER, CELL, st.just("\0"))
VALUE = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2)
)


@st.composite
def json_tables(draw):
    names = draw(st.lists(CELL, min_size=1, max_size=4, unique=True))
    row = st.dictionaries(st.sampled_from(names), VALUE)
    return draw(st.lists(row, min_size=1, max_size=6).filter(any))


def check_json(rows, end, mark, ascii_only):
    content = mark + "".join(json.dumps(row, ensure_ascii=ascii_only) + end for row in rows)
    names, found = read(content.encode(), "jsonl")
    assert set(names) == {name for row in rows for name in row}
    wanted = [[row.get(name) for name in names] for row in rows]
    assert repr(found) == repr(wanted)  # tells 0 from 0.0, -0.0 and False


ARROW = {
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.uint64(): st.integers(0, 2**64 - 1),
    pa.int8(): st.integers(-128, 127),
    pa.float64(): st.floats(allow_nan=False),
    pa.float32(): st.floats(width=32, allow_nan=False),
    pa.bool_(): st.booleans(),
    pa.string(): CELL,
    pa.large_string(): CELL,
    pa.dictionary(pa.int32(), pa.string()): CELL,
    pa.date32(): st.dates(),
    pa.binary(): st.binary(max_size=4),
    pa.list_(pa.int64()): st.lists(st.integers(0, 9), max_size=3),
    pa.struct([("a", pa.string())]): st.fixed_dictionaries({"a": CELL}),
}


@st.composite
def arrow_tables(draw):
    names = draw(st.lists(CELL, min_size=1, max_size=4, unique=True))
    rows = draw(st.integers(1, 6))
    columns = {}
    for name in names:
        kind = draw(st.sampled_from(list(ARROW)))
        values = draw(st.lists(st.none() | ARROW[kind], min_size=rows, max_size=rows))
        columns[name] = pa.array(values, kind)
    return pa.table(columns)


def check_parquet(table):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "year=2020" / "table.parquet"
        path.parent.mkdir()
        pq.write_table(table, path)
        found = load_table(str(path))
        assert found.names == table.column_names
        for name in found.names:
            wanted = table.column(name).to_pylist()
            assert repr(found.values(name)) == repr(wanted)
            found.factor(name)


def over(examples, check, *strategies):
    """Run a check over so many tables, drawn the same in every process."""
    options = {"deadline": None, "database": None, "derandomize": True}
    limited = settings(max_examples=examples, suppress_health_check=list(HealthCheck), **options)
    limited(given(*strategies)(check))()


QUOTING = st.sampled_from(["needed", "all"])
MARK = st.sampled_from(["", "\ufeff"])
WRITER = st.sampled_from(["csv", "pandas", "joined"])


def check_format(suffix, examples):
    if suffix in DELIMITED:
        name = st.just(suffix)
        over(examples // 2, check_delimited, name, text_tables(), ENDS, MARK, QUOTING)
        over(examples // 2, check_writers, name, text_tables(), ENDS, WRITER)
    elif suffix == "jsonl":
        ends = st.sampled_from(["\n", "\r\n", "\n\n"])
        over(examples, check_json, json_tables(), ends, MARK, st.booleans())
    else:
        over(examples, check_parquet, arrow_tables())


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_a_few_tables(suffix):
    check_format(suffix, 60)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_ten_thousand_tables(suffix):
    check_format(suffix, 10_000)


def test_floats_that_json_writes_are_read_to_the_last_bit():
    values = [0.1, 1e-320, 1.7976931348623157e308, -0.0, 5e-324]
    assert [math.copysign(1, v) for v in values].count(-1) == 1
    check_json([{"x": value} for value in values], "\n", "", True)
