"""Rows: the tokens and classes whose rows of the embedding and of the head have moved."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fedbytes.audits.text_leakage import Guess, TextLeakage
from fedbytes.audits.text_leakage.audit import examples_behind
from fedbytes.compression import Layout
from fedbytes.federated import AUDITS, Heard, StageContext, Trainable

_HEAD = "head.bias"


@AUDITS.register("rows")
@dataclass(frozen=True, kw_only=True)
class MovedRows(TextLeakage):
    """Read the bag of words off a trained embedding, and the classes off a head's bias.

    A step moves the embedding's rows of the tokens that were read and no others (all others a
    little where the output layer has the same weights): those that moved most are named, as many
    as texts could have. A head's bias moves by the mean of target minus probability: after one
    step on one text it has risen for the text's class alone (iDLG, arXiv 2001.02610), on several
    for the classes that they have more of than the model expects. A bias that moved by
    [-0.2, 0.3, -0.1] names class 1.
    """

    def refuses_model(self, model: Trainable, layout: Layout) -> str | None:
        """Refuse a message with neither an embedding nor a head's bias."""
        if _embedding_of(model, layout) is not None or _HEAD in layout.shapes:
            return None
        return (
            "clients send neither rows of the embedding nor a head's bias: train them, by adapter "
            "full or a classification task"
        )

    def rebuild(self, delta: Tensor, heard: Heard, context: StageContext) -> Guess:
        """Name the tokens whose rows moved most, and the classes whose bias has risen."""
        model: Any = context.model
        layout = heard.shared.layout
        slices, name = layout.slices(), _embedding_of(model, layout)
        tokens = labels = None
        if name is not None:
            moved = delta[slices[name]].view(layout.shapes[name]).double().norm(dim=1)
            moved[list(map(int, model.task.tokenizer.all_special_ids))] = 0
            most = min(examples_behind(context, heard.senders) * model.task.max_length, len(moved))
            order = torch.argsort(moved, descending=True, stable=True)[:most]
            tokens = order[moved[order] > 0].tolist()
        if _HEAD in layout.shapes:
            labels = torch.nonzero(delta[slices[_HEAD]] > 0)[:, 0].tolist()
        return Guess(tokens, labels=labels)


def _embedding_of(model: Any, layout: Layout) -> str | None:
    """Return the name of the input embedding in a layout, if it is there."""
    wanted = tuple(model.embedding.shape)
    backbone = model.network.backbone
    held = backbone.get_input_embeddings()
    return next(
        (
            name
            for name, shape in layout.shapes.items()
            if tuple(shape) == wanted
            and name.endswith(".weight")
            and _module(backbone, name.removesuffix(".weight")) is held
        ),
        None,
    )


def _module(backbone: Any, name: str) -> Any:
    try:
        return backbone.get_submodule(name)
    except AttributeError:
        return None
