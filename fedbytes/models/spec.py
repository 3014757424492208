"""The model part of a configuration."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from fedbytes.models.device import Precision
from fedbytes.registry import is_default, nearest

CHOICES = {"precision": ("auto", "float32", "bfloat16"), "pooling": ("auto", "mean", "last")}


@dataclass(frozen=True)
class ModelSpec:
    """Which base model, and how it runs.

    Attributes:
        name: `minilm`, `smollm2-135m`, `tiny-llama`, `tiny-bert`, a folder, or a hub id.
        device: `auto` (cuda, else mps, else cpu), or a device by name.
        precision: `auto` (bfloat16 where the device has it), `float32` or `bfloat16`.
        pooling: how a text's states become one for classification: `mean` over its tokens, its
            `last` token, or `auto` (mean for encoders, last for decoders).
    """

    name: str
    device: str = "auto"
    precision: Precision = "auto"
    pooling: Literal["auto", "mean", "last"] = "auto"


def make_model_spec(spec: str | Mapping[str, Any] | ModelSpec) -> ModelSpec:
    """Return the model that a name or `{"name": …, **fields}` stands for; nothing is loaded.

    Raises:
        ValueError: for a misspelt field (the message names the nearest) or a missing name.
    """
    if isinstance(spec, ModelSpec):
        return spec
    given = {"name": spec} if isinstance(spec, str) else dict(spec)
    known = [field.name for field in dataclasses.fields(ModelSpec)]
    for key, value in given.items():
        if key not in known:
            raise ValueError(f"model has no field {key!r}{nearest(key, known)}")
        if not isinstance(value, str):
            raise ValueError(f"model {key} must be of type str, got {value!r}")
    if not given.get("name"):
        raise ValueError("model needs name: one of ours, a folder, or a hub id")
    for key, options in CHOICES.items():
        if given.get(key, "auto") not in options:
            raise ValueError(f"{key} must be one of {', '.join(options)}, got {given[key]!r}")
    return ModelSpec(**given)


def model_spec(spec: ModelSpec) -> dict[str, Any]:
    """Return the canonical fields of a model; those added later are left out at their default."""
    return {
        field.name: getattr(spec, field.name)
        for field in dataclasses.fields(spec)
        if not is_default(field, getattr(spec, field.name))
    }
