"""Every registry, so that what lists or checks plug-ins has no list of kinds."""

import importlib
import pkgutil
from typing import Any

from fedbytes.process.package import PACKAGE_FOLDER
from fedbytes.registry import Registry


def all_registries() -> dict[str, Registry[Any]]:
    """Return the registries that the packages of fedbytes export, by their kind in the plural."""
    found: dict[str, Registry[Any]] = {}
    for package in pkgutil.iter_modules([str(PACKAGE_FOLDER)]):
        if not package.ispkg:
            continue
        face = importlib.import_module(f"fedbytes.{package.name}")
        for name in getattr(face, "__all__", ()):
            if name.isupper() and isinstance(value := getattr(face, name), Registry):
                found[value.plural] = value
    return found
