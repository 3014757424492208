"""The layers of a model below the lowest trained one, replaced by hidden states computed before."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from fedbytes.models.base.text_states import last_states
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

    Attributes:
        width: width of their states, 0 until they have been computed.
    """

    width = 0

    def __init__(self, backbone: Any, depth: int) -> None:
        self.backbone = backbone
        self.depth = depth
        self._states: Tensor | None = None
        self._recording = False
        self._pack: Callable[[Tensor], Any] = _unpacked  # how a layer returns its states
        *below, last = find_layers(backbone)[1][:depth]
        self._undo = [replace_forward(layer, self._skip(layer.forward)) for layer in below]
        self._undo.append(replace_forward(last, self._substitute(last.forward)))

    def detach(self) -> None:
        """Restore the layers' own `forward`."""
        for undo in self._undo:
            undo()
        self._undo.clear()

    def compute_states(self, batch: Batch) -> Tensor:
        """Return the hidden states after the constant layers, [batch, time, hidden].

        Raises:
            ValueError: if the last of them does not return a state per token.
        """
        self._recording = True
        try:
            last_states(self.backbone, batch.tokens, batch.mask)
        except _StatesReachedError as reached:
            states = reached.states
            if states.ndim != 3 or states.shape[:2] != batch.tokens.shape:
                shape = list(states.shape)
                raise ValueError(f"a layer returns {shape}, not a state per token") from None
            self.width = int(states.shape[2])
            return states
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

    def _skip(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def forward(hidden_states: Tensor, *args: Any, **options: Any) -> Any:
            if self._states is None:
                return original(hidden_states, *args, **options)
            return self._pack(hidden_states)

        return forward

    def _substitute(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def forward(hidden_states: Tensor, *args: Any, **options: Any) -> Any:
            if self._states is not None:
                return self._pack(self._states)
            output = original(hidden_states, *args, **options)
            several = isinstance(output, tuple | list)
            self._pack = _packer(type(output), len(output) - 1) if several else _unpacked
            if self._recording:
                raise _StatesReachedError(output[0] if several else output)
            return output

        return forward


def _unpacked(states: Tensor) -> Tensor:
    return states


def _packer(kind: type[Any], others: int) -> Callable[[Tensor], Any]:
    """Return a function that returns states as layers do, with nothing for their other outputs."""
    return lambda states: kind((states, *[None] * others))
