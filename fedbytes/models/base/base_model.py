"""Frozen base models, loaded once per process and shared by all runs and clients."""

import copy
import json
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

import torch
import xxhash
from torch import nn

from fedbytes.data.assets.asset_files import asset_digest, asset_names
from fedbytes.data.task import Kind
from fedbytes.data.tokens.token_cache import Tokenizer
from fedbytes.data.tokens.tokenizer_training import tokenizer_digest
from fedbytes.models.base.offload import Offload, offload_weights
from fedbytes.models.base.pretrained_files import (
    check_kind,
    check_weights,
    is_decoder,
    is_encoder_decoder,
    load_config,
    load_part,
    load_weights,
    locate_model,
    take_encoder,
)
from fedbytes.models.base.quantised_base import (
    Quantisation,
    finish_quantised,
    load_quantised,
    loading_options,
    stored_bytes,
    weight_count,
)
from fedbytes.models.base.text_states import measure_width
from fedbytes.models.base.tiny_bases import TINY, byte_tokenizer, tiny_config, tiny_model

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Fields of a configuration that tell how it was saved, not what the model computes.
_OF_A_FILE = ("_name_or_path", "architectures", "dtype", "transformers_version")

ModuleT = TypeVar("ModuleT", bound=nn.Module)


@dataclass(frozen=True)
class BaseInfo:
    """Size and digest of a base model.

    Attributes:
        name: as written in the configuration.
        digest: identifies its weights, their format and its configuration, and caches computed
            from them.
        parameters: number of parameters.
        setup_bytes: bytes of its weights, which every client needs before the first round.
        decoder: whether it was trained to read from left to right.
        tokenizer_bytes: bytes of a trained tokenizer that clients must receive.
    """

    name: str
    digest: str
    parameters: int
    setup_bytes: int
    decoder: bool
    tokenizer_bytes: int = 0


@dataclass(frozen=True)
class Base:
    """A loaded base model; its parameters are never written.

    Attributes:
        model: the model.
        info: its size and digest.
        widths: width of the states of constant layers that can be kept, None for those that
            cannot, by what they were tried with; a process tries each once.
    """

    model: "PreTrainedModel"
    info: BaseInfo
    widths: dict[str, int | None] = field(default_factory=dict, compare=False, repr=False)

    def shared_copy(self) -> "PreTrainedModel":
        """Return a copy of all modules, with the same parameters and buffers."""
        return copy_modules(self.model)

    @cached_property
    def width(self) -> int:
        """Width of its last hidden states, found by running a copy on one text.

        Raises:
            ValueError: if it does not return a state per token of a text.
        """
        device = next(self.model.parameters()).device
        return measure_width(self.shared_copy(), self.info.name, device)


def load_base(
    name: str,
    kind: Kind = "classification",
    device: str = "cpu",
    quantisation: Quantisation | None = None,
    offload: Offload | None = None,
) -> Base:
    """Return a base model, the same object for the same arguments within a process.

    Args:
        name: `minilm`, `smollm2-135m`, `tiny-llama`, `tiny-bert`, a folder, or a hub id.
        kind: `classification` loads the model without its own head, `causal-lm` with it.
        device: the device of the weights, such as `cpu` or `cuda`.
        quantisation: format of the linear layers' weights; None for float32.
        offload: where else weights are stored; None for all on the device.

    Raises:
        ValueError: if there is no such model, or it cannot be used for `kind`, or the device
            cannot quantise.
    """
    return _load(name, kind, str(device) if offload is None else "cpu", quantisation, offload)


def read_base(folder: str, kind: Kind, device: str) -> Base:
    """Return a base from a folder as it is now; it is not kept for later calls."""
    return _load.__wrapped__(folder, kind, device, None, None)


def forget_bases() -> None:
    """Release all loaded base models that are no longer in use."""
    _load.cache_clear()


def load_tokenizer(name: str) -> tuple[Tokenizer, str]:
    """Return a model's tokenizer and the digest of its content; cached per process.

    Raises:
        ValueError: if there is no such model.
    """
    return _load_tokenizer(name)


@lru_cache(maxsize=4)
def _load(
    name: str,
    kind: Kind,
    device: str,
    quantisation: Quantisation | None,
    offload: Offload | None,
) -> Base:
    from transformers import AutoModel, AutoModelForCausalLM

    auto_class: Any = AutoModelForCausalLM if kind == "causal-lm" else AutoModel
    options: dict[str, Any] = {"dtype": torch.float32}
    if quantisation is not None:
        options = loading_options(quantisation, device)
    model: Any
    missing: list[str] = []
    if name in TINY:
        config = tiny_config(name)
        check_kind(name, config, kind)
        model = tiny_model(name, auto_class)
        model = model if quantisation is None else load_quantised(model, options)
    else:
        where = locate_model(name)
        config = load_config(name, where)
        check_kind(name, config, kind)
        model, missing = load_weights(name, where, auto_class, **options)
    whole = model
    if is_encoder_decoder(config):
        model = take_encoder(name, model)
    if getattr(model, "pooler", None) is not None:
        model.pooler = None  # not used here, and must not be trained or sent
    check_weights(name, whole, model, missing)
    model.config.use_cache = False
    model.requires_grad_(False).eval()
    if quantisation is None:
        model.to(device)
    else:
        finish_quantised(model, quantisation)
    weights = [*model.parameters()]
    digest = asset_digest(name) if name in asset_names() else _model_digest(model)
    info = BaseInfo(
        name=name,
        digest=digest if quantisation is None else f"{digest} {quantisation}",
        parameters=sum(weight_count(p) for p in weights),
        setup_bytes=sum(stored_bytes(p) for p in weights),
        decoder=is_decoder(config),
    )
    if offload is not None:
        offload_weights(model, offload, info.digest)
    return Base(model, info)


@lru_cache(maxsize=8)
def _load_tokenizer(name: str) -> tuple[Tokenizer, str]:
    from transformers import AutoTokenizer

    tokenizer: Any = (
        byte_tokenizer() if name in TINY else load_part(name, locate_model(name), AutoTokenizer)
    )
    # Texts are truncated to the task's max_length, so the tokenizer need not warn of long ones.
    tokenizer.model_max_length = int(1e9)
    return tokenizer, tokenizer_digest(tokenizer)


def copy_modules(module: ModuleT) -> ModuleT:
    """Return a copy of a module tree with the same parameter and buffer objects."""
    held = [*module.parameters(), *module.buffers()]
    return copy.deepcopy(module, {id(tensor): tensor for tensor in held})


def _model_digest(model: "PreTrainedModel") -> str:
    """Return a digest of a model's weights and of what its configuration makes of them."""
    settings = {k: v for k, v in model.config.to_dict().items() if k not in _OF_A_FILE}
    digest = xxhash.xxh3_128(json.dumps(settings, sort_keys=True, default=str).encode())
    digest.update(type(model).__name__.encode())
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy())
    return digest.hexdigest()
