"""Codecs, transforms, partitioners, mechanisms of privacy show numbers in and out, as they do."""

import doctest
from pathlib import Path
from typing import Any

import pytest

import fedbytes.compression
import fedbytes.noniid
import fedbytes.privacy
from fedbytes.compression import CODECS, TRANSFORMS
from fedbytes.noniid import PARTITIONERS
from fedbytes.privacy import PRIVACY
from fedbytes.registry import Registry

FACES = {
    name: getattr(face, name)
    for face in (fedbytes.compression, fedbytes.noniid, fedbytes.privacy)
    for name in face.__all__
}
"""An example may use what the faces export without importing it."""


def own_plugins(*registries: Registry[Any]) -> list[Any]:
    found = [registry.get(name) for registry in registries for name in registry.names()]
    return [cls for cls in found if cls.__module__.startswith("fedbytes.")]


@pytest.mark.parametrize(
    "cls", own_plugins(CODECS, TRANSFORMS, PARTITIONERS, PRIVACY), ids=lambda cls: cls.name
)
def test_an_example_stands_in_its_docstring_and_is_true(
    cls: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where an example may save a file
    (example,) = doctest.DocTestFinder(recurse=False).find(cls, cls.name, globs=dict(FACES))
    assert example.examples, f"{cls.__name__} has no example: add one, such as TopK's"
    report: list[str] = []
    result = doctest.DocTestRunner().run(example, out=report.append)
    assert not result.failed, "".join(report)
