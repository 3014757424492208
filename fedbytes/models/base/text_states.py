"""What a model returns for a text: last hidden states, one per token."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from fedbytes.process.quiet import quiet_transformers

_LENGTH = 3


def measure_width(backbone: Any, name: str, device: torch.device) -> int:
    """Return the width of a model's last hidden states, from a short text.

    Configurations do not tell it reliably: OPT-350M projects its states after the last layer.

    Args:
        backbone: the model.
        name: as written in the configuration.
        device: where it runs.

    Raises:
        ValueError: if the model does not run on token ids alone, or returns no state per token.
    """
    tokens = torch.zeros((1, _LENGTH), dtype=torch.int64, device=device)
    with torch.inference_mode(), errors_of_model(name, "cannot read a text"):
        states = last_states(backbone, tokens, torch.ones_like(tokens))
    if states.shape[:2] != tokens.shape:
        raise ValueError(
            f"model {name!r} returns states of shape {list(states.shape)} for {_LENGTH} tokens, "
            "not one per token: use an encoder or a causal language model"
        )
    return int(states.shape[2])


def last_states(backbone: Any, tokens: Tensor, mask: Tensor) -> Tensor:
    """Return a model's first output, its last hidden states [batch, time, width]."""
    found: Tensor = backbone(input_ids=tokens, attention_mask=mask)[0]
    return found


def weight_versions(model: nn.Module) -> list[int]:
    """Return torch's count of writes to each frozen parameter."""
    return [p._version for p in model.parameters() if not p.requires_grad]


def check_weights_unwritten(model: nn.Module, before: list[int], name: str) -> None:
    """Check that no frozen parameter was written since `weight_versions` was `before`.

    Raises:
        ValueError: if one was: runs and clients share them.
    """
    if weight_versions(model) != before:
        raise ValueError(
            f"model {name!r} rewrites its weights when it runs, and all clients share them: use "
            "another model"
        )


@contextmanager
def errors_of_model(name: str, what: str) -> Iterator[None]:
    """Raise an error of a model's own code as a ValueError of one line, without its warnings.

    Args:
        name: the model, as written in the configuration.
        what: what cannot be done with it.
    """
    try:
        with quiet_transformers():
            yield
    except Exception as error:  # architectures raise many unrelated types
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"model {name!r} {what}: {type(error).__name__}: {reason}") from error
