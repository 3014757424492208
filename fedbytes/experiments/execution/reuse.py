"""Whether what is stored of a run may be gone on with: it is whole, and made from today's files."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from fedbytes.experiments.config.keep import KeptChoice
from fedbytes.experiments.kept.keep_model import lacks_model
from fedbytes.experiments.store.damage import REMEDY, find_damage
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.sealed_json import DamageError
from fedbytes.experiments.store.sources import Sources, accept, compare

IfStale = Literal["refuse", "remake", "accept"]
"""What is done with a run that was made from files which have changed since."""


@dataclass(frozen=True)
class Refusal:
    """Why what is stored of a run may not be reused: one line, and what would help."""

    text: str
    remedies: tuple[IfStale, ...]


def refusal(folder: RunFolder, sources: Sources, keep: KeptChoice = "none") -> Refusal | None:
    """Return why what is stored of a run may not be reused, None if it may.

    A damaged checkpoint is no reason: the run starts anew (see `load_checkpoint`).

    Args:
        folder: the run's.
        sources: what it would be made from today.
        keep: what is to be kept of its model.
    """
    if not folder.is_begun:
        return None
    where = f"run {folder.run} in {folder.path.parent}"
    if folder.status == "done" and (damage := find_damage(folder)):
        return Refusal(f"{where} is damaged: {damage}; {REMEDY}", ("remake",))
    try:
        found = compare(folder.provenance(), sources)
    except DamageError:
        return None
    if lacking := lacks_model(folder, keep):
        text = (
            f"{where} has finished and {lacking}: make it anew with --remake, leave keep out, or "
            "take another folder with --out"
        )
        return Refusal(text, ("remake",))
    if not found.changed:
        return None
    text = (
        f"{where} is stale, made from other files: {found.what}; make it anew with --remake, keep "
        "its numbers with --accept, or take another folder with --out"
    )
    return Refusal(text, ("remake", "accept"))


def settle(
    folder: RunFolder, sources: Sources, if_stale: IfStale, keep: KeptChoice = "none"
) -> None:
    """Make a folder ready for a run that is to be made, gone on with, or left as it is.

    With `remake`, what is stale or damaged is discarded; with `accept`, the provenance of what is
    stale says which files have changed, and when that was accepted.

    Args:
        folder: the run's.
        sources: what it would be made from today.
        if_stale: what is done if that differs from what it was made from.
        keep: what is to be kept of its model.

    Raises:
        ValueError: if it is stale and to be refused, or damaged and not to be made anew.
    """
    refused = refusal(folder, sources, keep)
    if refused is None:
        return
    if if_stale not in refused.remedies:
        raise ValueError(refused.text)
    if if_stale == "remake":
        folder.clear()
        return
    provenance = folder.provenance()
    now = datetime.now(UTC).isoformat(timespec="seconds")
    taken = accept(provenance, compare(provenance, sources).changed, now)
    folder.write_json("provenance.json", taken)
