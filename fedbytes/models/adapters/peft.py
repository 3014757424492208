import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import nn

from fedbytes.models.adapter import ADAPTERS, AnyInitial, KeptForm, PeftMethod
from fedbytes.models.adapter_parts.peft_injection import inject_peft
from fedbytes.models.adapter_parts.target_layers import TargetedAdapter, find_modules
from fedbytes.process.quiet import quiet_logger
from fedbytes.registry import nearest

_SOFT = "it puts tokens before the text; adapters prompt_tuning, prefix_tuning and p_tuning do"
REFUSED = {
    "ADALORA": "it moves ranks between layers during training, by a schedule of its own",
    "ADAMSS": "it clusters with scikit-learn, from generators of its own",
    "ADAPTION_PROMPT": _SOFT,
    "CARTRIDGE": _SOFT,
    "CPT": _SOFT,
    "MULTITASK_PROMPT_TUNING": _SOFT,
    "OSF": "it changes gradients by hooks, which training one flat vector bypasses",
    "POLY": "it requires the task of each example",
    "PREFIX_TUNING": "adapter prefix_tuning does it",
    "PROMPT_TUNING": "adapter prompt_tuning does it",
    "P_TUNING": "adapter p_tuning does it",
    "PVERA": "it draws from a global generator in every pass",
    "SHADOW": "it runs a second model",
    "TRAINABLE_TOKENS": "it trains rows of the embedding, not layers",
    "XLORA": "it mixes adapters that were trained before",
}
"""Methods that do not fit, and why: they are more than tensors added to single layers."""

_OURS = {
    "target_modules": "targets",
    "target_parameters": "targets",
    "exclude_modules": "targets",
    "layers_to_transform": "layers",
    "layers_pattern": "layers",
    "bias": "adapter bitfit",
}
_NO_OPTIONS = {
    "peft_type", "task_type", "inference_mode", "base_model_name_or_path", "revision",
    "modules_to_save", "auto_mapping", "peft_version", "trainable_token_indices",
}  # fmt: skip


@ADAPTERS.register("peft")
@dataclass(frozen=True)
class Peft(TargetedAdapter):
    """Any method of peft that adds tensors to single layers, by peft's name.

    Initial values are peft's, drawn from the run's seed where peft draws them. Frozen draws come
    from a seed that is the same in every run, so they cost no bytes.

    Attributes:
        method: `LOHA`, `LOKR`, `OFT`, `BOFT`, `FOURIERFT`, `HRA`, `RANDLORA`, `LN_TUNING`, …;
            LN_TUNING's targets are normalisations, all others' linear layers.
        options: fields of the method's configuration class in peft.
    """

    kept_as: ClassVar[tuple[KeptForm, ...]] = ("peft", "merged")
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({"method": "LOHA"}, {"method": "LN_TUNING"})
    method: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "method", self.method.upper())
        known = supported_methods()
        if self.method in REFUSED:
            raise ValueError(f"peft method {self.method} does not fit: {REFUSED[self.method]}")
        if self.method not in known:
            raise ValueError(f"peft has no method {self.method!r}{nearest(self.method, known)}")
        for name, value in self.options.items():
            self._check_option(name, value, known[self.method])

    def _check_option(self, name: str, value: Any, known: Collection[str]) -> None:
        if name in _OURS:
            raise ValueError(f"set {name!r} with {_OURS[name]}, not in options")
        if name not in known:
            raise ValueError(f"peft {self.method} has no option {name!r}{nearest(name, known)}")
        if "dropout" in name and value:
            raise ValueError(f"peft option {name}={value}: dropout is not supported; remove it")

    def attach(self, backbone: nn.Module) -> dict[str, AnyInitial]:
        """Insert the method's tensors and return the trained ones.

        Raises:
            ValueError: if peft refuses, or a target or layer does not exist.
        """
        peft = self.as_peft(backbone)
        return inject_peft(backbone, peft.method, peft.options, peft.modules)

    def as_peft(self, backbone: nn.Module) -> PeftMethod:
        """Return the method as it was given."""
        return PeftMethod(self.method, self.options, self._modules(backbone))

    def trains_factors(self) -> bool:
        """Return whether the method is LoRA, with any options."""
        return self.method == "LORA"

    def _modules(self, backbone: nn.Module) -> list[str]:
        if self.method != "LN_TUNING":
            return super()._modules(backbone)
        found = find_modules(backbone, self._layer_indices(backbone), _is_norm)
        return self._chosen(found, "normalisation", sorted(found))


def supported_methods() -> dict[str, set[str]]:
    """Return the names of the supported methods, each with its options."""
    with quiet_logger("bitsandbytes"):
        from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    return {
        str(kind.value): {f.name for f in dataclasses.fields(cls)} - _NO_OPTIONS - {*_OURS}
        for kind, cls in PEFT_TYPE_TO_CONFIG_MAPPING.items()
        if kind.value not in REFUSED
    }


def _is_norm(module: nn.Module) -> bool:
    return "norm" in type(module).__name__.lower() and bool(module._parameters)
