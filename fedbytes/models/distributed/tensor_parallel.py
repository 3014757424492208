"""Tensor parallelism: each process has and multiplies a part of every linear layer of the base."""

import os
from multiprocessing import parent_process
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from fedbytes.models.layer_stack import find_layers


def join_process_group(device: str, field: str) -> None:
    """Join the process group of torchrun, once.

    Args:
        device: this process's device; a GPU is chosen by `LOCAL_RANK`.
        field: the field of the model that requires several processes.

    Raises:
        ValueError: if torchrun did not start this process, or it is a worker of such a process.
    """
    if dist.is_initialized():
        return
    if "WORLD_SIZE" not in os.environ:
        raise ValueError(
            f"{field} requires several processes: start with torchrun (fedbytes docs large-models)"
        )
    if parent_process() is not None:  # a worker would wait forever for the others
        raise ValueError(
            f"{field} runs in the processes that torchrun started, not in their workers: "
            "call fedbytes.experiments.run there (fedbytes docs large-models)"
        )
    cuda = device.startswith("cuda") or (device == "auto" and torch.cuda.is_available())
    if cuda:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    dist.init_process_group("nccl" if cuda else "gloo")


def split_layers(backbone: nn.Module, trained: set[str], device: torch.device) -> None:
    """Keep only this process's rows of every frozen linear layer in the layer stack.

    Each process computes its part of a layer's outputs and gathers the others'. Everything between
    linear layers and all trained parameters are replicated, so any adapter works, and the trained
    vectors of all processes stay equal. These are Megatron-LM's column-parallel layers (Shoeybi et
    al. 2019, arXiv 1909.08053), gathered after every layer.

    Args:
        backbone: a shared copy of the base in CPU memory, with its adapter.
        trained: names of its trained parameters.
        device: this process's device.

    Raises:
        ValueError: if no stack of layers is found in the model.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import Replicate
    from torch.distributed.tensor.parallel import ColwiseParallel, parallelize_module

    layers = find_layers(backbone)[1]
    if not layers:
        raise ValueError(
            f"tensor_parallel: {type(backbone).__name__} has no known stack of layers: remove it"
        )
    ours = {id(p) for name, p in backbone.named_parameters() if name in trained}
    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    split: set[int] = set()
    for layer in layers:
        for module in layer.modules():
            own = list(module.parameters(recurse=False))
            if isinstance(module, nn.Linear) and not any(id(p) in ours for p in own):
                parallelize_module(module, mesh, ColwiseParallel(output_layouts=Replicate()))
                split.update(id(p) for p in module.parameters(recurse=False))
    move_unsplit(backbone, split, device)


def move_unsplit(backbone: nn.Module, split: set[int], device: torch.device) -> None:
    """Move parameters with values to a device, except those whose ids are in `split`."""
    split = split | {id(p) for p in backbone.parameters() if p.is_meta}
    moved: dict[int, Any] = {}  # tied parameters stay one
    for module in backbone.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if id(parameter) not in split and parameter.device != device:
                at_home = nn.Parameter(parameter.data.to(device), parameter.requires_grad)
                module._parameters[name] = moved.setdefault(id(parameter), at_home)
        for name, buffer in module.named_buffers(recurse=False):
            if not buffer.is_meta:
                module._buffers[name] = buffer.to(device)
