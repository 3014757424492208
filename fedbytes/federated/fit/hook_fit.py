"""Which hooks have nothing to act on in a run."""

from fedbytes.federated.aggregation import Aggregation
from fedbytes.federated.algorithm import Algorithm
from fedbytes.federated.hooks import Hooks
from fedbytes.federated.plugins.round_plugins import RoundPlugins


def refuse_hooks(
    hooks: Hooks, plugins: RoundPlugins, aggregation: Aggregation, algorithm: Algorithm
) -> str | None:
    """Return why a hook does not see what it acts on, or None."""
    if hooks.before_aggregate and plugins.releases_sum:
        return (
            "a defence sees each client's upload, in the place of which privacy "
            f"{plugins.privacy[0].name!r} gives it one noisy mean: leave out one "
            "of the two"
        )
    if hooks.before_aggregate and not aggregation.opens_each:
        return (
            "a defence sees each client's upload, of which aggregation "
            f"{aggregation.name!r} shows the sum alone: {aggregation.to_open_each}"
        )
    if algorithm.travels != "vectors" and hooks.names:
        return (
            f"algorithm {algorithm.name!r} sends no updates for hooks to act on: leave "
            "them out, or take another algorithm"
        )
    return None
