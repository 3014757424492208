"""The trusted examples that a server sends to clients that clean by them, as a message."""

import struct
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fedbytes.compression.frame import Frame
from fedbytes.compression.layout import Shared
from fedbytes.data import EncodedSplit
from fedbytes.federated.protocol.messages import frame_root

_HEAD = struct.Struct("<IIBBB")  # examples, tokens, bytes of a token, with classes, with a mask
_DIGEST = "root"


@dataclass(frozen=True)
class RootExamples:
    """Trusted examples: their tokens, and their classes or the tokens that are learned.

    The payload is the numbers of examples and of tokens, then the examples' lengths, the tokens
    in two bytes each where all are below 65,536 and else four, the classes in two, and one bit a
    token that says whether it is learned; all little-endian.

    Attributes:
        split: the examples, by the name `root`.
    """

    split: EncodedSplit

    @classmethod
    def of(cls, split: EncodedSplit, rows: np.ndarray) -> "RootExamples":
        """Return the examples of a split at `rows`, in that order."""
        lengths = split.lengths[rows]
        places = np.concatenate([np.arange(split.offsets[r], split.offsets[r + 1]) for r in rows])
        return cls._made(
            split.tokens[places],
            lengths,
            None if split.labels is None else split.labels[rows],
            None if split.learned is None else split.learned[places],
        )

    @classmethod
    def open(cls, data: bytes) -> "RootExamples":
        """Return the examples that a received payload stands for.

        Raises:
            ValueError: if it has another length than it says.
        """
        wrong = ValueError(f"a message of kind 'root' with {len(data)} bytes is cut or altered")
        if len(data) < _HEAD.size:
            raise wrong
        count, total, width, classes, masked = _HEAD.unpack_from(data)
        sizes = [4 * count, width * total, 2 * count * classes, -(-total // 8) * masked]
        ends = np.cumsum([_HEAD.size, *sizes])
        if width not in (2, 4) or len(data) != ends[-1]:
            raise wrong
        lengths, tokens, labels, mask = (
            data[a:b] for a, b in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)
        )
        bits = np.unpackbits(np.frombuffer(mask, np.uint8), bitorder="little")[:total]
        return cls._made(
            np.frombuffer(tokens, f"<u{width}"),
            np.frombuffer(lengths, "<u4"),
            np.frombuffer(labels, "<u2") if classes else None,
            bits.astype(bool) if masked else None,
        )

    @classmethod
    def _made(
        cls,
        tokens: np.ndarray,
        lengths: np.ndarray,
        labels: np.ndarray | None,
        learned: np.ndarray | None,
    ) -> "RootExamples":
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        known = None if labels is None else labels.astype(np.int64)
        made = tokens.astype(np.int32)
        return cls(EncodedSplit("root", made, offsets, known, {}, _DIGEST, learned=learned))

    @cached_property
    def payload(self) -> bytes:
        """The bytes that stand for them."""
        split = self.split
        width = 2 if not len(split.tokens) or int(split.tokens.max()) < 1 << 16 else 4
        flags = split.labels is not None, split.learned is not None
        parts = [_HEAD.pack(len(split), len(split.tokens), width, *flags)]
        parts += [
            split.lengths.astype("<u4").tobytes(),
            split.tokens.astype(f"<u{width}").tobytes(),
        ]
        if split.labels is not None:
            parts.append(split.labels.astype("<u2").tobytes())
        if split.learned is not None:
            parts.append(np.packbits(split.learned, bitorder="little").tobytes())
        return b"".join(parts)

    def frame(self, shared: Shared) -> Frame:
        """Return the message of a round."""
        return frame_root(self.payload, shared)
