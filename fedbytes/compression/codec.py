"""The codec contract: what is encoded and decoded, and every check around it."""

import json
import math
import struct
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeAlias, final

import numpy as np
import numpy.typing as npt
import torch
import xxhash

from fedbytes.arrays import LARGEST_FLOAT
from fedbytes.arrays import Floats as Floats
from fedbytes.compression.layout import Layout, Shared
from fedbytes.plugin_fields import Plugin
from fedbytes.registry import Registry

Payload: TypeAlias = bytes | bytearray | memoryview | npt.NDArray[Any]

DIGEST_BYTES = 4


class Codec(Plugin, ABC):
    """A frozen dataclass that turns an update into bytes and back.

    A subclass implements `_encode` and `_decode`, and claims what it is: `exact`, `unbiased` and so
    on are class attributes where they are constant, properties where they follow from the fields.
    `_encode` gets finite values only and must not write to them; `_decode` gets bytes that may
    come from anywhere: it takes every size from `shared`, checks what it reads before it
    allocates and uses all bytes (`Reader` in `coding/reader.py` does most of that). See
    docs/add-a-codec.md.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({},)
    """Field variants that the contract tests and the benchmark run over."""
    encode_memory: ClassVar[int] = 16
    """Upper bound of `encode`'s scratch memory in bytes per coordinate, plus 256 KiB."""

    @property
    def exact(self) -> bool:
        """Whether every float32 comes back bit for bit."""
        return False

    @property
    def unbiased(self) -> bool:
        """Whether the mean of C(x) over the codec's randomness is x, for every x."""
        return self.exact

    @property
    def contracts(self) -> bool:
        """Whether E||x - C(x)||^2 <= (1 - delta) ||x||^2 with one delta > 0 for every x.

        Then error feedback stays bounded (Karimireddy et al. 2019). Vectors whose entries are
        all below the smallest normal float32 (1.2e-38) are left out of the promise.
        """
        return self.exact

    @property
    def relative_error(self) -> float:
        """The most that a coordinate which is a normal float32 changes, as a share of itself."""
        return 0.0 if self.exact else math.inf

    @property
    def bounded_error(self) -> bool:
        """Whether ||x - C(x)|| stays below a constant for every x within a range that fields fix.

        Then error feedback stays bounded as well while what is to be sent is in the range, though
        the codec does not contract (absolute compressors, Sahu et al. 2021, arXiv 2108.00951).
        """
        return False

    @property
    def summable(self) -> bool:
        """Whether messages of one round can be added without decoding (see `Summable`)."""
        return False

    @property
    def sparse(self) -> bool:
        """Whether a decoded zero means that the coordinate was not sent."""
        return False

    @property
    def uses_reference(self) -> bool:
        """Whether `shared.reference` changes the bytes; a new receiver then needs it too."""
        return False

    @final
    def encode(self, x: torch.Tensor, shared: Shared) -> bytes:
        """Return the bytes that stand for x.

        Args:
            x: float32 [shared.layout.numel], contiguous, on any device; it is not changed.
            shared: what the receiver knows as well.

        Raises:
            ValueError: for a wrong dtype or shape, or values that are NaN or infinite.
        """
        return seal(self, self.encode_body(_checked_input(x, shared.layout), shared), shared)

    @final
    def encode_body(self, x: Floats, shared: Shared) -> memoryview:
        """Return the payload of a checked x without its digest, for codecs made of others."""
        return memoryview(self._encode(x, shared)).cast("B")  # type: ignore[arg-type]

    body = encode_body

    @final
    def decode(self, data: bytes, shared: Shared) -> torch.Tensor:
        """Return the float32 [shared.layout.numel] vector that `data` stands for.

        Args:
            data: what `encode` of an equal codec returned.
            shared: equal to the sender's.

        Raises:
            ValueError: for bytes that this codec did not write under this `shared`.
        """
        return torch.from_numpy(self.decode_body(unseal(self, data, shared), shared))

    @final
    def decode_body(self, data: memoryview, shared: Shared) -> Floats:
        """Return the vector [shared.layout.numel] of a payload without its digest; writable.

        Raises:
            ValueError: for bytes that this codec does not write, as far as they can be told.
        """
        try:
            y = self._decode(data, shared)
        except ValueError:
            raise
        except (struct.error, ArithmeticError, LookupError, TypeError, MemoryError) as error:
            raise ValueError(f"{self.name} payload is malformed: {error!r}") from error
        return _checked_output(self, y, shared.layout)

    @abstractmethod
    def _encode(self, x: Floats, shared: Shared) -> Payload:
        """Return the payload for finite x [numel], which must not be written to."""

    @abstractmethod
    def _decode(self, data: memoryview, shared: Shared) -> Floats:
        """Return the finite float32 [numel] vector; raise ValueError for malformed data."""


CODECS: Registry[Codec] = Registry(
    "codec",
    Codec,  # type: ignore[type-abstract]
    "fedbytes.compression.codecs",
    "fedbytes.compression.testing.codec_contract:check_codec_file",
)


