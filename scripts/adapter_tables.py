"""Tables of all adapters: what each trains, and the bytes of a message with it."""

import math
from collections.abc import Iterator
from functools import cache
from typing import Any

import torch
from algorithm_tables import papers, what_it_is
from torch import nn

from fedbytes.compression import Layout, Shared, make_codec
from fedbytes.federated.protocol.messages import frame_vector
from fedbytes.models import ADAPTERS, Adapter, make_adapter
from fedbytes.models.adapters.peft import REFUSED, supported_methods
from fedbytes.models.base.base_model import copy_modules
from fedbytes.models.heads.network import Head

CLASSES = 8
MODELS = ("minilm", "smollm2-135m")
_METHODS = ("LOHA", "LOKR", "OFT", "BOFT", "HRA", "FOURIERFT", "RANDLORA", "LN_TUNING")
_VARIANTS: dict[str, tuple[dict[str, Any], ...]] = {
    "lora": ({}, {"train": "b"}),
    "p_tuning": ({}, {"encoder": "lstm"}),
    "peft": tuple({"method": method} for method in _METHODS),
}


def overview() -> str:
    """Return the table of all adapters at their default settings, in Markdown."""
    heads = [f"{model} {what}" for model in MODELS for what in ("numbers", "message bytes")]
    rows = [f"| adapter | what it is | {' | '.join(heads)} | paper |"]
    rows.append("|---|---|" + "---:|" * len(heads) + "---|")
    for label, adapter in configured():
        by_peft = adapter.name == "peft"
        cells = [f"`{label}`", "as in peft" if by_peft else what_it_is(type(adapter))]
        for model in MODELS:
            cells += _counted(adapter, model)
        cells.append("" if by_peft else ", ".join(papers(type(adapter))))
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def refusals() -> str:
    """Return the methods of peft that fit, and why the others do not, in Markdown."""
    fit = ", ".join(f"`{method}`" for method in sorted(supported_methods()))
    rows = [f"These fit: {fit}.", "", "| method | why it does not fit |", "|---|---|"]
    return "\n".join(rows + [f"| `{method}` | {why} |" for method, why in sorted(REFUSED.items())])


@cache
def configured() -> list[tuple[str, Adapter]]:
    """Return our own adapters at their default settings, each with a label."""
    return list(_configured())


def _configured() -> Iterator[tuple[str, Adapter]]:
    for name in ADAPTERS.names():
        if not ADAPTERS.get(name).__module__.startswith("fedbytes."):
            continue  # a plug-in's, in this process
        for fields in _VARIANTS.get(name, ({},)):
            label = " ".join([name, *(f"{key}={value}" for key, value in fields.items())])
            yield label, make_adapter(name, **fields)


def trained(adapter: Adapter, model: str) -> dict[str, tuple[int, ...]]:
    """Return names and shapes of what an adapter trains of a model, without the head.

    The model is of the same sizes as the one by that name, and all zeros.

    Raises:
        ValueError: if the adapter does not fit the model.
    """
    backbone = copy_modules(_zeros(model))
    names = adapter.attach(backbone)
    held = dict(backbone.named_parameters())
    return {name: tuple(held[name].shape) for name in names}


def _counted(adapter: Adapter, model: str) -> tuple[str, str]:
    """Return how many numbers are trained, and the bytes of a message of them with a head."""
    try:
        shapes = trained(adapter, model)
    except ValueError:
        return "does not fit", ""
    head = Head(int(_zeros(model).config.hidden_size), CLASSES).named_parameters()
    layout = Layout({**shapes, **{f"head.{name}": tuple(p.shape) for name, p in head}})
    numbers = sum(math.prod(shape) for shape in shapes.values())
    return f"{numbers:,}", f"{message_bytes(layout):,}"


def message_bytes(layout: Layout) -> int:
    """Return the bytes of a client's whole update in float32, framed."""
    codec, shared = make_codec("fp32"), Shared(layout, seed=0, round=1, sender=0)
    payload = codec.encode(torch.zeros(layout.numel), shared)
    return len(frame_vector("delta", codec, shared, payload).pack())


@cache
def _zeros(model: str) -> Any:
    from transformers import AutoModel, BertConfig, LlamaConfig

    configs: dict[str, Any] = {
        "minilm": BertConfig(
            vocab_size=30_522, hidden_size=384, num_hidden_layers=6, num_attention_heads=12,
            intermediate_size=1536,
        ),
        "smollm2-135m": LlamaConfig(
            vocab_size=49_152, hidden_size=576, num_hidden_layers=30, num_attention_heads=9,
            num_key_value_heads=3, intermediate_size=1536, max_position_embeddings=8192,
            tie_word_embeddings=True,
        ),
    }  # fmt: skip
    with torch.device("meta"):
        backbone: Any = AutoModel.from_config(configs[model])  # type: ignore[no-untyped-call]
    backbone.to_empty(device="cpu").requires_grad_(False)
    backbone.pooler = None
    for tensor in (*backbone.parameters(), *backbone.buffers()):
        nn.init.zeros_(tensor)
    return backbone
