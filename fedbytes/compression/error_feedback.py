"""What a sender keeps between its messages, around any codec: error feedback and momentum."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from fedbytes.compression.codec import Codec
from fedbytes.compression.layout import Shared
from fedbytes.compression.residual_guard import require_contracting
from fedbytes.plugin_fields import added_field

Held = dict[str, Tensor]
"""A sender's memory by name, float32 [numel] each; keep it per sender and checkpoint it."""
Feedback = Literal["none", "ef14", "ef21"]


@dataclass(frozen=True)
class Sent:
    """One message, and what it leaves behind.

    Attributes:
        data: the bytes that travel.
        held: the sender's next memory.
        lost: what has not been told yet, for a guard against divergence; None without feedback.
    """

    data: bytes
    held: Held
    lost: Tensor | None = None


@dataclass(frozen=True)
class Memory:
    """A sender's memory around a codec: explicit, private, and not part of the codec.

    - `ef14`: what was lost is added to the next message (Seide et al. 2014; Karimireddy et al.
      2019). With momentum it is Deep Gradient Compression (Lin et al. 2018, arXiv 1712.01887):
      velocities are accumulated rather than updates (momentum correction), and a sparse codec's
      coordinates forget their velocity once they are sent (factor masking).
    - `ef21`: sender and receiver keep the same estimate of the sender's updates, and the codec
      carries the difference to it (Richtarik et al. 2021, arXiv 2106.05203). With momentum the
      sender's updates are averaged first (EF21-SGDM, Fatkhullin et al. 2023).
    - `none`: with momentum the velocity is sent.

    With a `decay` below 1 what `ef14` keeps is a momentum of which the codec takes out what it
    sends: e = decay e + x, send C(e), e -= C(e). That is DeMo's decoupled momentum (Peng et al.
    2024, arXiv 2411.19870) where x is a gradient, and SparseLoCo's error feedback in the outer
    momentum's place (Sarfi et al. 2025, arXiv 2508.15706) where x is an outer gradient. What
    waits is forgotten by and by: for each message, given = sent + kept + forgotten.

    Attributes:
        feedback: the scheme.
        momentum: in [0, 1); 0 for none.
        decay: of what `ef14` kept, in (0, 1], a message; 1 for none.
    """

    feedback: Feedback = "none"
    momentum: float = added_field(0.0)
    decay: float = added_field(1.0)

    def __post_init__(self) -> None:
        if not (0 <= self.momentum < 1 and math.isfinite(self.momentum)):
            raise ValueError(f"momentum must be in [0, 1), got {self.momentum}")
        if not 0 < self.decay <= 1:
            raise ValueError(
                f"decay must be in (0, 1], got {self.decay}; to keep nothing set "
                "error_feedback=false"
            )
        if self.decay != 1 and self.feedback != "ef14":
            raise ValueError(
                f"decay={self.decay:g} is of what error feedback keeps: set error_feedback=true"
            )

    def encode(self, codec: Codec, x: Tensor, held: Held, shared: Shared) -> Sent:
        """Encode x [numel] with what is held; neither is changed.

        Raises:
            ValueError: if feedback is asked of a codec that does not contract, or what is held
                has another shape.
        """
        if self.feedback != "none":
            require_contracting(codec)
        for name, tensor in held.items():
            if tensor.shape != x.shape:
                raise ValueError(f"{name} has shape {tuple(tensor.shape)}, x {tuple(x.shape)}")
        if self.feedback == "ef21":
            return self._difference(codec, x, held, shared)
        return self._residual(codec, x, held, shared)

    def receive(self, decoded: Tensor, estimate: Tensor | None) -> Tensor:
        """Return the value that a decoded message stands for, by the receiver's last value."""
        return decoded if self.feedback != "ef21" or estimate is None else estimate + decoded

    def _residual(self, codec: Codec, x: Tensor, held: Held, shared: Shared) -> Sent:
        after: Held = {}
        target = x
        if self.momentum:
            target = x + self.momentum * held.get("velocity", torch.zeros_like(x))
            after["velocity"] = target
        if self.feedback == "ef14" and "residual" in held:
            target = target + self.decay * held["residual"].to(x.device)
        data = codec.encode(target, shared)
        if self.feedback == "none":
            return Sent(data, after)
        decoded = codec.decode(data, shared).to(x.device)
        if self.momentum and codec.sparse:
            after["velocity"] = torch.where(decoded == 0, after["velocity"], 0.0)
        after["residual"] = target - decoded
        return Sent(data, after, after["residual"])

    def _difference(self, codec: Codec, x: Tensor, held: Held, shared: Shared) -> Sent:
        after: Held = {}
        target = x
        if self.momentum:
            velocity = held.get("velocity", x)
            target = after["velocity"] = torch.lerp(x, velocity, self.momentum)
        estimate = held.get("estimate", torch.zeros_like(x))
        data = codec.encode(target - estimate, shared)
        after["estimate"] = estimate + codec.decode(data, shared).to(x.device)
        return Sent(data, after, target - after["estimate"])


def encode_with_feedback(
    codec: Codec, x: Tensor, residual: Tensor | None, shared: Shared
) -> tuple[bytes, Tensor, Tensor]:
    """Encode x plus the sender's residual by `Memory("ef14")`, with the residual as the state.

    Args:
        codec: a codec that contracts.
        x: float32 [numel], this round's update.
        residual: float32 [numel] from the last call, or None at first.
        shared: what both ends know.

    Returns:
        The bytes, the vector that the receiver decodes, and the new residual.

    Raises:
        ValueError: if the codec does not contract, or the sum is not finite.
    """
    sent = Memory("ef14").encode(
        codec, x, {} if residual is None else {"residual": residual}, shared
    )
    return sent.data, codec.decode(sent.data, shared).to(x.device), sent.held["residual"]
