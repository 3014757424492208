"""Parts of a pretrained model, loaded from an asset, a folder or the hub."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from fedbytes.data.assets.asset_files import asset_names, fetch
from fedbytes.data.assets.sources import hub_answers
from fedbytes.data.task import Kind
from fedbytes.process.quiet import quiet_transformers
from fedbytes.registry import nearest

NAMED = {
    "minilm": "all-MiniLM-L6-v2, a sentence encoder of 22.6 ModuleT parameters",
    "smollm2-135m": "SmolLM2-135M-Instruct, a causal language model of 134.5 ModuleT parameters",
    "tiny-bert": "a random encoder, for tests",
    "tiny-llama": "a random causal language model, for tests",
}


def locate_model(name: str) -> str:
    """Return a model's folder, fetched if it is an asset, or its hub id."""
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


def load_config(name: str, where: str) -> Any:
    """Return a model's configuration; arguments as for `load_part`."""
    from transformers import AutoConfig

    return load_part(name, where, AutoConfig)


def load_part(name: str, where: str, auto_class: Any, **options: Any) -> Any:
    """Return a model's weights, tokenizer or configuration.

    If the hub does not answer, its local cache is used.

    Args:
        name: as written in the configuration.
        where: what `locate_model` returned.
        auto_class: the class of transformers that loads this part.
        options: of `from_pretrained`.

    Raises:
        ValueError: if it cannot be loaded.
    """
    from huggingface_hub import constants

    local = Path(where).is_dir() or constants.HF_HUB_OFFLINE or not _hub_is_up(constants.ENDPOINT)
    try:
        with quiet_transformers():
            return auto_class.from_pretrained(where, local_files_only=local, **options)
    except Exception as error:  # transformers raises many unrelated types
        if Path(where).is_dir():
            reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(": ")
            if auto_class.__name__ == "AutoTokenizer":
                reason = f"it has no tokenizer, or an incomplete one ({reason})"
            raise ValueError(f"model folder {where} does not load: {reason}") from error
        hub = "not in the cache of the hub, which is offline" if local else "not on the hub"
        raise ValueError(
            f"no model {name!r}: not a folder, {hub}, and not a named model{nearest(name, NAMED)}"
        ) from error


@lru_cache(maxsize=2)
def _hub_is_up(endpoint: str) -> bool:
    return hub_answers(endpoint)


def is_decoder(config: Any) -> bool:
    """Return whether a configuration is of a model that was trained to read from left to right."""
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as CAUSAL,
    )
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_MASKED_LM_MAPPING_NAMES as MASKED,
    )

    # BERT and similar models are in both tables: they can decode, but were trained on both sides.
    return config.model_type in CAUSAL and config.model_type not in MASKED


def check_kind(name: str, decoder: bool, kind: Kind) -> None:
    """Raise ValueError for an encoder that is to model language."""
    if kind == "causal-lm" and not decoder:
        raise ValueError(
            f"model {name!r} is an encoder; causal-lm requires a decoder, such as smollm2-135m"
        )
