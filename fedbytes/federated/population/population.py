"""The clients of a federation, counted once: who holds examples, who is drawn, who is hostile."""

from collections.abc import Sequence
from functools import cached_property, lru_cache

import numpy as np

from fedbytes.arrays import Int64s
from fedbytes.federated.plugins.attack import Attack
from fedbytes.privacy.participation import Sampling
from fedbytes.streams import stream

_KEPT_DRAWS = 1 << 20
"""Clients of drawn rounds that are kept, so that a full round of many clients is kept once."""


class Population:
    """What follows from the clients' parts alone, so that no round has to go over all of them.

    Args:
        parts: the training examples of each client.
        clients_per_round: how many take part in a round, or do on average.
        sampling: `fixed`, so many of them, or `poisson`, each by a coin of its own.
        seed: the run's.
        attacks: the run's.

    Attributes:
        sizes: how many examples each client holds, int64 [clients].
        holders: the clients that hold some, ascending int64.
        num_examples: how many all hold together.
        kept: what others count from the same parts once, by name.
    """

    def __init__(
        self,
        parts: Sequence[np.ndarray],
        clients_per_round: int,
        sampling: Sampling,
        seed: int,
        attacks: Sequence[Attack] = (),
    ) -> None:
        self.sizes = sizes_of(parts)
        self.holders: Int64s = np.flatnonzero(self.sizes)
        self.num_examples = int(self.sizes.sum())
        self._clients_per_round, self._sampling = clients_per_round, sampling
        self._seed, self._attacks = seed, attacks
        self.kept: dict[str, np.ndarray] = {}
        self._most_turns = [0]
        kept = min(256, max(4, _KEPT_DRAWS // max(clients_per_round, 1)))
        self.drawn = lru_cache(maxsize=kept)(self._draw)
        """Returns a round's clients, sorted, none without data: so many, uniformly without
        replacement, or each by its own coin."""

    def _draw(self, round_: int) -> tuple[int, ...]:
        rng = stream(self._seed, "clients", round_)
        if self._sampling == "poisson":
            rate = self._clients_per_round / len(self.holders)
            by_coin: list[int] = self.holders[rng.random(len(self.holders)) < rate].tolist()
            return tuple(by_coin)
        chosen = rng.choice(self.holders, self._clients_per_round, replace=False)
        return tuple(sorted(chosen.tolist()))

    def most_turns(self, rounds: int) -> int:
        """Return the most rounds that one client takes part in, of the first so many."""
        for round_ in range(len(self._most_turns), rounds + 1):
            drawn = list(self.drawn(round_))
            self._turns[drawn] += 1
            more = int(self._turns[drawn].max(initial=0))
            self._most_turns.append(max(self._most_turns[-1], more))
        return self._most_turns[rounds]

    @cached_property
    def _turns(self) -> Int64s:
        """How often each client was drawn in the rounds that are counted."""
        return np.zeros(len(self.sizes), np.int64)

    @cached_property
    def hostile(self) -> tuple[tuple[int, ...], ...]:
        """The hostile clients of each attack, sorted, in the attacks' order."""
        return tuple(_draw_hostile(one, self.holders, self._seed) for one in self._attacks)

    @cached_property
    def hostile_sets(self) -> tuple[frozenset[int], ...]:
        """The same to look up in."""
        return tuple(map(frozenset, self.hostile))


def sizes_of(parts: Sequence[np.ndarray]) -> Int64s:
    """Return how many examples each client holds, int64 [clients]."""
    return np.fromiter(map(len, parts), dtype=np.int64, count=len(parts))


def draw_attackers(attack: Attack, parts: Sequence[np.ndarray], seed: int) -> tuple[int, ...]:
    """Return who attacks, sorted: clients that hold examples, in an order that the seed draws.

    Raises:
        ValueError: if the attack's share is none of them, or all.
    """
    return _draw_hostile(attack, np.flatnonzero(sizes_of(parts)), seed)


def _draw_hostile(attack: Attack, holders: Int64s, seed: int) -> tuple[int, ...]:
    order = stream(seed, "attack").permutation(holders)
    return tuple(sorted(order[: attack.count(len(holders))].tolist()))
