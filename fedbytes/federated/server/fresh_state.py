"""The downlink of algorithms that keep nobody in step: each client is sent a fresh state."""

import torch
from torch import Tensor

from fedbytes.compression.frame import Frame
from fedbytes.compression.layout import Layout
from fedbytes.federated.clock import Clock
from fedbytes.federated.context import Turn
from fedbytes.federated.federation import Federation
from fedbytes.federated.protocol.channel import Channel
from fedbytes.federated.protocol.ledger import EVERYONE
from fedbytes.federated.protocol.messages import frame_vector, open_vector
from fedbytes.federated.state import State


def send_states(
    state: State, fed: Federation, turn: Turn, channel: Channel, clock: Clock
) -> list[Tensor]:
    """Send each client of the round what is made for it; return what each decoded.

    Clients that are sent the same vector are sent the same message, which a multicast carries once.
    """
    codec, algorithm = fed.downlink.codec, fed.algorithm
    made: list[tuple[Layout, Tensor, Frame]] = []
    starts = []
    for client in turn.clients:
        with clock.phase("encode"):
            vector = algorithm.download(turn.of(client), state.model)
            shared = fed.shared_down(turn.of(client), None)
            frame = _find(made, shared.layout, vector)
            new = frame is None
            if frame is None:
                frame = frame_vector("state", codec, shared, codec.encode(vector, shared))
                made.append((shared.layout, vector, frame))
        multicast = fed.broadcast == "multicast"
        if new or not multicast:
            received, entry = channel.send(
                frame,
                round=turn.round,
                client=EVERYONE if multicast else client,
                direction="down",
                kind="state",
                encode_seconds=clock.last if new else 0.0,
            )
            with clock.phase("decode"):
                start = open_vector(received, codec, shared)
            entry.decode_seconds = clock.last
        else:
            start = open_vector(frame, codec, shared)
        starts.append(start)
    return starts


def _find(made: list[tuple[Layout, Tensor, Frame]], layout: Layout, vector: Tensor) -> Frame | None:
    for known, before, frame in made:
        if known == layout and torch.equal(before, vector):
            return frame
    return None
