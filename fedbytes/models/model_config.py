"""The model part of a configuration."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch

from fedbytes.models.base.device import Precision
from fedbytes.models.base.family import FAMILIES, Family, family_fields, split_family_fields
from fedbytes.models.base.offload import Offload
from fedbytes.models.base.quantised_base import Quantisation
from fedbytes.models.heads.verbaliser import DEFAULT_QUESTION
from fedbytes.plugin_fields import added_field, stated_fields
from fedbytes.registry import nearest

_MICROBATCHES = 4


@dataclass(frozen=True)
class ModelSpec:
    """Which base model, and how it runs.

    Attributes:
        name: `minilm`, `smollm2-135m`, `tiny-llama`, `tiny-bert`, a folder, or a hub id; or a
            family such as `llama`, whose fields are then given along with these.
        device: `auto` (cuda, else mps, else cpu), or a device by name.
        precision: `auto` (bfloat16 where the device has it), `float32` or `bfloat16`.
        pooling: a text's state for classification: the `mean` over its tokens, its `last` token,
            or `auto` (mean for encoders, last for decoders).
        quantise: store the frozen linear layers' weights as `nf4`, `fp4` or `int8`, or `none`.
        double_quant: also quantise the scales of 4-bit blocks.
        compute_dtype: type of products with quantised weights; `auto` follows `precision`.
        gradient_checkpointing: recompute activations inside layers in the backward pass.
        device_map: where the frozen base is stored: on the device (`none`), in `cpu` memory, on
            `disk`, or wherever there is space (`auto`). Computation stays on the device.
        offload_folder: folder for the weights that `device_map` puts on disk.
        family: the architecture of a model that starts from random weights.
        tensor_parallel: split each frozen linear layer over the processes of torchrun.
        pipeline_parallel: give each of those processes some consecutive layers instead.
        microbatches: number of parts of a batch that are in the pipeline at the same time.
        head: the classifier: a trained `linear` layer, or `words`: a causal language model scores
            each class's word as the next token, without trained parameters.
        words: with `head: words`, one word per class, in the order of the sorted labels and
            separated by commas; the labels themselves by default.
        question: with `head: words`, the text after each example.
    """

    name: str = ""
    device: str = "auto"
    precision: Precision = "auto"
    pooling: Literal["auto", "mean", "last"] = "auto"
    quantise: Literal["none", "nf4", "fp4", "int8"] = added_field("none")
    double_quant: bool = added_field(False)
    compute_dtype: Literal["auto", "float32", "bfloat16", "float16"] = added_field("auto")
    gradient_checkpointing: bool = added_field(False)
    device_map: Literal["none", "auto", "cpu", "disk"] = added_field("none")
    offload_folder: str = added_field("")
    family: Family | None = added_field(None)
    tensor_parallel: bool = added_field(False)
    pipeline_parallel: bool = added_field(False)
    microbatches: int = added_field(_MICROBATCHES)
    head: Literal["linear", "words"] = added_field("linear")
    words: str = added_field("")
    question: str = added_field(DEFAULT_QUESTION)

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("model requires name: a named model, a folder, or a hub id")
        if self.double_quant and self.quantise not in ("nf4", "fp4"):
            raise ValueError(f"double_quant requires quantise nf4 or fp4, got {self.quantise}")
        if self.compute_dtype != "auto" and self.quantise == "none":
            raise ValueError("compute_dtype requires quantise; without it, set precision")
        if self.device_map != "none" and self.quantise != "none":
            raise ValueError(
                f"device_map={self.device_map} cannot be combined with quantise={self.quantise}; "
                "remove one"
            )
        for key in ("tensor_parallel", "pipeline_parallel"):
            if getattr(self, key) and (self.device_map, self.quantise) != ("none", "none"):
                raise ValueError(
                    f"{key} cannot be combined with device_map or quantise; remove one"
                )
            if getattr(self, key) and self.family is not None:
                raise ValueError(
                    f"{key} requires a frozen base; {self.name!r} starts from random weights"
                )
        if self.tensor_parallel and self.pipeline_parallel:
            raise ValueError(
                "pipeline_parallel cannot be combined with tensor_parallel; remove one"
            )
        if self.microbatches < 1:
            raise ValueError(f"microbatches must be at least 1, got {self.microbatches}")
        if self.microbatches != _MICROBATCHES and not self.pipeline_parallel:
            raise ValueError(f"microbatches={self.microbatches} requires pipeline_parallel: true")
        if self.head == "linear" and (self.words or self.question != DEFAULT_QUESTION):
            raise ValueError("words and question require head: words (got head: linear)")
        if self.device_map == "disk" and not self.offload_folder:
            raise ValueError("device_map=disk requires offload_folder, a folder for the weights")
        for key in ("quantise", "device_map"):
            if self.family is not None and getattr(self, key) != "none":
                raise ValueError(
                    f"{key}={getattr(self, key)} requires a frozen base; {self.name!r} starts from "
                    "random weights"
                )
        if self.family is not None and self.head == "words":
            raise ValueError(
                f"head=words requires a pretrained model; {self.name!r} starts from random weights"
            )

    @property
    def processes(self) -> str:
        """The field that requires several processes, or an empty string."""
        both = ("tensor_parallel", "pipeline_parallel")
        return next((key for key in both if getattr(self, key)), "")

    @property
    def offload(self) -> Offload | None:
        """Where the frozen base is stored; None for the device."""
        if self.device_map == "none":
            return None
        return Offload(self.device_map, self.offload_folder)

    def quantisation(self, precision: torch.dtype) -> Quantisation | None:
        """Return how weights are quantised, None if they are not.

        Args:
            precision: type of all other products, which `compute_dtype: auto` follows.
        """
        if self.quantise == "none":
            return None
        named = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
        compute = named.get(self.compute_dtype, precision)
        return Quantisation(self.quantise, self.double_quant, compute)


def make_model_spec(spec: str | Mapping[str, Any] | ModelSpec) -> ModelSpec:
    """Build a model's specification from a name or `{"name": …, **fields}`; nothing is loaded.

    Raises:
        ValueError: for a misspelt field (the message names the nearest) or a missing name.
    """
    if isinstance(spec, ModelSpec):
        return spec
    if not isinstance(spec, str | Mapping):
        raise ValueError(f"a model is a name or {{name: …, fields}}, got {spec!r}")
    family, given = split_family_fields({"name": spec} if isinstance(spec, str) else spec)
    known = [field.name for field in dataclasses.fields(ModelSpec) if field.name != "family"]
    for key in given:
        if key not in known:
            hint = nearest(key, [*known, *family_fields(family)])
            raise ValueError(f"model has no field {key!r}{hint}")
    return FAMILIES.build(ModelSpec, given | {"family": family}, "model")


def model_spec(spec: ModelSpec) -> dict[str, Any]:
    """Return the canonical fields of a model, without added ones at their default."""
    fields = {key: value for key, value in stated_fields(spec).items() if key != "family"}
    return fields | family_fields(spec.family)
