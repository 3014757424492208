"""The package's face gives the functions it lists, whatever has been imported before."""

import importlib
import pkgutil

import fedbytes.compression


def test_no_exported_name_is_a_submodule_as_well() -> None:
    submodules = {module.name for module in pkgutil.iter_modules(fedbytes.compression.__path__)}
    assert submodules
    assert not submodules & set(fedbytes.compression.__all__)


def test_every_exported_name_loads() -> None:
    face = importlib.import_module("fedbytes.compression")
    assert all(getattr(face, name) is not None for name in face.__all__)
