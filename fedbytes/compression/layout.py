"""The layout of a message and its position in the run, which sender and receiver share."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
import torch
import xxhash

from fedbytes.streams import stream


class Layout:
    """The ordered `name -> shape` of the tensors in a message; immutable and hashable.

    Args:
        shapes: shape of each tensor by name; order is the order in the flat vector. No tensors
            and tensors without elements are legal.

    Raises:
        ValueError: for a negative or non-integer extent.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        items = []
        for name, shape in shapes.items():
            sizes = tuple(int(extent) for extent in shape)
            if sizes != tuple(shape) or any(extent < 0 for extent in sizes):
                raise ValueError(f"tensor {name!r}: extents must be integers >= 0, got {shape!r}")
            items.append((str(name), sizes))
        self._items = tuple(items)

    @classmethod
    def of(cls, tensors: Mapping[str, torch.Tensor]) -> "Layout":
        """Return the layout of tensors by name, in their order."""
        return cls({name: tuple(tensor.shape) for name, tensor in tensors.items()})

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the tensors, in order."""
        return tuple(name for name, _ in self._items)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each tensor by name (a copy)."""
        return dict(self._items)

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """The start of each tensor in the flat vector, then the end of the vector."""
        starts = [0]
        for _, shape in self._items:
            starts.append(starts[-1] + prod(shape))
        return tuple(starts)

    @property
    def numel(self) -> int:
        """Length of the flat vector."""
        return self.offsets[-1]

    @cached_property
    def digest(self) -> int:
        """64-bit xxh3 of the names and shapes as compact JSON."""
        text = json.dumps(self._items, separators=(",", ":"), ensure_ascii=True)
        return xxhash.xxh3_64_intdigest(text.encode())

    def slices(self) -> dict[str, slice]:
        """Return the slice of each tensor in the flat vector."""
        ends = zip(self.offsets[:-1], self.offsets[1:], strict=True)
        return {name: slice(*pair) for name, pair in zip(self.names, ends, strict=True)}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Layout) and self._items == other._items

    def __hash__(self) -> int:
        return hash(self._items)

    def __repr__(self) -> str:
        return f"Layout({len(self._items)} tensors, {self.numel} coordinates)"


@dataclass(frozen=True)
class Shared:
    """The facts that sender and receiver both know before a message is encoded.

    Attributes:
        layout: the tensors in the flat vector.
        seed: the run's seed, at least 0.
        round: the round, at least 0.
        sender: who encodes; the server is 0 and clients count from 1, or as the caller decides.
        reference: the previous global update [numel] or None, for codecs that predict from it.
        place: which of the round's senders this one is, 0 for the first; None takes `sender`.
            Both ends can draw the round's senders from the seed, so that it need not travel.
    """

    layout: Layout
    seed: int = 0
    round: int = 0
    sender: int = 0
    reference: torch.Tensor | None = dataclasses.field(default=None, compare=False, repr=False)
    place: int | None = None

    def __post_init__(self) -> None:
        if min(self.seed, self.round, self.sender, self.place or 0) < 0:
            raise ValueError(
                f"seed, round, sender and place must be at least 0, got seed={self.seed}, "
                f"round={self.round}, sender={self.sender}, place={self.place}"
            )
        if self.reference is not None and tuple(self.reference.shape) != (self.layout.numel,):
            raise ValueError(
                f"reference must have shape ({self.layout.numel},), "
                f"got {tuple(self.reference.shape)}"
            )

    def generator(self, purpose: str) -> np.random.Generator:
        """Return the generator of `purpose`, which both ends can reproduce."""
        return stream(self.seed, f"codec/{purpose}", self.round, self.sender)

    def common_generator(self, purpose: str) -> np.random.Generator:
        """Return the generator of `purpose` that all senders of the round share.

        Codecs whose senders act together (correlated dither, sums of codes) draw from it; each
        sender's part in it follows from `place`.
        """
        return stream(self.seed, f"codec-common/{purpose}", self.round)
