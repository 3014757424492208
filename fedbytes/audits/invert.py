"""Inversion: a map from messages to words, learned from messages of public texts."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from fedbytes.audits.membership_parts.public_texts import PublicTexts
from fedbytes.audits.text_leakage import Guess, TextLeakage
from fedbytes.audits.text_leakage.audit import examples_behind
from fedbytes.federated import AUDITS, Heard, StageContext
from fedbytes.plugin_fields import bounded


@AUDITS.register("invert")
@dataclass(frozen=True, kw_only=True)
class Invert(TextLeakage):
    """Learn to read messages from simulated ones (Learning to Invert, arXiv 2210.10880).

    The adversary trains as a client does on public texts, encodes and decodes each outcome with the
    victim's codec and what both ends share of its message, and fits a ridge regression from what
    was decoded to the bag of words. So it knows the codec, whatever that does, and needs no theory
    of what leaks. Public are the task's test texts. It names the tokens of the highest predicted
    counts, as many as texts could have. If every simulated message with token 7 has a first number
    above all others', a message that has one too is said to have a 7.

    Attributes:
        messages: how many messages are simulated.
        width: to how many numbers a message is sketched, by signs and sums of a hash.
        ridge: strength of the regression's penalty, over the mean square of a sketch.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({"messages": 6, "width": 64},)

    messages: int = bounded(500, least=2)
    width: int = bounded(4096, least=1)
    ridge: float = bounded(0.1, above=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.of != "message":
            raise ValueError(
                f"invert: it learns from messages of single clients, and of is {self.of!r}: set of "
                "to message, or take span"
            )

    def rebuild(self, delta: Tensor, heard: Heard, context: StageContext) -> Guess:
        """Simulate messages, fit, and predict."""
        model: Any = context.model
        rng = context.rng()
        sketch = _Sketch(delta.numel(), self.width, rng)
        seen, words = self._simulate(sketch, heard, context, rng)
        bags = np.zeros((len(words), len(model.embedding)), dtype=np.float32)
        for row, tokens in enumerate(words):
            bags[row, tokens] = 1
        bags[:, list(map(int, model.task.tokenizer.all_special_ids))] = 0
        mean = bags.mean(axis=0)
        gram = seen @ seen.T
        gram += self.ridge * np.trace(gram) / len(gram) * np.eye(len(gram))
        weights = np.linalg.solve(gram, seen @ sketch(delta))
        predicted = mean + weights @ (bags - mean)
        most = examples_behind(context) * model.task.max_length
        order = np.argsort(-predicted, kind="stable")[:most]
        return Guess(tokens=[int(token) for token in order if mean[token] > 0])

    def _simulate(
        self, sketch: "_Sketch", heard: Heard, context: StageContext, rng: np.random.Generator
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return the sketches of simulated messages, a row each, and each one's tokens."""
        algorithm, codec = context.algorithm, heard.uplink.codec
        assert algorithm is not None
        model = PublicTexts(context.model)
        where = replace(context, model=model).for_client(heard.client)
        pool = np.arange(len(model.split))
        size = min(examples_behind(context), len(pool))
        seen, words = [], []
        for _ in range(self.messages):
            rows = rng.choice(pool, size, replace=False)
            trained = algorithm.train(where, context.held.clone(), rows, {}, rng)
            data = codec.encode(trained.delta, heard.shared)
            seen.append(sketch(codec.decode(data, heard.shared)))
            words.append(np.concatenate([model.tokens(row) for row in rows]))
        return np.array(seen), words


class _Sketch:
    """Signed sums of a message's numbers by a hash, and of their sizes, each at length 1.

    Inner products about stay. The signs of a gradient turn with the class of a text, sizes do not.
    """

    def __init__(self, numel: int, width: int, rng: np.random.Generator) -> None:
        self.width = width
        self.places = torch.from_numpy(rng.integers(0, width, numel))
        self.signs = torch.from_numpy(rng.choice(np.array([-1.0, 1.0]), numel))

    def __call__(self, delta: Tensor) -> np.ndarray:
        """Return the sketch of a message, float64 [2 width]."""
        return np.concatenate([self._sums(delta.double()), self._sums(delta.double().abs())])

    def _sums(self, numbers: Tensor) -> np.ndarray:
        sums = torch.zeros(self.width, dtype=torch.float64)
        sums.index_add_(0, self.places, self.signs * numbers)
        found: np.ndarray = (sums / sums.norm().clamp(min=1e-300)).numpy()
        return found
