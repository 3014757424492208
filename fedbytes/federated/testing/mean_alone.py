"""An aggregation that shows the mean alone, without loss, to check what an algorithm needs."""

from dataclasses import dataclass
from typing import ClassVar

from fedbytes.compression.frame import Frame
from fedbytes.federated.aggregation import DecodeEach
from fedbytes.federated.averaging import weighted_mean
from fedbytes.federated.exchange.parties import Receiver
from fedbytes.federated.exchange.sessions import ServerSession
from fedbytes.federated.hooks import Upload


@dataclass(frozen=True)
class MeanAlone(DecodeEach):
    """Each delta is decoded, and the algorithm is given their mean, weighted by examples."""

    name: ClassVar[str] = "mean_alone"
    opens_each: ClassVar[bool] = False

    def server(self, receiver: Receiver) -> ServerSession:
        """Return a part that averages what the usual one decodes."""
        return _Averages(super().server(receiver))


class _Averages(ServerSession):
    def __init__(self, each: ServerSession) -> None:
        self.each = each

    def receive(self, client: int, frame: Frame) -> None:
        self.each.receive(client, frame)

    def uploads(self) -> list[Upload]:
        uploads = self.each.uploads()
        return [Upload(-1, weighted_mean(uploads), sum(u.examples for u in uploads))]
