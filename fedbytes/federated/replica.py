"""What clients are kept in step with, as they decode it from the server's messages."""

from dataclasses import dataclass

from torch import Tensor

from fedbytes.compression.codec import make_codec
from fedbytes.compression.frame import Frame
from fedbytes.federated.federation import Federation
from fedbytes.federated.protocol.channel import SERVER
from fedbytes.federated.protocol.messages import open_seed, open_vector

STATE_CODEC = make_codec("fp32")
"""The codec of whole states and references, which must arrive as they were sent."""


@dataclass
class Replica:
    """The newest version of the synced vector that was decoded, and the update it ended with.

    A version is how many updates it has; -1 is nothing. A client on its own machine has a
    replica to itself. In a simulation all clients share one: whoever receives an update first
    decodes it, and what was decoded for one is there for all.

    Attributes:
        version: of the vector.
        vector: what is held in step `[synced_layout.numel]`.
        reference: the update that this version ended with, for codecs that predict from it.
    """

    version: int = -1
    vector: Tensor | None = None
    reference: Tensor | None = None

    def take_seed(self, fed: Federation, frame: Frame) -> int:
        """Draw the initial vector from a seed; return the version that the receiver then holds."""
        if self.version < 0:
            self._set(0, fed.algorithm.initial(fed.model, open_seed(frame)))
        return 0

    def take_state(self, fed: Federation, frame: Frame) -> int:
        """Decode a whole state; return its version."""
        version = frame.round - 1
        vector = open_vector(frame, STATE_CODEC, fed.shared(frame.round, SERVER, None))
        if self.version < version:
            self._set(version, vector)
        return version

    def take_reference(self, fed: Federation, frame: Frame) -> None:
        """Decode the update that a whole state ended with."""
        known = fed.shared_down(fed.context(frame.round - 1), None, frame.round)
        reference = open_vector(frame, STATE_CODEC, known)
        if self.reference is None:
            self.reference = reference

    def take_update(self, fed: Federation, frame: Frame, version: int) -> int:
        """Decode an update and apply it; return the version that the receiver then holds.

        Args:
            fed: the federation.
            frame: the update.
            version: what the receiver holds.

        Raises:
            ValueError: if the update is not the next one, or what it moves is not here.
        """
        if frame.round != version + 1:
            raise ValueError(
                f"client holds version {version} and was sent the update of round {frame.round}"
            )
        if self.version < frame.round:
            if self.vector is None or self.version != version:
                raise ValueError(
                    f"client holds version {version} and its replica version {self.version}: "
                    "restore both, or begin with neither"
                )
            context = fed.context(frame.round)
            update = open_vector(
                frame, fed.downlink.codec, fed.shared_down(context, self.reference)
            )
            self._set(frame.round, fed.algorithm.apply(context, self.vector, update), update)
        return frame.round

    def _set(self, version: int, vector: Tensor, reference: Tensor | None = None) -> None:
        self.version, self.vector, self.reference = version, vector, reference
