"""The contract of every audit, as checks that also run on plug-ins of your own."""

import json

import torch

from fedbytes.federated.plugins.audit import AUDITS, Audit
from fedbytes.federated.plugins.round_plugins import RoundPlugins
from fedbytes.federated.testing.plugin_bench import ROUNDS, check_checkpoint, federation
from fedbytes.federated.testing.strict_client import Rehearsal
from fedbytes.testing import Check, Finding, check_spec, no_global_random, require, run_checks

_LINKS = ("fp32", {"name": "topk", "density": 0.2, "error_feedback": True})


def check_audit(audit: Audit) -> list[Finding]:
    """Run every contract check over an audit, in a federation of ten clients."""
    plugins = RoundPlugins(audit=(audit,))
    checks: list[Check] = [
        ("its spec rebuilds it", lambda: check_spec(AUDITS, audit)),
        ("changes neither model nor bytes", lambda: _check_untouched(plugins)),
        ("finds the same in the same run", lambda: _check_rows(plugins)),
        ("resumes from a checkpoint", lambda: check_checkpoint(plugins)),
    ]
    return run_checks(checks)


def _check_untouched(plugins: RoundPlugins) -> str:
    for link in _LINKS:
        pair = (RoundPlugins(), plugins)
        plain, audited = (Rehearsal(federation(one, link, like=plugins)) for one in pair)
        for _ in range(ROUNDS):
            plain.go(1)
            with no_global_random():
                audited.go(1).audit()
        require(torch.equal(plain.state.model, audited.state.model), "the model is another one")
        require(plain.crossed == audited.crossed, "other bytes cross")
    return f"{ROUNDS} rounds over {len(_LINKS)} links"


def _check_rows(plugins: RoundPlugins) -> str:
    found = []
    for _ in range(2):
        run = Rehearsal(federation(plugins))
        found.append([json.dumps(row) for _ in range(2) for row in run.go(1).audit()])
    require(found[0] == found[1], "a second time it finds something else")
    require(bool(found[0]), "it finds nothing in two rounds")
    return f"{len(found[0])} rows in 2 rounds"
