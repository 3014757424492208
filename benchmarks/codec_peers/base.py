"""The peers' compressors behind one interface; runs in the environment that `run.py` makes.

An adapter encodes a mapping of named float32 tensors into what the peer hands to its transport,
and decodes it again. `handed` is how many bytes that is; `packed` is what its numbers would take
at their own bit widths, without containers, padding to whole bytes or wide indices.
"""

import logging
import os
from abc import ABC, abstractmethod
from typing import Any

import torch

logging.disable(logging.CRITICAL)
os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
# NVFlare's quantizer moves every tensor to a GPU, though its kernels exist for the CPU as well.
torch.Tensor.cuda = lambda self, *_, **__: self  # type: ignore[method-assign]

Tensors = dict[str, torch.Tensor]


class Adapter(ABC):
    """One setting of one peer."""

    def __init__(self, peer: str, setting: str) -> None:
        self.peer = peer
        self.setting = setting

    @abstractmethod
    def encode(self, tensors: Tensors) -> Any: ...

    @abstractmethod
    def decode(self, message: Any, like: Tensors) -> Tensors: ...

    @abstractmethod
    def handed(self, message: Any) -> int: ...

    def packed(self, message: Any, tensors: Tensors) -> float:  # noqa: ARG002
        """Bytes at the numbers' own widths; by default all that is handed over."""
        return self.handed(message)
