"""What a sweep has to make, and what it leaves as it is."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.execution.reuse import IfStale, refusal
from fedbytes.experiments.execution.run_sources import sources_of
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.run_state import state_of
from fedbytes.experiments.store.sealed_json import DamageError


@dataclass
class Outcome:
    """Ids of a sweep's runs by outcome; `failed` maps to the one-line reason.

    `relabelled` are those, finished or failed before, whose label the suite has changed since;
    `unverified` maps those of `skipped` that cannot be compared with today's files to the reason.
    `left` maps those that were stopped on request, or that another process makes, to the reason;
    `stopped` says that a signal ended the sweep before its runs were done.
    """

    done: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    relabelled: list[str] = field(default_factory=list)
    unverified: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    stopped: bool = False


def plan(
    configs: Sequence[RunConfig], store: Path, *, retry_failed: bool, if_stale: IfStale = "refuse"
) -> tuple[Outcome, list[RunConfig]]:
    """Return what a sweep leaves as it is, and the runs that it would make; nothing is written.

    Args:
        configs: the runs.
        store: the folder of runs.
        retry_failed: as for `sweep`.
        if_stale: as for `sweep`.
    """
    outcome, queue = Outcome(), []
    for config in configs:
        folder = RunFolder(store, config.id)
        refused = refusal(folder, sources_of(config), config.keep)
        other = _made_otherwise(folder)
        if other or (refused is not None and if_stale not in refused.remedies):
            outcome.failed[config.id] = other or (refused.text if refused else "")
        elif refused is not None and if_stale == "remake":
            queue.append(config)
        elif folder.status == "done":
            outcome.skipped.append(config.id)
            found = state_of(folder)
            if not found.verified:
                outcome.unverified[config.id] = found.reason
        elif folder.status == "failed" and not retry_failed:
            outcome.failed[config.id] = folder.failure
        else:
            queue.append(config)
    return outcome, queue


def _made_otherwise(folder: RunFolder) -> str:
    """Return what is said of another run under this id, which is left as it is, if there is one."""
    try:
        folder.require_hooks({})
    except DamageError:
        return ""  # `refusal` says so of a finished run; any other starts anew
    except ValueError as error:
        return str(error)
    return ""


def relabel_kept(configs: Sequence[RunConfig], store: Path, outcome: Outcome) -> list[str]:
    """Give runs that are kept the labels of `configs`; return those that had others."""
    changed = []
    for config in configs:
        if config.id in {*outcome.skipped, *outcome.failed}:
            with suppress(DamageError):
                if RunFolder(store, config.id).relabel(config.label):
                    changed.append(config.id)
    return changed
