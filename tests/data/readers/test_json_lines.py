"""JSON Lines keep the types of JSON; what is no JSON is refused with its line."""

import pytest

from fedbytes.data.readers.table_file import load_table


def table(tmp_path, content):
    path = tmp_path / "mine.jsonl"
    path.write_text(content, encoding="utf-8", newline="")
    found = load_table(str(path))
    return {name: list(found.values(name)) for name in found.names}


def test_values_have_their_own_types(tmp_path):
    large = 2**53 + 1
    found = table(
        tmp_path, f'{{"a": 0, "b": 1.0, "c": "2020-01-01"}}\n{{"a": {large}, "b": null}}\n'
    )
    assert found == {"a": [0, large], "b": [1.0, None], "c": ["2020-01-01", None]}
    assert [type(value) for value in found["a"]] == [int, int]
    assert type(found["b"][0]) is float


def test_separators_of_unicode_end_no_line(tmp_path):
    found = table(tmp_path, '{"a": "x\u2028y\x85z"}\r\n\r\n{"a": "w"}')
    assert found == {"a": ["x\u2028y\x85z", "w"]}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("[1, 2]", "it is an array, where each line is an object"),
        ('"text"', "it is a string"),
        ("3", "it is a number"),
        ("null", "it is null"),
        ('{"a": 1, "a": 2}', "the key 'a' stands twice"),
        ('{"b": {"a": 1, "a": 2}}', "the key 'a' stands twice"),
        ('{"a": NaN}', "NaN is no JSON: write null"),
        ('{"a": -Infinity}', "-Infinity is no JSON"),
        ('{"a": 1e999}', "the number 1e999 is too large"),
        ('{"a": "\\ud800"}', "half of a pair of surrogates"),
        ('{"a": 1} {"a": 2}', "does not parse as JSON: Extra data"),
        ('{"a": 1,}', "does not parse as JSON"),
        ("{'a': 1}", "does not parse as JSON"),
        ('{"a": "x\ty"}', "does not parse as JSON: Invalid control character"),
        ('{"a": ' + "[" * 100_000, "nested too deeply"),
        ('{"a": ' + "1" * 5000 + "}", "does not parse as JSON"),
        ('{"a": "\0"}', "zero character"),
    ],
)
def test_other_lines_are_refused(tmp_path, line, reason):
    with pytest.raises(ValueError, match=rf"mine\.jsonl, line 2.*{reason}") as error:
        table(tmp_path, '{"a": 1}\n' + line + "\n")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", ["", "\n \n", "{}\n{}\n"])
def test_a_file_without_rows_is_refused(tmp_path, content):
    with pytest.raises(ValueError, match="has no rows"):
        table(tmp_path, content)


def test_a_character_of_two_surrogates_is_one(tmp_path):
    assert table(tmp_path, '{"a": "\\ud83d\\ude42"}') == {"a": ["🙂"]}
