"""Imports plug-ins of the user's own, of any kind, from Python files."""

import importlib.util
import sys
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from types import ModuleType

from fedbytes.process.near_paths import hint_at_near_path


def load_plugins(paths: Iterable[str]) -> list[ModuleType]:
    """Import each file once per process; configurations can then name what it registers.

    Raises:
        ValueError: if a file is missing or cannot be imported.
    """
    return [_load(Path(path)) for path in paths]


def _load(path: Path) -> ModuleType:
    if not path.is_file():
        raise ValueError(f"plugin file {str(path)!r} does not exist{hint_at_near_path(path)}")
    name = f"fedbytes_plugin_{sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"plugin file {str(path)!r} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise ValueError(f"plugin file {str(path)!r}: {type(error).__name__}: {error}") from error
    return module
