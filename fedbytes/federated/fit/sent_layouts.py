"""What clients hold, train and send in a run to come, and the plug-ins that cannot act on it."""

from collections.abc import Callable
from dataclasses import dataclass

from fedbytes.arrays import Int64s
from fedbytes.compression.layout import Layout
from fedbytes.federated.algorithm import Algorithm
from fedbytes.federated.context import RoundContext
from fedbytes.federated.plugins.attack import Attack
from fedbytes.federated.plugins.defense import Defense
from fedbytes.federated.plugins.round_plugins import RoundPlugins
from fedbytes.federated.trainable import Trainable


@dataclass(frozen=True)
class SentLayouts:
    """The layouts of what clients hold, train and send, as both ends know them before a run.

    Attributes:
        algorithm: of the run.
        model: that clients train.
        holders: the clients that hold examples, ascending.
        context: returns the server's context of a round.
    """

    algorithm: Algorithm
    model: Trainable
    holders: Int64s
    context: Callable[[int], RoundContext]

    @property
    def held(self) -> Layout:
        """What clients are kept in step with."""
        return self.algorithm.synced_layout(self.model)

    def up(self, round_: int) -> Layout:
        """Return the layout of the first client's delta in a round."""
        return self.algorithm.up(self.context(round_).for_client(int(self.holders[0])))

    @property
    def in_first_rounds(self) -> set[Layout]:
        """The layouts of deltas of the first round and of the second."""
        return {self.up(1), self.up(2)}

    @property
    def of_all_clients(self) -> set[Layout]:
        """The layouts of all clients' deltas in the first round."""
        context = self.context(1)
        return {self.algorithm.up(context.for_client(int(client))) for client in self.holders}

    @property
    def are_of_what_is_held(self) -> bool:
        """Whether clients train from what is held, and send how all of it changed."""
        return (
            self.algorithm.downloads == "updates"
            and not self.algorithm.takes_image
            and self.in_first_rounds == {self.held}
            and set(self.held.names) <= set(self.model.layout.names)
        )


def refuse_mixed_layouts(plugins: RoundPlugins, sent: SentLayouts) -> str | None:
    """Return which plug-in needs deltas of one layout, where clients' own differ, or None."""
    acting: tuple[Attack | Defense, ...] = (*plugins.attack, *plugins.defense)
    needing = [p for p in acting if p.one_layout and p.stages & {"act", "uploads"}]
    if not needing or len(sent.of_all_clients) == 1:
        return None
    kind = "attack" if needing[0] in plugins.attack else "defense"
    return (
        f"{kind} {needing[0].name!r} needs deltas of one layout, and clients of algorithm "
        f"{sent.algorithm.name!r} send several: give all clients the same, or take another "
        f"{kind} or algorithm"
    )


def refuse_hostile_training(plugins: RoundPlugins, sent: SentLayouts) -> str | None:
    """Return which attack is on training, where what is held or sent is not trained, or None."""
    training = [one for one in plugins.attack if one.stages & {"loss", "constraint"}]
    if not training or {sent.held} | sent.in_first_rounds == {sent.model.layout}:
        return None
    return (
        f"attack {training[0].name!r} acts on the {sent.model.layout.numel} trained "
        f"numbers, and algorithm {sent.algorithm.name!r} holds or sends others: take "
        "another attack or algorithm"
    )
