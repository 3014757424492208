"""The downlink of algorithms that keep nobody in step: each client is sent a fresh state."""

import torch
from torch import Tensor

from fedbytes.compression.layout import Layout
from fedbytes.federated.context import RoundContext
from fedbytes.federated.federation import Federation
from fedbytes.federated.protocol.channel import Message
from fedbytes.federated.protocol.messages import frame_vector
from fedbytes.federated.server.server_state import ServerState


class FreshStates:
    """The states that clients are sent in one round; equal ones are one message.

    A multicast carries a message once, however many clients it is for.
    """

    def __init__(self, state: ServerState, fed: Federation, context: RoundContext) -> None:
        self.state, self.fed, self.context = state, fed, context
        self._made: list[tuple[Layout, Tensor, Message]] = []

    def messages(self, client: int) -> list[Message]:
        """Return what a client of the round is sent."""
        fed, context = self.fed, self.context.for_client(client)
        vector = fed.algorithm.download(context, self.state.model)
        shared = fed.shared_down(context, None)
        for layout, before, message in self._made:
            if layout == shared.layout and torch.equal(before, vector):
                return [message]
        codec = fed.downlink.codec
        frame = frame_vector("state", codec, shared, codec.encode(vector, shared))
        message = Message(frame.pack(), "state")
        self._made.append((shared.layout, vector, message))
        return [message]
