"""A federation: who trains what, how, over which links, and who takes part when."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from torch import Tensor

from fedbytes.compression.layout import Layout, Shared
from fedbytes.federated.aggregation import DECODE_EACH, Aggregation
from fedbytes.federated.algorithm import Algorithm
from fedbytes.federated.context import RoundContext
from fedbytes.federated.fit.audit_fit import refuse_audits
from fedbytes.federated.fit.hook_fit import refuse_hooks
from fedbytes.federated.fit.link_fit import compatibility
from fedbytes.federated.fit.sent_layouts import (
    SentLayouts,
    refuse_hostile_training,
    refuse_mixed_layouts,
)
from fedbytes.federated.fit.server_training_fit import refuse_server_training
from fedbytes.federated.hooks import Hooks
from fedbytes.federated.per_example.fit import local_sampling, why_not_per_example
from fedbytes.federated.plugins.audit_truth import AuditTruth
from fedbytes.federated.plugins.carriers import (
    carried_by,
    integer_sums,
    refuse_aggregation,
    refuse_clients_opening,
    refuse_lost_weights,
)
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
            or why_not_per_example(
                self.plugins,
                self.algorithm,
                getattr(getattr(self.model, "task", None), "packed", False),
            )
            or why_not_private(
                self.plugins, self.algorithm, self.uplink, self.aggregation, self.participation
            )
            or refuse_hooks(self.hooks, self.plugins, self.aggregation, self.algorithm)
        )
        if refusal:
            raise ValueError(refusal)
        for attack in self.plugins.attack:
            attack.count(holders)
        sent = SentLayouts(self.algorithm, self.model, self.population.holders, self.context)
        known = AuditTruth(self.parts, self.set_aside)
        refusal = (
            refuse_mixed_layouts(self.plugins, sent)
            or refuse_hostile_training(self.plugins, sent)
            or refuse_server_training(self.plugins, sent, self.initial, len(self.server_rows))
            or self._refuse_privacy(sent)
            or refuse_audits(self.plugins, self.aggregation, sent, known)
        )
        if refusal:
            raise ValueError(refusal)

    def _refuse_privacy(self, sent: SentLayouts) -> str | None:
        """Return what mechanisms cannot promise, now rather than in a round, or None."""
        if not self.plugins.privacy:
            return None
        numels = {sent.up(round_).numel for round_ in range(1, _EXAMINED + 1)}
        reasons = (mechanism.refuses_layouts(numels) for mechanism in self.privacy)
        return next((reason for reason in reasons if reason), None)

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
        numel, sampled = 0, None
        if self.plugins.noise_on_gradients:
            sampled = local_sampling(self.algorithm, self.population.sizes[self.holders])
        if self.plugins.privacy:
            numel = self.algorithm.up(self.context(1).for_client(self.holders[0])).numel
        clients = len(self.holders), self.clients_per_round
        most_turns = self.population.most_turns
        return Participation(self.sampling, *clients, self.rounds, numel, most_turns, sampled)

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
