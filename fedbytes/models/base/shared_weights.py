"""Frozen weights that several processes read from one place in memory."""

import mmap
import os
import tempfile
from typing import BinaryIO, NamedTuple

import torch
from torch import Tensor, nn

_LINE = 64
"""Bytes of a cache line. Where a tensor begins in one decides how its products are rounded."""
_LEAST_BYTES = 1 << 12


class WeightPlace(NamedTuple):
    """Where a tensor lies in the file."""

    offset: int
    dtype: torch.dtype
    shape: tuple[int, ...]


def nameless_file() -> BinaryIO:
    """Return a file without a name, which goes with the last process that has it open.

    On Linux it is in memory alone; elsewhere it is in the folder for temporary files.
    """
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("fedbytes"), "r+b")
    return tempfile.TemporaryFile()


def write_frozen(network: nn.Module, file: BinaryIO) -> dict[str, WeightPlace]:
    """Write the frozen weights of a model on the CPU into a file, and return where each lies.

    Those of other devices, small ones, and those in packed formats stay where they are.
    """
    places: dict[str, WeightPlace] = {}
    end = 0
    for name, tensor in _frozen(network).items():
        begin = end + (tensor.data_ptr() - end) % _LINE
        file.seek(begin)
        file.write(tensor.detach().reshape(-1).view(torch.uint8).numpy().data)
        places[name] = WeightPlace(begin, tensor.dtype, tuple(tensor.shape))
        end = begin + tensor.nbytes
    file.flush()
    return places


def map_frozen(network: nn.Module, number: int, places: dict[str, WeightPlace]) -> None:
    """Have a model read the frozen weights that are in a file; what it writes stays its own.

    Args:
        network: built as the one whose weights were written.
        number: of the open file.
        places: what `write_frozen` returned.
    """
    if not places:
        return
    memory = mmap.mmap(number, 0, access=mmap.ACCESS_COPY)
    held = _frozen(network)
    for name, place in places.items():
        count = held[name].numel()
        found = torch.frombuffer(memory, dtype=place.dtype, count=count, offset=place.offset)
        held[name].data = found.view(place.shape)


def _frozen(network: nn.Module) -> dict[str, Tensor]:
    named = [*network.named_parameters(), *network.named_buffers()]
    return {
        name: tensor
        for name, tensor in named
        if type(tensor) in (nn.Parameter, Tensor)
        and not tensor.requires_grad
        and tensor.device.type == "cpu"
        and tensor.nbytes >= _LEAST_BYTES
        and tensor.is_contiguous()
    }
