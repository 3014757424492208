"""A client's and the server's part in one round of an aggregation."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from fedbytes.compression.frame import Frame
from fedbytes.federated.algorithm import Trained
from fedbytes.federated.hooks import Upload


class ClientSession(ABC):
    """A client's part in one round of an aggregation.

    Attributes:
        opened: what the round's uploads are, where clients open them (`Aggregation.clients_open`).
        mean_loss: the mean training loss that it found with them.
    """

    opened: list[Upload] | None = None
    mean_loss: float | None = None

    @abstractmethod
    def begin(self, trained: Trained) -> list[bytes]:
        """Return the client's messages of the first exchange; none if it drops out."""

    def receive(self, frame: Frame) -> None:
        """Take a message of a further exchange in."""
        raise ValueError(f"round {frame.round}: this aggregation has one exchange alone")

    def answer(self) -> list[bytes]:
        """Return the client's messages of a further exchange; none if it drops out."""
        return []


class ServerSession(ABC):
    """The server's part in one round of an aggregation."""

    @property
    def train_loss(self) -> float | None:
        """The mean training loss, where clients' own are not sent; None if it is not known."""
        return None

    counted: float | None = None
    """What the sum says beside the vector, where its noise has a number for that."""

    @property
    def outcome(self) -> dict[str, int]:
        """Numbers of how the round went, which are stored with it."""
        return {}

    @abstractmethod
    def receive(self, client: int, frame: Frame) -> None:
        """Take a client's message in."""

    def next_exchange(self) -> Sequence[int]:
        """Begin a further exchange: whoever will ever answer the last one has done so.

        Returns:
            The clients that take part in it, in ascending order: those who have dropped out, or
            whose part has ended, are not among them.
        """
        raise NotImplementedError(f"{type(self).__name__} has one exchange alone")

    def forget(self, client: int) -> None:
        """Drop what a client sent: a message of it was not what it should be."""
        raise ValueError(f"{type(self).__name__} cannot continue without what client {client} sent")

    def messages(self, client: int) -> list[bytes]:
        """Return what a client is sent at the start of a further exchange."""
        return []

    @abstractmethod
    def uploads(self) -> list[Upload]:
        """Return what the algorithm combines, when all exchanges have ended.

        Nothing for a round that was given up: the model then stays as it is.

        Raises:
            ValueError: if too few clients are left.
        """
