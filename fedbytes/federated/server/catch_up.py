"""The downlink at the start of a round: every client of the round comes to hold the model.

A client that took part in the last round's broadcast is sent the newest update. One that missed
rounds is sent what costs less: all updates that it missed, or the whole state. One that was never
reached is sent the whole state, or the seed of the initial state and all updates since.
"""

from torch import Tensor

from fedbytes.compression.codec import make_codec
from fedbytes.compression.frame import HEADER_BYTES, Frame
from fedbytes.compression.layout import Shared
from fedbytes.federated.clock import Clock
from fedbytes.federated.context import Turn
from fedbytes.federated.federation import Federation
from fedbytes.federated.protocol.channel import KIND_IDS, SERVER, Channel
from fedbytes.federated.protocol.ledger import EVERYONE
from fedbytes.federated.protocol.messages import frame_seed, frame_vector, open_seed, open_vector
from fedbytes.federated.state import State

_STATE_CODEC = make_codec("fp32")
Plan = list[tuple[str, Frame]]
"""What one client is sent: the ledger's kind, and the frame."""


def bring_up_to_date(
    state: State,
    fed: Federation,
    turn: Turn,
    channel: Channel,
    clock: Clock,
) -> list[Tensor]:
    """Send each client of the round what it lacks; return what each then holds `[numel]`."""
    sender = _Sender(state, fed, turn.round)
    heard: set[int] = set()
    held = state.model
    encode_seconds = state.encode_seconds
    for client in turn.clients:
        with clock.phase("encode"):
            plan = sender.plan(client)
        encode_seconds += clock.last
        for kind, frame in plan:
            if fed.broadcast == "multicast" and id(frame) in heard:
                continue
            heard.add(id(frame))
            received, entry = channel.send(
                frame,
                round=turn.round,
                client=EVERYONE if fed.broadcast == "multicast" else client,
                direction="down",
                kind=kind,
                encode_seconds=encode_seconds,
            )
            encode_seconds = 0.0  # encoded once, whoever else receives it
            with clock.phase("decode"):
                model = sender.receive(received)
            entry.decode_seconds = clock.last
            held = held if model is None else model
        state.synced[client] = state.round
    return [held] * len(turn.clients)


def remember_update(state: State, numel: int, payload: bytes) -> None:
    """Keep an update for clients that miss it, while sending it can be the cheaper way."""
    state.updates.append(payload)
    whole = 4 * numel + HEADER_BYTES
    while len(state.updates) > 1 and sum(len(p) + HEADER_BYTES for p in state.updates) > whole:
        state.updates.pop(0)


class _Sender:
    """The frames that clients may need in one round, each made once and only when needed."""

    def __init__(self, state: State, fed: Federation, round_: int) -> None:
        self.state, self.fed, self.round = state, fed, round_
        self._whole: Plan | None = None
        codec = fed.downlink.codec
        first = state.round - len(state.updates) + 1
        self._updates = [
            frame_vector("update", codec, fed.shared_down(fed.turn(first + i), None), payload)
            for i, payload in enumerate(state.updates)
        ]
        self._seed = frame_seed(fed.seed, fed.shared(round_, SERVER, None))

    def plan(self, client: int) -> Plan:
        """Return what `client` is sent, the cheapest way there is."""
        synced = self.state.synced[client]
        missed = self.state.round - max(synced, 0)
        known = synced >= 0 or self.fed.initial == "seed"
        if not known or missed > len(self._updates):
            return self._name(self.whole(), synced)
        updates = [("catch-up", frame) for frame in self._updates[len(self._updates) - missed :]]
        if updates:
            updates[-1] = ("update", updates[-1][1])
        way = [("seed", self._seed), *updates] if synced < 0 else updates
        if missed <= 1 or _cost(way) <= _cost(self.whole()):
            return way
        return self._name(self.whole(), synced)

    def whole(self) -> Plan:
        """Return the whole state, and the reference where a codec of either link needs it."""
        if self._whole is None:
            fed = self.fed
            shared = fed.shared(self.round, SERVER, None)
            self._whole = [("state", self._exactly("state", self.state.model, shared))]
            if self._reference_is_needed() and self.state.reference is not None:
                known = fed.shared_down(fed.turn(self.round - 1), None, self.round)
                reference = self._exactly("reference", self.state.reference, known)
                self._whole.append(("state", reference))
        return self._whole

    def receive(self, frame: Frame) -> Tensor | None:
        """Decode a frame as its client does; return the model that the client then holds.

        None for what is only a step on the way there: a seed before updates, a reference, and
        an older update, which was decoded by its first receivers and is only checked here.
        """
        state, fed = self.state, self.fed
        if frame.kind == KIND_IDS["seed"]:
            seed = open_seed(frame)
            return fed.algorithm.initial(fed.model, seed) if state.round == 0 else None
        if frame.kind in (KIND_IDS["state"], KIND_IDS["reference"]):
            if frame.kind == KIND_IDS["state"]:
                return open_vector(frame, _STATE_CODEC, fed.shared(frame.round, SERVER, None))
            known = fed.shared_down(fed.turn(frame.round - 1), None, frame.round)
            open_vector(frame, _STATE_CODEC, known)
            return None
        if frame.round < state.round or state.previous is None:
            return None
        turn = fed.turn(frame.round)
        shared = fed.shared_down(turn, state.reference_before)
        update = open_vector(frame, fed.downlink.codec, shared)
        return fed.algorithm.apply(turn, state.previous, update)

    def _exactly(self, kind: str, x: Tensor, shared: Shared) -> Frame:
        return frame_vector(kind, _STATE_CODEC, shared, _STATE_CODEC.encode(x, shared))

    def _name(self, plan: Plan, synced: int) -> Plan:
        return [("state" if synced < 0 else "catch-up", frame) for _, frame in plan]

    def _reference_is_needed(self) -> bool:
        return self.fed.uplink.codec.uses_reference or self.fed.downlink.codec.uses_reference


def _cost(plan: Plan) -> int:
    return sum(len(frame.payload) + HEADER_BYTES for _, frame in plan)
