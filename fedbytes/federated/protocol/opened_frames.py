"""Frames of the server that several clients of one process receive: each is checked once."""

from fedbytes.compression.frame import Frame
from fedbytes.federated.protocol.channel import SERVER

_MOST_BYTES = 1 << 26


class OpenedFrames:
    """The frames that were opened so far, by the very object that holds their bytes.

    A medium that copies bytes, as a network does, gives each receiver an object of its own, which
    is opened and checked by itself.
    """

    def __init__(self) -> None:
        self._frames: dict[int, tuple[bytes, Frame]] = {}
        self._bytes = 0

    def of(self, data: bytes) -> Frame:
        """Return the frame in `data`, checked at its first receiver.

        Raises:
            ValueError: if it is damaged, or not the server's.
        """
        known = self._frames.get(id(data))
        if known is not None and known[0] is data:
            return known[1]
        frame = Frame.unpack(data, sender=SERVER)
        if isinstance(data, bytes):  # what cannot change
            self._keep(data, frame)
        return frame

    def forget(self) -> None:
        """Forget all: a round has ended."""
        self._frames.clear()
        self._bytes = 0

    def _keep(self, data: bytes, frame: Frame) -> None:
        if self._bytes + len(data) > _MOST_BYTES:
            self.forget()
        self._frames[id(data)] = data, frame
        self._bytes += len(data)
