"""What privacy mechanisms, and how clients are drawn, cannot be joined with."""

from fedbytes.federated.aggregation import Aggregation
from fedbytes.federated.algorithm import Algorithm
from fedbytes.federated.plugins.round_plugins import RoundPlugins
from fedbytes.federated.protocol.link import NO_MEMORY, Link
from fedbytes.privacy.participation import Participation


def why_not_private(
    plugins: RoundPlugins,
    algorithm: Algorithm,
    uplink: Link,
    aggregation: Aggregation,
    participation: Participation,
) -> str | None:
    """Return in one line why a run's privacy or sampling does not fit the rest, or None."""
    refusal = _of_sampling(plugins, participation)
    if refusal or not plugins.hides_examples:
        return refusal
    return (
        next((why for one in plugins.privacy if (why := one.refuses(participation))), None)
        or _of_several(plugins)
        or _of_summed_examples(plugins, aggregation)
        or _of_weights(plugins, algorithm, aggregation)
        or _of_sum(plugins, algorithm, uplink, aggregation)
        or _of_memory(plugins, algorithm, uplink, participation)
    )


def _of_sampling(plugins: RoundPlugins, participation: Participation) -> str | None:
    """Return why clients cannot come by coins of their own."""
    if participation.sampling == "fixed":
        return None
    for defense in plugins.defense:
        if "uploads" in defense.stages and defense.needs_each:
            return (
                f"defense {defense.name!r} is made for a number of clients a round, which "
                "sampling=poisson leaves to chance: set sampling=fixed"
            )
    return None


def _of_several(plugins: RoundPlugins) -> str | None:
    names = [one.name for one in plugins.privacy if one.hides_examples]
    if len(names) < 2:
        return None
    return (
        f"privacy {' and '.join(map(repr, names))} each account for themselves alone, and "
        "together they cost more than either says: leave in one"
    )


def _of_summed_examples(plugins: RoundPlugins, aggregation: Aggregation) -> str | None:
    """Return why a sum that nobody sees single parts of tells what the noise does not cover."""
    hiding = next(one for one in plugins.privacy if one.hides_examples)
    if not aggregation.sums_examples or hiding.noisy_sum(1) is not None:
        return None
    of_clients = ", or set where=distributed, whose noise secagg carries"
    carrying = (f"{one.name!r}" for one in plugins.privacy if one.carrier is not None)
    summing = next(carrying, f"aggregation {aggregation.name!r}")
    return (
        f"privacy {hiding.name!r} protects each message by itself, and {summing} sums them, "
        "with examples and losses that no noise covers: leave it out"
        f"{'' if plugins.noise_on_gradients else of_clients}"
    )


def _of_weights(
    plugins: RoundPlugins, algorithm: Algorithm, aggregation: Aggregation
) -> str | None:
    """Return why clients cannot count alike, and say nothing of their examples."""
    name = next(one.name for one in plugins.privacy if one.hides_examples)
    hides = f"privacy {name!r} has clients count alike, as their number of examples is private"
    if getattr(aggregation, "weights", "uniform") == "examples":
        return (
            f"{hides}, and aggregation {aggregation.name!r} weighs them by it: set "
            "aggregation.weights=uniform"
        )
    if algorithm.needs_weights:
        return (
            f"{hides}, and algorithm {algorithm.name!r} weighs them by it: set "
            "algorithm.weights=clients"
        )
    return None


def _of_sum(
    plugins: RoundPlugins, algorithm: Algorithm, uplink: Link, aggregation: Aggregation
) -> str | None:
    """Return why the server cannot clip each client, or the algorithm not go on with one mean."""
    if not plugins.releases_sum:
        return None
    name = next(one.name for one in plugins.privacy if one.releases_sum)
    if not aggregation.opens_each:
        return (
            f"privacy {name!r} clips each message that the server decodes, of which aggregation "
            f"{aggregation.name!r} shows the sum alone: {aggregation.to_open_each}"
        )
    if algorithm.needs_each and not algorithm.needs_votes:
        return (
            f"privacy {name!r} gives the server one noisy mean, and algorithm {algorithm.name!r} "
            "needs each client's upload: take one that averages, such as fedavg, or where=local"
        )
    if uplink.averages_all:
        return (
            f"privacy {name!r} bounds what a client adds to its own round, and "
            "uplink.error_feedback=ef21-pp adds it to later ones as well: set ef21"
        )
    return None


def _of_memory(
    plugins: RoundPlugins, algorithm: Algorithm, uplink: Link, participation: Participation
) -> str | None:
    """Return why what clients keep between rounds voids the amplification by sampling.

    Coins of their own are independent of what others keep. A fixed number is not: who takes part
    in the place of a client remembers it.
    """
    partial = participation.expected < participation.clients
    if plugins.noise_on_gradients:  # whose account has nothing of how clients are drawn
        return None
    if participation.sampling == "poisson" or not partial:
        return None
    keeps = uplink.memory != NO_MEMORY and "the uplink's error feedback or momentum does"
    if algorithm.needs_votes or algorithm.has_own_models:
        keeps = f"algorithm {algorithm.name!r} does"
    if not keeps:
        return None
    name = next(one.name for one in plugins.privacy if one.hides_examples)
    return (
        f"privacy {name!r} accounts for {participation.expected} of {participation.clients} "
        f"clients a round as if none of them remembered earlier rounds, and {keeps}: set "
        "sampling=poisson, or clients_per_round to all"
    )
