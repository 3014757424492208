"""Which runs can train clients of a round side by side."""

from typing import Any

from fedbytes.federated.algorithm import Algorithm
from fedbytes.federated.plugins.round_plugins import RoundPlugins
from fedbytes.federated.trainable import Stackable


def why_one_at_a_time(algorithm: Algorithm, plugins: RoundPlugins) -> str:
    """Return why a run's clients must train one after another, whatever its model; or nothing."""
    if algorithm.one_at_a_time:
        return algorithm.one_at_a_time
    changing = [one.name for one in plugins.defense if "loss" in one.stages]
    if changing:
        return f"defense {changing[0]!r} has clients minimise another loss than the model's"
    if plugins.scored_by_batches:
        return (
            f"audit {plugins.scored_by_batches!r} is scored by the batches that each client reads, "
            "which are noted of one client after another"
        )
    if plugins.noise_on_gradients:
        return f"privacy {plugins.noise_on_gradients!r} takes the gradient of each text by itself"
    return ""


def why_model_one_at_a_time(model: Any) -> str:
    """Return why a model takes one client's vector at a time, or nothing."""
    if isinstance(model, Stackable):
        return model.one_at_a_time
    return f"a {type(model).__name__} has no `side_by_side`"


def refuse_side_by_side(clients_at_once: int, reason: str) -> str | None:
    """Return what is said of a run that cannot train so many at once; None where it can."""
    if clients_at_once == 1 or not reason:
        return None
    return f"clients_at_once={clients_at_once}: {reason}: set clients_at_once=1"
