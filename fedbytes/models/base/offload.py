"""Frozen bases stored outside the device's memory, with weights fetched on use."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from fedbytes.process.disk_errors import replaced_file


@dataclass(frozen=True)
class Offload:
    """Where the weights of a frozen base are stored.

    Attributes:
        place: `cpu` memory, `disk`, or `auto`: as much as fits on all GPUs, then in CPU memory,
            then on disk (by accelerate).
        folder: folder for the weights on disk.
    """

    place: Literal["auto", "cpu", "disk"]
    folder: str = ""


def offload_weights(
    model: Any, offload: Offload, digest: str, max_memory: dict[int | str, int] | None = None
) -> None:
    """Move a base's weights to where they are stored; those on disk become memory maps.

    Args:
        model: a base model in CPU memory.
        offload: where to.
        digest: identifies the weights and names the file.
        max_memory: bytes per device that `auto` may use; None for all that is free.

    Raises:
        ValueError: if weights must go to disk and no folder is given.
    """
    places: dict[str, int | str] = {"": offload.place}
    if offload.place == "auto":
        from accelerate import infer_auto_device_map

        kept_whole = list(getattr(model, "_no_split_modules", None) or [])
        places = infer_auto_device_map(model, max_memory, no_split_module_classes=kept_whole)
    on_disk = {}
    for name, parameter in model.named_parameters():
        place = places[_owner(name, places)]
        if place == "disk":
            on_disk[name] = parameter
        elif place != "cpu":
            parameter.data = parameter.data.to(place)
    if on_disk:
        _map_from_disk(on_disk, offload.folder, digest)


def fetch_weights_on_use(backbone: nn.Module, trained: set[str], device: torch.device) -> None:
    """Make modules fetch frozen weights to `device` when they run, and release them afterwards.

    Trained parameters, and others in the same module, stay on the device. Autograd keeps weights
    for the backward pass; with gradient checkpointing only those of one layer.

    Args:
        backbone: a shared copy of the base, with its adapter.
        trained: names of its trained parameters.
        device: the device of all computation.
    """
    from accelerate.hooks import AlignDevicesHook, add_hook_to_module

    ours = {id(p) for name, p in backbone.named_parameters() if name in trained}
    moved: dict[int, nn.Parameter] = {}  # tied parameters stay one
    for module in list(backbone.modules()):
        own = dict(module.named_parameters(recurse=False))
        if own and not any(id(parameter) in ours for parameter in own.values()):
            weights = {name: parameter.data for name, parameter in own.items()}
            hook = AlignDevicesHook(execution_device=device, offload=True, weights_map=weights)
            add_hook_to_module(module, hook)
            continue
        for name, parameter in own.items():
            if parameter.device != device:
                at_home = nn.Parameter(parameter.data.to(device), parameter.requires_grad)
                module._parameters[name] = moved.setdefault(id(parameter), at_home)
        for name, buffer in module.named_buffers(recurse=False):
            module._buffers[name] = buffer.to(device)


def _owner(name: str, places: dict[str, int | str]) -> str:
    """Return the longest key of `places` that contains the parameter."""
    inside = [path for path in places if not path or name == path or name.startswith(f"{path}.")]
    return max(inside, key=len)


def _map_from_disk(parameters: dict[str, nn.Parameter], folder: str, digest: str) -> None:
    from safetensors.torch import load_file, save_file

    if not folder:
        raise ValueError(f"device_map puts {len(parameters)} tensors on disk: set offload_folder")
    key = hashlib.sha256(f"{digest} {sorted(parameters)}".encode()).hexdigest()[:24]
    path = Path(folder).expanduser() / f"{key}.safetensors"
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replaced_file(path, "free some space, or set another offload_folder") as staged:
                save_file({name: p.data.contiguous() for name, p in parameters.items()}, staged)
        except OSError as error:
            why = error.strerror or error
            raise ValueError(f"offload_folder {path.parent} cannot be written: {why}") from error
    mapped = load_file(path)
    for name, parameter in parameters.items():
        parameter.data = mapped[name]
