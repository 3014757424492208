"""Error feedback and momentum: the sender's state around any codec."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from fedbytes.compression.codec import Codec
from fedbytes.compression.layout import Shared
from fedbytes.compression.residual_guard import require_contracting
from fedbytes.plugin_fields import added_field

SenderState = dict[str, Tensor]
"""Vectors that a sender keeps between messages, float32 [numel] by name; checkpoint them."""
Feedback = Literal["none", "ef14", "ef21", "ef21-pp"]


@dataclass(frozen=True)
class Sent:
    """One message, and the sender's state after it.

    Attributes:
        data: the bytes to send.
        state: the sender's next state.
        residual: what the receiver does not know yet, for `ResidualGuard`; None without feedback.
    """

    data: bytes
    state: SenderState
    residual: Tensor | None = None


@dataclass(frozen=True)
class Memory:
    """Error feedback and momentum around a codec; the state is explicit and private to the sender.

    - `ef14`: add the residual of the last message to the next (Seide et al. 2014; Karimireddy et
      al. 2019). With momentum this is Deep Gradient Compression (Lin et al. 2018, arXiv
      1712.01887): it accumulates velocities instead of updates (momentum correction), and for a
      sparse codec resets the velocity of sent coordinates (factor masking).
    - `ef21`: sender and receiver keep the same estimate of the sender's updates, and the codec
      sends the difference to it (Richtarik et al. 2021, arXiv 2106.05203). With momentum the
      sender averages its updates first (EF21-SGDM, Fatkhullin et al. 2023).
    - `ef21-pp`: for the sender the same. A server takes the mean of the estimates of all senders,
      whoever took part (EF21-PP, Fatkhullin et al. 2021, arXiv 2110.03294).
    - `none`: with momentum, send the velocity.

    With `decay` below 1 the residual of `ef14` is a momentum from which the codec removes what it
    sends: e = decay e + x, send C(e), e -= C(e). For a gradient x that is DeMo's decoupled momentum
    (Peng et al. 2024, arXiv 2411.19870); for an outer gradient it is SparseLoCo's error feedback
    instead of outer momentum (Sarfi et al. 2025, arXiv 2508.15706). The residual then fades: per
    message, input = sent + kept + forgotten.

    Attributes:
        feedback: the scheme.
        momentum: in [0, 1); 0 for none.
        decay: factor of the residual of `ef14` per message, in (0, 1]; 1 for none.
    """

    feedback: Feedback = "none"
    momentum: float = added_field(0.0)
    decay: float = added_field(1.0)

    def __post_init__(self) -> None:
        if not (0 <= self.momentum < 1 and math.isfinite(self.momentum)):
            raise ValueError(f"momentum must be in [0, 1), got {self.momentum}")
        if not 0 < self.decay <= 1:
            raise ValueError(
                f"decay must be in (0, 1], got {self.decay}; to keep no residual set "
                "error_feedback=false"
            )
        if self.decay != 1 and self.feedback != "ef14":
            raise ValueError(
                f"decay={self.decay:g} applies to the residual of error feedback: "
                "set error_feedback=true"
            )

    @property
    def estimates(self) -> bool:
        """Whether both ends keep an estimate, and differences to it are sent."""
        return self.feedback in ("ef21", "ef21-pp")

    def encode(self, codec: Codec, x: Tensor, state: SenderState, shared: Shared) -> Sent:
        """Encode x [numel] with the sender's state; neither is changed.

        Raises:
            ValueError: if the codec does not contract but feedback is set, or a tensor of the state
                has another shape than x.
        """
        if self.feedback != "none":
            require_contracting(codec)
        for name, tensor in state.items():
            if tensor.shape != x.shape:
                raise ValueError(f"{name} has shape {tuple(tensor.shape)}, x {tuple(x.shape)}")
        if self.estimates:
            return self._difference(codec, x, state, shared)
        return self._residual(codec, x, state, shared)

    def receive(self, decoded: Tensor, estimate: Tensor | None) -> Tensor:
        """Return the update of a decoded message, given the receiver's last estimate."""
        return decoded if not self.estimates or estimate is None else estimate + decoded

    def target(self, x: Tensor, state: SenderState) -> Tensor:
        """Return the vector [numel] that is encoded of x where no estimates are kept."""
        target = x
        if self.momentum:
            target = x + self.momentum * state.get("velocity", torch.zeros_like(x))
        if self.feedback == "ef14" and "residual" in state:
            target = target + self.decay * state["residual"].to(x.device)
        return target

    def keep_back(self, x: Tensor, state: SenderState) -> SenderState:
        """Return the sender's next state if x [numel] is not sent, nor anything else this time.

        The residual of `ef14` then holds all of it; without feedback it is lost.
        """
        if self.feedback != "ef14":
            return state
        kept = {}
        if self.momentum:
            x = kept["velocity"] = x + self.momentum * state.get("velocity", torch.zeros_like(x))
        residual = state.get("residual", torch.zeros_like(x))
        return kept | {"residual": x + self.decay * residual}

    def _residual(self, codec: Codec, x: Tensor, state: SenderState, shared: Shared) -> Sent:
        after: SenderState = {}
        if self.momentum:
            after["velocity"] = x + self.momentum * state.get("velocity", torch.zeros_like(x))
        target = self.target(x, state)
        data = codec.encode(target, shared)
        if self.feedback == "none":
            return Sent(data, after)
        decoded = codec.decode(data, shared).to(x.device)
        if self.momentum and codec.sparse:
            after["velocity"] = torch.where(decoded == 0, after["velocity"], 0.0)
        after["residual"] = target - decoded
        return Sent(data, after, after["residual"])

    def _difference(self, codec: Codec, x: Tensor, state: SenderState, shared: Shared) -> Sent:
        after: SenderState = {}
        target = x
        if self.momentum:
            velocity = state.get("velocity", x)
            target = after["velocity"] = torch.lerp(x, velocity, self.momentum)
        estimate = state.get("estimate", torch.zeros_like(x))
        data = codec.encode(target - estimate, shared)
        after["estimate"] = estimate + codec.decode(data, shared).to(x.device)
        return Sent(data, after, target - after["estimate"])


def encode_with_feedback(
    codec: Codec, x: Tensor, residual: Tensor | None, shared: Shared
) -> tuple[bytes, Tensor, Tensor]:
    """Encode x plus the sender's residual as `Memory("ef14")` does.

    Args:
        codec: a codec that contracts.
        x: float32 [numel], this round's update.
        residual: float32 [numel] from the last call, or None for the first message.
        shared: what both ends know.

    Returns:
        The bytes, the vector that the receiver decodes, and the next residual.

    Raises:
        ValueError: if the codec does not contract, or the sum is not finite.
    """
    sent = Memory("ef14").encode(
        codec, x, {} if residual is None else {"residual": residual}, shared
    )
    return sent.data, codec.decode(sent.data, shared).to(x.device), sent.state["residual"]
