"""What a stored run's numbers are worth today: whole, stale, or not to be verified."""

from dataclasses import dataclass
from typing import Any

from fedbytes.experiments.store.revisions import outdated
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.sources import compare, digests_today


@dataclass(frozen=True)
class RunState:
    """The status of a stored run, and why.

    Attributes:
        status: `done`, `failed`, `interrupted`, `waiting`, `stale` or `damaged`.
        reason: what is stale or damaged; for a run that is not stale, why it is unverified, if so.
        verified: whether everything that it was made from was compared.
    """

    status: str
    reason: str = ""
    verified: bool = True


def state_of(run: RunFolder, damage: str = "", settings: dict[str, Any] | None = None) -> RunState:
    """Return the state of a run whose files say `damage` (empty if they are whole)."""
    if damage:
        return RunState("damaged", damage, verified=False)
    if not run.is_begun:
        return RunState(run.status)
    settings = run.settings() if settings is None else settings
    provenance = run.provenance()
    if old := outdated(settings):
        return RunState("stale", old)
    found = compare(provenance, digests_today(provenance.get("sources", {})))
    if found.changed:
        return RunState("stale", found.what)
    if found.unverified:
        return RunState(run.status, f"unverified: {found.unverified}", verified=False)
    return RunState(
        run.status, "; ".join(filter(None, (_accepted(provenance), _moved(provenance))))
    )


def _moved(provenance: dict[str, Any]) -> str:
    """Return where a run went on that was begun on another processor."""
    return "; ".join(
        f"went on after round {one['after_round']} on {one['processor']} with torch "
        f"{one['torch']}: its last bits may differ from those of an undisturbed run"
        for one in provenance.get("continued", ())
    )


def _accepted(provenance: dict[str, Any]) -> str:
    """Return which differences were accepted, and when."""
    return "; ".join(
        f"accepted {one['time']}: {', '.join(change['path'] for change in one['changes'])}"
        for one in provenance.get("accepted", ())
    )
