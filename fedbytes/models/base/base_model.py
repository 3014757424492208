"""Frozen base models, loaded once a process and shared by every run and client."""

import copy
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
import xxhash
from torch import nn

from fedbytes.data.assets.asset_files import asset_digest, asset_names, fetch
from fedbytes.data.assets.sources import hub_answers
from fedbytes.data.task import Kind
from fedbytes.data.tokens.token_cache import Tokenizer
from fedbytes.data.tokens.tokenizer_training import tokenizer_digest
from fedbytes.models.base.offload import Offload, store
from fedbytes.models.base.quantised_base import (
    Quantisation,
    loading_options,
    quantise_again,
    settle,
    stored_bytes,
    weight_count,
)
from fedbytes.models.base.tiny_bases import TINY, byte_tokenizer, tiny_model
from fedbytes.process.quiet import quiet_transformers
from fedbytes.registry import nearest

if TYPE_CHECKING:
    from transformers import PreTrainedModel

M = TypeVar("M", bound=nn.Module)
NAMED = {
    "minilm": "all-MiniLM-L6-v2, a sentence encoder of 22.6 M parameters",
    "smollm2-135m": "SmolLM2-135M-Instruct, a causal language model of 134.5 M parameters",
    "tiny-bert": "a random encoder, for tests",
    "tiny-llama": "a random causal language model, for tests",
}


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
        return share(self.model)


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
        _check_kind(name, name == "tiny-llama", kind)
        model = tiny_model(name, auto_class)
        model = model if quantisation is None else quantise_again(model, options)
    else:
        where = _locate(name)
        _check_kind(name, _is_decoder(_config(name, where)), kind)
        model = _from(name, where, auto_class, **options)
    if getattr(model, "pooler", None) is not None:
        model.pooler = None  # not read here, and must not be trained or sent
    model.config.use_cache = False
    model.requires_grad_(False).eval()
    if quantisation is None:
        model.to(device)
    else:
        settle(model, quantisation)
    weights = [*model.parameters()]
    digest = asset_digest(name) if name in asset_names() else _weights_digest(model)
    info = BaseInfo(
        name=name,
        digest=digest if quantisation is None else f"{digest} {quantisation}",
        parameters=sum(weight_count(p) for p in weights),
        setup_bytes=sum(stored_bytes(p) for p in weights),
        decoder=_is_decoder(model.config),
    )
    if offload is not None:
        store(model, offload, info.digest)
    return Base(model, info)


@lru_cache(maxsize=8)
def _load_tokenizer(name: str) -> tuple[Tokenizer, str]:
    from transformers import AutoTokenizer

    tokenizer: Any = byte_tokenizer() if name in TINY else _from(name, _locate(name), AutoTokenizer)
    # Whole texts are cut to the task's max_length, so the tokenizer need not warn of long ones.
    tokenizer.model_max_length = int(1e9)
    return tokenizer, tokenizer_digest(tokenizer)


def share(module: M) -> M:
    """Return a copy of a module tree that holds the very same parameters and buffers."""
    held = [*module.parameters(), *module.buffers()]
    return copy.deepcopy(module, {id(tensor): tensor for tensor in held})


def _locate(name: str) -> str:
    """Return the folder or hub id that `name` stands for."""
    if name in asset_names():
        if name not in NAMED:
            raise ValueError(f"{name!r} is a data set, not a model{nearest(name, NAMED)}")
        return str(fetch(name))
    path = Path(name).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ValueError(f"model folder {path} has no config.json")
        return str(path)
    if name.startswith(("/", ".", "~")) or name.count("/") > 1:
        raise ValueError(f"there is no model folder {path}")
    return name


def _config(name: str, where: str) -> Any:
    from transformers import AutoConfig

    return _from(name, where, AutoConfig)


def _from(name: str, where: str, auto_class: Any, **options: Any) -> Any:
    """Load a part of a model; a hub that does not answer leaves its local cache."""
    from huggingface_hub import constants

    local = Path(where).is_dir() or constants.HF_HUB_OFFLINE or not _hub_is_up(constants.ENDPOINT)
    try:
        with quiet_transformers():
            return auto_class.from_pretrained(where, local_files_only=local, **options)
    except Exception as error:  # the library raises many unrelated types
        if Path(where).is_dir():
            reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(": ")
            if auto_class.__name__ == "AutoTokenizer":
                reason = f"it has no tokenizer, or one that is not complete ({reason})"
            raise ValueError(f"model folder {where} does not load: {reason}") from error
        hub = "not at hand from the hub, which is not reachable" if local else "not on the hub"
        raise ValueError(
            f"no model {name!r}: not a folder, {hub}, and not a name of ours{nearest(name, NAMED)}"
        ) from error


@lru_cache(maxsize=2)
def _hub_is_up(endpoint: str) -> bool:
    return hub_answers(endpoint)


def _is_decoder(config: Any) -> bool:
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as CAUSAL,
    )
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_MASKED_LM_MAPPING_NAMES as MASKED,
    )

    # BERT and its kin are in both tables: they can decode, but were trained to see both sides.
    return config.model_type in CAUSAL and config.model_type not in MASKED


def _check_kind(name: str, decoder: bool, kind: Kind) -> None:
    if kind == "causal-lm" and not decoder:
        raise ValueError(f"model {name!r} is an encoder; causal-lm needs one such as smollm2-135m")


def _weights_digest(model: nn.Module) -> str:
    digest = xxhash.xxh3_128()
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy())
    return digest.hexdigest()


__all__ = ["NAMED", "Base", "BaseInfo", "load_base", "load_tokenizer", "share"]
