"""A federation: who trains what, how, over which links, and who takes part when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from torch import Tensor

from fedbytes.compression.layout import Layout, Shared
from fedbytes.federated.algorithm import Algorithm, Pairing
from fedbytes.federated.context import Turn
from fedbytes.federated.hooks import Hooks
from fedbytes.federated.protocol.channel import SERVER
from fedbytes.federated.protocol.link import Link
from fedbytes.federated.state import State
from fedbytes.federated.trainable import Trainable
from fedbytes.streams import stream


@dataclass(frozen=True)
class Federation:
    """What stays the same through a run: who trains what, how, and over which links.

    `parts[c]` are the training examples of client `c`. With `initial="full"` a new client is
    sent the initial state; with `"seed"` it is sent the seed that both ends draw it from.
    `broadcast="unicast"` prices a broadcast once for each client that receives it,
    `"multicast"` once for all.
    """

    model: Trainable
    parts: Sequence[np.ndarray]
    algorithm: Algorithm
    uplink: Link
    downlink: Link
    clients_per_round: int
    seed: int = 0
    initial: Literal["full", "seed"] = "full"
    broadcast: Literal["unicast", "multicast"] = "unicast"
    hooks: Hooks = field(default_factory=Hooks)

    def __post_init__(self) -> None:
        self.algorithm.check(self.model)
        holders = sum(len(part) > 0 for part in self.parts)
        if not 1 <= self.clients_per_round <= holders:
            raise ValueError(
                f"clients_per_round must be between 1 and the {holders} clients that hold "
                f"examples, got {self.clients_per_round}"
            )
        partial = self.clients_per_round < holders
        refusal = self.algorithm.refuses(pairing(self.uplink, self.downlink, partial))
        if refusal:
            raise ValueError(refusal)

    @cached_property
    def layout(self) -> Layout:
        """What clients are kept in step with: by default the tensors that are trained."""
        return self.algorithm.held(self.model)

    def turn(self, round_: int, announced: Mapping[int, int] | None = None) -> Turn:
        """Return the server's turn in a round; `.of(client)` is a client's.

        `announced` are the numbers that clients announced before it.
        """
        return Turn(
            model=self.model,
            seed=self.seed,
            round=round_,
            clients=tuple(sample_clients(self, round_)),
            num_clients=sum(len(part) > 0 for part in self.parts),
            announced=dict(announced or {}),
        )

    def shared(self, round_: int, sender: int, reference: Tensor | None) -> Shared:
        """Return what both ends know of a message with all that is held."""
        return Shared(self.layout, seed=self.seed, round=round_, sender=sender, reference=reference)

    def shared_down(
        self, turn: Turn, reference: Tensor | None, round_: int | None = None
    ) -> Shared:
        """Return what both ends know of the update that `turn`'s round ends with.

        `round_` is the round of the message if it is another one.
        """
        return Shared(
            self.algorithm.down(turn),
            seed=self.seed,
            round=turn.round if round_ is None else round_,
            sender=SERVER,
            reference=self._known(turn, self.algorithm.down(turn), reference),
        )

    def shared_up(self, turn: Turn, reference: Tensor | None) -> Shared:
        """Return what both ends know of the message of the client whose turn it is."""
        return Shared(
            self.algorithm.up(turn),
            seed=self.seed,
            round=turn.round,
            sender=turn.client,
            reference=self._known(turn, self.algorithm.up(turn), reference),
            place=turn.place,
        )

    def _known(self, turn: Turn, layout: Layout, reference: Tensor | None) -> Tensor | None:
        """Return the update before this round as a reference, if it had the same layout."""
        if reference is None or self.algorithm.down(self.turn(turn.round - 1)) != layout:
            return None
        return reference

    def slot(self, sender: int, layout: Layout) -> str:
        """Return where a sender's memory of messages of `layout` is kept."""
        return str(sender) if layout == self.layout else f"{sender} {layout.digest:016x}"


def pairing(uplink: Link, downlink: Link, partial: bool) -> Pairing:
    """Return what decides whether an algorithm can work with these links."""
    return Pairing(
        up_name=uplink.codec.name,
        down_name=downlink.codec.name,
        up_feedback=uplink.memory.feedback != "none",
        down_feedback=downlink.memory.feedback != "none",
        up_momentum=uplink.memory.momentum > 0,
        partial=partial,
        up_differences=uplink.estimates,
    )


def start(fed: Federation) -> State:
    """Return the state before the first round: initial weights drawn, nobody reached."""
    return State(model=fed.algorithm.initial(fed.model, fed.seed), synced=[-1] * len(fed.parts))


def sample_clients(fed: Federation, round_: int) -> list[int]:
    """Return this round's clients, sorted: uniformly without replacement, none without data."""
    holders = np.array([c for c, part in enumerate(fed.parts) if len(part)])
    rng = stream(fed.seed, "clients", round_)
    return sorted(rng.choice(holders, fed.clients_per_round, replace=False).tolist())
