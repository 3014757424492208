"""How the server opens clients' deltas, and what it keeps of each where they send differences."""

from collections.abc import Sequence

import torch
from torch import Tensor

from fedbytes.compression.frame import Frame
from fedbytes.compression.layout import Shared
from fedbytes.federated.clock import Clock
from fedbytes.federated.context import RoundContext
from fedbytes.federated.federation import Federation
from fedbytes.federated.hooks import Upload
from fedbytes.federated.protocol.messages import check_frame_kind, open_vector
from fedbytes.federated.server.server_state import ServerState


def open_delta(
    fed: Federation, state: ServerState, shared: Shared, frame: Frame, clock: Clock
) -> Tensor:
    """Return the delta that a client's message stands for `[up.numel]`.

    Args:
        fed: the configuration that server and clients share.
        state: the server's; the client's estimate in it moves where the uplink has one.
        shared: what both ends know of the message.
        frame: the message.
        clock: counts the seconds of decoding.

    Raises:
        ValueError: if the message does not decode, or, where clients may be hostile, to what is not
            finite.
    """
    check_frame_kind(frame, "delta")
    link, client, key = fed.uplink, shared.sender, fed.memory_key(shared.layout)
    known = state.estimate(client)
    with clock.phase("decode"):
        delta = link.receive(open_vector(frame, link.codec, shared), known.get(key))
    if fed.plugins.attack and not bool(torch.isfinite(delta).all()):
        raise ValueError(f"round {shared.round}, client {client}: a delta that is not finite")
    if link.estimates:
        state.estimates[client] = known | {key: delta}
    return delta


def preview_delta(fed: Federation, state: ServerState, shared: Shared, delta: Tensor) -> Tensor:
    """Return what would be opened of a delta that its client encodes past its memory."""
    link = fed.uplink
    known = state.estimate(shared.sender).get(fed.memory_key(shared.layout))
    sent = delta if known is None else delta - known
    return link.receive(link.codec.decode(link.codec.encode(sent, shared), shared), known)


def absent_uploads(
    fed: Federation, state: ServerState, context: RoundContext, uploads: Sequence[Upload]
) -> list[Upload]:
    """Return the last estimates of clients that sent nothing, where the uplink averages all.

    Args:
        fed: the configuration that server and clients share.
        state: the server's; what those who sent something report of examples is noted in it.
        context: the server's, of the round.
        uploads: of those who sent something.
    """
    if not fed.uplink.averages_all:
        return []
    known = state.reported
    known |= {upload.client: upload.examples for upload in uploads}
    key = fed.memory_key(fed.algorithm.up(context))
    absent = sorted(known.keys() - {upload.client for upload in uploads})
    kept = ((client, state.estimate(client)) for client in absent)
    return [
        Upload(client, estimates[key], known[client])
        for client, estimates in kept
        if key in estimates
    ]
