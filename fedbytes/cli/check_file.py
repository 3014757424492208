"""The contract tests over a user's own file."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from fedbytes.compression.codec import CODECS
from fedbytes.compression.testing.codec_contract import check_codec
from fedbytes.experiments.config.plugin_files import load_plugins
from fedbytes.federated.algorithm import ALGORITHMS
from fedbytes.federated.testing.algorithm_contract import check_algorithm
from fedbytes.noniid import PARTITIONERS, check_partitioner
from fedbytes.registry import Registry

Row = tuple[bool, str, str]
"""Whether it holds, the property, and what was seen."""


def check_file(file: Path) -> int:
    """Check every codec, partitioner and algorithm that a file registers.

    Returns:
        0, or 1 if a property fails.

    Raises:
        ValueError: if the file cannot be imported, or registers none of them.
    """
    kinds: list[tuple[Registry[Any], Callable[[Any], list[Row]]]] = [
        (CODECS, lambda codec: _rows(check_codec(codec, fresh_process=True, source=file))),
        (PARTITIONERS, lambda partitioner: _rows(check_partitioner(partitioner))),
        (ALGORITHMS, lambda algorithm: _rows(check_algorithm(algorithm))),
    ]
    before = [set(registry.names()) for registry, _ in kinds]
    load_plugins([str(file)])
    new = [sorted(set(r.names()) - old) for (r, _), old in zip(kinds, before, strict=True)]
    if not any(new):
        raise ValueError(
            f"{file} registers no codec, partitioner or algorithm; decorate a frozen dataclass "
            'with @CODECS.register("name"), @PARTITIONERS.register("name") or '
            '@ALGORITHMS.register("name")'
        )
    console, failed = Console(), 0
    for (registry, check), names in zip(kinds, new, strict=True):
        for name in names:
            for fields in registry.get(name).examples:
                plugin = registry.make({"name": name, **fields})
                failed += _print(console, f"{registry.kind} {name} {fields or ''}", check(plugin))
    console.print(f"{failed} findings" if failed else "all properties hold")
    return 1 if failed else 0


def _rows(findings: Iterable[Any]) -> list[Row]:
    return [(found.passed, found.property, found.message) for found in findings]


def _print(console: Console, title: str, rows: Iterable[Row]) -> int:
    """Print what was found of one plug-in; return how many properties fail."""
    console.print(f"[bold]{escape(title)}[/]", highlight=False)
    failed = 0
    for passed, name, message in rows:
        mark = "[green]holds[/]" if passed else "[red]fails[/]"
        console.print(f"  {mark} {escape(name)}  {escape(message)}", highlight=False)
        failed += not passed
    return failed
