"""The contract of every privacy mechanism, as checks that also run on plug-ins of your own."""

import copy

import numpy as np

from fedbytes.federated.plugins.round_plugins import RoundPlugins
from fedbytes.federated.testing.bench_federation import same
from fedbytes.federated.testing.plugin_bench import check_checkpoint, draw_uploads, federation
from fedbytes.privacy import PRIVACY, Privacy
from fedbytes.streams import stream
from fedbytes.testing import (
    Check,
    Finding,
    check_spec,
    no_global_random,
    require,
    require_refusal,
    run_checks,
)


def check_privacy(mechanism: Privacy) -> list[Finding]:
    """Run every contract check over a mechanism, in a federation of ten clients."""
    beside = [PRIVACY.make(name) for name in mechanism.examined_with]
    plugins = RoundPlugins(privacy=(mechanism, *beside))
    checks: list[Check] = [
        ("its spec rebuilds it", lambda: check_spec(PRIVACY, mechanism)),
        ("changes nothing it is given, draws from its own", lambda: _check_protect(plugins)),
        ("is refused where error feedback would undo it", lambda: _check_memory(plugins)),
        ("resumes from a checkpoint", lambda: check_checkpoint(plugins, mechanism.example_uplink)),
    ]
    return run_checks(checks)


def _check_protect(plugins: RoundPlugins) -> str:
    mechanism = federation(plugins, plugins.privacy[0].example_uplink).privacy[0]
    message = draw_uploads("privacy")[0].delta.numpy()
    given, found = message.copy(), []
    for _ in range(2):
        with no_global_random():
            found.append(mechanism.protect(given, stream(0, "check privacy"), {}))
        require(np.array_equal(given, message), "it changes what it is given")
    require(same(*copy.deepcopy(found)), "the same inputs give other outputs the second time")
    made = found[0][0]
    require(made.dtype == np.float32, f"what it returns is {made.dtype}, not float32")
    require(made.shape == message.shape, f"what it returns has shape {made.shape}")
    require(bool(np.isfinite(made).all()), "what it returns is not finite")
    return f"norm {np.linalg.norm(message):.3g} in, {np.linalg.norm(made):.3g} out"


def _check_memory(plugins: RoundPlugins) -> str:
    topk = {"name": "topk", "density": 0.2, "error_feedback": True}
    if not plugins.privacy[0].bounds_what_is_sent:
        return "promises nothing of what is sent"
    require_refusal(lambda: federation(plugins, topk), "error feedback on the uplink")
    return "error feedback"
