"""bitsandbytes, NVFlare and hivemind."""

from typing import Any

import torch
from base import Adapter, Tensors


class BitsAndBytes(Adapter):
    """Block quantisation of each tensor; codes, scales and tables are tensors of the message."""

    def __init__(self, setting: str, double: bool = False) -> None:
        super().__init__("bitsandbytes", setting + (" double quant" if double else ""))
        self.kind, self.double = setting, double

    def encode(self, tensors: Tensors) -> Any:
        from bitsandbytes import functional as bnb

        if self.kind == "8-bit":
            return {n: bnb.quantize_blockwise(t, blocksize=4096) for n, t in tensors.items()}
        kind, double = self.kind, self.double
        return {
            n: bnb.quantize_4bit(t, blocksize=64, quant_type=kind, compress_statistics=double)
            for n, t in tensors.items()
        }

    def decode(self, message: Any, like: Tensors) -> Tensors:
        from bitsandbytes import functional as bnb

        back = bnb.dequantize_blockwise if self.kind == "8-bit" else bnb.dequantize_4bit
        return {n: back(codes, state).view(like[n].shape) for n, (codes, state) in message.items()}

    def _parts(self, message: Any) -> list[list[torch.Tensor]]:
        out = []
        for codes, state in message.values():
            nested = [state.state2.absmax, state.state2.code] if state.nested else []
            out.append([codes, state.absmax, state.code, *nested])
        return out

    def handed(self, message: Any) -> int:
        return sum(part.nbytes for parts in self._parts(message) for part in parts)

    def packed(self, message: Any, _: Tensors) -> float:
        parts = self._parts(message)
        kept = [(codes, scales, *nested[:1]) for codes, scales, _, *nested in parts]
        return sum(part.nbytes for each in kept for part in each)


class NvFlare(Adapter):
    """NVFlare's quantisation filter and its FOBS serialisation, as a client's task result."""

    def __init__(self, setting: str) -> None:
        super().__init__("nvflare", setting)

    def encode(self, tensors: Tensors) -> bytes:
        from nvflare.apis.dxo import DXO, DataKind
        from nvflare.apis.fl_context import FLContext
        from nvflare.apis.shareable import Shareable
        from nvflare.app_common.decomposers import common_decomposers
        from nvflare.app_opt.pt.decomposers import TensorDecomposer
        from nvflare.app_opt.pt.quantization.quantizer import ModelQuantizer
        from nvflare.fuel.utils import fobs

        common_decomposers.register()
        fobs.register(TensorDecomposer)
        dxo = DXO(DataKind.WEIGHT_DIFF, data=dict(tensors))
        dxo = ModelQuantizer(self.setting).process_dxo(dxo, Shareable(), FLContext())
        return fobs.dumps(dxo.to_shareable())

    def decode(self, message: bytes, like: Tensors) -> Tensors:
        from nvflare.apis.dxo import from_shareable
        from nvflare.apis.fl_context import FLContext
        from nvflare.apis.shareable import Shareable
        from nvflare.app_opt.pt.quantization.dequantizer import ModelDequantizer
        from nvflare.fuel.utils import fobs

        dxo = from_shareable(fobs.loads(message))
        back = ModelDequantizer().process_dxo(dxo, Shareable(), FLContext()).data
        return {n: torch.as_tensor(back[n]).float().view(like[n].shape) for n in like}

    def handed(self, message: bytes) -> int:
        return len(message)

    def packed(self, message: bytes, tensors: Tensors) -> float:
        width = {"float16": 16, "blockwise8": 8 + 32 / 4096, "normfloat4": 4.5, "float4": 4.5}
        numel = sum(t.numel() for t in tensors.values())
        return width[self.setting] * numel / 8 if self.setting in width else len(message)


class Hivemind(Adapter):
    """hivemind's tensor compression as the protobuf messages that its peers send."""

    def __init__(self, setting: str) -> None:
        super().__init__("hivemind", setting)

    def encode(self, tensors: Tensors) -> list[bytes]:
        from hivemind.compression import serialize_torch_tensor
        from hivemind.proto.runtime_pb2 import CompressionType

        kind = CompressionType.Value(self.setting)
        return [serialize_torch_tensor(t, kind).SerializeToString() for t in tensors.values()]

    def decode(self, message: list[bytes], like: Tensors) -> Tensors:
        from hivemind.compression import deserialize_torch_tensor
        from hivemind.proto import runtime_pb2

        back = [deserialize_torch_tensor(runtime_pb2.Tensor.FromString(m)) for m in message]
        return {n: t.float().view(like[n].shape) for n, t in zip(like, back, strict=True)}

    def handed(self, message: list[bytes]) -> int:
        return sum(map(len, message))
