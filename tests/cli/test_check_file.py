"""`fedbytes check` over files with plug-ins of every kind."""

import pytest

from fedbytes.cli.check_file import check_file
from fedbytes.cli.registries import all_registries


@pytest.fixture(autouse=True)
def isolated():
    from contextlib import ExitStack

    with ExitStack() as stack:
        for registry in all_registries().values():
            stack.enter_context(registry.isolated())
        yield


HEAD = """
from dataclasses import dataclass

import numpy as np
import torch

from fedbytes.compression import TRANSFORMS, Transform, Transformed
from fedbytes.data import TASKS, Task, make_split, make_text_data
from fedbytes.models import ADAPTERS, Adapter

"""
TRANSFORM = """
@TRANSFORMS.register("negated")
@dataclass(frozen=True)
class Negated(Transform):
    unbiased = True
    contracts = True

    def forward(self, x, shared):
        return Transformed(b"", -x)

    def read(self, reader, shared):
        return shared.layout.numel, None

    def inverse(self, y, side, shared):
        return SIGN * y
"""
TASK = """
@TASKS.register("animals")
@dataclass(frozen=True)
class Animals(Task):
    def read(self):
        def split(count):
            words = ["cat", "dog"] * count
            return make_split([f"a {word} sat" for word in words], {"label": words})

        return make_text_data("animals", split(20), split(4))
"""
ADAPTER = """
@ADAPTERS.register("scales")
@dataclass(frozen=True)
class Scales(Adapter):
    def attach(self, backbone):
        module = backbone.get_input_embeddings()
        width = module.weight.shape[1]
        module.scale = torch.nn.Parameter(torch.ones(width))
        plain = module.forward
        module.forward = lambda tokens: plain(tokens) * module.scale
        (name,) = [n for n, p in backbone.named_parameters() if p is module.scale]
        return {name: lambda rng, like: torch.ones(width)}
"""


def test_a_file_of_several_kinds_has_all_of_them_checked(tmp_path, capsys):
    file = tmp_path / "several.py"
    file.write_text(HEAD + TRANSFORM.replace("SIGN", "-1") + TASK + ADAPTER)
    assert check_file(file) == 0, capsys.readouterr().out
    shown = capsys.readouterr().out
    for title in ("transform negated", "task animals", "adapter scales"):
        assert shown.count(title) == 1
    assert "all properties hold" in shown
    assert check_file(file) == 0  # also once it is loaded


def test_a_fault_of_one_kind_fails_the_file(tmp_path, capsys):
    file = tmp_path / "one_bad.py"
    file.write_text(HEAD + TRANSFORM.replace("SIGN", "1") + TASK)
    assert check_file(file) == 1
    failed = [line for line in capsys.readouterr().out.splitlines() if "fails" in line]
    assert any("before fp32: unbiased" in line for line in failed)


def test_a_plugin_whose_examples_do_not_build_it_fails(tmp_path, capsys):
    file = tmp_path / "needs.py"
    needs = TASK.replace("class Animals(Task):", "class Animals(Task):\n    path: str = ''\n")
    needs += "    examples = ({'pth': 'x.csv'},)\n"
    file.write_text(HEAD + needs)
    assert check_file(file) == 1
    assert "did you mean 'path'" in capsys.readouterr().out


def test_what_cannot_be_checked_is_said_in_one_line(tmp_path):
    none, nothing = tmp_path / "none.py", tmp_path / "nothing.py"
    none.write_text(HEAD + TASK + "    examples = ()\n")
    nothing.write_text(HEAD)
    with pytest.raises(ValueError, match="task 'animals' has no examples"):
        check_file(none)
    with pytest.raises(ValueError, match=r"registers no plug-in .*adapter.*codec.*task"):
        check_file(nothing)
