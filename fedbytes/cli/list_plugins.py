"""`fedbytes list`: what a configuration can name, from every registry, and the suites."""

import dataclasses
from typing import Annotated, Any

import typer
from rich.text import Text

from fedbytes.cli.options import Plugins
from fedbytes.cli.registries import all_registries
from fedbytes.cli.terminal.screen import Screen, coloured
from fedbytes.plugin_fields import bounds_of
from fedbytes.registry import nearest


def list_plugins(
    kind: Annotated[
        str | None, typer.Argument(help="codecs, partitioners, tasks, models, …; all by default.")
    ] = None,
    plugin: Plugins = None,
) -> None:
    """List everything that a configuration can name, with its fields and their defaults."""
    kinds = [*all_registries(), "suites"]
    if kind is not None and kind not in kinds:
        raise ValueError(f"there is no kind {kind!r}{nearest(kind, kinds)}")
    console = Screen()
    for name in [kind] if kind else kinds:
        console.print(coloured(name, "bold"))
        for entry, text in _entries(name).items():
            console.print(Text("  ") + coloured(entry, "cyan", f" {text}"), soft_wrap=True)


def _entries(kind: str) -> dict[str, str]:
    if kind == "suites":
        from fedbytes.experiments.config.suite_file import load_suite, shipped_suites

        return {name: load_suite(name).title for name in shipped_suites()}
    if kind == "models":
        from fedbytes.models import FAMILIES, NAMED

        families = {name: _describe(FAMILIES.get(name)) for name in FAMILIES.names()}
        return (
            NAMED | families | {"FOLDER": "made by save_pretrained", "OWNER/NAME": "from the hub"}
        )
    registry = all_registries()[kind]
    return {name: _describe(registry.get(name)) for name in registry.names()}


def _describe(cls: Any) -> str:
    summary = (cls.__doc__ or "").strip().split("\n")[0]
    bounds = bounds_of(cls)
    fields = [
        (f.name if f.default is dataclasses.MISSING else f"{f.name}={f.default}")
        + (f" {bounds[f.name]}" if f.name in bounds else "")
        for f in dataclasses.fields(cls)
        if f.init
    ]
    return summary + (f" [{'; '.join(fields)}]" if fields else "")
