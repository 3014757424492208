"""Match: texts whose own update, behind the same codec, is like the one that arrived."""

from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fedbytes.audits.text_leakage import Guess, TextLeakage
from fedbytes.audits.text_leakage.audit import examples_behind
from fedbytes.audits.text_leakage.dummy_update import DummyUpdate
from fedbytes.federated import AUDITS, AuditedRun, Heard, StageContext
from fedbytes.federated.adversarial.text_frame import TextFrame
from fedbytes.plugin_fields import bounded

_RATE = 1.0
"""Of Adam at first, in mean lengths of an embedding; it falls to nothing over the steps."""
_HEAD = "head.bias"


@AUDITS.register("match")
@dataclass(frozen=True, kw_only=True)
class GradientMatch(TextLeakage):
    """Search texts whose update matches (compare DLG, TAG, LAMP: arXiv 1906.08935, 2202.08827).

    It begins with words drawn from public texts, and moves their embeddings so that the cosine of
    their update with the decoded one grows; each becomes the nearest word. Then words are swapped
    one after another, those first by which the cosine would grow most, and exchange places. It goes
    on so for as long as the cosine grows.
    Each trial update goes through the victim's codec with what both ends share of the message,
    dither and all, so that what a codec leaves out is not asked for; the slope passes by the codec.
    Classes are told from the head's bias. It works with whatever adapter, at the price of hundreds
    of gradients a message. Of a client's one text `[CLS] oil rose [SEP]` at fp32, `oil rose` has
    the cosine 1.

    Attributes:
        steps: over embeddings, in each sweep.
        sweeps: over all words and their order, at most; with 0, over embeddings alone.
        swaps: how many words are tried for each place, and how far apart two may stand that
            exchange places.
        starts: of how many draws of words the likeliest begins.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({"steps": 2, "sweeps": 0, "starts": 1},)

    steps: int = bounded(100, least=0, most=1000)
    sweeps: int = bounded(3, least=0)
    swaps: int = bounded(16, least=1)
    starts: int = bounded(8, least=1)

    @property
    def revision(self) -> int:
        """2: it takes longer steps at first, and searches the order of words."""
        return 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.of != "message":
            raise ValueError(
                f"match: it knows the codec of single messages, and of is {self.of!r}: set of to "
                "message, or take span"
            )

    def refuses(self, run: AuditedRun) -> str | None:
        """Refuse tasks without classes: a language model's targets are the words themselves."""
        if run.kind != "classification":
            return f"matches updates of a classification, and the task is of kind {run.kind}"
        return super().refuses(run)

    def rebuild(self, delta: Tensor, heard: Heard, context: StageContext) -> Guess:
        """Search embeddings, then words."""
        model: Any = context.model
        texts = examples_behind(context)
        frame, known = TextFrame.of(model.task), heard.shared
        algorithm: Any = context.algorithm
        rate = float(algorithm.learning_rate * (getattr(algorithm, "local_steps", None) or 1))
        bias = known.layout.slices().get(_HEAD)
        risen = torch.zeros(len(model.task.label_names)) if bias is None else delta[bias] / rate
        labels = classes_of(risen, texts)
        update = DummyUpdate(model, frame, labels, heard.uplink.codec, known, rate)
        search = _Search(update, delta.to(model.device), model)
        words = search.started(_draws(model, frame, texts, self.starts, context.rng()))
        words = search.found(words, self.steps, self.sweeps, self.swaps)
        rows = [[*frame.opening, *row, *frame.closing] for row in words.tolist()]
        tokens = list(dict.fromkeys(token for row in words.tolist() for token in row))
        placed = frozenset((token, place) for row in rows for place, token in enumerate(row))
        return Guess(tokens, placed, rows)


