"""Published rows: a folder that holds what a store's runs found and what it takes to check them."""

import hashlib
import json
import re
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from fedbytes.experiments.store.find_runs import checked_runs
from fedbytes.experiments.store.results import load_ledger, load_results
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.run_state import state_of
from fedbytes.labels import markdown_line, single_line
from fedbytes.process.file_digests import sha256_of

CARD, CONFIGS, ROUNDS, BYTES = "card.json", "configs.jsonl", "rounds.csv", "bytes.csv"
PROVENANCE, DIGESTS, FILES, README = "provenance.jsonl", "digests.json", "files", "README.md"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_LINK = re.compile(r"https?://[^\s<>]+")
_OWN = ("task", "model", "partition", "others")
"""Kinds of sources that are a user's own files, other than code."""


@dataclass(frozen=True)
class Card:
    """Who submits what.

    Attributes:
        name: of the folder, in small letters, digits, dots and dashes.
        title: one line for the table.
        authors: names as they are to be cited.
        description: what the method is, in a few sentences.
        link: a paper or repository, if any.
    """

    name: str
    title: str
    authors: str
    description: str = ""
    link: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"a submission is named in small letters, digits, dots and dashes: {self.name!r}"
            )
        for key in ("title", "authors"):
            text = getattr(self, key)
            if not text.strip() or single_line(text) != text:
                raise ValueError(f"--{key} must be one line of text, got {text!r}")
        if self.link and not _LINK.fullmatch(self.link):
            raise ValueError(f"link must be an address such as https://…, got {self.link!r}")


