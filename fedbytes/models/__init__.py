"""Base models, and what of them is trained and sent."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fedbytes.models.adapter import ADAPTERS, Adapter, make_adapter
    from fedbytes.models.base import (
        NAMED,
        Base,
        BaseInfo,
        forget_bases,
        load_base,
        load_tokenizer,
    )
    from fedbytes.models.batching import Batch
    from fedbytes.models.build import build_model, encode_task
    from fedbytes.models.family import FAMILIES, Family
    from fedbytes.models.spec import ModelSpec, make_model_spec, model_spec
    from fedbytes.models.trainable import TrainableModel

__all__ = [
    "ADAPTERS",
    "FAMILIES",
    "NAMED",
    "Adapter",
    "Base",
    "BaseInfo",
    "Batch",
    "Family",
    "ModelSpec",
    "TrainableModel",
    "build_model",
    "encode_task",
    "forget_bases",
    "load_base",
    "load_tokenizer",
    "make_adapter",
    "make_model_spec",
    "model_spec",
]

_HOMES = {
    "adapter": ("ADAPTERS", "Adapter", "make_adapter"),
    "base": ("NAMED", "Base", "BaseInfo", "forget_bases", "load_base", "load_tokenizer"),
    "batching": ("Batch",),
    "build": ("build_model", "encode_task"),
    "family": ("FAMILIES", "Family"),
    "spec": ("ModelSpec", "make_model_spec", "model_spec"),
    "trainable": ("TrainableModel",),
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: torch takes seconds."""
    from importlib import import_module

    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
