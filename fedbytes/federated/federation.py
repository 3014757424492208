"""A federation: who trains what, how, over which links, and who takes part when."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from torch import Tensor

from fedbytes.compression.layout import Layout, Shared
from fedbytes.compression.summable import Summable
from fedbytes.federated.aggregation import Aggregation, DecodeEach
from fedbytes.federated.algorithm import Algorithm, Compatibility
from fedbytes.federated.context import RoundContext
from fedbytes.federated.hooks import Hooks
from fedbytes.federated.plugins.attack import Attack
from fedbytes.federated.plugins.audit_truth import AuditTruth
from fedbytes.federated.plugins.carriers import (
    carried_by,
    integer_sums,
    refuse_aggregation,
    refuse_clients_opening,
    refuse_lost_weights,
)
from fedbytes.federated.plugins.defense import Defense
from fedbytes.federated.plugins.planted_rows import PlantedRows
from fedbytes.federated.plugins.privacy_fit import why_not_private
from fedbytes.federated.plugins.round_plugins import RoundPlugins
from fedbytes.federated.plugins.stage_context import PluginState
from fedbytes.federated.population.population import Population
from fedbytes.federated.protocol.channel import SERVER
from fedbytes.federated.protocol.integer_sums import IntegerSums
from fedbytes.federated.protocol.link import Link
from fedbytes.federated.side_by_side.fit import (
    refuse_side_by_side,
    why_model_one_at_a_time,
    why_one_at_a_time,
)
from fedbytes.federated.trainable import Trainable
from fedbytes.privacy.participation import Participation, Sampling
from fedbytes.privacy.privacy import Privacy
from fedbytes.streams import stream

TextsOf = Callable[[int], Sequence[tuple[str, ...]]]
"""Returns the examples of a client: text, and label where there is one."""
DECODE_EACH = DecodeEach()
NO_PLUGINS = RoundPlugins()
_EXAMINED = 64
"""First rounds whose messages' lengths are looked at before the run; later ones, in the round."""


