"""The contract tests over a user's own file."""

from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from fedbytes.compression.contract import check_codec
from fedbytes.compression.core import CODECS, make_codec
from fedbytes.experiments.plugins import load_plugins
from fedbytes.noniid import PARTITIONERS, check_partitioner, make_partitioner


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
            codec = make_codec({"name": name, **fields})
            found = check_codec(codec, fresh_process=True, source=file)
            rows = [(f.passed, f.property, f.message) for f in found]
            failed += _print(console, f"codec {name} {fields or ''}", rows)
    for name in new_partitioners:
        for fields in PARTITIONERS.get(name).examples:
            checked = check_partitioner(make_partitioner({"name": name, **fields}))
            rows = [(f.passed, f.property, f.message) for f in checked]
            failed += _print(console, f"partitioner {name} {fields or ''}", rows)
    console.print(f"{failed} findings" if failed else "all properties hold")
    return 1 if failed else 0


def _print(console: Console, title: str, rows: Iterable[tuple[bool, str, str]]) -> int:
    """Print what was found of one plug-in; return how many properties fail."""
    console.print(f"[bold]{escape(title)}[/]", highlight=False)
    failed = 0
    for passed, name, message in rows:
        mark = "[green]holds[/]" if passed else "[red]fails[/]"
        console.print(f"  {mark} {escape(name)}  {escape(message)}", highlight=False)
        failed += not passed
    return failed
