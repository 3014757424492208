"""FedLab, SZ3 and zstandard."""

from typing import Any

import torch
from base import Adapter, Tensors


class FedLab(Adapter):
    """FedLab's two compressors; the tensors that they return are what its packages carry."""

    def __init__(self, setting: str, value: float) -> None:
        super().__init__("fedlab", f"{setting} {value:g}")
        self.kind, self.value = setting, value

    def _make(self) -> Any:
        from fedlab.contrib.compressor.quantization import QSGDCompressor
        from fedlab.contrib.compressor.topk import TopkCompressor

        if self.kind == "top-k":
            return TopkCompressor(self.value)
        return QSGDCompressor(int(self.value))

    def encode(self, tensors: Tensors) -> Any:
        return {n: self._make().compress(t) for n, t in tensors.items()}

    def decode(self, message: Any, like: Tensors) -> Tensors:
        if self.kind == "top-k":
            return {n: self._make().decompress(*m, like[n].shape) for n, m in message.items()}
        return {n: self._make().decompress(m) for n, m in message.items()}

    def handed(self, message: Any) -> int:
        return sum(part.nbytes for parts in message.values() for part in parts)

    def packed(self, message: Any, tensors: Tensors) -> float:
        if self.kind == "top-k":  # values in float32, indices in 32 bits
            return sum(8 * values.numel() for values, _ in message.values())
        return sum((self.value + 1) * t.numel() / 8 + 4 for t in tensors.values())


class Sz3(Adapter):
    """SZ3 with an absolute error bound, in units of the standard deviation (FedSZ's family)."""

    def __init__(self, bound: float) -> None:
        super().__init__("pysz", f"abs {bound:g} sd")
        self.bound = bound

    def encode(self, tensors: Tensors) -> Any:
        from pysz import sz, szConfig, szErrorBoundMode

        out = []
        for tensor in tensors.values():
            config = szConfig(tensor.numel())
            config.errorBoundMode = szErrorBoundMode.ABS
            config.absErrorBound = self.bound * float(tensor.std())
            out.append(sz.compress(tensor.flatten().numpy(), config)[0])
        return out

    def decode(self, message: Any, like: Tensors) -> Tensors:
        import numpy as np
        from pysz import sz

        back = (
            sz.decompress(m, np.float32, (t.numel(),))[0]
            for m, t in zip(message, like.values(), strict=True)
        )
        return {n: torch.from_numpy(b).view(like[n].shape) for n, b in zip(like, back, strict=True)}

    def handed(self, message: Any) -> int:
        return sum(part.nbytes for part in message)


class Zstandard(Adapter):
    """zstandard over the float32 bytes: what a transport's own compression gives."""

    def __init__(self, level: int) -> None:
        super().__init__("zstandard", f"level {level}, float32")
        self.level = level

    def encode(self, tensors: Tensors) -> bytes:
        import zstandard

        raw = b"".join(t.numpy().tobytes() for t in tensors.values())
        return zstandard.ZstdCompressor(level=self.level).compress(raw)

    def decode(self, message: bytes, like: Tensors) -> Tensors:
        import zstandard

        flat = torch.frombuffer(
            bytearray(zstandard.ZstdDecompressor().decompress(message)), dtype=torch.float32
        )
        parts = flat.split([t.numel() for t in like.values()])
        return {n: p.view(t.shape) for (n, t), p in zip(like.items(), parts, strict=True)}

    def handed(self, message: bytes) -> int:
        return len(message)
