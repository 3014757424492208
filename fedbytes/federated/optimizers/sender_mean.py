"""The mean of each coordinate over the clients that sent it, as in the code of top-k methods."""

from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fedbytes.arrays import Floats
from fedbytes.compression.codec import Codec
from fedbytes.compression.codecs.chain import Chain
from fedbytes.compression.coding.reader import Reader
from fedbytes.compression.layout import Layout, Shared
from fedbytes.compression.transforms.dct import DCT

MeanOver = Literal["all", "senders"]
"""Of a coordinate: over all clients of the round, who did not send it counting as zero, or over
those who sent it."""
_ROUNDING = 1e-5  # of a chunk's largest coefficient, what a transform back and forth can leave


def mean_over_senders(
    deltas: list[Tensor], weights: list[float], codec: Codec, layout: Layout
) -> Tensor:
    """Return the weighted mean of each coordinate over who sent it `[layout.numel]`; else zero.

    What is sent are coordinates of the vector, or with a chain of `dct` its coefficients; what
    decodes to zero was not sent.

    Args:
        deltas: what each client's message decodes to.
        weights: of the clients; they add up to 1.
        codec: the uplink's; see `tells_senders`.
        layout: of the messages.
    """
    total = torch.stack(deltas).mul(torch.tensor(weights)[:, None]).sum(0)
    share = np.zeros(layout.numel, dtype=np.float32)
    for delta, weight in zip(deltas, weights, strict=True):
        share += np.float32(weight) * _sent(delta.numpy(), codec, layout)
    unsent = share == 0
    share[unsent] = 1.0
    transform = _transform(codec)
    if transform is None:
        return torch.where(torch.from_numpy(unsent), 0.0, total / torch.from_numpy(share))
    step = transform.forward(total.numpy(), Shared(layout))
    mean = np.where(unsent, np.float32(0), step.vector / share)
    _, exponent = transform.read(Reader(memoryview(step.side), codec.name), Shared(layout))
    return torch.from_numpy(transform.inverse(mean, exponent, Shared(layout)))


def tells_senders(codec: Codec) -> bool:
    """Return whether a decoded message shows which coordinates or coefficients were sent."""
    return codec.sparse or (_transform(codec) is not None and codec.codec.sparse)  # type: ignore[attr-defined]


def _transform(codec: Codec) -> DCT | None:
    """Return the transform whose coefficients a chain sends; None where it sends coordinates."""
    if not isinstance(codec, Chain) or len(codec.transforms) != 1:
        return None
    (transform,) = codec.transforms
    return transform if isinstance(transform, DCT) else None


def _sent(x: Floats, codec: Codec, layout: Layout) -> npt.NDArray[np.bool_]:
    """Return where a decoded vector [n] has something that was sent."""
    transform = _transform(codec)
    if transform is None:
        return np.asarray(x != 0)
    y = np.abs(transform.forward(x, Shared(layout)).vector)
    chunk = transform.chunk**2 if transform.square else transform.chunk
    starts = np.arange(0, y.size, chunk)
    largest = np.repeat(np.maximum.reduceat(y, starts), np.diff([*starts, y.size]))
    return np.asarray((y > _ROUNDING * largest) & (y > 0))