@dataclass(frozen=True)
class Federation:
    """The configuration that is constant through a run: who trains what, how, and over which links.

    `parts[c]` are the training examples of client `c`. With `initial="full"` a new client is
    sent the initial state; with `"seed"` it is sent the seed that both ends draw it from.
    `broadcast="unicast"` prices a broadcast once for each client that receives it,
    `"multicast"` once for all. `planted` is what attackers train on instead of their parts.
    `texts` gives a client's training examples as it would send them, for an algorithm by which they
    travel. `server_rows` are training examples that the server has for itself. Another
    `batch_stream` is another order of every client's batches. With `sampling="poisson"` each client
    takes part by a coin of its own, and `clients_per_round` of them do on average. `rounds` is how
    many the run makes, for a mechanism whose promise is of all of them.
    `set_aside` are rows of each client that nobody trains on, for audits to compare with.
    `clients_at_once` clients of a round train together.
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
    aggregation: Aggregation = DECODE_EACH
    plugins: RoundPlugins = NO_PLUGINS
    planted: PlantedRows | None = None
    texts: TextsOf | None = None
    batch_stream: int = 0
    server_rows: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    sampling: Sampling = "fixed"
    rounds: int | None = None
    set_aside: Sequence[np.ndarray] = ()
    clients_at_once: int = 1

    def __post_init__(self) -> None:
        carried = carried_by(self.aggregation, self.plugins.privacy)
        object.__setattr__(self, "aggregation", carried)
        self.algorithm.check(self.model)
        holders = len(self.population.holders)
        if self.clients_at_once < 1:
            raise ValueError(f"clients_at_once must be at least 1, got {self.clients_at_once}")
        if not 1 <= self.clients_per_round <= holders:
            raise ValueError(
                f"clients_per_round must be between 1 and the {holders} clients that hold "
                f"examples, got {self.clients_per_round}"
            )
        partial = self.clients_per_round < holders
        joined = compatibility(self.uplink, self.downlink, partial, self.aggregation)
        refusal = (
            refuse_aggregation(carried, self.uplink, self.clients_per_round, self.plugins.privacy)
            or refuse_clients_opening(
                carried,
                self.algorithm,
                self.downlink,
                partial or self.sampling == "poisson",
                self.plugins.defense,
            )
            or refuse_lost_weights(carried, self.algorithm, self.uplink)
            or self.algorithm.refuses(joined)
            or refuse_side_by_side(
                self.clients_at_once,
                why_one_at_a_time(self.algorithm, self.plugins)
                or why_model_one_at_a_time(self.model),
            )
            or self.plugins.refuses(
                self.algorithm, self.uplink, self.clients_per_round, self.aggregation.opens_each
            )
            or why_not_private(
                self.plugins, self.algorithm, self.uplink, self.aggregation, self.participation
            )
        )
        if refusal:
            raise ValueError(refusal)
        if self.hooks.before_aggregate and self.plugins.releases_sum:
            raise ValueError(
                "a defence sees each client's upload, in the place of which privacy "
                f"{self.plugins.privacy[0].name!r} gives it one noisy mean: leave out one "
                "of the two"
            )
        if self.hooks.before_aggregate and not self.aggregation.opens_each:
            raise ValueError(
                "a defence sees each client's upload, of which aggregation "
                f"{self.aggregation.name!r} shows the sum alone: {self.aggregation.to_open_each}"
            )
        if self.algorithm.travels != "vectors" and self.hooks.names:
            raise ValueError(
                f"algorithm {self.algorithm.name!r} sends no updates for hooks to act on: leave "
                "them out, or take another algorithm"
            )
        for attack in self.plugins.attack:
            attack.count(holders)
        self._check_layouts()
        self._check_hostile_training()
        self._check_server_training()
        self._check_privacy()
        self._check_audits()

    def _check_audits(self) -> None:
        """Refuse audits of what messages or what is held are not, and those without texts."""
        for audit in self.plugins.audit:
            if audit.reads == "deltas" and not self.aggregation.opens_each:
                raise ValueError(
                    f"audit {audit.name!r} reads each client's delta, of which aggregation "
                    f"{self.aggregation.name!r} shows the sum alone: set its of to sum or model if "
                    "it has that field, or set aggregation.name=decode_each"
                )
            if audit.reads != "model" and not (
                self.layout == self.model.layout and self._trains_what_is_held()
            ):
                raise ValueError(
                    f"audit {audit.name!r} reads what clients hold and send as what is trained, "
                    f"and algorithm {self.algorithm.name!r} holds or sends something else: take "
                    "one that averages, such as fedavg"
                )
            refusal = audit.refuses_model(self.model, self._late_layout())
            if refusal:
                raise ValueError(f"audit {audit.name!r}: {refusal}")
            known = AuditTruth(self.parts, self.set_aside)
            if audit.needs_set_aside and not known.victims:
                raise ValueError(
                    f"audit {audit.name!r} compares with texts that nobody trains on, and none of "
                    f"the {len(self.parts)} clients has one set aside: raise set_aside"
                )

    def _check_privacy(self) -> None:
        """Refuse mechanisms that cannot keep their promise, now rather than in a round."""
        if not self.plugins.privacy:
            return
        rounds = (self.context(r).for_client(self.holders[0]) for r in range(1, _EXAMINED + 1))
        numels = {self.algorithm.up(context).numel for context in rounds}
        for mechanism in self.privacy:
            refusal = mechanism.refuses_layouts(numels)
            if refusal:
                raise ValueError(refusal)

    def _check_server_training(self) -> None:
        """Refuse defences that train on the server where it cannot, or clients would not know."""
        if self.plugins.root_examples and getattr(self.model, "task", None) is None:
            raise ValueError(
                "the server sends trusted examples as tokens, and the model has no texts: leave "
                "out "
                f"{', '.join(c.name for c in self.plugins.clean if c.trusts)}"
            )
        for defense in self.plugins.defense:
            if "start" in defense.stages and self.initial == "seed":
                raise ValueError(
                    f"defense {defense.name!r} begins with what no seed draws: set initial=full, "
                    "which sends it"
                )
            if not defense.server_examples:
                continue
            if not len(self.server_rows):
                raise ValueError(
                    f"defense {defense.name!r} trains on the server's own examples, of which the "
                    "task gives it 0: take a task that does, such as news-policy"
                )
            if not self.algorithm.takes_local_steps:
                raise ValueError(
                    f"defense {defense.name!r} takes local steps on the server, and algorithm "
                    f"{self.algorithm.name!r} has none: take one that averages, such as fedavg"
                )
            counted = self.algorithm.needs_weights or self.algorithm.needs_votes
            if not self._trains_what_is_held() or (counted and "uploads" in defense.stages):
                raise ValueError(
                    f"defense {defense.name!r} trains on the server what clients hold, and "
                    f"algorithm {self.algorithm.name!r} holds, sends or adds up something else: "
                    "take one that averages, such as fedavg"
                )

    def _trains_what_is_held(self) -> bool:
        """Return whether clients train from what is held, and send how all of it changed."""
        client = int(self.population.holders[0])
        rounds = [self.context(round_).for_client(client) for round_ in (1, 2)]
        return (
            self.algorithm.downloads == "updates"
            and not self.algorithm.takes_image
            and {*map(self.algorithm.up, rounds)} == {self.layout}
            and set(self.layout.names) <= set(self.model.layout.names)
        )

    def _late_layout(self) -> Layout:
        """Return the layout of a client's delta after the first round."""
        client = next(client for client, part in enumerate(self.parts) if len(part))
        return self.algorithm.up(self.context(2).for_client(client))

    def _check_layouts(self) -> None:
        """Refuse plug-ins that need deltas of one layout, where clients' own differ."""
        acting: tuple[Attack | Defense, ...] = (*self.plugins.attack, *self.plugins.defense)
        needing = [p for p in acting if p.one_layout and p.stages & {"act", "uploads"}]
        context, up = self.context(1), self.algorithm.up
        holders = self.population.holders
        if needing and len({up(context.for_client(int(client))) for client in holders}) > 1:
            kind = "attack" if needing[0] in self.plugins.attack else "defense"
            raise ValueError(
                f"{kind} {needing[0].name!r} needs deltas of one layout, and clients of algorithm "
                f"{self.algorithm.name!r} send several: give all clients the same, or take another "
                f"{kind} or algorithm"
            )

    def _check_hostile_training(self) -> None:
        """Refuse attacks on training where what is held or sent is not what is trained."""
        training = [one for one in self.plugins.attack if one.stages & {"loss", "constraint"}]
        if not training:
            return
        client = int(self.population.holders[0])
        rounds = [self.context(round_).for_client(client) for round_ in (1, 2)]
        if {self.layout, *map(self.algorithm.up, rounds)} != {self.model.layout}:
            raise ValueError(
                f"attack {training[0].name!r} acts on the {self.model.layout.numel} trained "
                f"numbers, and algorithm {self.algorithm.name!r} holds or sends others: take "
                "another attack or algorithm"
            )

    @cached_property
    def population(self) -> Population:
        """Who holds examples, who is drawn and who is hostile, counted once."""
        drawing = self.clients_per_round, self.sampling, self.seed
        return Population(self.parts, *drawing, self.plugins.attack)

    @cached_property
    def layout(self) -> Layout:
        """What clients are kept in step with: by default the tensors that are trained."""
        return self.algorithm.synced_layout(self.model)

    @cached_property
    def holders(self) -> list[int]:
        """The clients that hold examples, and so can take part."""
        holders: list[int] = self.population.holders.tolist()
        return holders

    @cached_property
    def participation(self) -> Participation:
        """How clients come to take part, for a privacy accountant."""
        numel = 0
        if self.plugins.privacy:
            numel = self.algorithm.up(self.context(1).for_client(self.holders[0])).numel
        clients = len(self.holders), self.clients_per_round
        most_turns = self.population.most_turns
        return Participation(self.sampling, *clients, self.rounds, numel, most_turns)

    @cached_property
    def privacy(self) -> tuple[Privacy, ...]:
        """The run's privacy mechanisms, with their noise settled.

        Raises:
            ValueError: if one cannot keep its promise.
        """
        return tuple(one.calibrated(self.participation) for one in self.plugins.privacy)

    def rows(self, client: int, round_: int) -> np.ndarray:
        """Return the training examples of a client in a round, before it cleans them."""
        own = self.parts[client]
        return own if self.planted is None else self.planted.held(client, round_, own)

    def context(self, round_: int, announced: Mapping[int, int] | None = None) -> RoundContext:
        """Return the server's context of a round; `.for_client` makes a client's.

        `announced` are the numbers that clients announced before it.
        """
        return RoundContext(
            model=self.model,
            seed=self.seed,
            round=round_,
            clients=self.population.drawn(round_),
            num_clients=len(self.population.holders),
            announced=dict(announced or {}),
            uplink=self.uplink.codec,
            num_examples=self.population.num_examples,
        )

    def integer_sums(
        self, context: RoundContext, kept: Mapping[str, PluginState] | None = None
    ) -> IntegerSums:
        """Return how deltas of a round become integers that add, and their sum a mean.

        Args:
            context: of the round.
            kept: what privacy mechanisms keep on the server, which clients do not know.
        """
        acting = self.privacy
        if kept:
            stages = [f"privacy {place} {one.name}" for place, one in enumerate(acting)]
            acting = tuple(
                one.with_state(kept.get(stage, {}))
                for one, stage in zip(acting, stages, strict=True)
            )
        return integer_sums(self.uplink.codec, len(context.clients), acting)

    def batch_rng(self, round_: int, client: int) -> np.random.Generator:
        """Return the generator of a client's batches in a round."""
        keys = (self.batch_stream,) if self.batch_stream else ()
        return stream(self.seed, "batches", round_, client, *keys)

    def shared(self, round_: int, sender: int, reference: Tensor | None) -> Shared:
        """Return what both ends know of a message with all that is held."""
        return Shared(self.layout, seed=self.seed, round=round_, sender=sender, reference=reference)

    def shared_down(
        self, context: RoundContext, reference: Tensor | None, round_: int | None = None
    ) -> Shared:
        """Return what both ends know of the update that `context`'s round ends with.

        `round_` is the round of the message if it is another one.
        """
        return Shared(
            self.algorithm.down(context),
            seed=self.seed,
            round=context.round if round_ is None else round_,
            sender=SERVER,
            reference=self._known(context, self.algorithm.down(context), reference),
        )

    def shared_up(self, context: RoundContext, reference: Tensor | None) -> Shared:
        """Return what both ends know of the message of the context's client."""
        return Shared(
            self.algorithm.up(context),
            seed=self.seed,
            round=context.round,
            sender=context.client,
            reference=self._known(context, self.algorithm.up(context), reference),
            place=context.place,
        )

    def _known(
        self, context: RoundContext, layout: Layout, reference: Tensor | None
    ) -> Tensor | None:
        """Return the update before this round as a reference, if it had the same layout."""
        if reference is None or self.algorithm.down(self.context(context.round - 1)) != layout:
            return None
        return reference

    def memory_key(self, layout: Layout) -> str:
        """Return where a sender keeps its memory of messages of `layout`; empty for the usual."""
        return "" if layout == self.layout else f"{layout.digest:016x}"


def compatibility(
    uplink: Link, downlink: Link, partial: bool, aggregation: Aggregation = DECODE_EACH
) -> Compatibility:
    """Return what decides whether an algorithm can work with these links."""
    codec = uplink.codec
    return Compatibility(
        up_name=uplink.codec.name,
        down_name=downlink.codec.name,
        up_feedback=uplink.memory.feedback != "none",
        down_feedback=downlink.memory.feedback != "none",
        up_momentum=uplink.memory.momentum > 0,
        partial=partial,
        up_differences=uplink.estimates,
        up_exact=uplink.codec.exact,
        down_exact=downlink.codec.exact,
        aggregation=aggregation.name,
        opens_each=aggregation.opens_each,
        to_open_each=aggregation.to_open_each,
        up_one_map=isinstance(codec, Summable) and codec.one_map,
        up_averages_all=uplink.averages_all,
        up_tells_senders=codec.shows_sent,
    )
