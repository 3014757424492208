"""Replacing the `forward` of one module, and undoing it."""

from collections.abc import Callable
from typing import Any

from torch import nn


def replace_forward(module: nn.Module, forward: Callable[..., Any]) -> Callable[[], None]:
    """Replace a module's `forward` on this instance alone, and return a function that undoes it.

    Args:
        module: a module that nobody else uses, such as one of `Base.shared_copy()`.
        forward: what is called instead. A `MethodType` of `module` is bound anew when the module
            is copied; any other function keeps what it refers to.

    Raises:
        RuntimeError: by the returned function, if `forward` has been replaced again since.
    """
    before = module.__dict__.get("forward")
    module.forward = forward

    def undo() -> None:
        if module.__dict__.get("forward") is not forward:
            raise RuntimeError("forward was replaced again since: undo that first")
        del module.forward
        if before is not None:
            module.forward = before

    return undo
