"""A base model with its head: a classifier or a language model."""

from inspect import signature
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fedbytes.models.adapter import Initial
from fedbytes.models.initialisers import fill_ones, fill_zeros

# Features of norm one need large weights. With this factor, weights and scale are of order one, so
# that Adam's steps have the right size and no value of a message is an outlier.
FEATURE_SCALE = 100.0


class Classifier(nn.Module):
    """Class scores from a base model's pooled and normalised hidden state.

    Encoders are pooled by the mean over tokens, decoders by their last token.

    Args:
        backbone: the base model without head.
        hidden: width of its hidden states.
        classes: number of classes.
        last_token: pool by the last token.
    """

    def __init__(self, backbone: nn.Module, hidden: int, classes: int, last_token: bool) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = Head(hidden, classes)
        self.last_token = last_token

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Return class scores [batch, classes] for tokens and mask [batch, time]."""
        return self.head(self.features(tokens, mask))  # type: ignore[no-any-return]

    def features(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Return one pooled vector per text [batch, hidden]."""
        states = self.backbone(input_ids=tokens, attention_mask=mask).last_hidden_state
        return pool_states(states, mask, self.last_token)


class Head(nn.Module):
    """A linear layer on features of norm one, with a learned scale."""

    def __init__(self, hidden: int, classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(classes, hidden))
        self.bias = nn.Parameter(torch.zeros(classes))
        self.scale = nn.Parameter(torch.ones(1))

    def initial(self) -> dict[str, Initial]:
        """Return the initial value of each parameter."""
        return {"weight": fill_zeros, "bias": fill_zeros, "scale": fill_ones}

    def forward(self, features: Tensor) -> Tensor:
        """Return scores [batch, classes] for features [batch, hidden]."""
        unit = F.normalize(features.float(), dim=-1)
        if self.weight.dim() == 3:
            return self._score_each(unit)
        return F.linear(unit * (FEATURE_SCALE * self.scale), self.weight, self.bias)

    def _score_each(self, unit: Tensor) -> Tensor:
        """Return scores by several clients' heads, each of its share of rows [batch, hidden]."""
        clients = len(self.weight)
        scale = (FEATURE_SCALE * self.scale).view(clients, 1, 1)
        rows = unit.view(clients, -1, unit.shape[-1]) * scale
        return torch.baddbmm(self.bias.unsqueeze(1), rows, self.weight.mT).flatten(0, 1)


def pool_states(states: Tensor, mask: Tensor, last_token: bool) -> Tensor:
    """Return one vector per text: its last token's state, or the mean over its tokens.

    Args:
        states: [batch, time, hidden].
        mask: 1 for tokens and 0 for padding, which is on the right [batch, time].
        last_token: whether to return the last token's state.
    """
    if last_token:
        rows = torch.arange(len(states), device=states.device)
        return states[rows, mask.sum(1) - 1]
    weights = mask.unsqueeze(1).to(states.dtype)
    return torch.bmm(weights, states).squeeze(1) / weights.sum(2)


class LanguageModel(nn.Module):
    """A causal language model: scores of the next token."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self._keeps = "logits_to_keep" in signature(type(backbone).forward).parameters

    def forward(self, tokens: Tensor, mask: Tensor, scores_from: int = 0) -> Tensor:
        """Return scores [batch, time - scores_from, vocabulary], from index `scores_from` on.

        The output layer, the largest of a small model, runs on these positions alone where the
        architecture supports it.
        """
        keep = scores_from and self._keeps
        wanted = {"logits_to_keep": tokens.shape[1] - scores_from} if keep else {}
        output: Any = self.backbone(input_ids=tokens, attention_mask=mask, **wanted)
        logits: Tensor = output.logits
        return logits if wanted else logits[:, scores_from:]


def next_token_loss(scores: Tensor, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Return the summed negative log-likelihood of next tokens, and their number.

    Args:
        scores: [batch, time, vocabulary].
        tokens: [batch, time].
        mask: which tokens are to be predicted [batch, time].
    """
    seen = mask[:, 1:].bool()
    targets = tokens[:, 1:][seen]
    nll = F.cross_entropy(scores[:, :-1][seen].float(), targets, reduction="sum")
    return nll, seen.sum()
