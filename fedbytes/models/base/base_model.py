"""Frozen base models, loaded once a process and shared by every run and client."""

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
    """A base model in figures.

    Attributes:
        name: as the user wrote it.
        digest: names its weights and how they are packed, and so what was computed from them.
        parameters: how many it has.
        setup_bytes: bytes of its weights, which every client must have before the first round.
        decoder: whether it reads from left to right.
        tokenizer_bytes: bytes of a tokenizer that clients must be given for it.
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
        """Return modules of one's own around the same parameters and buffers."""
        return copy_modules(self.model)


def load_base(
    name: str,
    kind: Kind = "classification",
    device: str = "cpu",
    quantisation: Quantisation | None = None,
    offload: Offload | None = None,
) -> Base:
    """Return a base model: the same object for the same arguments within a process.

    Args:
        name: `minilm`, `smollm2-135m`, `tiny-llama`, `tiny-bert`, a folder, or a hub id.
        kind: `classification` loads the model without its own head, `causal-lm` with it.
        device: where the weights are put, such as `cpu` or `cuda`.
        quantisation: how the linear layers' weights are packed; None for whole ones.
        offload: where else the weights are kept; None for all on the device.

    Raises:
        ValueError: if there is no such model, or it cannot do what `kind` says, or the device
            cannot quantise.
    """
    return _load(name, kind, str(device) if offload is None else "cpu", quantisation, offload)


def forget_bases() -> None:
    """Give the memory of all loaded base models back, once nothing uses them any more."""
    _load.cache_clear()


def load_tokenizer(name: str) -> tuple[Tokenizer, str]:
    """Return a model's tokenizer and the digest of its content, once a process.

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
        model.pooler = None  # not read here, and must not be trained or sent
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
    # Whole texts are cut to the task's max_length, so the tokenizer need not warn of long ones.
    tokenizer.model_max_length = int(1e9)
    return tokenizer, tokenizer_digest(tokenizer)


def copy_modules(module: ModuleT) -> ModuleT:
    """Return a copy of a module tree that holds the very same parameters and buffers."""
    held = [*module.parameters(), *module.buffers()]
    return copy.deepcopy(module, {id(tensor): tensor for tensor in held})


def _weights_digest(model: nn.Module) -> str:
    digest = xxhash.xxh3_128()
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy())
    return digest.hexdigest()
