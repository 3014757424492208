"""Any method of peft that adapts single layers, attached to a shared base."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fedbytes.models.adapter import AnyInitial, Initial, JointInitial
from fedbytes.models.base.base_model import copy_modules
from fedbytes.models.initialisers import keep_value
from fedbytes.process.quiet import quiet_logger

# Frozen draws of a method are the same in every run, so both ends know them.
FROZEN_SEED = 20_260_101


# Kernels of these models read the weight of out_proj itself, so peft refuses LoRA there.
_BYPASSING = ("mamba", "mamba2", "falcon_mamba", "falcon_h1", "nemotron_h")


def drop_bypassed(backbone: nn.Module, modules: Sequence[str]) -> list[str]:
    """Return the modules without those whose LoRA a model's kernels would bypass."""
    if getattr(getattr(backbone, "config", None), "model_type", None) not in _BYPASSING:
        return list(modules)
    return [name for name in modules if not name.endswith(".out_proj")]


def inject_peft(
    backbone: nn.Module,
    method: str,
    options: Mapping[str, Any],
    modules: Sequence[str],
    draws: Mapping[str, Initial] | None = None,
) -> dict[str, AnyInitial]:
    """Attach a method of peft to modules of a base, and return its trained tensors.

    Trained tensors start as in peft. Those that peft draws are redrawn from the given stream;
    frozen draws come from a fixed seed, so that every run and both ends of a link have the same
    and none is sent.

    Args:
        backbone: a shared copy of the base, whose own parameters are frozen.
        method: peft's name of the method, such as `LOHA`.
        options: fields of its configuration class, without the target modules.
        modules: full names of the adapted modules.
        draws: part of a tensor's name -> its initial value, instead of peft's.

    Returns:
        name of each trained parameter -> its initial value.

    Raises:
        ValueError: if peft refuses the options or the modules, in one line.
    """
    bare = None if draws is not None else copy_modules(backbone)
    before = {id(parameter) for parameter in backbone.parameters()}
    with _protected(backbone, method, () if bare is None else modules):
        _apply(backbone, method, options, modules, FROZEN_SEED)
    trained: dict[str, Tensor] = {}
    for name, parameter in backbone.named_parameters():
        if id(parameter) in before:
            parameter.requires_grad_(False)
        elif parameter.requires_grad:
            trained[name] = parameter.detach()
    if draws is not None:
        known = draws
        return {
            name: next((draw for part, draw in known.items() if part in name), keep_value)
            for name in trained
        }
    assert bare is not None
    initial: dict[str, AnyInitial] = dict.fromkeys(trained, keep_value)
    drawn: dict[str, list[str]] = {}
    for name in _drawn_names(bare, method, options, modules, trained):
        drawn.setdefault(_module_of(name, modules), []).append(name)
    for module, names in drawn.items():
        redraw = RedrawModule(bare, method, dict(options), module, tuple(names))
        initial |= dict.fromkeys(names, redraw)
    return initial


@dataclass(frozen=True, eq=False)
class RedrawModule(JointInitial):
    """Draws the tensors of one module as peft does: it may draw one depending on another.

    Attributes:
        bare: the base before the method was attached.
        method: peft's name of the method.
        options: fields of its configuration.
        module: full name of the module.
        names: full names of the tensors.
    """

    bare: nn.Module
    method: str
    options: dict[str, Any]
    module: str
    names: tuple[str, ...]

    def draw(
        self, rngs: Sequence[np.random.Generator], tensors: Sequence[Tensor]
    ) -> Sequence[Tensor]:
        """Apply the method to the module alone, with torch's generator seeded from `rngs[0]`."""
        alone = _Branch(self.module, self.bare)
        _apply(alone, self.method, self.options, [self.module], int(rngs[0].integers(2**63)))
        found = {name: p.detach() for name, p in alone.named_parameters() if p.requires_grad}
        for name, tensor in zip(self.names, tensors, strict=True):
            if name not in found or found[name].shape != tensor.shape:
                raise ValueError(f"peft {self.method} draws {name} jointly for several layers")
        return [found[name].float().cpu() for name in self.names]


class _Branch(nn.Module):
    """A tree of modules with one leaf: a model's module under its full name."""

    def __init__(self, name: str, model: nn.Module) -> None:
        super().__init__()
        self.config = getattr(model, "config", None)
        *parents, last = name.split(".")
        at: nn.Module = self
        for parent in parents:
            at.add_module(parent, nn.Module())
            at = at.get_submodule(parent)
        at.add_module(last, copy_modules(model.get_submodule(name)))


def _drawn_names(
    bare: nn.Module,
    method: str,
    options: Mapping[str, Any],
    modules: Sequence[str],
    trained: Mapping[str, Tensor],
) -> list[str]:
    """Return the names of the trained tensors whose values depend on torch's generator."""
    other = copy_modules(bare)
    _apply(other, method, options, modules, FROZEN_SEED + 1)
    held = dict(other.named_parameters())
    return [name for name, value in trained.items() if not torch.equal(value, held[name])]


def _module_of(name: str, modules: Sequence[str]) -> str:
    return max((m for m in modules if name.startswith(f"{m}.")), key=len)


def _apply(
    model: nn.Module, method: str, options: Mapping[str, Any], modules: Sequence[str], seed: int
) -> None:
    with quiet_logger("bitsandbytes"):  # which peft imports where it is installed
        from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING, PEFT_TYPE_TO_TUNER_MAPPING
        from peft.utils.peft_types import PeftType
    kind = PeftType(method)
    make: Any = PEFT_TYPE_TO_CONFIG_MAPPING[kind]
    try:
        with seeded_torch(model, seed):
            config = make(**options, target_modules=list(modules))
            PEFT_TYPE_TO_TUNER_MAPPING[kind](model, config, adapter_name="default")
    except (ValueError, TypeError, ImportError, RuntimeError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"peft {method}: {reason}") from error


@contextmanager
def _protected(backbone: nn.Module, method: str, modules: Sequence[str]) -> Iterator[None]:
    """Restore the shared weights of `modules`, and raise if the block wrote to them."""
    weights = [p for name in modules for p in backbone.get_submodule(name).parameters()]
    kept = [(p, p.data, p.detach().clone()) for p in weights]
    yield
    written = [(p, data, copy) for p, data, copy in kept if not torch.equal(p, copy)]
    for parameter, data, copy in written:
        parameter.data = data.copy_(copy)
    if written:
        raise ValueError(
            f"peft {method} with these options rewrites the shared base: choose other options"
        )


@contextmanager
def seeded_torch(model: nn.Module, seed: int) -> Iterator[None]:
    """Seed torch's generators for the block, and restore their state afterwards."""
    devices = {p.device.index or 0 for p in model.parameters() if p.device.type == "cuda"}
    with torch.random.fork_rng(devices=sorted(devices)):
        torch.default_generator.manual_seed(seed)
        for device in devices:
            torch.cuda.default_generators[device].manual_seed(seed)
        yield
