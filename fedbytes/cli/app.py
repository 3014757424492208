"""The command line: its verbs, and how a mistake is reported."""

import importlib
import inspect
import os
import re
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from fedbytes.cli.analysis.link import link
from fedbytes.cli.analysis.power import power
from fedbytes.cli.analysis.verdicts import verdicts
from fedbytes.cli.check_file import check
from fedbytes.cli.codecs import codecs
from fedbytes.cli.engines.fetch import fetch_named
from fedbytes.cli.engines.plan import plan_suite
from fedbytes.cli.engines.work import work_on
from fedbytes.cli.manual.docs import show_docs
from fedbytes.cli.models_kept.export import export
from fedbytes.cli.models_kept.predict import predict
from fedbytes.cli.partition import partition
from fedbytes.cli.plot import plot, report
from fedbytes.cli.plugins.list_plugins import list_plugins
from fedbytes.cli.plugins.new_file import new
from fedbytes.cli.published.compare import compare_folders
from fedbytes.cli.published.merge import merge_folders
from fedbytes.cli.published.submit import submit_store, verify_folder
from fedbytes.cli.sweep import run, status, sweep
from fedbytes.cli.terminal.screen import say
from fedbytes.cli.terminal.streams import open_streams
from fedbytes.cli.trackers.track import track
from fedbytes.cli.tuning.tune import tune
from fedbytes.labels import single_line
from fedbytes.process.disk_errors import disk_reason
from fedbytes.process.near_paths import hint_at_near_path
from fedbytes.process.one_line_warning import show_in_one_line
from fedbytes.process.optional_imports import explain_missing
from fedbytes.registry import nearest

_ABOUT = """Federated training of language models, measured by the bytes it communicates.

Start with [bold]fedbytes sweep quickstart[/]. A suite is a YAML file with settings that its runs
share and a grid of those that vary; every setting can be given as [bold]key=value[/], such as
[bold]rounds=4[/], [bold]seed=\\[0,1][/] or [bold]partition.alpha=0.1[/].
[bold]fedbytes docs[/] has the pages of the documentation."""
_RESUMABLE = ("sweep", "run", "work", "tune")
_INTERRUPTED = 130
_OF_PATHS = {
    r"(?i)\bdir(?:ectory)? ('.*') is a file\.": r"\1 is a file: name a folder",
    r"(?i)\bfile ('.*') is a directory\.": r"\1 is a folder: name a file",
    r"(?i)\b(?:dir|directory|file|path) ('.*') does not exist\.": r"\1 does not exist",
}
"""What releases of typer say of paths, and what is told."""


def _usage_error() -> type[Exception]:
    """Return what a misused command line raises: typer's own since 0.21, click's before."""
    found: Any = getattr(typer, "TyperException", None)
    return found or importlib.import_module("click").ClickException  # type: ignore[no-any-return]


_USAGE_ERROR = _usage_error()


def _paragraphs(text: str | None) -> str:
    """Return a help text whose paragraphs are one line each, to be broken where the screen ends."""
    parts = inspect.cleandoc(text or "").split("\n\n")
    return "\n\n".join(" ".join(part.split()) for part in parts)


app = typer.Typer(
    name="fedbytes",
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help=_paragraphs(_ABOUT),
)


def _show_version(asked: bool) -> None:
    if asked:
        from fedbytes.process.version import PACKAGE_VERSION

        say(f"fedbytes {PACKAGE_VERSION}")
        raise typer.Exit


@app.callback(help=_paragraphs(_ABOUT))
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Say the version."),
    ] = False,
) -> None:
    """Take the options that go before a verb."""


_VERBS: dict[str, Callable[..., None]] = {
    "sweep": sweep,
    "run": run,
    "plan": plan_suite,
    "work": work_on,
    "fetch": fetch_named,
    "status": status,
    "tune": tune,
    "plot": plot,
    "report": report,
    "verdicts": verdicts,
    "power": power,
    "partition": partition,
    "codecs": codecs,
    "link": link,
    "track": track,
    "compare": compare_folders,
    "merge": merge_folders,
    "submit": submit_store,
    "verify": verify_folder,
    "export": export,
    "predict": predict,
    "list": list_plugins,
    "new": new,
    "check": check,
    "docs": show_docs,
}
for _name, _verb in _VERBS.items():
    app.command(name=_name, help=re.sub(r"(?=\[)", r"\\", _paragraphs(_verb.__doc__)))(_verb)


def main() -> None:
    """Run the command line; a user's mistake is one line on standard error and exit code 2."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    open_streams()
    show_in_one_line()
    try:
        code: Any = app(standalone_mode=False)
    except _USAGE_ERROR as error:
        _refuse(_usage_message(error))
    except ModuleNotFoundError as error:
        explained = explain_missing(error, f"fedbytes {' '.join(sys.argv[1:2])}".rstrip())
        if explained is error:
            raise
        _refuse(str(explained))
    except (ValueError, OSError) as error:
        if os.environ.get("FEDBYTES_TRACEBACK"):
            raise
        _refuse(_line(error))
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    if code == _INTERRUPTED:  # which typer makes of Ctrl-C
        resumes = any(word in _RESUMABLE for word in sys.argv[1:2])
        remedy = "; run the same command again to resume" if resumes else ""
        sys.stderr.write(f"interrupted{remedy}\n")
    sys.exit(code if isinstance(code, int) else 0)


def _usage_message(error: Exception) -> str:
    text = " ".join(getattr(error, "format_message", lambda: str(error))().split())
    text = text.replace("Invalid value for ", "").replace("Input should be", "must be")
    text = text.replace("greater than or equal to", "at least")
    for found, told in _OF_PATHS.items():
        text = re.sub(found, told, text)
    if gone := re.search(r"'([^']+)' does not exist$", text):
        text += hint_at_near_path(gone[1]) or hint_at_near_path(gone[1], folder=True)
    option = re.match(r"'(?:-\w' / ')?(--[\w-]+)': must be", text)
    if option:
        text = f"{text.partition(', unable')[0]}, got {_given(option[1])!r}"
    if text.startswith("No such command"):
        word = text.split("'")[1]
        return f"there is no command {word!r}{nearest(word, _VERBS)}"
    if text.startswith(("Missing ", "Got unexpected extra ")):
        verb = [word for word in sys.argv[1:2] if word in _VERBS]
        return f"{text.rstrip('.')}: see `{' '.join(['fedbytes', *verb, '--help'])}`"
    return text


def _given(option: str) -> str:
    """Return what was given for an option on the command line, last if it was given twice."""
    words = sys.argv[1:]
    for place, word in reversed([*enumerate(words)]):
        name, equals, value = word.partition("=")
        if name == option:
            return value if equals else " ".join(words[place + 1 : place + 2])
    return ""


def _line(error: ValueError | OSError) -> str:
    """Return what is said of an error; of a full disk the file and the remedy."""
    reason = disk_reason(error) if isinstance(error, OSError) else None
    if reason is None or isinstance(error, PermissionError):  # perhaps of a file to be read
        return str(error)
    file = getattr(error, "filename", None) or "a file"
    return f"cannot write {file} ({reason}): free some space or choose another folder"


def _refuse(message: str) -> None:
    if not message:  # of a command alone, whose help has been shown
        sys.exit(2)
    sys.stderr.write(f"error: {single_line(' '.join(message.split()))}\n")
    sys.exit(2)
