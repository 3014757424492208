"""The model part of a configuration."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fedbytes.models.device import Precision
from fedbytes.registry import nearest


@dataclass(frozen=True)
class ModelSpec:
    """Which base model, and how it runs.

    Attributes:
        name: `minilm`, `smollm2-135m`, `tiny-llama`, `tiny-bert`, a folder, or a hub id.
        device: `auto` (cuda, else mps, else cpu), or a device by name.
        precision: `auto` (bfloat16 where the device has it), `float32` or `bfloat16`.
    """

    name: str
    device: str = "auto"
    precision: Precision = "auto"


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
    if given.get("precision", "auto") not in ("auto", "float32", "bfloat16"):
        raise ValueError(f"precision must be auto, float32 or bfloat16, got {given['precision']!r}")
    return ModelSpec(**given)
