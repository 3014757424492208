"""Trained keys and values that every layer's attention sees in front of the text's own."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fedbytes.models.layer_stack import find_layers

KEYS, VALUES = "prefix_keys", "prefix_values"
_NAME = "fedbytes_prefix"
_OWNER = "_attention_prefix"


class AttentionPrefix:
    """Inserts trained keys and values in front of those of a model's attention.

    Positions, masks and caches of the text are unchanged: attention itself is replaced through
    transformers' attention interface, on this model only.

    Args:
        backbone: a shared copy of a base model, to which keys and values [length, heads x width]
            are added as one parameter each per layer.
        length: number of virtual tokens.

    Raises:
        ValueError: if the model does not use that interface.
    """

    def __init__(self, backbone: Any, length: int) -> None:
        from transformers import AttentionInterface
        from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

        AttentionInterface.register(_NAME, _attention)
        AttentionMaskInterface.register(_NAME, sdpa_mask)
        self.backbone = backbone
        self._found: list[tuple[Tensor, Tensor] | None] | None = None
        layers = find_layers(backbone)[1]
        for index, layer in enumerate(layers):
            for module in layer.modules():
                module.__dict__[_OWNER] = (
                    self,
                    index,
                )  # not a submodule, which would be found twice
        self.layers = len(layers)
        backbone.config._attn_implementation = _NAME
        like = self.compute(torch.arange(length, device=next(backbone.parameters()).device))
        for name, kind in ((KEYS, 0), (VALUES, 1)):
            parts = [nn.Parameter(torch.zeros_like(pair[kind])) for pair in like]
            backbone.add_module(name, nn.ParameterList(parts))

    def compute(self, ids: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return each layer's keys and values for tokens [length], without the prefix.

        Raises:
            ValueError: as for the class.
        """
        self._found = [None] * self.layers
        try:
            with torch.no_grad():
                self.backbone(input_ids=ids[None], attention_mask=torch.ones_like(ids[None]))
            found = [pair for pair in self._found if pair is not None]
        finally:
            self._found = None
        if not found or len(found) != self.layers:
            kind = getattr(self.backbone.config, "model_type", "such")
            raise ValueError(
                f"adapter 'prefix_tuning' cannot replace the attention of a {kind} model: use "
                "prompt_tuning"
            )
        return found

    def keys_and_values(
        self, layer: int, key: Tensor, value: Tensor
    ) -> tuple[Tensor, Tensor] | None:
        """Return trained keys and values [rows, heads, length, width]; None during `compute`."""
        if self._found is not None:
            self._found[layer] = (_flat(key), _flat(value))
            return None
        held = (getattr(self.backbone, name)[layer] for name in (KEYS, VALUES))
        keys, values = (
            part.view(len(part), *like.shape[1::2])
            .transpose(0, 1)
            .to(like.dtype)
            .expand(len(like), -1, -1, -1)
            for part, like in zip(held, (key, value), strict=True)
        )
        return keys, values


def _flat(states: Tensor) -> Tensor:
    """Reshape one text's states [1, heads, length, width] to [length, heads x width]."""
    return states[0].transpose(0, 1).flatten(1).float()


def _attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **options: Any,
) -> Any:
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    owner = module.__dict__.get(_OWNER)
    before = owner[0].keys_and_values(owner[1], key, value) if owner else None
    if before is not None:
        causal = options.pop("is_causal", None)
        causal = getattr(module, "is_causal", True) if causal is None else causal
        length = before[0].shape[2]
        attention_mask = _extend_mask(attention_mask, query, key, bool(causal), length)
        key, value = torch.cat([before[0], key], 2), torch.cat([before[1], value], 2)
        options["is_causal"] = False
    return sdpa_attention_forward(module, query, key, value, attention_mask, **options)


def _extend_mask(
    mask: Tensor | None, query: Tensor, key: Tensor, causal: bool, length: int
) -> Tensor | None:
    """Prepend `length` columns that every token sees to a mask."""
    if mask is None:
        time, seen = query.shape[2], key.shape[2]
        if not causal or time == 1:
            return None
        mask = torch.ones(time, seen, dtype=torch.bool, device=key.device).tril(seen - time)
        mask = mask[None, None]
    return F.pad(mask, (length, 0), value=True if mask.dtype == torch.bool else 0.0)
