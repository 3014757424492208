"""How a server gets from what clients send to what its algorithm combines."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Protocol

from torch import Tensor

from fedbytes.compression.frame import Frame
from fedbytes.compression.layout import Shared
from fedbytes.federated.algorithm import Trained
from fedbytes.federated.context import RoundContext
from fedbytes.federated.hooks import Upload


class Sender(Protocol):
    """A client as its aggregation sees it (`fedbytes.federated.Client`)."""

    number: int

    @property
    def context(self) -> RoundContext:
        """The round as the client knows it."""

    @property
    def examples(self) -> int:
        """How many training examples the client has."""

    def shared(self, exact: bool = False) -> Shared:
        """Return what both ends know of the client's message."""

    def upload(self, trained: Trained) -> list[bytes]:
        """Return a delta's messages through the uplink."""


class Receiver(Protocol):
    """A server as its aggregation sees it (`fedbytes.federated.server.server.Server`)."""

    @property
    def context(self) -> RoundContext:
        """The round, with what clients have announced so far."""

    @property
    def examples(self) -> dict[int, int]:
        """The number of examples that each client has said it has, of those who have."""

    def shared_up(self, client: int) -> Shared:
        """Return what both ends know of a client's message."""

    def open(self, client: int, frame: Frame) -> Tensor:
        """Return the delta that a client's message stands for."""


class ClientSession(ABC):
    """A client's part in one round of an aggregation."""

    @abstractmethod
    def begin(self, trained: Trained) -> list[bytes]:
        """Return the client's messages of the first exchange."""

    def receive(self, frame: Frame) -> None:
        """Take a message of a further exchange in."""
        raise ValueError(f"round {frame.round}: this aggregation has one exchange alone")

    def answer(self) -> list[bytes]:
        """Return the client's messages of a further exchange."""
        return []


class ServerSession(ABC):
    """The server's part in one round of an aggregation."""

    @abstractmethod
    def receive(self, client: int, frame: Frame) -> None:
        """Take a client's message in."""

    def messages(self, client: int) -> list[bytes]:
        """Return what a client is sent at the start of a further exchange."""
        return []

    def next_exchange(self) -> None:
        """Begin a further exchange: all clients have answered the last one."""
        raise NotImplementedError(f"{type(self).__name__} has one exchange alone")

    @abstractmethod
    def uploads(self) -> list[Upload]:
        """Return what the algorithm combines, when all exchanges have ended."""


class Aggregation(ABC):
    """How deltas are protected, sent and opened; a frozen dataclass.

    Attributes:
        exchanges: how often in a round clients send and the server may answer. The first is the
            one in which each client sends when it has trained.
        opens_each: whether the server sees each client's delta.
    """

    exchanges: ClassVar[int] = 1
    opens_each: ClassVar[bool] = True

    @abstractmethod
    def client(self, sender: Sender) -> ClientSession:
        """Return a client's part in a new round."""

    @abstractmethod
    def server(self, receiver: Receiver) -> ServerSession:
        """Return the server's part in a new round."""


@dataclass(frozen=True)
class DecodeEach(Aggregation):
    """Each delta travels through the uplink by itself, and the server decodes each."""

    def client(self, sender: Sender) -> ClientSession:
        """Return a part that sends the delta in the first exchange."""
        return _SendsDelta(sender)

    def server(self, receiver: Receiver) -> ServerSession:
        """Return a part that decodes what arrives, when it arrives."""
        return _DecodesEach(receiver)


class _SendsDelta(ClientSession):
    def __init__(self, sender: Sender) -> None:
        self.sender = sender

    def begin(self, trained: Trained) -> list[bytes]:
        return self.sender.upload(trained)


class _DecodesEach(ServerSession):
    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.decoded: dict[int, Tensor] = {}

    def receive(self, client: int, frame: Frame) -> None:
        self.decoded[client] = self.receiver.open(client, frame)

    def uploads(self) -> list[Upload]:
        examples = self.receiver.examples
        return [Upload(client, delta, examples[client]) for client, delta in self.decoded.items()]
