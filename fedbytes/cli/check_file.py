"""`fedbytes check`: the contracts of every kind, run over a user's own file."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from fedbytes.cli.options import Plugins
from fedbytes.cli.registries import all_registries
from fedbytes.cli.terminal.screen import Screen, coloured
from fedbytes.experiments.config.plugin_files import load_plugins
from fedbytes.registry import Registry
from fedbytes.testing import Finding


def check(
    file: Annotated[Path, typer.Argument(help="Python file with plug-ins.")],
    plugin: Plugins = None,
) -> None:
    """Check that the plug-ins in a file keep the contract of their kind."""
    raise typer.Exit(check_file(file))


def check_file(file: Path) -> int:
    """Check every plug-in that a file registers, of whatever kinds they are.

    Returns:
        0, or 1 if a property fails.

    Raises:
        ValueError: if the file cannot be imported or registers nothing, or a plug-in has no
            examples to be checked with.
    """
    console, failed = Screen(), 0
    for registry, name in _plugins_of(file):
        examples = registry.get(name).examples
        if not examples:
            raise ValueError(
                f"{registry.kind} {name!r} has no examples to check: give its class "
                'examples = ({"field": value},)'
            )
        for fields in examples:
            title = f"{registry.kind} {name} {fields or ''}"
            failed += _print(console, title, _findings(registry, name, fields))
    console.print(_verdict(failed))
    return 1 if failed else 0


def _verdict(failed: int) -> str:
    if failed == 0:
        return "all properties hold"
    return "1 property fails" if failed == 1 else f"{failed} properties fail"


def _plugins_of(file: Path) -> Iterator[tuple[Registry[Any], str]]:
    """Yield the registry and the name of each plug-in that a file registers."""
    registries = all_registries()
    before = {kind: {*registry.names()} for kind, registry in registries.items()}
    (module,) = load_plugins([str(file)])
    found = [
        (registry, name)
        for kind, registry in registries.items()
        for name in registry.names()
        if name not in before[kind] or registry.get(name).__module__ == module.__name__
    ]
    if not found:
        kinds = ", ".join(sorted(registry.kind for registry in registries.values()))
        raise ValueError(
            f"{file} registers no plug-in (of {kinds}); decorate a frozen dataclass, such as a "
            'codec with @CODECS.register("name")'
        )
    yield from found


def _findings(registry: Registry[Any], name: str, fields: Mapping[str, Any]) -> list[Finding]:
    try:
        plugin = registry.make({"name": name, **fields})
    except ValueError as error:
        return [Finding("is built from its examples", False, str(error))]
    found: list[Finding] = registry.check(plugin)
    return found


def _print(console: Console, title: str, findings: Iterable[Finding]) -> int:
    """Print what was found of one plug-in; return how many properties fail."""
    console.print(coloured(title, "bold"))
    failed = 0
    for found in findings:
        mark, style = ("holds", "green") if found.passed else ("fails", "red")
        text = Text("  ") + coloured(mark, style, f"{found.property}  {found.message}")
        console.print(text, soft_wrap=True)
        failed += not found.passed
    return failed