def make_codec(spec: str | Mapping[str, Any] | Codec, **fields: Any) -> Codec:
    """Build a codec from its name and fields, or from `{"name": …, **fields}`.

    Raises:
        ValueError: for an unknown name or field, or a value that the codec refuses.
    """
    return CODECS.make(spec, **fields)


def try_codec(
    codec: Codec, values: Sequence[float], shapes: Mapping[str, tuple[int, ...]] | None = None
) -> tuple[int, list[float]]:
    """Return a message's length in bytes, its digest included, and what it decodes to, to 4 digits.

    Args:
        codec: what codes it.
        values: the vector.
        shapes: of its tensors, by name; one vector `x` by default.
    """
    shared = Shared(Layout({"x": (len(values),)} if shapes is None else shapes))
    data = codec.encode(torch.tensor(values, dtype=torch.float32), shared)
    return len(data), [float(f"{y:.4g}") for y in codec.decode(data, shared).tolist()]


def codec_names() -> list[str]:
    """Return every registered codec's name, sorted."""
    return CODECS.names()


def codec_spec(codec: Codec) -> dict[str, Any]:
    """Return the canonical `{"name": …, **fields}` of a codec, defaults included."""
    return CODECS.spec(codec)


def codec_id(codec: Codec) -> int:
    """Return the uint32 that stands for a codec and all its fields in the frame."""
    text = json.dumps(codec_spec(codec), sort_keys=True, separators=(",", ":"))
    return xxhash.xxh3_64_intdigest(text.encode()) & 0xFFFFFFFF


def seal(codec: Codec, body: bytes | memoryview, shared: Shared) -> bytes:
    """Return a payload with the digest that `Codec.decode` looks for after it."""
    return b"".join((body, _digest(codec, body, shared)))


def unseal(codec: Codec, data: bytes, shared: Shared) -> memoryview:
    """Return a payload without its digest; ValueError if the digest is not the expected one."""
    view = memoryview(data).cast("B")
    if len(view) < DIGEST_BYTES:
        raise ValueError(f"{codec.name} payload has {len(view)} bytes, needs {DIGEST_BYTES}")
    body, found = view[:-DIGEST_BYTES], bytes(view[-DIGEST_BYTES:])
    expected = _digest(codec, body, shared)
    if found != expected:
        raise ValueError(
            f"{codec.name} payload of {len(view)} bytes has digest {found.hex()}, expected "
            f"{expected.hex()}: it is damaged, or from another codec, layout, seed, round "
            "or sender"
        )
    return body


def _digest(codec: Codec, body: bytes | memoryview, shared: Shared) -> bytes:
    """Return the 4 bytes that bind a payload to its codec and to what both ends share."""
    state = xxhash.xxh3_64(body)
    state.update(
        struct.pack(
            "<QIQQQ",
            shared.layout.digest,
            codec_id(codec),
            shared.seed & 0xFFFFFFFFFFFFFFFF,
            shared.round,
            shared.sender,
        )
    )
    return (state.intdigest() & 0xFFFFFFFF).to_bytes(DIGEST_BYTES, "little")


def _finite(flat: Floats) -> bool:
    # One pass in most cases: a sum of squares that is finite has finite terms only.
    with np.errstate(all="ignore"):
        if flat.size == 0 or np.isfinite(np.dot(flat, flat)):
            return True
    return bool(flat.max() <= LARGEST_FLOAT and flat.min() >= -LARGEST_FLOAT)


def _checked_input(x: Any, layout: Layout) -> Floats:
    if not isinstance(x, torch.Tensor) or x.dtype != torch.float32:
        if isinstance(x, Mapping):
            raise ValueError(
                f"encode takes one float32 vector, got a dict of {len(x)} tensors: use "
                "encode_state(codec, tensors)"
            )
        kind = x.dtype if isinstance(x, torch.Tensor) else type(x).__name__
        raise ValueError(f"encode takes a torch.float32 tensor, got {kind}; use x.float()")
    if tuple(x.shape) != (layout.numel,):
        raise ValueError(f"encode takes shape ({layout.numel},), got {tuple(x.shape)}")
    if not x.is_contiguous():
        raise ValueError(f"encode takes a contiguous vector, got stride {x.stride()}")
    flat: Floats = x.detach().cpu().numpy()
    if not _finite(flat):
        nan, infinite = int(np.isnan(flat).sum()), int(np.isinf(flat).sum())
        raise ValueError(
            f"cannot encode {nan} NaN and {infinite} infinite values of {flat.size}; "
            "lower the learning rate or clip the update"
        )
    return flat


def _checked_output(codec: Codec, y: Floats, layout: Layout) -> Floats:
    if y.dtype != np.float32 or y.shape != (layout.numel,):
        raise ValueError(
            f"{codec.name} decoded {y.dtype} {y.shape}, expected float32 ({layout.numel},)"
        )
    if not _finite(y):
        raise ValueError(f"{codec.name} payload decodes to values that are not finite")
    return np.require(y, requirements=["C", "W"])
