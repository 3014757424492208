"""The layers of a model below the lowest trained one, replaced by hidden states computed before."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from fedbytes.models.batching import Batch
from fedbytes.models.forward_patch import replace_forward
from fedbytes.models.layer_stack import find_layers


class _StatesReachedError(Exception):
    """Carries the hidden states out of a forward pass that need not continue."""

    def __init__(self, states: Tensor) -> None:
        self.states = states


class FrozenLayers:
    """Substitutes known hidden states for a model's first `depth` layers.

    The layers' `forward` is replaced on this model's own modules, so the architecture's code for
    masks, positions and later layers runs unchanged.

    Args:
        backbone: a model whose modules nobody else uses.
        depth: number of constant layers, at least 1.
    """

    def __init__(self, backbone: Any, depth: int) -> None:
        self.backbone = backbone
        self.depth = depth
        self._states: Tensor | None = None
        self._recording = False
        self._others: int | None = None  # members of a layer's output besides the states
        *below, last = find_layers(backbone)[1][:depth]
        self._undo = [replace_forward(layer, self._skip(layer.forward)) for layer in below]
        self._undo.append(replace_forward(last, self._substitute(last.forward)))

    def detach(self) -> None:
        """Restore the layers' own `forward`."""
        for undo in self._undo:
            undo()
        self._undo.clear()

    def compute_states(self, batch: Batch) -> Tensor:
        """Return the hidden states after the constant layers, [batch, time, hidden]."""
        self._recording = True
        try:
            self.backbone(input_ids=batch.tokens, attention_mask=batch.mask)
        except _StatesReachedError as reached:
            return reached.states
        finally:
            self._recording = False
        raise RuntimeError("the model did not run its layers")

    def run(self, states: Tensor | None, call: Callable[[], Tensor]) -> Tensor:
        """Return `call()` with `states` in place of the constant layers, or whole if None."""
        self._states = states
        try:
            return call()
        finally:
            self._states = None

    def agree_with_model(self, batch: Batch) -> bool:
        """Return whether a batch has the same last states with hidden states substituted.

        They differ for an architecture whose layers do not fit the scheme.
        """

        def last_states() -> Tensor:  # not the head's scores, which are zero at first
            output: Any = self.backbone(input_ids=batch.tokens, attention_mask=batch.mask)
            states: Tensor = output[0]
            return states

        try:
            with torch.inference_mode():
                whole = last_states()
                substituted = self.run(self.compute_states(batch), last_states)
        except (RuntimeError, TypeError, ValueError, AttributeError, IndexError, KeyError):
            return False
        return torch.allclose(whole, substituted, rtol=1e-4, atol=1e-4)

    def _skip(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def forward(hidden_states: Tensor, *args: Any, **options: Any) -> Any:
            if self._states is None:
                return original(hidden_states, *args, **options)
            return self._as_output(hidden_states)

        return forward

    def _substitute(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def forward(hidden_states: Tensor, *args: Any, **options: Any) -> Any:
            if self._states is not None:
                return self._as_output(self._states)
            output = original(hidden_states, *args, **options)
            self._others = len(output) - 1 if isinstance(output, tuple) else None
            if self._recording:
                raise _StatesReachedError(output if self._others is None else output[0])
            return output

        return forward

    def _as_output(self, states: Tensor) -> Any:
        return states if self._others is None else (states, *[None] * self._others)
