"""Frozen base models, loaded once per process and shared by all runs and clients."""

import copy
from dataclasses import dataclass
from functools import lru_cache
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
    is_decoder,
    load_config,
    load_part,
    locate_model,
)
from fedbytes.models.base.quantised_base import (
    Quantisation,
    finish_quantised,
    load_quantised,
    loading_options,
    stored_bytes,
    weight_count,
)
from fedbytes.models.base.tiny_bases import TINY, byte_tokenizer, tiny_model

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ModuleT = TypeVar("ModuleT", bound=nn.Module)


@dataclass(frozen=True)
class BaseInfo:
    """Size and digest of a base model.

    Attributes:
        name: as written in the configuration.
        digest: identifies its weights and their format, and caches computed from them.
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
    """A loaded base model; its parameters are never written."""

    model: "PreTrainedModel"
    info: BaseInfo

    def shared_copy(self) -> "PreTrainedModel":
        """Return a copy of all modules, with the same parameters and buffers."""
        return copy_modules(self.model)


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
    if name in TINY:
        check_kind(name, name == "tiny-llama", kind)
        model = tiny_model(name, auto_class)
        model = model if quantisation is None else load_quantised(model, options)
    else:
        where = locate_model(name)
        check_kind(name, is_decoder(load_config(name, where)), kind)
        model = load_part(name, where, auto_class, **options)
    if getattr(model, "pooler", None) is not None:
        model.pooler = None  # not used here, and must not be trained or sent
    model.config.use_cache = False
    model.requires_grad_(False).eval()
    if quantisation is None:
        model.to(device)
    else:
        finish_quantised(model, quantisation)
    weights = [*model.parameters()]
    digest = asset_digest(name) if name in asset_names() else _weights_digest(model)
    info = BaseInfo(
        name=name,
        digest=digest if quantisation is None else f"{digest} {quantisation}",
        parameters=sum(weight_count(p) for p in weights),
        setup_bytes=sum(stored_bytes(p) for p in weights),
        decoder=is_decoder(model.config),
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


def _weights_digest(model: nn.Module) -> str:
    digest = xxhash.xxh3_128()
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy())
    return digest.hexdigest()