class _Search:
    """Words whose delivered update has the largest cosine with a wanted one."""

    def __init__(self, update: DummyUpdate, wanted: Tensor, model: Any) -> None:
        self.update, self.wanted = update, wanted
        self.table = model.embedding.float()
        self.parts = [
            part for part in update.shared.layout.slices().values() if bool(wanted[part].any())
        ]
        special = [int(token) for token in model.task.tokenizer.all_special_ids]
        self.open = torch.ones(len(self.table), dtype=torch.bool, device=self.table.device)
        self.open[special] = False

    def likeness(self, embedded: Tensor, curved: bool = False) -> Tensor:
        """Return the mean over tensors of the cosine of a delivered update with the wanted one."""
        made = self.update.delivered(self.update.delta(embedded, curved))
        each = [F.cosine_similarity(made[one], self.wanted[one], dim=0) for one in self.parts]
        return torch.stack([made.sum() * 0, *each]).sum() / max(1, len(each))  # of a delta of zeros

    def of_words(self, words: Tensor) -> float:
        """Return the cosine of words [texts, length]."""
        return float(self.likeness(self.table[words].requires_grad_()).detach())

    def better(self, one: Tensor, other: Tensor) -> Tensor:
        """Return those of two rows of words that have the larger cosine."""
        return other if self.of_words(other) > self.of_words(one) else one

    def started(self, choices: list[Tensor]) -> Tensor:
        """Return the choice with the largest cosine."""
        return max(choices, key=self.of_words)

    def found(self, words: Tensor, steps: int, sweeps: int, swaps: int) -> Tensor:
        """Return words after sweeps, each over embeddings, over words and over their order."""
        if steps and not sweeps:
            return self.better(words, self.nearest(self.moved(words, steps)))
        likeness = self.of_words(words)
        for _ in range(sweeps):
            before = likeness
            if steps:
                words = self.better(words, self.nearest(self.moved(words, steps)))
            words = self.reordered(self.swapped(words, swaps), swaps)
            likeness = self.of_words(words)
            if likeness <= before:
                break
        return words

    def moved(self, words: Tensor, steps: int) -> Tensor:
        """Return embeddings after steps towards the wanted update [texts, length, width]."""
        embedded = self.table[words].clone().requires_grad_()
        rate = _RATE * float(self.table.norm(dim=1).mean()) / embedded.shape[-1] ** 0.5
        optimizer = torch.optim.Adam([embedded], lr=rate)
        best = -2.0
        kept: Tensor = embedded.detach().clone()
        for step in range(steps):
            optimizer.param_groups[0]["lr"] = rate * (1 - step / steps)
            likeness = self.likeness(embedded, curved=True)
            if float(likeness.detach()) > best:
                best, kept = float(likeness.detach()), embedded.detach().clone()
            (slope,) = torch.autograd.grad(-likeness, embedded)
            embedded.grad = slope
            optimizer.step()
        return kept

    def nearest(self, embedded: Tensor) -> Tensor:
        """Return the words nearest to embeddings by cosine, int64 [texts, length]."""
        unit = F.normalize(self.table, dim=1)
        near = F.normalize(embedded, dim=-1) @ unit.T
        found: Tensor = near.masked_fill(~self.open, -2.0).argmax(-1)
        return found

    def swapped(self, words: Tensor, swaps: int) -> Tensor:
        """Return words after swaps that each make the cosine larger."""
        best = self.of_words(words)
        for text, place in np.ndindex(*words.shape):
            for token in self._promising(words, text, place, swaps):
                trial = words.clone()
                trial[text, place] = token
                found = self.of_words(trial)
                if found > best:
                    best, words = found, trial
        return words

    def reordered(self, words: Tensor, apart: int) -> Tensor:
        """Return words after exchanges of two in a text that each make the cosine larger.

        Args:
            words: int64 [texts, length].
            apart: how many places at most the two are apart.
        """
        best = self.of_words(words)
        for text in range(len(words)):
            for one, other in combinations(range(words.shape[1]), 2):
                if other - one > apart:
                    continue
                trial = words.clone()
                trial[text, [one, other]] = words[text, [other, one]]
                found = self.of_words(trial)
                if found > best:
                    best, words = found, trial
        return words

    def _promising(self, words: Tensor, text: int, place: int, count: int) -> list[int]:
        """Return the words that would make the cosine grow most, by its slope."""
        embedded = self.table[words].clone().requires_grad_()
        (slope,) = torch.autograd.grad(self.likeness(embedded, curved=True), embedded)
        gains = (self.table - embedded[text, place].detach()) @ slope[text, place]
        gains = gains.masked_fill(~self.open, -torch.inf)
        return [int(token) for token in gains.topk(min(count, len(gains))).indices]


def _draws(
    model: Any, frame: TextFrame, texts: int, starts: int, rng: np.random.Generator
) -> list[Tensor]:
    """Return words drawn from public texts to begin with, int64 [texts, length] each."""
    split = model.task.test
    special = [int(token) for token in model.task.tokenizer.all_special_ids]
    plain = np.setdiff1d(split.tokens, special)
    shape = texts, frame.length
    return [
        torch.from_numpy(rng.choice(plain, shape)).long().to(model.device) for _ in range(starts)
    ]


def classes_of(risen: Tensor, texts: int) -> list[int]:
    """Return the classes of some texts, by how a head's bias has risen, over the learning rate.

    It rises for each class by the share of the texts that have it, less what the model expected,
    which is taken to be the same for all. A rise of [0, -1/3, 1/3] by three texts is of 0, 2 and 2.

    Args:
        risen: of each class.
        texts: how many there are.
    """
    left, found = risen.double() + 1 / len(risen), []
    for _ in range(texts):
        found.append(int(left.argmax()))
        left[found[-1]] -= 1 / texts
    return found
