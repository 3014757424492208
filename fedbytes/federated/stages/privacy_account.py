"""What a run's privacy promises, as its rows, its summary and its labels say it."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from fedbytes.federated.federation import Federation
from fedbytes.federated.plugins.stage_context import PluginState
from fedbytes.labels import short_label
from fedbytes.privacy.privacy import Privacy, PrivacySpent

States = Mapping[str, PluginState]
NOTHING_KEPT: States = {}


def epsilon_after(fed: Federation, rounds: int, states: States = NOTHING_KEPT) -> dict[str, float]:
    """Return `epsilon` of a run's first rounds; nothing where nobody promises any.

    Args:
        fed: the federation.
        rounds: how many.
        states: what mechanisms keep on the server (`ServerState.privacy`).
    """
    spent = _spent(fed, rounds, states)
    return {} if spent is None else {"epsilon": spent.epsilon}


def promise(fed: Federation, rounds: int, states: States = NOTHING_KEPT) -> dict[str, Any]:
    """Return `epsilon`, and in `privacy_account` all that it has to be told with."""
    spent = _spent(fed, rounds, states)
    if spent is None:
        return {}
    told = {key: value for key, value in asdict(spent).items() if value is not None}
    rate = told.pop("sampling_rate", fed.participation.rate)
    return {"epsilon": told.pop("epsilon"), "privacy_account": {**told, "sampling_rate": rate}}


def privacy_label(fed: Federation) -> dict[str, str]:
    """Return the name of a run's privacy with its whole promise, nothing if it has none.

    An epsilon says nothing without delta, the unit, the neighbours and the accountant.
    """
    if not fed.privacy:
        return {}
    pairs = zip(fed.plugins.privacy, fed.privacy, strict=True)
    return {"privacy": " + ".join(_label(fed, *pair) for pair in pairs)}


def _label(fed: Federation, asked: Privacy, settled: Privacy) -> str:
    spent = settled.spent(fed.rounds, {}) if fed.rounds else None
    if spent is None:
        return short_label(asked)
    return (
        f"{settled.name} {settled.kind} ε={spent.epsilon:.3g} δ={spent.delta:g} per {spent.unit}, "
        f"{spent.relation}, {spent.accountant}"
    )


def _spent(fed: Federation, rounds: int, states: States) -> PrivacySpent | None:
    for place, mechanism in enumerate(fed.privacy):
        spent = mechanism.spent(rounds, states.get(f"privacy {place} {mechanism.name}", {}))
        if spent is not None:
            return spent
    return None


def privacy_note(fed: Federation) -> str | None:
    """Return in one line how strong the noise is beside what a client can send, if there is any."""
    them = fed.participation
    for mechanism in fed.privacy:
        ratio = mechanism.noise_ratio
        if ratio is not None:
            mean, of = "a round's mean", f"{them.expected} clients a round"
            advice = "; little is learned: train fewer numbers, or take more clients"
            if mechanism.gradient_noise is not None and them.sampled is not None:
                mean, of = "a step's mean gradient", f"{them.sampled.batch_size} texts a step"
                advice = "; a step alone learns little: train fewer numbers, or raise batch_size"
            return (
                f"privacy {mechanism.name!r}: the noise in {mean} is {ratio:.3g} times as "
                f"long as the clip ({them.numel} numbers, {of})"
                f"{advice if ratio > 1 else ''}"
            )
    return None
