"""Whose texts are audited, and which: drawn from the run's seed, the same for all audits."""

from collections.abc import Sequence

import numpy as np

from fedbytes.arrays import Int64s
from fedbytes.federated import StageContext
from fedbytes.streams import stream


def draw_victims(context: StageContext, count: int) -> list[int]:
    """Return so many of the clients that have texts of both kinds, ascending."""
    known = [] if context.truth is None else context.truth.victims
    order = stream(context.seed, "audited clients").permutation(len(known))[:count]
    return sorted(known[place] for place in order)


def draw_texts(context: StageContext, victims: Sequence[int], most: int) -> tuple[Int64s, Int64s]:
    """Return rows that victims train on and rows of theirs that nobody does, victim by victim."""
    drawn = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    if context.truth is None:
        return drawn[0][0], drawn[1][0]
    for victim in victims:
        both = context.truth.own[victim], context.truth.set_aside(victim)
        for place, rows in enumerate(both):
            rng = stream(context.seed, "audited texts", victim, place)
            drawn[place].append(np.sort(rng.permutation(rows)[:most]))
    return np.concatenate(drawn[0]), np.concatenate(drawn[1])
