"""How far a run's attacks get, and for how long after they end."""

from collections.abc import Sequence
from dataclasses import replace

from fedbytes.data import EncodedSplit, EncodedTask
from fedbytes.federated.plugins.attack import Attack
from fedbytes.federated.plugins.attack_probe import AttackProbe
from fedbytes.models import TrainableModel

SUCCESS, CHANCE, HALF_LIFE = "attack_success", "attack_chance", "attack_half_life"
"""Columns: the share of test examples of which attackers get what they want, the same without
what triggers it, and after how many rounds without attack the first has halved."""


def attack_probes(attacks: Sequence[Attack], task: EncodedTask) -> list[AttackProbe]:
    """Return what shows whether the attacks work, of those that have something to show.

    Raises:
        ValueError: if the task has no example to show it on.
    """
    found = []
    for place, attack in enumerate(attacks):
        probe = attack.probe(task)
        if probe is not None:
            wanted = _named(probe.wanted, place)
            plain = None if probe.unchanged is None else _named(probe.unchanged, place)
            found.append(replace(probe, wanted=wanted, unchanged=plain))
    return found


def measure_attacks(model: TrainableModel, probes: Sequence[AttackProbe]) -> dict[str, float]:
    """Return `attack_success` and `attack_chance` of what the model holds.

    Those of a second attack that has something to show end in `_2`, and so on.
    """
    found: dict[str, float] = {}
    for number, probe in enumerate(probes, 1):
        suffix = "" if number == 1 else f"_{number}"
        found[SUCCESS + suffix] = model.share_right(probe.wanted)
        if probe.unchanged is not None:
            found[CHANCE + suffix] = model.share_right(probe.unchanged)
        elif probe.chance is not None:
            found[CHANCE + suffix] = probe.chance
    return found


def half_life(rounds: Sequence[int], success: Sequence[float], until: int) -> float | None:
    """Return after how many rounds without attack its success is half of what it was.

    It is reckoned from the last evaluated round of the attack, and between two evaluated rounds on
    the straight line. Of 0.9, 0.7 and 0.2 in rounds 10, 11 and 12 with `until` 10 it is 1.5.

    Args:
        rounds: that were evaluated, ascending.
        success: in each of them.
        until: the last round of the attack.

    Returns:
        the rounds; None if it did not halve, or there was nothing to halve.
    """
    pairs = list(zip(rounds, success, strict=True))
    start = next(((r, s) for r, s in reversed(pairs) if r <= until), None)
    if start is None or not start[1] > 0:
        return None
    half, before = start[1] / 2, start
    for round_, value in ((r, s) for r, s in pairs if r > until):
        if value <= half:
            part = (before[1] - half) / (before[1] - value)
            return before[0] + part * (round_ - before[0]) - start[0]
        before = round_, value
    return None


def last_attacked_round(attacks: Sequence[Attack]) -> int | None:
    """Return the last round in which any attack acts; None if one goes on to the end."""
    ends = [attack.until_round for attack in attacks]
    known = [end for end in ends if end is not None]
    return max(known) if known and len(known) == len(ends) else None


def _named(split: EncodedSplit, place: int) -> EncodedSplit:
    return replace(split, name=f"attack {place} {split.name}")
