"""docs/attacks-and-defenses.md names all there is, and what it shows works."""

import dataclasses
import re
from pathlib import Path

import yaml

from fedbytes.experiments import Suite, make_config
from fedbytes.federated import ATTACKS, CLEANERS, DEFENSES, make_attack

PAGE = (Path(__file__).parents[2] / "docs" / "attacks-and-defenses.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE, re.M))


def own(registry):
    return [n for n in registry.names() if registry.get(n).__module__.startswith("fedbytes.")]


def test_the_tables_have_every_one_and_all_of_its_fields():
    assert set(ROWS) == {*own(ATTACKS), *own(DEFENSES), *own(CLEANERS)}
    common = {"share", "from_round", "until_round", "knowledge"}
    for name, row in ROWS.items():
        cls = next(r for r in (ATTACKS, DEFENSES, CLEANERS) if name in r.names()).get(name)
        fields = {field.name for field in dataclasses.fields(cls)} - common
        assert fields <= set(re.findall(r"`(\w+)`", row)), name


def test_the_tables_say_what_attackers_know():
    for name in own(ATTACKS):
        assert ROWS[name].endswith("all, own") == (make_attack(name).knowledge == "all")


def test_the_suite_expands():
    code, attack, policy = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)
    fields = {"task": "reuters-r8", **yaml.safe_load(attack)}
    assert [one["name"] for one in make_config(fields).attack] == ["trigger", "neurotoxin"]
    assert len(Suite(name="page", **yaml.safe_load(policy)).expand()) == 1
    assert len(Suite(name="page", **yaml.safe_load(code)).expand()) == 5 * 4 * 2 * 5


def test_the_rules_print_what_an_outlier_does_to_them(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    exec(compile(code, "page", "exec"), {})
    printed = dict(line.split(" ", 1) for line in capsys.readouterr().out.splitlines())
    assert printed["median"] == "[2.5, 1.1]"
    x, y = map(float, printed["geometric_median"].strip("[]").split(", "))
    assert 1 < x < 4
    assert 0 < y < 2
