"""The plug-ins of docs/add-an-attack-or-defense.md work as printed, and keep their contracts."""

import re
from contextlib import ExitStack
from pathlib import Path

import pytest

from fedbytes.cli.check_file import check_file
from fedbytes.federated import TEXT_ATTACKS
from fedbytes.federated.plugins.round_plugins import ROUND_REGISTRIES

PAGE = Path(__file__).parents[2] / "docs" / "add-an-attack-or-defense.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)


@pytest.fixture(autouse=True)
def forgotten():
    with ExitStack() as stack:
        for registry in (*ROUND_REGISTRIES.values(), TEXT_ATTACKS):
            stack.enter_context(registry.isolated())
        yield


@pytest.mark.parametrize("code", BLOCKS, ids=lambda code: re.findall(r'"(my-\w+)"', code)[0])
def test_a_documented_plugin_keeps_its_contract(tmp_path, code):
    body = code[code.index("@") :].strip().splitlines()
    assert 5 <= len(body) <= 20
    file = tmp_path / "documented.py"
    file.write_text(code)
    assert check_file(file) == 0


def test_a_file_of_several_kinds_has_each_checked(tmp_path, capsys):
    file = tmp_path / "several.py"
    file.write_text("\n\n".join(BLOCKS))
    assert check_file(file) == 0
    printed = capsys.readouterr().out
    for title in ("attack my-noise", "defense my-median", "defense my-flooding",
                  "cleaner my-sample", "privacy my-gaussian", "audit my-zeros",
                  "text-attack my-doubling"):  # fmt: skip
        assert title in printed


def test_one_that_breaks_it_is_found(tmp_path):
    file = tmp_path / "broken.py"
    file.write_text(BLOCKS[1].replace("cap_claims(uploads)", "uploads[::-1]"))
    assert check_file(file) == 0  # the median is the same whoever claims what
    file = tmp_path / "global.py"
    file.write_text(BLOCKS[0].replace("rng.standard_normal(len(honest.delta))", "torch.randn(903)"))
    assert check_file(file) == 1
