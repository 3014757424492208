"""`fedbytes list`: what a configuration can name, from every registry, and the suites."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from fedbytes.cli.completion import complete_kinds, complete_names
from fedbytes.cli.options import Plugins
from fedbytes.cli.registries import all_registries
from fedbytes.cli.terminal.screen import Screen, coloured
from fedbytes.registry import nearest

if TYPE_CHECKING:
    from rich.console import Console


def list_plugins(
    kind: Annotated[
        str | None,
        typer.Argument(
            help="codecs, partitioners, tasks, models, …; all by default.",
            autocompletion=complete_kinds,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Argument(
            help="One of them: its fields, source and examples.", autocompletion=complete_names
        ),
    ] = None,
    plugin: Plugins = None,
) -> None:
    """List everything that a configuration can name, with its fields and their defaults.

    Such as `fedbytes list codecs`, and `fedbytes list codecs ecsq` for all about one.
    """
    kinds = [*all_registries(), "suites"]
    if kind is not None and kind not in kinds:
        raise ValueError(f"there is no kind {kind!r}{nearest(kind, kinds)}")
    console = Screen()
    if kind is not None and name is not None:
        from fedbytes.cli.plugins.plugin_page import print_page

        print_page(kind, name, console)
        return
    for each in [kind] if kind else kinds:
        console.print(coloured(each, "bold"))
        for entry, text in _entries(each).items():
            _print_entry(entry, text, console)


def _print_entry(entry: str, text: str, console: "Console") -> None:
    """Print one line, of which a screen breaks the text between words and indents what follows."""
    if not console.is_terminal:
        console.print(Text("  ") + coloured(entry, "cyan", f" {text}"), soft_wrap=True)
        return
    line = coloured(entry, "cyan", f" {text}")
    for place, part in enumerate(line.wrap(console, max(console.width - 6, 20))):
        console.print(Text("      " if place else "  ") + part)


def _entries(kind: str) -> dict[str, str]:
    from fedbytes.cli.plugins.plugin_page import describe_briefly

    if kind == "suites":
        from fedbytes.experiments.config.suite_file import load_suite, shipped_suites

        return {name: load_suite(name).title for name in shipped_suites()}
    if kind == "models":
        from fedbytes.models import FAMILIES, NAMED

        families = {name: describe_briefly(FAMILIES.get(name)) for name in FAMILIES.names()}
        return (
            NAMED | families | {"FOLDER": "made by save_pretrained", "OWNER/NAME": "from the hub"}
        )
    registry = all_registries()[kind]
    return {name: describe_briefly(registry.get(name)) for name in registry.names()}
