"""Public names of a package that load on first use, so that `--help` does without torch."""

import ast
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def lazy_face(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` of a package whose public names load on first use.

    Where each name comes from is read from the package's own `if TYPE_CHECKING:` imports, which
    type checkers follow, so that it is written once.

    Args:
        package: the package's `__name__`.
    """
    homes: dict[str, str] = {}

    def find_homes() -> dict[str, str]:
        if not homes:
            file = sys.modules[package].__file__
            assert file is not None
            homes.update(_checked_imports(Path(file).read_text(encoding="utf-8")))
        return homes

    def get(name: str) -> Any:
        if name.startswith("__") or name not in find_homes():
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(homes[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    return get, lambda: sorted({*vars(sys.modules[package]), *find_homes()})


def _checked_imports(source: str) -> dict[str, str]:
    """Return the module of each name that `if TYPE_CHECKING:` imports at the top of a file."""
    blocks = [
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    return {
        alias.name: statement.module
        for block in blocks
        for statement in block.body
        if isinstance(statement, ast.ImportFrom) and statement.module
        for alias in statement.names
    }
