"""The contract of every cleaner, as checks that also run on plug-ins of your own."""

import numpy as np

from fedbytes.federated.plugins.cleaner import CLEANERS, Cleaner
from fedbytes.federated.plugins.round_plugins import RoundPlugins
from fedbytes.federated.testing.plugin_bench import (
    check_checkpoint,
    check_pure,
    federation,
    stage_context,
)
from fedbytes.federated.testing.strict_client import Rehearsal
from fedbytes.testing import Check, Finding, check_spec, require, run_checks


def check_cleaner(cleaner: Cleaner) -> list[Finding]:
    """Run every contract check over a cleaner, in a federation of ten clients."""
    plugins = RoundPlugins(clean=(cleaner,))
    checks: list[Check] = [
        ("its spec rebuilds it", lambda: check_spec(CLEANERS, cleaner)),
        ("keeps some of the client's examples", lambda: _check_kept(cleaner, plugins)),
        ("what it drops is counted", lambda: _check_counted(plugins)),
        ("resumes from a checkpoint", lambda: check_checkpoint(plugins)),
    ]
    return run_checks(checks)


def _check_kept(cleaner: Cleaner, plugins: RoundPlugins) -> str:
    context = stage_context("clean 0 check", client=0, plugins=plugins)
    context.model.set_state(context.held)
    indices = federation(plugins).parts[0]
    kept, _ = check_pure(cleaner.clean, indices, context, {})
    require(isinstance(kept, np.ndarray) and kept.dtype == np.int64, "it gives no int64 array")
    require(len(kept) > 0, "it leaves no example")
    require(len(np.unique(kept)) == len(kept), "it gives an example twice")
    require(bool(np.isin(kept, indices).all()), "it gives examples that are not the client's")
    return f"{len(kept)} of {len(indices)}"


def _check_counted(plugins: RoundPlugins) -> str:
    run = Rehearsal(federation(plugins)).go(2)
    said = run.server.examples
    for client, state in run.state.clients.items():
        whole = len(run.fed.parts[client])
        require(said[client] == whole - state.dropped, f"client {client} says {said[client]}")
    dropped = sum(state.dropped for state in run.state.clients.values())
    return f"{dropped} dropped in round 2"
