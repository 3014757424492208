"""What a sweep on an engine settles before its workers start, so that they ask nothing."""

from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.engines.launcher import SweepRequest
from fedbytes.experiments.execution.reuse import settle
from fedbytes.experiments.execution.run_sources import sources_of
from fedbytes.experiments.execution.sweep_plan import Outcome, plan, relabel_kept
from fedbytes.experiments.store.attempts.held_run import held_run
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.tries import LIMIT, forget_tries, tries
from fedbytes.process.leases.lease import NotOursError


def prepare(asked: SweepRequest) -> tuple[Outcome, list[RunConfig]]:
    """Return what a sweep leaves as it is, and the runs that it will make.

    Stale runs are cleared or accepted as asked, and failures forgotten that are to be retried: a
    worker makes what its plan says.
    """
    outcome, queue = plan(
        asked.configs, asked.store, retry_failed=asked.retry_failed, if_stale=asked.if_stale
    )
    waiting = {config.id for config in queue}
    for config in asked.configs:
        folder = RunFolder(asked.store, config.id)
        if folder.is_begun and asked.if_stale != "refuse" and config.id not in outcome.failed:
            _settle(asked, config)
        if config.id in waiting and asked.retry_failed:
            forget_failure(folder)
    outcome.relabelled = relabel_kept(asked.configs, asked.store, outcome)
    return outcome, queue


def _settle(asked: SweepRequest, config: RunConfig) -> None:
    """Settle a run that is stale, unless somebody is making it just now."""
    try:
        with held_run(asked.store / config.id, if_held="leave") as (_, folder):
            settle(folder, sources_of(config), asked.if_stale, config.keep)
    except NotOursError:
        return


def forget_failure(folder: RunFolder) -> None:
    """Have a run tried again that failed, or whose process died too often."""
    if folder.status == "failed" or tries(folder) >= LIMIT:
        (folder.path / "error.json").unlink(missing_ok=True)
        forget_tries(folder)
