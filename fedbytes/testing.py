"""The contract kit: properties of a plug-in as checks, each of which becomes a finding."""

import json
import random
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Check = tuple[str, Callable[[], str | None]]
"""The property's name, and what tries it: it returns what was seen, or raises."""


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Attributes:
        property: the property that was checked.
        passed: whether the plug-in has it.
        message: what was tried, or what went wrong.
    """

    property: str
    passed: bool
    message: str = ""


class BrokenError(Exception):
    """A property does not hold; the message says how that was seen."""


def require(holds: bool, message: str) -> None:
    """Report a property that does not hold.

    Raises:
        BrokenError: if `holds` is false.
    """
    if not holds:
        raise BrokenError(message)


def require_refusal(call: Callable[[], object], what: str) -> None:
    """Report a call that should have been refused with a ValueError.

    Raises:
        BrokenError: if the call succeeds.
    """
    try:
        call()
    except ValueError:
        return
    raise BrokenError(f"{what} was accepted; it must be a ValueError")


def run_checks(checks: Iterable[Check]) -> list[Finding]:
    """Run every check; whatever a plug-in raises is a finding."""
    return [_run(name, check) for name, check in checks]


def _run(name: str, check: Callable[[], str | None]) -> Finding:
    try:
        return Finding(name, True, check() or "")
    except BrokenError as broken:
        return Finding(name, False, str(broken))
    except Exception as error:
        return Finding(name, False, f"{type(error).__name__}: {error}")


def check_spec(registry: Any, plugin: Any) -> str:
    """Check that a plug-in's canonical spec, as JSON, builds an equal plug-in.

    Args:
        registry: the `Registry` of its kind.
        plugin: registered there or not; without a name it has no spec.

    Raises:
        BrokenError: if it builds another one.
    """
    if getattr(plugin, "name", None) not in registry.names():
        return "not registered"
    spec = json.dumps(registry.spec(plugin))
    require(registry.make(json.loads(spec)) == plugin, f"{spec} builds another {registry.kind}")
    return spec


def source_file(plugin: Any) -> Path | None:
    """Return the file that defines a plug-in, None if it is part of fedbytes or has no file."""
    module = sys.modules.get(type(plugin).__module__)
    file = getattr(module, "__file__", None)
    return None if file is None or type(plugin).__module__.startswith("fedbytes.") else Path(file)


@contextmanager
def no_global_random() -> Iterator[None]:
    """Report a block that draws from a global generator: of random, numpy or torch on the CPU.

    Raises:
        BrokenError: at the block's end, if a generator's state has changed.
    """
    before = _global_random_state()
    yield
    require(_global_random_state() == before, "a global random generator was used or seeded")


def _global_random_state() -> tuple[Any, ...]:
    import numpy as np

    kind, keys, *rest = np.random.get_state()  # noqa: NPY002
    torch = sys.modules.get("torch")  # what is not loaded was not drawn from
    drawn = None if torch is None else bytes(torch.get_rng_state().numpy().data)
    return random.getstate(), kind, bytes(np.asarray(keys).data), *rest, drawn
