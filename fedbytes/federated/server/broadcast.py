"""The update that a round ends with, as the server sends it and clients decode it."""

from torch import Tensor

from fedbytes.federated.clock import Clock
from fedbytes.federated.context import RoundContext
from fedbytes.federated.federation import Federation
from fedbytes.federated.protocol.link import check_residual
from fedbytes.federated.server.catch_up import remember_update
from fedbytes.federated.server.server_state import ServerState


def broadcast_update(
    fed: Federation, state: ServerState, context: RoundContext, update: Tensor, clock: Clock
) -> Tensor:
    """Encode the update that the round ends with; return it as clients will decode it.

    The model moves by what they decode, so that both ends stay the same.

    Args:
        fed: the configuration that server and clients share.
        state: the server's; what the downlink keeps changes in place, and the update is kept.
        context: the server's, of the round.
        update: `[down(context).numel]`.
        clock: counts the seconds of encoding, which the state keeps too, and of decoding.

    Raises:
        ValueError: if an error-feedback residual grows without bound.
    """
    shared = fed.shared_down(context, state.reference)
    key = fed.memory_key(shared.layout)
    clock.lap("encode")
    with clock.phase("encode"):
        sent = fed.downlink.for_model.encode(update, state.senders.get(key, {}), shared)
    state.encode_seconds = clock.lap("encode")
    check_residual(state.guards, key, update, sent)
    state.senders[key] = sent.state
    with clock.phase("decode"):
        state.reference = fed.downlink.codec.decode(sent.data, shared)
    clock.lap("decode")
    remember_update(state, fed.layout.numel, sent.data)
    return state.reference
