"""What is kept of one client as bytes: tensors as they lie in memory, the rest as JSON."""

import io
import json
import struct
from typing import Any

import torch
from torch import Tensor

_HEAD = struct.Struct("<Q")
_SCALARS = (str, int, float, bool)


def pack_record(value: Any) -> bytes:
    """Return a nest of tensors and plain values as bytes, which `unpack_record` reads to the bit.

    Args:
        value: of dicts, lists, tuples, tensors, bytes, numbers and strings, or of anything else
            that `torch.load` reads with `weights_only`.

    Example:
        >>> kept = {"version": 3, "senders": {"": {"residual": torch.tensor([0.5, -2.0])}}}
        >>> data = pack_record(kept)
        >>> len(data), unpack_record(data)["senders"][""]["residual"]
        (110, tensor([ 0.5000, -2.0000]))
    """
    raw: list[bytes] = []
    shape = json.dumps(_described(value, raw), separators=(",", ":")).encode()
    return b"".join([_HEAD.pack(len(shape)), shape, *raw])


def unpack_record(data: bytes) -> Any:
    """Return what `pack_record` packed; tensors are on the CPU.

    Raises:
        ValueError: if it is cut or altered.
    """
    try:
        (length,) = _HEAD.unpack_from(data)
        start = _HEAD.size + length
        shape = json.loads(data[_HEAD.size : start])
        return _Reader(memoryview(data)[start:]).read(shape)
    except (
        struct.error,
        UnicodeDecodeError,
        json.JSONDecodeError,
        RuntimeError,
        KeyError,
        TypeError,
    ) as error:
        raise ValueError(f"a client's record is cut or altered ({error})") from error


def _described(value: Any, raw: list[bytes]) -> Any:
    """Return a value in JSON's types; put what is bytes into `raw`, in order."""
    if value is None or type(value) in _SCALARS:
        return value
    if isinstance(value, dict):
        pairs = [[_described(key, raw), _described(one, raw)] for key, one in value.items()]
        return {"dict": pairs}
    if type(value) in (list, tuple):
        return {type(value).__name__: [_described(one, raw) for one in value]}
    if isinstance(value, Tensor) and value.layout == torch.strided and not value.is_quantized:
        flat = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        raw.append(flat.numpy().tobytes())
        return {
            "tensor": [str(value.dtype).removeprefix("torch."), list(value.shape), len(raw[-1])]
        }
    if isinstance(value, bytes):
        raw.append(value)
        return {"bytes": len(value)}
    buffer = io.BytesIO()
    torch.save(value, buffer)
    raw.append(buffer.getvalue())
    return {"torch": len(raw[-1])}


class _Reader:
    """Reads a described value; the bytes are taken in their order."""

    def __init__(self, raw: memoryview) -> None:
        self.raw = raw

    def read(self, described: Any) -> Any:
        if not isinstance(described, dict):
            return described
        ((kind, content),) = described.items()
        if kind == "dict":
            return {self.read(key): self.read(value) for key, value in content}
        if kind in ("list", "tuple"):
            found = [self.read(one) for one in content]
            return found if kind == "list" else tuple(found)
        if kind == "tensor":
            return self._tensor(*content)
        data = self._take(content)
        return data if kind == "bytes" else torch.load(io.BytesIO(data), weights_only=True)

    def _take(self, length: int) -> bytes:
        if length > len(self.raw):
            raise ValueError(f"a client's record is cut ({len(self.raw)} of {length} bytes)")
        data, self.raw = bytes(self.raw[:length]), self.raw[length:]
        return data

    def _tensor(self, dtype: str, shape: list[int], length: int) -> Tensor:
        data = bytearray(self._take(length))
        kind = getattr(torch, dtype)
        if not data:
            return torch.empty(shape, dtype=kind)
        return torch.frombuffer(data, dtype=kind).reshape(shape)


def bytes_in_memory(value: Any) -> int:
    """Return about how many bytes a nest of tensors and plain values takes in memory."""
    if isinstance(value, Tensor):
        return 200 + value.numel() * value.element_size()
    if isinstance(value, dict):
        return 200 + sum(map(bytes_in_memory, value.values()))
    if isinstance(value, list | tuple):
        return 60 + sum(map(bytes_in_memory, value))
    return 60 + (len(value) if isinstance(value, bytes | str) else 0)
