"""Parts of a pretrained model, loaded from an asset, a folder or the hub."""

from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from typing import Any

from torch import nn

from fedbytes.data.assets.asset_files import asset_names, fetch
from fedbytes.data.assets.sources import hub_answers
from fedbytes.data.task import Kind
from fedbytes.process.quiet import quiet_transformers
from fedbytes.registry import nearest

NAMED = {
    "minilm": "all-MiniLM-L6-v2, a sentence encoder of 22.6 M parameters",
    "smollm2-135m": "SmolLM2-135M-Instruct, a causal language model of 134.5 M parameters",
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


def load_weights(name: str, where: str, auto_class: Any, **options: Any) -> tuple[Any, list[str]]:
    """Return a model, and the names of its weights that its files lack; arguments as `load_part`.

    Raises:
        ValueError: if it cannot be loaded, or a weight has another shape in its files.
    """
    # Shapes that differ are reported like missing weights, which transformers logs in a table.
    options |= {"output_loading_info": True, "ignore_mismatched_sizes": True}
    model, report = load_part(name, where, auto_class, **options)
    for key, held, wanted in sorted(report["mismatched_keys"], key=str):
        raise ValueError(
            f"model {name!r}: weight {key} is {list(held)} in its files and {list(wanted)} by its "
            "config.json: restore the config.json that it was saved with"
        )
    return model, sorted(report["missing_keys"])


def check_weights(name: str, whole: nn.Module, used: nn.Module, missing: Collection[str]) -> None:
    """Check that a model's files have every weight that is used.

    Args:
        name: as written in the configuration.
        whole: the model as it was loaded.
        used: the part of it that is used.
        missing: names in `whole` of the weights that the files lack.

    Raises:
        ValueError: if a weight is used and missing: it would be random.
    """
    tensors = [*whole.named_parameters(remove_duplicate=False), *whole.named_buffers()]
    lacking = {id(tensor): key for key, tensor in tensors if key in missing}
    kept = [*used.parameters(), *used.buffers()]
    computed = _computed(whole)
    found = [
        lacking[id(t)]
        for t in kept
        if id(t) in lacking and t.is_floating_point() and id(t) not in computed
    ]
    if found:
        raise ValueError(
            f"model {name!r}: its files lack {len(found)} of the {len(kept)} weights of "
            f"{type(used).__name__}, such as {found[0]}, which would be random: they are of "
            "another architecture than its config.json, or were saved without this part"
        )


def _computed(model: nn.Module) -> set[int]:
    """Return which weights are computed and not learned: files leave sines of positions out."""
    sines = (one for one in model.modules() if "Sinusoidal" in type(one).__name__)
    return {id(weight) for one in sines for weight in one.parameters(recurse=False)}


def is_encoder_decoder(config: Any) -> bool:
    """Return whether a configuration is of a model with an encoder and a decoder, such as T5."""
    return bool(getattr(config, "is_encoder_decoder", False))


def take_encoder(name: str, model: Any) -> Any:
    """Return the encoder of an encoder-decoder, which reads texts for classification.

    Raises:
        ValueError: if it cannot be used alone.
    """
    from transformers import PreTrainedModel

    encoder = model.get_encoder()
    if encoder is model or not isinstance(encoder, PreTrainedModel):
        raise ValueError(
            f"model {name!r} is an encoder-decoder ({type(model).__name__}) whose encoder cannot "
            "be used alone: use an encoder, or a causal language model"
        )
    return encoder


def is_decoder(config: Any) -> bool:
    """Return whether a configuration is of a model that was trained to read from left to right."""
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as CAUSAL,
    )
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_MASKED_LM_MAPPING_NAMES as MASKED,
    )

    # BERT and similar models are in both tables: they can decode, but were trained on both sides.
    known = config.model_type in CAUSAL and config.model_type not in MASKED
    return known and not is_encoder_decoder(config)


def check_kind(name: str, config: Any, kind: Kind) -> None:
    """Raise ValueError for an encoder or an encoder-decoder that is to model language."""
    if kind != "causal-lm" or is_decoder(config):
        return
    what = "encoder-decoder" if is_encoder_decoder(config) else "encoder"
    raise ValueError(
        f"model {name!r} is an {what}; causal-lm requires a decoder, such as smollm2-135m"
    )
