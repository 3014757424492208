"""A small generator of texts, which learns what a classifier takes for texts of a class."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fedbytes.federated.adversarial.text_frame import TextFrame

_HIDDEN = 32
_TEXTS = 32
"""Texts that are generated in a step."""
_RATE = 0.05
_EPS = 1e-2
"""Of Adam: with a usual one, steps are of full length however little texts differ to the
classifier, and the generator drifts to words by chance."""
_SHARP = 8.0
"""The score of a token whose unit embedding the generator's output of length 1 points along."""


@dataclass(frozen=True)
class PublicWords:
    """What everyone knows of a task's texts.

    Attributes:
        tokens: those that a text may have, int64 [words]; no special ones.
        shares: how often each stands in public texts, float64 [words], of sum 1.
        frame: how texts begin and end.
    """

    tokens: Tensor
    shares: Tensor
    frame: TextFrame

    @property
    def length(self) -> int:
        """How many words a text has."""
        return self.frame.length

    def framed(self, words: Tensor) -> Tensor:
        """Return rows of words [texts, length] as texts, with their special tokens around them."""
        first, last = self.frame.inside
        blank = self.frame.blank(len(words)).to(words.device)
        return torch.cat([blank[:, :first], words, blank[:, last:]], dim=1)


def public_words(task: Any, label: int) -> tuple[PublicWords, list[list[int]]]:
    """Return what is known of a task's words, and the public texts of all classes but one.

    The dictionary has the tokens of all public texts; how often they are used is known of the
    other classes alone, and counts one more for each.

    Raises:
        ValueError: if there is no public text of another class.
    """
    split = task.test
    starts = split.offsets
    texts = [split.tokens[starts[row] : starts[row + 1]].tolist() for row in range(len(split))]
    others = [text for text, one in zip(texts, split.labels, strict=True) if one != label]
    if not others:
        raise ValueError(
            "the test split has texts of one class alone, so that nothing is public of others: "
            "take another task"
        )
    known = sorted({token for text in texts for token in text})
    special = [int(token) for token in task.tokenizer.all_special_ids]
    plain = np.setdiff1d(np.asarray(known), np.asarray(special))
    seen = np.concatenate([np.asarray(text, dtype=np.int64) for text in others])
    counts = 1.0 + np.bincount(seen, minlength=int(plain.max()) + 1)[plain]
    shares = torch.from_numpy(counts / counts.sum())
    found = PublicWords(torch.from_numpy(plain), shares, TextFrame.of(task))
    return found, others


class TextGenerator:
    """Makes texts of noise, by a recurrent network whose outputs are compared with embeddings.

    The words of texts to which the classifier gives more of a class than to the others of a step
    become likelier (REINFORCE with the mean of the others as its baseline; Williams 1992). It asks
    for scores and no gradient of the classifier: gradients through drawn words (straight-through)
    led the generator for a tiny BERT to words that nobody wrote. A
    classifier that tells no texts apart leaves it where it began.

    Args:
        model: a `fedbytes.models.TrainableModel` of a classification, which is not changed.
        words: what texts are made of.
        rng: draws what it begins with, and its noise.
        vector: of an earlier generator of the same words, float32; a new one without.
    """

    def __init__(
        self,
        model: Any,
        words: PublicWords,
        rng: np.random.Generator,
        vector: Tensor | None = None,
    ) -> None:
        self.model, self.words, self.rng = model, words, rng
        embedding = model.embedding.float()[words.tokens.to(model.device)]
        self._embedding = F.normalize(embedding - embedding.mean(0), dim=-1)
        width = embedding.shape[1]
        self._shapes = [
            (words.length, _HIDDEN), (_HIDDEN, _HIDDEN), (_HIDDEN, _HIDDEN), (_HIDDEN, width),
            (len(words.tokens),),
        ]  # fmt: skip
        if vector is None:
            drawn = [rng.normal(size=one) / one[0] ** 0.5 for one in self._shapes[:-1]]
            start = words.shares.log().numpy() - float(words.shares.log().mean())
            vector = torch.from_numpy(np.concatenate([one.ravel() for one in [*drawn, start]]))
        ends = np.cumsum([0, *(int(np.prod(one)) for one in self._shapes)])
        self._parts = [
            vector[begin:end].reshape(shape).float().to(model.device).requires_grad_()
            for begin, end, shape in zip(ends[:-1], ends[1:], self._shapes, strict=True)
        ]

    @property
    def vector(self) -> Tensor:
        """All that it has learned, float32, on the CPU."""
        return torch.cat([part.detach().flatten().cpu() for part in self._parts])

    def texts(self, count: int) -> Tensor:
        """Return texts as rows of tokens, special ones around them, int64 [count, time]."""
        with torch.no_grad():
            drawn = self._drawn(self._word_scores(count))
        return self.words.framed(self.words.tokens.to(drawn.device)[drawn])

    def learn(self, label: int, steps: int, likeness: float) -> float:
        """Take steps towards texts that the model takes for ones of a label.

        Args:
            label: of the class.
            steps: how many, each over 32 texts.
            likeness: weight of how unlike public texts the words are, in nats, beside the reward.

        Returns:
            The class's mean probability in the last step's texts.
        """
        optimizer = torch.optim.Adam(self._parts, lr=_RATE, eps=_EPS)
        usual, chance = self.words.shares.log().float().to(self.model.device), 0.0
        for _ in range(steps):
            scores = self._word_scores(_TEXTS)
            words = self._drawn(scores)
            wanted = self._taken_for(label, words)
            others = (wanted.sum() - wanted) / (_TEXTS - 1)
            gain = (wanted - others) / wanted.std().clamp(min=1e-3)
            likelihoods = scores.log_softmax(-1)
            of_texts = likelihoods.gather(-1, words[..., None])[..., 0].sum(1)
            used = likelihoods.exp().mean((0, 1))
            apart = (used * (used.clamp(min=1e-12).log() - usual)).sum()
            loss = likeness * apart - (gain * of_texts).mean()
            for part, slope in zip(
                self._parts, torch.autograd.grad(loss, self._parts), strict=True
            ):
                part.grad = slope
            optimizer.step()
            chance = float(wanted.mean())
        return chance

    def _word_scores(self, count: int) -> Tensor:
        """Return what each place of some texts scores for each word [count, length, words]."""
        start, turn, carry, out, bias = self._parts
        shape = count, self.words.length
        noise = self._draw(self.rng.normal(size=(*shape, _HIDDEN)))
        state, states = torch.zeros_like(noise[:, 0]), []
        for place in range(self.words.length):
            state = torch.tanh(start[place] + noise[:, place] @ turn + state @ carry)
            states.append(state)
        return bias + _SHARP * torch.stack(states, 1) @ out @ self._embedding.T

    def _drawn(self, scores: Tensor) -> Tensor:
        """Return words drawn by their scores [count, length]."""
        drawn = self._draw(self.rng.gumbel(size=tuple(scores.shape)))
        return (scores.detach() + drawn).argmax(-1)

    def _taken_for(self, label: int, words: Tensor) -> Tensor:
        """Return the probability of the class of each text [count], without a graph."""
        tokens = self.words.framed(self.words.tokens.to(words.device)[words])
        with torch.no_grad():
            scores: Tensor = self.model.score_tokens(tokens, torch.ones_like(tokens))
            return scores.softmax(-1)[:, label]

    def _draw(self, numbers: np.ndarray) -> Tensor:
        return torch.from_numpy(numbers.astype(np.float32)).to(self.model.device)
