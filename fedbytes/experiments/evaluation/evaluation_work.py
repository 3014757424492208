"""How much a run evaluates in a round, from which its seconds are foretold."""

from collections.abc import Sequence

from fedbytes.arrays import Int64s
from fedbytes.federated.federation import Federation
from fedbytes.federated.plugins.attack_probe import AttackProbe


def count_evaluations(
    fed: Federation,
    examples: int,
    own: Sequence[Int64s],
    probes: Sequence[AttackProbe] = (),
    processes: int = 1,
) -> float:
    """Return what an evaluated round takes, as a multiple of one model on all test examples.

    Without a model that all share, the common examples and attacks are put to every client's.

    Args:
        fed: the run's federation.
        examples: in the common test set.
        own: each client's own test examples; none where clients are not evaluated.
        probes: of attacks.
        processes: among which the common test of a shared model is divided, and nothing else.
    """
    shared = fed.algorithm.shares_model
    models = 1 if shared else len(fed.holders)
    changed = [part for probe in probes for part in (probe.wanted, probe.unchanged) if part]
    rest = sum(map(len, own)) + models * sum(map(len, changed))
    return (models / processes if shared else models) + rest / max(examples, 1)


def count_own_models(fed: Federation, own: Sequence[Int64s]) -> int:
    """Return how often a client's own model is made in an evaluated round, over all clients.

    Args:
        fed: the run's federation.
        own: as for `count_evaluations`.
    """
    if not fed.algorithm.has_own_models:
        return 0
    return (bool(own) + (not fed.algorithm.shares_model)) * len(fed.holders)
