"""The downlink where clients are kept in step: how each client of a round is brought up to date.

A client that took part in the last round is sent the newest update. One that missed rounds is sent
what costs less: all updates that it missed, or the whole state. One that was never reached is sent
the whole state, or the seed of the initial state and all updates since.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from torch import Tensor

from fedbytes.compression.frame import HEADER_BYTES, Frame
from fedbytes.compression.layout import Shared
from fedbytes.federated.federation import Federation
from fedbytes.federated.protocol.channel import SERVER, Message
from fedbytes.federated.protocol.messages import frame_seed, frame_vector
from fedbytes.federated.replica import STATE_CODEC
from fedbytes.federated.server.server_state import ServerState

_T = TypeVar("_T")


def cheapest_way(
    synced: int,
    missed: Sequence[_T] | None,
    *,
    seed: _T | None,
    whole: Callable[[], list[_T]],
    cost: Callable[[_T], int],
) -> list[_T]:
    """Return what brings a client up to date in the fewest bytes.

    Args:
        synced: how many updates the client has; -1 if it was never reached.
        missed: the updates that it lacks, oldest first; None if some of them are not kept.
        seed: the message that stands for the initial state, None where that is sent whole.
        whole: makes the messages of the whole state, when they are needed.
        cost: the bytes of a message.
    """
    if missed is None or (synced < 0 and seed is None):
        return whole()
    way = ([seed] if synced < 0 and seed is not None else []) + list(missed)
    if len(missed) <= 1 or sum(map(cost, way)) <= sum(map(cost, whole())):
        return way
    return whole()


def remember_update(state: ServerState, numel: int, payload: bytes) -> None:
    """Keep an update for clients that miss it, while sending it can be the cheaper way."""
    state.updates.append(payload)
    kept = count_kept([len(payload) + HEADER_BYTES for payload in state.updates], numel)
    del state.updates[:-kept]


def count_kept(updates: Sequence[int], numel: int) -> int:
    """Return how many of the newest updates are kept: the last, and while they cost less than all.

    Args:
        updates: the bytes of each message, oldest first; at least one.
        numel: of the whole state.
    """
    spent, kept = updates[-1], 1
    for size in reversed(updates[:-1]):
        spent += size
        if spent > 4 * numel + HEADER_BYTES:
            break
        kept += 1
    return kept


class CatchUp:
    """The messages that clients may need in one round, each made once and only when needed."""

    def __init__(self, state: ServerState, fed: Federation, round_: int) -> None:
        self.state, self.fed, self.round = state, fed, round_
        self._wholes: dict[str, list[Message]] = {}
        self._first = state.round - len(state.updates) + 1
        self._updates: dict[int, Message] = {}
        self._seed = _message(frame_seed(fed.seed, fed.shared(round_, SERVER, None)), "seed")

    def messages(self, client: int) -> list[Message]:
        """Return what a client of the round is sent."""
        synced = self.state.synced[client]
        lacking = range(max(synced, 0) + 1, self.state.round + 1)
        seed = self._seed if self.fed.initial == "seed" else None
        dropped = bool(lacking) and lacking[0] < self._first
        new = synced < 0 and seed is None  # needs the whole state whatever is kept
        return cheapest_way(
            synced,
            None if dropped or new else [self._update(round_) for round_ in lacking],
            seed=seed,
            whole=lambda: self._whole("state" if synced < 0 else "catch-up"),
            cost=lambda message: len(message.data),
        )

    def _update(self, round_: int) -> Message:
        """Return the message of the update that a round ended with."""
        if round_ not in self._updates:
            fed, state = self.fed, self.state
            shared = fed.shared_down(fed.context(round_), None)
            payload = state.updates[round_ - self._first]
            frame = frame_vector("update", fed.downlink.codec, shared, payload)
            kind = "update" if round_ == state.round else "catch-up"
            self._updates[round_] = _message(frame, kind)
        return self._updates[round_]

    def _whole(self, name: str) -> list[Message]:
        """Return the whole state, and the reference where a codec of either link needs it."""
        if not self._wholes:
            fed, state = self.fed, self.state
            frames = [self._exactly("state", state.model, fed.shared(self.round, SERVER, None))]
            needed = fed.uplink.codec.uses_reference or fed.downlink.codec.uses_reference
            if needed and state.reference is not None:
                known = fed.shared_down(fed.context(self.round - 1), None, self.round)
                frames.append(self._exactly("reference", state.reference, known))
            packed = [frame.pack() for frame in frames]
            for kind in ("state", "catch-up"):
                self._wholes[kind] = [Message(data, kind) for data in packed]
        return self._wholes[name]

    def _exactly(self, kind: str, x: Tensor, shared: Shared) -> Frame:
        return frame_vector(kind, STATE_CODEC, shared, STATE_CODEC.encode(x, shared))


def _message(frame: Frame, kind: str) -> Message:
    return Message(frame.pack(), kind)
