"""Model families: architectures that start from random weights, for pre-training."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import torch

from fedbytes.data.tokens.encoded import EncodedTask
from fedbytes.data.tokens.tokenizer_training import LEAST_VOCABULARY, serialise_tokenizer
from fedbytes.models.adapter import Initial
from fedbytes.plugin_fields import Plugin
from fedbytes.registry import Registry

if TYPE_CHECKING:
    from transformers import PretrainedConfig

    from fedbytes.models.base.base_model import Base

TRAINED = "trained"
VOCABULARY = 4096


@dataclass(frozen=True)
class Family(Plugin, ABC):
    """An architecture; its fields are its sizes and its tokenizer.

    Attributes:
        tokenizer: `trained` on the training texts (byte-level BPE), or the name, folder or hub id
            of a model whose tokenizer is used.
        vocab_size: maximum number of tokens of a trained tokenizer; None means 4096.
    """

    tokenizer: str = TRAINED
    vocab_size: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.tokenizer:
            raise ValueError("tokenizer must be trained, or the name, folder or hub id of a model")
        if self.vocab_size is not None and self.tokenizer != TRAINED:
            raise ValueError(
                f"vocab_size={self.vocab_size} requires tokenizer=trained; {self.tokenizer!r} has "
                "its own"
            )
        if self.vocabulary < LEAST_VOCABULARY:
            raise ValueError(
                f"vocab_size must be at least {LEAST_VOCABULARY} (the bytes and an end token), "
                f"got {self.vocab_size}"
            )

    @property
    def vocabulary(self) -> int:
        """Maximum number of tokens of a trained tokenizer."""
        return VOCABULARY if self.vocab_size is None else self.vocab_size

    @abstractmethod
    def config(self, tokens: int, max_length: int) -> "PretrainedConfig":
        """Return transformers' configuration for a vocabulary size and a length of texts."""

    @abstractmethod
    def initial(self, parameter: str) -> Initial:
        """Return the initial value of a parameter, named as in the model."""


FAMILIES: Registry[Family] = Registry(
    "model",
    Family,  # type: ignore[type-abstract]
    "fedbytes.models.base.families",
    "fedbytes.models.testing.family_contract:check_family",
)


def split_family_fields(given: Mapping[str, Any]) -> tuple[Family | None, dict[str, Any]]:
    """Split a model's specification into its family, if it names one, and all other fields.

    Raises:
        ValueError: for a value of the wrong type or out of range.
    """
    name = given.get("name")
    if not isinstance(name, str) or name not in FAMILIES.names():
        return None, dict(given)
    own = {field.name for field in fields(FAMILIES.get(name))}
    family = FAMILIES.make({"name": name} | {k: v for k, v in given.items() if k in own})
    return family, {key: value for key, value in given.items() if key not in own}


def family_fields(family: Family | None) -> dict[str, Any]:
    """Return a family's canonical fields without its name; empty without a family."""
    spec = {} if family is None else FAMILIES.spec(family)
    return {key: value for key, value in spec.items() if key != "name"}


def make_base(family: Family, task: EncodedTask, device: torch.device) -> "Base":
    """Build a model of this family for a task's tokens.

    Clients need only the tokenizer before the first round, so its set-up bytes are 0.
    """
    from transformers import AutoModel, AutoModelForCausalLM

    from fedbytes.models.base.base_model import Base, BaseInfo

    config = family.config(len(task.tokenizer), task.max_length)
    config.use_cache = False
    config.eos_token_id = task.tokenizer.eos_token_id
    config.bos_token_id = task.tokenizer.bos_token_id
    auto_class: Any = AutoModelForCausalLM if task.kind == "causal-lm" else AutoModel
    with torch.random.fork_rng(devices=[]):  # draws initial values, which are not used
        model = auto_class.from_config(config)
    model.requires_grad_(False).eval().to(device)
    info = BaseInfo(
        name=family.name,
        digest=f"random {FAMILIES.spec(family)} {task.digest}",
        parameters=sum(p.numel() for p in model.parameters()),
        setup_bytes=0,
        decoder=True,
        tokenizer_bytes=len(serialise_tokenizer(task.tokenizer)),
    )
    return Base(model, info)
