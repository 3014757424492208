"""The hostile clients of a run: who they are, and what they send instead."""

import math
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from fedbytes.federated.algorithm import Trained
from fedbytes.federated.context import RoundContext
from fedbytes.federated.federation import Federation
from fedbytes.federated.plugins.attack import Attack, Deltas
from fedbytes.federated.plugins.stage_context import PluginState, StageContext, Wire
from fedbytes.federated.population.population import draw_attackers as draw_attackers


class Attackers:
    """The attacks of a run in its rounds.

    Args:
        fed: the federation.
        states: what each attack keeps, changed in place.
    """

    def __init__(self, fed: Federation, states: dict[str, PluginState]) -> None:
        self.states = states
        self.attacks = [
            (attack, f"attack {place} {attack.name}", fed.population.hostile[place])
            for place, attack in enumerate(fed.plugins.attack)
        ]
        stages = (stage for _, stage, _ in self.attacks)
        self._sets = dict(zip(stages, fed.population.hostile_sets, strict=True))

    def act(
        self,
        context: RoundContext,
        held: Tensor,
        trained: Iterable[tuple[int, Trained]],
        wire: Wire | None = None,
    ) -> Iterator[tuple[int, Trained | None]]:
        """Yield each client of the round with what it will send; `wire` is what they know of it.

        None for a client whose training ended in numbers that are not finite, as it may from a
        model that attackers made: it sends nothing. Without an attack that stays an error.

        Only where an attack changes updates are all deltas of the round held at once; else each
        client trains when the one before has sent.
        """
        acting = [
            (attack, stage, present)
            for attack, stage, _ in self.attacks
            if "act" in attack.stages and attack.active(context.round)
            if (present := tuple(c for c in context.clients if c in self._sets[stage]))
        ]
        outcomes = ((client, self._finite(one)) for client, one in trained)
        if not acting:
            yield from outcomes
            return
        clients = dict(outcomes)
        deltas = {client: one for client, one in clients.items() if one is not None}
        for attack, stage, present in acting:
            left = tuple(client for client in present if client in deltas)
            if left:
                where = StageContext.of(context, held, stage, wire)
                deltas = deltas | self._act(attack, deltas, left, where)
        for client in clients:
            yield client, deltas.get(client)

    def _finite(self, trained: Trained) -> Trained | None:
        """Return what a client trained; None if it cannot be sent, and attackers may be why."""
        finite = math.isfinite(trained.loss) and bool(torch.isfinite(trained.delta).all())
        return trained if finite or not self.attacks else None

    def _act(
        self, attack: Attack, deltas: Deltas, present: tuple[int, ...], context: StageContext
    ) -> Deltas:
        known = deltas if attack.knowledge == "all" else {c: deltas[c] for c in present}
        if attack.one_layout and len({one.delta.shape for one in known.values()}) > 1:
            raise ValueError(
                f"attack {attack.name!r} needs deltas of one layout, and clients of round "
                f"{context.round} send several: take another attack or algorithm"
            )
        state = self.states.get(context.stage, {})
        made, self.states[context.stage] = attack.act(dict(known), present, context, state)
        return {c: self._hostile(attack, c, deltas[c], made[c]) for c in present if c in made}

    def _hostile(self, attack: Attack, client: int, honest: Trained, made: Trained) -> Trained:
        if made.delta.shape != honest.delta.shape or not bool(torch.isfinite(made.delta).all()):
            raise ValueError(
                f"attack {attack.name!r} made a delta of client {client} that no codec takes: not "
                f"finite, or not of {len(honest.delta)} numbers; such bytes are for its `tamper`"
            )
        return made.as_hostile(bare=not attack.keeps_memory)

    def tamper(
        self,
        context: RoundContext,
        held: Tensor,
        client: int,
        frames: list[bytes],
        wire: Wire | None = None,
    ) -> list[bytes]:
        """Return what a client puts on the wire."""
        for attack, stage, _ in self._tampering(context):
            if client in self._sets[stage]:
                where = StageContext.of(context.for_client(client), held, stage, wire)
                frames = attack.tamper(client, frames, where)
        return frames

    def present(self, round_: int, clients: Sequence[int]) -> tuple[int, ...]:
        """Return which clients of a round are hostile in it."""
        acting = [self._sets[stage] for attack, stage, _ in self.attacks if attack.active(round_)]
        return tuple(client for client in clients if any(client in drawn for drawn in acting))

    def tamperers(self, context: RoundContext) -> tuple[int, ...]:
        """Return the clients of the round who may have put other bytes on the wire."""
        acting = [self._sets[stage] for _, stage, _ in self._tampering(context)]
        return tuple(c for c in context.clients if any(c in drawn for drawn in acting))

    def _tampering(self, context: RoundContext) -> list[tuple[Attack, str, tuple[int, ...]]]:
        return [
            one
            for one in self.attacks
            if "tamper" in one[0].stages and one[0].active(context.round)
        ]
