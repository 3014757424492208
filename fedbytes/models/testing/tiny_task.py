"""A task of three colours in short texts, and tiny transformers that learn it, on the CPU."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from fedbytes.data.task import Kind
from fedbytes.data.text_data import Split, TextData, make_split, make_text_data
from fedbytes.data.tokens.encoded import EncodedTask
from fedbytes.data.tokens.token_cache import encode
from fedbytes.models.adapter import Adapter
from fedbytes.models.base.tiny_bases import byte_tokenizer
from fedbytes.models.batching import make_batch
from fedbytes.models.build import build_model
from fedbytes.models.model_config import ModelSpec
from fedbytes.models.trainable import TrainableModel
from fedbytes.streams import stream
from fedbytes.testing import BrokenError, require

MAX_LENGTH = 24
STEPS = tuple(10.0**-power for power in range(7))
"""Step lengths that are tried, long ones first: one of them must lower the loss."""


def colour_texts() -> TextData:
    """Return 40 training and 17 test texts that start with their label: red, green or blue."""
    return make_text_data("colours", _split(40, 0), _split(17, 1))


def _split(count: int, seed: int) -> Split:
    rng = stream(seed, "tiny texts")
    words = np.array(["red", "green", "blue"])[rng.integers(3, size=count)]
    texts = [f"{word} {'x' * int(rng.integers(1, 30))}" for word in words]
    return make_split(texts, {"label": words})


def colour_task(kind: Kind) -> EncodedTask:
    """Return the texts as bytes, at most 24 each."""
    return encode(colour_texts(), byte_tokenizer(), "bytes", kind, MAX_LENGTH)


def on_cpu(model: str) -> ModelSpec:
    """Return the specification of a model by name, computed in float32 on the CPU."""
    return ModelSpec(name=model, device="cpu", precision="float32")


def tiny_model_of(
    model: str, adapter: str | Mapping[str, Any] | Adapter, kind: Kind, seed: int = 0
) -> TrainableModel:
    """Return `tiny-bert` or `tiny-llama` with an adapter, to learn the colours' task.

    Raises:
        ValueError: if the adapter does not fit the model or the task.
    """
    return build_model(on_cpu(model), adapter, colour_task(kind), seed, prefix_cache=False)


def require_learning(model: TrainableModel) -> str:
    """Check that a gradient step from the initial state lowers a batch's loss.

    Raises:
        BrokenError: if no step length does, or the gradient is zero or not finite.
    """
    batch = make_batch(model.task.train, np.arange(8), model.device)
    start = model.initial_state
    model.set_state(start)
    assert model.flat.grad is not None
    model.flat.grad.zero_()
    loss = model.loss(batch)
    loss.backward()  # type: ignore[no-untyped-call]
    before, gradient = float(loss.detach()), model.flat.grad.clone()
    norm = float(gradient.norm())
    require(0 < norm < float("inf"), f"the gradient's norm is {norm}")
    for length in STEPS:
        model.set_state(start - length / norm * gradient)
        after = float(model.loss(batch).detach())
        if after < before:
            return f"loss {before:.4f} to {after:.4f} by a step of length {length:g}"
    raise BrokenError(f"no step along the gradient lowers the loss of {before:.4f}")
