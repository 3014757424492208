"""Privacy mechanisms that decide what the server can open: the aggregation that they ask for."""

from collections.abc import Sequence

from fedbytes.compression.codec import Codec
from fedbytes.compression.summable import Summable
from fedbytes.federated.aggregation import Aggregation, DecodeEach, make_aggregation
from fedbytes.federated.algorithm import Algorithm
from fedbytes.federated.plugins.defense import Defense
from fedbytes.federated.protocol.integer_sums import IntegerSums
from fedbytes.federated.protocol.link import NO_MEMORY, Link
from fedbytes.privacy import Privacy


def carried_by(aggregation: Aggregation, privacy: Sequence[Privacy]) -> Aggregation:
    """Return the aggregation that a run's privacy mechanisms ask for, or else the one given.

    Raises:
        ValueError: if several ask for one, or the one given is neither the usual one nor theirs.
    """
    asking = [mechanism for mechanism in privacy if mechanism.carrier is not None]
    if not asking:
        return aggregation
    if len(asking) > 1:
        names = " and ".join(repr(mechanism.name) for mechanism in asking)
        raise ValueError(f"privacy {names} both decide what the server opens: leave in one")
    made = make_aggregation(asking[0].carrier or {})
    if aggregation not in (DecodeEach(), made):
        raise ValueError(
            f"privacy {asking[0].name!r} decides what the server opens, and aggregation "
            f"{aggregation.name!r} as well: leave aggregation out"
        )
    return made


def integer_sums(codec: Codec, clients: int, privacy: Sequence[Privacy]) -> IntegerSums:
    """Return how the messages of a round's clients become integers that add."""
    made = (mechanism.noisy_sum(clients) for mechanism in privacy)
    return IntegerSums(codec, clients, next((noisy for noisy in made if noisy is not None), None))


def refuse_aggregation(
    aggregation: Aggregation, uplink: Link, clients: int, privacy: Sequence[Privacy]
) -> str | None:
    """Return why an aggregation cannot work with the rest of a run, or None.

    Args:
        aggregation: as `carried_by` returns it.
        uplink: from clients to the server.
        clients: of a round.
        privacy: the run's mechanisms.
    """
    adding = [one.name for one in privacy if one.noisy_sum(clients) is not None]
    reason = _refuse_noise(adding, aggregation, uplink) if adding else aggregation.refuses(uplink)
    return reason or aggregation.refuses_sums(integer_sums(uplink.codec, clients, privacy))


def refuse_lost_weights(aggregation: Aggregation, algorithm: Algorithm, uplink: Link) -> str | None:
    """Return why weights, which are put into vectors before they are rounded, get lost, or None."""
    codec = uplink.codec
    lost = isinstance(codec, Summable) and codec.summable and not codec.keeps_lengths
    weighs = getattr(aggregation, "weights", "uniform") != "uniform"
    if aggregation.opens_each or not lost or not weighs or algorithm.takes_signs:
        return None
    return (
        f"aggregation {aggregation.name!r} multiplies what clients send by weights, and of that "
        f"uplink codec {codec.name!r} keeps the signs: set its weights=uniform (those of privacy "
        "where that asks for it), or algorithm.name=majority_vote"
    )


def refuse_clients_opening(
    aggregation: Aggregation,
    algorithm: Algorithm,
    downlink: Link,
    partial: bool,
    defenses: Sequence[Defense] = (),
) -> str | None:
    """Return why clients cannot do what the server would where they alone open the sum, or None.

    Args:
        aggregation: as `carried_by` returns it.
        algorithm: of the run.
        downlink: from the server to clients.
        partial: whether a round has fewer clients than there are.
        defenses: of the run.
    """
    if not aggregation.clients_open:
        return None
    if not algorithm.moves_by_mean or algorithm.downloads != "updates":
        return (
            "privacy 'he' leaves the server nothing to read, and algorithm "
            f"{algorithm.name!r} has it do more than average: take one whose update is the mean, "
            "such as fedavg with server_optimizer=sgd and server_learning_rate=1"
        )
    if partial:
        return (
            "privacy 'he' leaves the server no update to bring up to date who missed a round: set "
            "clients_per_round to all clients"
        )
    changing = [defense.name for defense in defenses if "uploads" in defense.stages]
    if changing:
        return (
            "privacy 'he' has clients move by the mean that they open, which defense "
            f"{changing[0]!r} on the server cannot change: leave out one of the two"
        )
    if downlink.codec.name != "fp32" or downlink.memory != NO_MEMORY:
        return (
            "privacy 'he' sends an encrypted sum down, of which downlink codec "
            f"{downlink.codec.name!r} can code nothing: leave downlink out"
        )
    return None


def _refuse_noise(names: Sequence[str], aggregation: Aggregation, uplink: Link) -> str | None:
    """Return why noise of a sum cannot be had with the rest of a run, or None."""
    if len(names) > 1:
        return f"privacy {' and '.join(map(repr, names))} both add the noise of a sum: leave in one"
    reason = aggregation.refuses_noise()
    if reason is not None:
        return f"privacy {names[0]!r} {reason}"
    if uplink.codec.name != "fp32" or uplink.memory != NO_MEMORY:
        return (
            f"privacy {names[0]!r} makes integers of messages itself, and uplink codec "
            f"{uplink.codec.name!r} or its memory would not act: leave uplink out"
        )
    return None
