"""`fedbytes new`: a file to begin a plug-in or a suite from, which works as it is written."""

import keyword
import re
import sys
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Annotated

import typer

from fedbytes.cli.terminal.screen import say
from fedbytes.registry import nearest

_KINDS = {
    "codec": "codecs",
    "partitioner": "partitioners",
    "algorithm": "algorithms",
    "task": "tasks",
    "suite": "suites",
}
"""What there is a template of, and the kind that its name must be new in."""
_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")


def new(
    kind: Annotated[
        str,
        typer.Argument(
            help="codec, partitioner, algorithm, task or suite.", autocompletion=lambda: [*_KINDS]
        ),
    ],
    name: Annotated[str, typer.Argument(help="Its name in configurations, such as my-codec.")],
    out: Annotated[
        Path | None,
        typer.Option(help="File to write; NAME with its ending, here, by default.", dir_okay=False),
    ] = None,
) -> None:
    """Write a file to begin a plug-in or a suite from, such as `fedbytes new codec my-codec`.

    The file works as it is: a plug-in passes `fedbytes check`, a suite can be swept.
    """
    path = write_new(kind, name, out)
    say(f"wrote {path}")
    if kind == "suite":
        say(f"next: fedbytes sweep {path} --dry-run")
    else:
        say(f"next: fedbytes check {path}")


def write_new(kind: str, name: str, out: Path | None = None) -> Path:
    """Write the template of a kind under a name, and return the file.

    Raises:
        ValueError: for an unknown kind, a name that is no name or is taken, or a file that exists.
    """
    if kind not in _KINDS:
        raise ValueError(f"there is no template for {kind!r}{nearest(kind, _KINDS)}")
    _check_name(kind, name)
    ending = ".yaml" if kind == "suite" else ".py"
    path = out or Path(name if kind == "suite" else name.replace("-", "_")).with_suffix(ending)
    if path.suffix != ending:
        raise ValueError(f"a {kind} is a {ending} file, got --out {path}")
    template = files("fedbytes.cli.plugins") / "templates" / f"{kind}{ending}.txt"
    class_name = "".join(part.capitalize() for part in re.split("[-_]", name))
    text = Template(template.read_text(encoding="utf-8")).substitute(
        name=name, class_name=class_name, file=path.name
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ValueError(f"{path} exists: give another name, or another file by --out") from None
    return path


def _check_name(kind: str, name: str) -> None:
    """Refuse a name that cannot be a file's and a class's, or that another plug-in has."""
    if keyword.iskeyword(name):
        raise ValueError(f"the name {name!r} is a word of Python: take another, such as my-{name}")
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"the name {name!r} must be small letters and digits, with - or _ between words, such "
            "as my-codec"
        )
    if kind != "suite" and name.replace("-", "_") in sys.stdlib_module_names:
        raise ValueError(
            f"a file called {name}.py would hide Python's own module {name}: give it another name"
        )
    if kind == "suite":
        from fedbytes.experiments.config.suite_file import shipped_suites

        taken = [*shipped_suites()]
    else:
        from fedbytes.cli.registries import all_registries

        taken = all_registries()[_KINDS[kind]].names()
    if name in taken:
        raise ValueError(f"there is a {kind} {name!r} already: give it another name")
