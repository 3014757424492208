"""Any dict of tensors as one message, for training code of one's own."""

import re
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from fedbytes.compression.codec import Codec, codec_id, make_codec
from fedbytes.compression.error_feedback import Feedback, Memory, SenderState
from fedbytes.compression.frame import Frame
from fedbytes.compression.layout import Layout, Shared
from fedbytes.labels import short_label

NamedTensors = Mapping[str, Tensor]
"""Tensors by name: what changed since the last message, or gradients."""
_KIND = 0
"""Of the frame: none of those that a federation's own messages have."""
_NORM = re.compile(r"(norm|\bln|_ln|bn)\w*\.weight$", re.IGNORECASE)
_NORM_WEIGHTS = (0.2, 5.0)
"""Means between which a normalisation layer's weights are weights rather than their changes."""


def encode_state(
    codec: str | Mapping[str, Any] | Codec,
    state: NamedTensors,
    *,
    seed: int = 0,
    round: int = 0,
    sender: int = 0,
    reference: NamedTensors | None = None,
    feedback: Feedback = "none",
    memory: SenderState | None = None,
) -> bytes:
    """Return a dict of tensors as one message of 40 bytes and the codec's payload.

    Tensors of any floating type and device are sent as float32, in the dict's order, without their
    names: the receiver has a dict of the same tensors (`decode_state`). They should be changes: a
    lossy codec loses a share of what it is given, and of whole weights a share of the model. Of
    float64 what float32 does not hold is lost.

    Example:
        >>> changes = {"w": torch.tensor([[3.0, -1.0], [0.5, 2.0]], dtype=torch.bfloat16)}
        >>> data = encode_state({"name": "topk", "density": 0.5}, changes, round=1)
        >>> len(data), decode_state(data, changes, {"name": "topk", "density": 0.5})["w"].tolist()
        (54, [[3.0, 0.0], [0.0, 2.0]])

    Args:
        codec: a codec, its name, or `{"name": …, **fields}`.
        state: the tensors.
        seed: the randomness that both ends share.
        round: number of the message; another one each time, so that codecs draw anew.
        sender: number of the sender; another one for each.
        reference: the previous update that both ends know, for codecs that predict from it.
        feedback: `ef14` or `ef21` sends with a later message what this one loses.
        memory: a dict that the sender keeps for feedback, empty at first; it is changed in place.
            Of an `ef21` the receiver keeps one as well, for each sender.

    Raises:
        ValueError: for tensors that are not floating point or not finite, a codec that feedback
            cannot be around, or feedback without a memory.
    """
    made, flat = make_codec(codec), _flatten(state)
    _warn_of_weights(made, state)
    layout = Layout.of(state)
    shared = Shared(layout, seed, round, sender, _flatten_reference(reference, layout))
    if memory is None and feedback != "none":
        raise ValueError(f"feedback={feedback!r} needs memory={{}}, the same dict at each message")
    sent = Memory(feedback).encode(made, flat, memory or {}, shared)
    if memory is not None:
        memory.clear()
        memory.update(sent.state)
    return _frame(made, shared, sent.data).pack()


def decode_state(
    data: bytes,
    like: NamedTensors | Layout,
    codec: str | Mapping[str, Any] | Codec,
    *,
    seed: int = 0,
    round: int | None = None,
    sender: int | None = None,
    reference: NamedTensors | None = None,
    feedback: Feedback = "none",
    memory: SenderState | None = None,
) -> dict[str, Tensor]:
    """Return the tensors of a message that `encode_state` wrote.

    Args:
        data: the message.
        like: tensors of the same names, shapes and order, whose types and devices are taken; or
            their layout, for float32 on the CPU.
        codec: the sender's.
        seed: the sender's.
        round: what the message must be of; None takes any.
        sender: whose it must be; None takes anyone's.
        reference: the sender's.
        feedback: the sender's.
        memory: of `ef21`, a dict that the receiver keeps for this sender, empty at first; it is
            changed in place.

    Raises:
        ValueError: for a message that is damaged, or of another codec, layout, seed, round or
            sender.
    """
    made = make_codec(codec)
    layout = like if isinstance(like, Layout) else Layout.of(like)
    expected = _frame(made, Shared(layout), b"")
    frame = Frame.unpack(
        data,
        kind=_KIND,
        codec_id=expected.codec_id,
        layout_digest=expected.layout_digest,
        round=round,
        sender=sender,
    )
    known = _flatten_reference(reference, layout)
    flat = made.decode(frame.payload, Shared(layout, seed, frame.round, frame.sender, known))
    if feedback == "ef21":
        if memory is None:
            raise ValueError("feedback='ef21' needs memory={}, the same dict for each sender")
        flat = Memory(feedback).receive(flat, memory.get("estimate"))
        memory["estimate"] = flat
    tensors = {} if isinstance(like, Layout) else like
    return {
        name: _as(flat[place].reshape(layout.shapes[name]), tensors.get(name))
        for name, place in layout.slices().items()
    }


def _frame(codec: Codec, shared: Shared, payload: bytes) -> Frame:
    return Frame(
        kind=_KIND,
        codec_id=codec_id(codec),
        layout_digest=shared.layout.digest,
        round=shared.round,
        sender=shared.sender,
        payload=payload,
    )


def _flatten(state: NamedTensors) -> Tensor:
    """Return the tensors as one float32 vector on the CPU."""
    parts = []
    for name, tensor in state.items():
        if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
            kind = tensor.dtype if isinstance(tensor, Tensor) else type(tensor).__name__
            raise ValueError(
                f"{name!r} is {kind}, and messages hold floating-point tensors: leave it out "
                "(a counter or an index does not change by training)"
            )
        if tensor.layout != torch.strided:
            raise ValueError(f"{name!r} is sparse: send {name}.to_dense()")
        part = tensor.detach().to("cpu", torch.float32).reshape(-1)
        if not bool(torch.isfinite(part).all()):
            raise ValueError(
                f"{name!r} has values that are NaN, infinite, or beyond float32: lower the "
                "learning rate or clip the update"
            )
        parts.append(part)
    return torch.cat(parts) if parts else torch.zeros(0)


def _flatten_reference(reference: NamedTensors | None, layout: Layout) -> Tensor | None:
    if reference is None:
        return None
    if Layout.of(reference) != layout:
        raise ValueError("reference must have the names, shapes and order of the state")
    return _flatten(reference)


def _as(values: Tensor, like: Tensor | None) -> Tensor:
    return values.clone() if like is None else values.to(like.device, like.dtype, copy=True)


def _warn_of_weights(codec: Codec, state: NamedTensors) -> None:
    """Warn where what a lossy codec is given looks like a model rather than like its change."""
    if codec.exact:
        return
    found = next((name for name, tensor in state.items() if _is_weight(name, tensor)), None)
    if found is not None:
        warnings.warn(
            f"{found!r} looks like a weight rather than a change, and {short_label(codec)} loses a "
            "share of what it is given: send the difference to what the receiver has",
            stacklevel=3,
        )


def _is_weight(name: str, tensor: Tensor) -> bool:
    if tensor.requires_grad and tensor.is_leaf:
        return True  # a parameter itself
    if not _NORM.search(name) or tensor.dim() != 1 or not tensor.numel():
        return False
    low, high = _NORM_WEIGHTS
    return low < float(tensor.detach().float().mean()) < high
