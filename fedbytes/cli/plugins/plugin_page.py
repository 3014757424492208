"""All about one plug-in or suite: its fields with their ranges, its source, and examples."""

import ast
import dataclasses
import doctest
import inspect
import itertools
import re
import textwrap
from typing import Any

import yaml
from rich.console import Console
from rich.text import Text

from fedbytes.cli.registries import all_registries
from fedbytes.cli.terminal.screen import coloured
from fedbytes.plots.output.fitted_table import FittedTable
from fedbytes.plugin_fields import bounds_of
from fedbytes.registry import nearest

_KEYS = {
    "codecs": "codec",
    "partitioners": "partition",
    "algorithms": "algorithm",
    "adapters": "adapter",
    "tasks": "task",
    "models": "model",
    "aggregations": "aggregation",
    "attacks": "attack",
    "defenses": "defense",
    "cleaners": "clean",
    "privacies": "privacy",
    "audits": "audit",
}
"""The setting that takes a plug-in of a kind; other kinds stand within a plug-in of these."""


def describe_briefly(cls: Any) -> str:
    """Return a plug-in's summary, and its fields with defaults and ranges, as one line."""
    summary = (cls.__doc__ or "").strip().split("\n")[0]
    bounds = bounds_of(cls)
    fields = [
        (f.name if f.default is dataclasses.MISSING else f"{f.name}={f.default}")
        + (f" {bounds[f.name]}" if f.name in bounds else "")
        for f in dataclasses.fields(cls)
        if f.init
    ]
    return summary + (f" [{'; '.join(fields)}]" if fields else "")


def print_page(kind: str, name: str, console: Console) -> None:
    """Print what a plug-in or suite is: text, fields, and how it is written in a configuration.

    Raises:
        ValueError: if there is none of that name.
    """
    if kind == "suites":
        _print_suite(name, console)
        return
    registry = all_registries()[kind]
    if kind == "models" and name not in registry.names():
        from fedbytes.models import NAMED

        if name not in NAMED:
            raise ValueError(f"unknown model {name!r}{nearest(name, [*NAMED, *registry.names()])}")
        console.print(coloured(name, "bold", f" {NAMED[name]}"))
        console.print(f"\nmodel={name}")
        return
    cls = registry.get(name)
    console.print(coloured(f"{registry.kind} {name}", "bold"))
    prose, attributes, shown = _read_docstring(cls.__doc__ or "")
    for paragraph in prose:
        console.print()
        console.print(paragraph)
    _print_fields(cls, _field_texts(cls) | attributes, console)
    _print_use(kind, name, cls, console)
    _print_side_by_side(kind, cls, console)
    if shown:
        console.print("\nwith numbers:")
        console.print(textwrap.indent(shown, "  "), soft_wrap=True)


def _read_docstring(doc: str) -> tuple[list[str], dict[str, str], str]:
    """Return a docstring's paragraphs, each in one line, its attributes, and its examples.

    The examples are as one would type them, with what they print.
    """
    parts = doctest.DocTestParser().parse(inspect.cleandoc(doc))
    text = "".join(part for part in parts if isinstance(part, str))
    prose: list[str] = []
    attributes: dict[str, str] = {}
    for paragraph in text.split("\n\n"):
        head, _, rest = paragraph.strip().partition("\n")
        if head == "Attributes:":
            for entry in re.split(r"\n(?=\S)", textwrap.dedent(rest)):
                name, _, meaning = entry.partition(":")
                attributes |= {one: " ".join(meaning.split()) for one in name.split(", ")}
        elif head and head != "Example:":
            prose.append(" ".join(paragraph.split()))
    lines = []
    for part in parts:
        if isinstance(part, doctest.Example):
            first, *more = part.source.rstrip("\n").split("\n")
            lines += [f">>> {first}", *(f"... {line}" for line in more), part.want.rstrip("\n")]
    return prose, attributes, "\n".join(line for line in lines if line)


def _print_fields(cls: Any, meanings: dict[str, str], console: Console) -> None:
    fields = [field for field in dataclasses.fields(cls) if field.init]
    if not fields:
        return
    bounds = bounds_of(cls)
    heads = ("field", "default", "values", *(("meaning",) if meanings else ()))
    table = FittedTable(*heads, left=heads)
    for field in fields:
        values = str(bounds[field.name]) if field.name in bounds else _type_text(field.type)
        meaning = [meanings.get(field.name, "")] if meanings else []
        table.add_row(field.name, _default_text(field), values, *meaning)
    console.print()
    console.print(table)


def _default_text(field: "dataclasses.Field[Any]") -> str:
    if field.default is not dataclasses.MISSING:
        return "–" if field.default is None else str(field.default)
    return "required" if field.default_factory is dataclasses.MISSING else "–"


def _type_text(hint: Any) -> str:
    text = hint if isinstance(hint, str) else getattr(hint, "__name__", str(hint))
    return str(text).replace(" | None", "").replace("Mapping", "mapping")


def _field_texts(cls: type) -> dict[str, str]:
    """Return what stands below the fields of a dataclass and its bases, in one line each."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        try:
            source = textwrap.dedent(inspect.getsource(base))
        except (OSError, TypeError):
            continue
        (tree,) = ast.parse(source).body
        body = tree.body if isinstance(tree, ast.ClassDef) else []
        for field, text in itertools.pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                said = getattr(getattr(text, "value", None), "value", None)
                if isinstance(text, ast.Expr) and isinstance(said, str):
                    found[field.target.id] = " ".join(said.split())
    names = {field.name for field in dataclasses.fields(cls)}
    return {name: text for name, text in found.items() if name in names}


def _print_use(kind: str, name: str, cls: Any, console: Console) -> None:
    """Print how a plug-in is written in a suite and on the command line, with its first example."""
    key, fields = _KEYS.get(kind), cls.examples[0] if cls.examples else {}
    flow = yaml.safe_dump({"name": name, **fields}, default_flow_style=True, sort_keys=False)
    spec = " ".join(flow.split())
    if key is None:
        console.print(f"\nin a configuration: {spec}", soft_wrap=True)
        return
    console.print(f"\nin a suite:          {key}: {spec}", soft_wrap=True)
    console.print(f"on the command line: '{key}={spec}'", soft_wrap=True)


def _print_side_by_side(kind: str, cls: Any, console: Console) -> None:
    """Print whether clients can train side by side with an algorithm or an adapter."""
    if kind == "adapters":
        able = cls.side_by_side
    elif kind == "algorithms":
        able = not cls(**(cls.examples[0] if cls.examples else {})).one_at_a_time
    else:
        return
    console.print(f"clients_at_once:     {'any number' if able else '1'}")


def _print_suite(name: str, console: Console) -> None:
    from fedbytes.experiments.config.suite_file import load_suite, shipped_suites

    suite = load_suite(name)
    console.print(coloured(f"suite {suite.name}", "bold", f" {suite.title}"))
    if suite.description:
        console.print(f"\n{' '.join(suite.description.split())}")
    console.print(Text(f"\nfile: {shipped_suites().get(name, name)}"), soft_wrap=True)
    console.print(f"runs: {len(suite.expand())}, over {', '.join(suite.grid) or 'nothing'}")
    console.print(f"make them: fedbytes sweep {name}")
