"""Every registry is exported, listed and checked; none is forgotten."""

import ast
import importlib
from pathlib import Path

import pytest

import fedbytes
from fedbytes.cli.registries import all_registries

REGISTRIES = all_registries()


def test_every_registry_that_is_made_is_exported():
    made = set()
    for path in Path(fedbytes.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Registry":
                made.add(ast.literal_eval(node.args[0]))
    assert made == {registry.kind for registry in REGISTRIES.values()}
    assert {"codec", "transform", "partitioner", "algorithm", "adapter", "model", "task"} <= made


@pytest.mark.parametrize("kind", sorted(REGISTRIES))
def test_every_registry_names_its_contract(kind):
    module, _, function = REGISTRIES[kind].contract.partition(":")
    assert function, f"{kind} have no contract"
    assert callable(getattr(importlib.import_module(module), function))


@pytest.mark.parametrize("kind", sorted(REGISTRIES))
def test_plugins_of_every_kind_say_what_they_are_checked_with(kind):
    registry = REGISTRIES[kind]
    assert isinstance(registry.base.examples, tuple)
    built = [
        registry.make({"name": name, **fields})
        for name in registry.names()
        for fields in registry.get(name).examples
    ]
    assert built


def test_what_an_isolated_block_registers_is_forgotten():
    from dataclasses import dataclass

    codecs = REGISTRIES["codecs"]
    fp32 = codecs.get("fp32")
    with codecs.isolated():

        @codecs.register("short-lived")
        @dataclass(frozen=True)
        class ShortLived(fp32):
            pass

        assert codecs.make("short-lived") == ShortLived()
    with pytest.raises(ValueError, match="unknown codec 'short-lived'"):
        codecs.get("short-lived")
    assert codecs.get("fp32") is fp32
