"""YAML is read by version 1.2, and what is ambiguous or lost without a word is refused."""

import math

import pytest

from fedbytes.experiments.config.strict_yaml import read_yaml
from fedbytes.experiments.config.suite_file import parse_override


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001), ("-.5", -0.5), ("5.", 5.0), ("1E6", 1e6), ("+12", 12), ("0", 0),
        ("0x1f", 31), ("0o17", 15), ("-.inf", -math.inf), ("007", 7),
        ("true", True), ("False", False), ("null", None), ("~", None), ("", None),
        ("'010'", "010"), ('"yes"', "yes"), ("2024-01-02", "2024-01-02"), ("=", "="),
        ("1.2.3", "1.2.3"), ("y", "y"), ("!!str 010", "010"),
        ("a: {b: [1, x]}", {"a": {"b": [1, "x"]}}),
    ],
)  # fmt: skip
def test_plain_scalars_are_those_of_the_core_schema(text, value):
    found = read_yaml(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("010", "010 is 8 in YAML 1.1 and 10 in YAML 1.2: write 10 or 8, or '010' in quotes"),
        ("-0777", "-0777 is -511 in YAML 1.1 and -777 in YAML 1.2"),
        ("08", "08 is text in YAML 1.1 and 8 in YAML 1.2: write 8, or '08' in quotes"),
        ("1:30", "1:30 is 90 in YAML 1.1 and text in YAML 1.2: write 90, or '1:30' in quotes"),
        ("1:30.5", "1:30.5 is 90.5 in YAML 1.1"),
        ("1_000", "1_000 is 1000 in YAML 1.1 and text in YAML 1.2: write 1000"),
        ("0b11", "0b11 is 3 in YAML 1.1"),
        ("yes", "yes is true in YAML 1.1 and text in YAML 1.2: write true, or 'yes' in quotes"),
        ("NO", "NO is false in YAML 1.1 and text in YAML 1.2: write false"),
        ("On", "On is true"),
        ("off", "off is false"),
    ],
)
def test_scalars_that_depend_on_the_version_are_refused(text, message):
    for within, line in ((f"{text}\n", 1), (f"a: 1\nb:\n  - x\n  - {text}\n", 4)):
        with pytest.raises(ValueError) as caught:
            read_yaml(within)
        assert str(caught.value).startswith(f"line {line}: ")
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError) as caught:
        parse_override(f"rounds={text}")
    assert str(caught.value).startswith(f"rounds: {text} is ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "a stands twice, on line 1 and on line 3: remove one of them"),
        ("base:\n  task: {x: 1,\n    x: 1}\n", "base.task.x stands twice, on line 2 and on line 3"),
        ('v:\n- {label: A}\n- b: 1\n  "b": 2\n', "v[1].b stands twice, on line 3 and on line 4"),
        ("a: &x {k: 1, k: 2}\nb: *x\n", "a.k stands twice"),
        ("a: &x {k: 1}\nb: {<<: *x, <<: *x}\n", "b.<< stands twice"),
        ("a: &x {k: [*x]}\n", "a.k[0] contains itself"),
        ("a: {3: x}\n", "line 1: key 3 of a is not text: put it in quotes"),
        ("? [a, b]\n: 1\n", "line 1: key a sequence is not text"),
        ("on: 1\n", "on is true in YAML 1.1"),
        ("a: 1\nb: [1\n", "not YAML"),
        ("a: 1\n---\nb: 2\n", "not YAML"),
        ("a: *nowhere\n", "line 1: not YAML: found undefined alias"),
        ("a: !!python/object:os.system {}\n", "could not determine a constructor"),
        ("a: \x07\n", "special characters are not allowed"),
        ("[" * 5000, "nested too deeply"),
    ],
)
def test_what_is_not_one_plain_document_is_refused_in_one_line(text, message):
    with pytest.raises(ValueError) as caught:
        read_yaml(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_key_may_stand_over_one_that_is_merged_in():
    assert read_yaml("a: &x {k: 1, l: 2}\nb: {<<: *x, k: 3}")["b"] == {"k": 3, "l": 2}
