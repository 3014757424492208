"""The contract tests over a user's own file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.markup import escape

from fedbytes.compression.contract import check_codec
from fedbytes.compression.core import CODECS, make_codec
from fedbytes.experiments.plugins import load_plugins
from fedbytes.noniid import PARTITIONERS, check_partitioner, make_partitioner


class Finding(Protocol):
    """What either room's contract check found."""

    @property
    def property(self) -> str:
        """The property that was checked."""

    @property
    def passed(self) -> bool:
        """Whether it holds."""

    @property
    def message(self) -> str:
        """What was tried, or what went wrong."""


def check_file(file: Path) -> int:
    """Check every codec and partitioner that a file registers; return 0, or 1 if one fails.

    Raises:
        ValueError: if the file cannot be imported, or registers neither.
    """
    codecs, partitioners = set(CODECS.names()), set(PARTITIONERS.names())
    load_plugins([str(file)])
    new_codecs = sorted(set(CODECS.names()) - codecs)
    new_partitioners = sorted(set(PARTITIONERS.names()) - partitioners)
    if not new_codecs and not new_partitioners:
        raise ValueError(
            f"{file} registers neither a codec nor a partitioner; decorate a frozen dataclass "
            'with @CODECS.register("name") or @PARTITIONERS.register("name")'
        )
    console, failed = Console(), 0
    for name in new_codecs:
        for fields in CODECS.get(name).examples:
            findings = check_codec(
                make_codec({"name": name, **fields}), fresh_process=True, source=file
            )
            failed += _print(console, f"codec {name} {fields or ''}", findings)
    for name in new_partitioners:
        for fields in PARTITIONERS.get(name).examples:
            findings = check_partitioner(make_partitioner({"name": name, **fields}))
            failed += _print(console, f"partitioner {name} {fields or ''}", findings)
    console.print(f"{failed} findings" if failed else "all properties hold")
    return 1 if failed else 0


def _print(console: Console, title: str, findings: Sequence[Finding]) -> int:
    console.print(f"[bold]{escape(title)}[/]", highlight=False)
    for finding in findings:
        mark = "[green]holds[/]" if finding.passed else "[red]fails[/]"
        console.print(f"  {mark} {escape(finding.property)}  {escape(finding.message)}")
    return sum(not finding.passed for finding in findings)
