"""Public names of a package that load on first use, so that `--help` need not import torch."""

import ast
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fedbytes.process.optional_imports import explain_missing


def lazy_face(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return `__getattr__`, `__dir__` and `__all__` of a package whose names load on first use.

    The modules of names are read from the package's own `if TYPE_CHECKING:` imports, which type
    checkers follow too, so that each is written once.

    Args:
        package: the package's `__name__`.
    """
    module = sys.modules[package]
    assert module.__file__ is not None
    homes = _checked_imports(Path(module.__file__).read_text(encoding="utf-8"))

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            value = getattr(importlib.import_module(homes[name]), name)
        except ModuleNotFoundError as error:
            raise explain_missing(error, f"{package}.{name}") from error
        setattr(module, name, value)
        return value

    return load, lambda: sorted({*vars(module), *homes}), sorted(homes)


def _checked_imports(source: str) -> dict[str, str]:
    """Return the module of each name that `if TYPE_CHECKING:` imports at the top of a file."""
    return {
        alias.name: statement.module
        for block in ast.parse(source).body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for statement in block.body
        if isinstance(statement, ast.ImportFrom) and statement.module
        for alias in statement.names
    }
