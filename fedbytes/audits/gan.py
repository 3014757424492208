"""GAN: a client that takes part trains a generator of another client's texts on each model."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from fedbytes.federated import (
    AUDITS,
    Audit,
    AuditedRun,
    PluginState,
    Reads,
    Row,
    StageContext,
)
from fedbytes.federated.adversarial.text_generator import PublicWords, TextGenerator, public_words
from fedbytes.federated.adversarial.victim import batch_rows
from fedbytes.registry import bounded, nearest

_OFTEN = 2.0
"""A word is a class's own where it stands in it so many times as often as in public texts."""
_ASKED = 64


@dataclass(frozen=True)
class _Words:
    """How often words stand in some texts, special ones left out."""

    counts: Counter[int]

    @classmethod
    def of(cls, texts: Iterable[Sequence[int]], special: frozenset[int]) -> "_Words":
        return cls(Counter(token for row in texts for token in row if token not in special))

    def share(self, tokens: Iterable[int]) -> float:
        return sum(self.counts[token] for token in tokens) / max(1, self.counts.total())

    def above(self, other: "_Words") -> set[int]:
        """Return the tokens that stand here at least twice as often as elsewhere."""
        mine, others = max(1, self.counts.total()), max(1, other.counts.total())
        return {
            token
            for token, count in self.counts.items()
            if count / mine >= _OFTEN * other.counts[token] / others
        }


@AUDITS.register("gan")
@dataclass(frozen=True)
class GenerativeAttack(Audit):
    """Train generators of texts until the model takes them for a class (Hitaj et al. 2017).

    arXiv:1702.07464, for texts. Whoever takes part holds each round's model: it is the
    discriminator of generators, which go on learning from round to round, and is sent for nothing.
    The observer has public texts (the test split's) of all other classes, and a dictionary. The
    attack `gan` is its other half: a client that teaches the model that such texts are of another
    class, so that whoever has the class teaches it more.

    A word of the generated texts is a hit if clients' texts of the class have it at least twice as
    often as public texts of the others: `precision` is the share of hits. `chance` is what words
    drawn from those public texts would hit, and `precision_begun` what the generators hit before
    they learned. If the clients of class `ship` write `vessel` in 2 % of their words, others in
    0.1 %, and the generators in each fifth word, that alone makes 0.2 by a chance of 0.001.
    `probability` is what the model gives the class on generated texts, `chance_probability` on
    words drawn from public texts.

    Attributes:
        label: the class; none given for the task's last.
        generators: how many learn, each from a beginning of its own; figures are of all they write.
            What a single one finds differs much from the next.
        steps: of each generator after each round, each over 32 texts.
        likeness: weight of how unlike public texts the words are.
        rounds: after which rounds; they must be evaluated. None given for all.
    """

    needs_texts: ClassVar[bool] = True
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"steps": 2, "generators": 2},
        {"steps": 1, "label": "red"},
    )

    label: str | None = None
    generators: int = bounded(4, least=1)
    steps: int = bounded(60, least=1)
    likeness: float = bounded(0.0, least=0)
    rounds: tuple[int, ...] = ()

    @property
    def reads(self) -> Reads:
        """What clients hold."""
        return "vectors"

    def refuses(self, run: AuditedRun) -> str | None:
        """Refuse tasks without classes, and rounds that are not evaluated."""
        if run.kind != "classification":
            return (
                f"generates texts of a class, and the task is of kind {run.kind}: set a "
                "classification task"
            )
        return run.misses(self.rounds)

    def examine(self, context: StageContext, state: PluginState) -> tuple[list[Row], PluginState]:
        """Let the generator learn from the model, and say what words it writes."""
        if self.rounds and context.round not in self.rounds:
            return [], state
        model: Any = context.model
        label = class_of(model.task, self.label)
        words, public = public_words(model.task, label)
        texts, vectors, begun = self._written(context, state, label, words)
        special = frozenset(map(int, model.task.tokenizer.all_special_ids))
        written = _Words.of(texts.tolist(), special)
        usual = _Words.of(public, special)
        private = _Words.of(_clients_texts(context, label), special)
        own = private.above(usual)
        drawn = context.rng().choice(
            words.tokens.numpy(), (_ASKED, words.length), p=words.shares.numpy()
        )
        row = {
            "label": model.task.label_names[label],
            "precision": written.share(own),
            "precision_begun": state.get("begun", _Words.of(begun, special).share(own)),
            "chance": _chance(words, own),
            "found": len(own & set(written.counts)),
            "private_words": len(own),
            "probability": _probability(model, texts, label),
            "chance_probability": _probability(
                model, words.framed(torch.from_numpy(drawn).to(texts.device)), label
            ),
        }
        return [row], {"generators": vectors, "begun": row["precision_begun"]}

    def _written(
        self, context: StageContext, state: PluginState, label: int, words: PublicWords
    ) -> tuple[Tensor, list[Tensor], list[list[int]]]:
        """Return what all generators write, what each is kept by, and what new ones wrote first."""
        rng, texts, vectors, begun = context.rng(), [], [], []
        known: Sequence[Tensor | None] = state.get("generators", [None] * self.generators)
        for vector in known:
            one = TextGenerator(context.model, words, rng, vector)
            if vector is None:
                begun += one.texts(_ASKED).tolist()
            one.learn(label, self.steps, self.likeness)
            texts.append(one.texts(_ASKED))
            vectors.append(one.vector)
        return torch.cat(texts), vectors, begun

    def columns(self, rows: Sequence[Row]) -> dict[str, float]:
        """Return the last precision, what guessing has, and the class's probability.

        `begun_gan_precision` is what the generators hit before they learned. Precisions also stand
        under the label's own name, for runs with several audits; the others are of the last one.
        """
        if not rows:
            return {}
        last = rows[-1]
        found = {
            "gan_precision": last["precision"],
            "chance_gan_precision": last["chance"],
            "begun_gan_precision": last.get("precision_begun", float("nan")),
            "gan_probability": last["probability"],
        }
        for row in rows:
            found[f"gan_precision_{row['label']}"] = row["precision"]
            found[f"begun_gan_precision_{row['label']}"] = row.get("precision_begun", float("nan"))
        return found


def class_of(task: Any, name: str | None) -> int:
    """Return the number of a class by its name, the last one's for None.

    Raises:
        ValueError: if the task has no such class.
    """
    names = [str(one) for one in task.label_names]
    if name is None:
        return len(names) - 1
    if name not in names:
        raise ValueError(f"gan: the task has no class {name!r}{nearest(name, names)}")
    return names.index(name)


def _chance(words: PublicWords, own: set[int]) -> float:
    """Return what words drawn as public texts have them would hit."""
    return float(words.shares[torch.tensor([int(t) in own for t in words.tokens])].sum())


def _clients_texts(context: StageContext, label: int) -> list[list[int]]:
    """Return the texts of a class that clients train on."""
    assert context.truth is not None
    split: Any = context.model.task.train  # type: ignore[attr-defined]
    rows = np.unique(np.concatenate(list(context.truth.own)))
    rows = rows[split.labels[rows] == label]
    starts = split.offsets
    return [split.tokens[starts[row] : starts[row + 1]].tolist() for row in rows]


def _probability(model: Any, texts: Tensor, label: int) -> float:
    """Return the mean probability that a model gives a class on texts [texts, time]."""
    tokens, mask = batch_rows(texts.tolist(), model.device)
    with torch.inference_mode():
        return float(model.score_tokens(tokens, mask).softmax(-1)[:, label].mean())