def make_submission(
    store: str | Path, folder: str | Path, card: Card, *, with_files: bool = False
) -> Path:
    """Write the folder that a pull request adds to `results/`.

    It has the card, every run's configuration and provenance, the rows of all evaluated rounds with
    every digit, the bytes by kind of message, the code of plug-ins, and a digest of each file.

    Args:
        store: a store whose runs are all finished, from a clean checkout or a released package.
        folder: where `card.name` is made; it must not be there yet.
        card: who submits what.
        with_files: also copy the data files and models that the runs read, which makes them public.

    Raises:
        ValueError: if a run is not finished, whole and made from committed code, or reads files of
            one's own and `with_files` is not set; if the folder is there.
    """
    target = Path(folder) / card.name
    if target.exists():
        raise ValueError(f"{target} is there already: remove it, or choose another --name")
    runs = [_fit(run, damage) for run, damage in checked_runs(store)]
    if not runs:
        raise ValueError(f"there is no run in {str(store)!r}; `fedbytes sweep` makes some")
    copies = _copies(runs, with_files)
    part = target.with_name(f".{card.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        _write(part, Path(store), runs, copies, card)
        part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return target


def _fit(run: RunFolder, damage: str) -> RunFolder:
    """Return a run that may be submitted, or say why it may not."""
    state = state_of(run, damage)
    if state.status != "done":
        why = f": {single_line(state.reason)}" if state.reason else ""
        remedy = "sweep the suite again" if state.status != "stale" else "make it with --remake"
        raise ValueError(f"run {run.run} is {state.status}{why}; {remedy} before it is submitted")
    told = run.provenance()
    if told.get("dirty"):
        raise ValueError(
            f"run {run.run} was made from a checkout with uncommitted changes (commit "
            f"{str(told.get('commit'))[:12]}): commit them and make it anew with --remake"
        )
    if told.get("hooks"):
        raise ValueError(
            f"run {run.run} was made with hooks, which its id does not cover: make them registered "
            "plug-ins (fedbytes docs add-an-attack-or-defense)"
        )
    if "sources" not in told:
        raise ValueError(f"run {run.run} has no digests of what it read: make it with --remake")
    return run


def _copies(runs: Sequence[RunFolder], with_files: bool) -> dict[str, str]:
    """Return the files to copy, by path, with their names in the submission.

    Raises:
        ValueError: for files of one's own that are not to be made public, or that are gone.
    """
    own: dict[str, str] = {}
    for run in runs:
        for kind, digests in run.provenance()["sources"].items():
            if kind in _OWN and digests and not with_files:
                raise ValueError(
                    f"run {run.run} reads {next(iter(digests))}, a file of your own: nobody else "
                    "can repeat it; --with-files makes it public with the rows"
                )
            if kind in (*_OWN, "plugins"):
                own |= dict.fromkeys(digests, kind)
    gone = [path for path in own if not Path(path).expanduser().is_file()]
    if gone:
        raise ValueError(f"{gone[0]}, which runs were made from, is not there: put it back")
    spelled = _spellings(run.settings() for run in runs)
    names: dict[str, str] = {}
    for path in sorted(own):
        name = Path(path).name
        name = name if name not in names.values() else f"{len(names)}-{name}"
        names |= dict.fromkeys(spelled.get(_whole(path), [path]), name)
    return names


def _spellings(settings: Iterable[Mapping[str, Any]]) -> dict[Path, list[str]]:
    """Return how configurations spell each path: relative ones are digested by their whole path."""
    found: dict[Path, set[str]] = defaultdict(set)
    waiting: list[Any] = list(settings)
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            waiting += value.values()
        elif isinstance(value, list | tuple):
            waiting += value
        elif isinstance(value, str) and "\0" not in value:
            found[_whole(value)].add(value)
    return {path: sorted(words) for path, words in found.items()}


def _whole(path: str) -> Path:
    return Path(path).expanduser().resolve()


def _write(
    part: Path, store: Path, runs: list[RunFolder], copies: Mapping[str, str], card: Card
) -> None:
    results, ledger = load_results(store), load_ledger(store)
    known = [run.run for run in runs]
    results[results["run"].isin(known)].to_csv(part / ROUNDS, index=False, lineterminator="\n")
    bytes_by_kind(ledger).to_csv(part / BYTES, index=False, lineterminator="\n")
    _lines(part / CONFIGS, ({"run": run.run, "config": run.settings()} for run in runs))
    _lines(part / PROVENANCE, ({"run": run.run, "provenance": run.provenance()} for run in runs))
    if copies:
        (part / FILES).mkdir()
        for path, name in copies.items():
            shutil.copyfile(Path(path).expanduser(), part / FILES / name)
    suite = ", ".join(sorted(results["suite"].unique()))
    made = {"suite": suite, "runs": len(runs), "files": dict(copies)}
    made |= {"created": datetime.now(UTC).date().isoformat()}
    _json(part / CARD, asdict(card) | made)
    (part / README).write_text(_readme(card, suite, results), encoding="utf-8")
    _json(part / DIGESTS, digests_in(part))


def bytes_by_kind(ledger: pd.DataFrame) -> pd.DataFrame:
    """Return messages and bytes of each run by direction and kind of message."""
    keys = ["run", "direction", "kind"]
    grouped = ledger.groupby(keys, sort=True, observed=True)
    sums = grouped[["payload_bytes", "message_bytes"]].sum()
    return sums.assign(messages=grouped.size()).reset_index()


def digests_in(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a submission, its list of digests left out.

    What Python writes beside a plug-in that it has read, to read it faster again, is none of them.
    """
    files = sorted(
        path for path in folder.rglob("*") if path.is_file() and path.parent.name != "__pycache__"
    )
    return {
        path.relative_to(folder).as_posix(): sha256_of(path)
        for path in files
        if path.name != DIGESTS
    }


def seal_of(folder: Path) -> str:
    """Return the digest of a submission's list of digests."""
    return hashlib.sha256((folder / DIGESTS).read_bytes()).hexdigest()


def _readme(card: Card, suite: str, results: pd.DataFrame) -> str:
    methods = sorted({markdown_line(name) for name in results.get("label", results["codec"])})
    seeds = results["seed"].nunique()
    lines = [
        f"# {markdown_line(card.title)}",
        "",
        f"By {markdown_line(card.authors)}." + (f" <{card.link}>" if card.link else ""),
        "",
        *([card.description.strip(), ""] if card.description.strip() else []),
        f"{results['run'].nunique()} runs of the suite `{suite}`: {', '.join(methods)}; "
        f"{seeds} seed{'' if seeds == 1 else 's'}.",
        "",
        "```console",
        f"$ fedbytes verify results/{card.name}            # files, ids and sums",
        f"$ fedbytes verify results/{card.name} --again    # and one run made again",
        "```",
    ]
    return "\n".join(lines) + "\n"


def _lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
