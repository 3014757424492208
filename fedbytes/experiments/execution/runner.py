"""One run, from its configuration to its folder in the store."""

import warnings
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.execution.events import Event, Listener, Noticed
from fedbytes.experiments.execution.reuse import IfStale, settle
from fedbytes.experiments.execution.run_sources import sources_of
from fedbytes.experiments.execution.single_run.run_in_progress import RunInProgress
from fedbytes.experiments.execution.workers.client_workers import ClientWorkers
from fedbytes.experiments.execution.workers.stopped_runs import RunStoppedError as RunStoppedError
from fedbytes.experiments.execution.workers.stopped_runs import failure_told
from fedbytes.experiments.store.attempts.held_run import IfRunHeld, held_run
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.tries import counted_try
from fedbytes.federated.hooks import Hooks
from fedbytes.process.leases.lease_files import LEASE_SECONDS, LeaseRecord


def _warn(event: Event) -> None:
    """Pass on what the user should know of; the other events are for those who listen."""
    if isinstance(event, Noticed):
        warnings.warn(event.message, UserWarning, stacklevel=2)


def run(
    config: RunConfig,
    store: str | Path,
    *,
    hooks: Hooks | None = None,
    deliver: Callable[[bytes], bytes] = bytes,
    on_event: Listener = _warn,
    tell: Listener | None = None,
    if_stale: IfStale = "refuse",
    retry_failed: bool = False,
    lease_seconds: float = LEASE_SECONDS,
    if_held: IfRunHeld = "queue",
    stop: Callable[[], bool] = bool,
    on_failure: Callable[[RunFolder, Exception], None] | None = None,
) -> RunFolder:
    """Make a run in `store`, or resume one that was interrupted; a finished one is left alone.

    A run that resumes from its checkpoint ends as it would have ended undisturbed, bit for bit,
    on the same machine: it keeps the number of threads that it began with. One whose checkpoint is
    damaged starts anew and says so.

    The run is held by a lease, so that one process at a time makes it, on whichever hosts share the
    store. A holder that has ended on this host is replaced at once, one on another host after
    `lease_seconds` of silence; what it writes when it wakes up is not read.

    What a run reads has digests in its provenance. Where they are others than today, the run is
    stale: neither its numbers nor its checkpoint are what the configuration would give.

    Args:
        config: from `make_config`.
        store: the folder that holds the runs.
        hooks: code at the round's two hook points; its names go into the provenance, and are no
            part of the run's id.
        deliver: the medium that bytes cross (see `Channel`).
        on_event: called with `Preparing`, `Advanced` and `Noticed` events.
        tell: the former name of `on_event`; it goes with the next release.
        if_stale: `refuse` a run that is stale, `remake` it (a damaged one too), or `accept` it,
            which its provenance then says.
        retry_failed: also make a run that has died three times without finishing a round.
        lease_seconds: of silence after which others may take this run over.
        if_held: what to do while another process makes the run: `queue` behind those of this host,
            and `watch` others; `watch` all; or `leave` it alone at once.
        stop: asked after each round, and while waiting for another process, whether to stop.
        on_failure: called with the run's folder and what is about to be raised, if that is the
            run's fault, while nobody else can be making the run: to put it down.

    Raises:
        ValueError: for anything that makes the run impossible, such as a folder that other hooks
            made, a hook without a name, or a run that is stale.
        HeldError: a ValueError, if another process is making the run.
        LostLeaseError: a ValueError, if another process took the run over meanwhile.
        RunStoppedError: if `stop` said so; the same call goes on.
        DiskError: if the disk is full; the run goes on when there is room.
    """
    hooks = hooks or Hooks()
    names = hooks.names  # before anything is written: some have none
    sources, listener = sources_of(config, hooks), tell or on_event

    def stop_waiting() -> None:
        if stop():
            raise RunStoppedError("stopped before it was this process's turn")

    def wait(lease: LeaseRecord, silent: float) -> None:
        if silent == 0:
            listener(Noticed(_waiting_for(lease, config.id)))
        stop_waiting()

    root = Path(store) / config.id
    with (
        held_run(
            root, seconds=lease_seconds, if_held=if_held, on_wait=wait, in_queue=stop_waiting
        ) as (lease, folder),
        failure_told(lease, folder, on_failure),
    ):
        settle(folder, sources, if_stale, config.keep)
        folder.require_hooks(names)
        folder.create(config.model_dump(mode="json", exclude={"declared"}))
        if folder.status != "done":
            with ExitStack() as ending:
                ending.enter_context(counted_try(folder, retry_failed))
                several = config.workers_per_run > 1
                workers = ending.enter_context(ClientWorkers(config)) if several else None
                RunInProgress(
                    config,
                    folder,
                    hooks,
                    sources,
                    deliver=deliver,
                    on_event=listener,
                    workers=workers,
                    is_ours=lease.check,
                    stop=stop,
                ).finish()
    return folder


def _waiting_for(lease: LeaseRecord, run_id: str) -> str:
    return (
        f"run {run_id} is held by {lease.holder}: it is taken over after {lease.seconds:g} s of "
        "silence"
    )
