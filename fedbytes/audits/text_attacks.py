"""Attacks on test texts: how often the model still finds the class when a text is changed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedbytes.data import EncodedSplit
from fedbytes.federated import (
    AUDITS,
    Audit,
    AuditedRun,
    PluginState,
    Row,
    StageContext,
    TargetText,
    TextAttack,
    TextOutcome,
    Victim,
    vocabulary_of,
)
from fedbytes.labels import short_label
from fedbytes.registry import bounded
from fedbytes.streams import stream

ROBUST = "robust_accuracy"
"""Column of a text attack's outcome, and with its name what the results' columns begin with."""


@AUDITS.register("text_attacks")
@dataclass(frozen=True)
class TextAttacks(Audit):
    """Attack a sample of the test texts after evaluated rounds: a row for each attack.

    Of 100 texts of which the model finds 90 classes as they are, and after the attack 40:
    `clean_accuracy` 0.9, `robust_accuracy` 0.4. `words_changed` is the mean share of words that
    differ where the model was fooled, `queries` the mean of the texts that were attacked. The
    results have `robust_accuracy_NAME`. The sample is drawn from the run's seed once, so that runs
    of one seed are attacked on the same texts in all rounds. For a causal-lm model the prompts are
    attacked, and it is robust where it does not write what is wanted.

    Attributes:
        attacks: the attacks, each on all texts.
        texts: how many test texts are attacked, all if there are fewer.
        rounds: after which rounds; none given for all that are evaluated.
    """

    needs_texts: ClassVar[bool] = True
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"attacks": ["hotflip", {"name": "pgd", "steps": 2}], "texts": 3},
    )

    attacks: tuple[TextAttack, ...]
    texts: int = bounded(100, least=1)
    rounds: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.attacks:
            raise ValueError("text_attacks: attacks is empty: name one, such as hotflip")
        if len({*self.attacks}) < len(self.attacks):
            names = ", ".join(short_label(attack) for attack in self.attacks)
            raise ValueError(f"text_attacks: attacks has one twice: {names}")

    def refuses(self, run: AuditedRun) -> str | None:
        """Refuse attacks on what a task does not have, and rounds that are not evaluated."""
        for attack in self.attacks:
            if attack.attacks == "classifier" and run.kind != "classification":
                return (
                    f"text-attack {attack.name!r} turns the class of a text, and the task is of "
                    f"kind {run.kind}: set a classification task, or attack gcg"
                )
            if attack.attacks == "causal-lm" and not run.has_prompts:
                return (
                    f"text-attack {attack.name!r} searches suffixes of prompts, and the task (kind "
                    f"{run.kind}) has none: set an instruction task such as news-instruct"
                )
        return run.misses(self.rounds)

    def examine(self, context: StageContext, state: PluginState) -> tuple[list[Row], PluginState]:
        """Attack the sample with each attack in turn."""
        if self.rounds and context.round not in self.rounds:
            return [], state
        model: Any = context.model
        rows = _sample(model.task.test, self.texts, context.seed)
        texts = _texts(model, rows)
        return [
            self._row(attack, model, texts, stream(context.seed, context.stage, context.round, n))
            for n, attack in enumerate(self.attacks)
        ], state

    def columns(self, rows: Sequence[Row]) -> dict[str, float]:
        """Return the robust accuracy under each attack."""
        return {f"{ROBUST}_{_column(row['attack'])}": row[ROBUST] for row in rows}

    def _row(
        self, attack: TextAttack, model: Any, texts: list[TargetText], rng: np.random.Generator
    ) -> Row:
        met: list[tuple[TargetText, TextOutcome]] = []
        for text in texts:
            if attack.holds(Victim(model, text, attack.queries)):
                met.append((text, attack.attack(Victim(model, text, attack.queries), rng)))
        fooled = [(text, outcome) for text, outcome in met if outcome.fooled]
        shares = [outcome.changed / max(1, len(text.words)) for text, outcome in fooled]
        return {
            "attack": self._label(attack),
            "texts": len(texts),
            "clean_accuracy": len(met) / len(texts),
            ROBUST: (len(met) - len(fooled)) / len(texts),
            "words_changed": float(np.mean(shares)) if shares else None,
            "queries": float(np.mean([outcome.queries for _, outcome in met])) if met else None,
        }

    def _label(self, attack: TextAttack) -> str:
        """Return an attack's name, and its fields where several have that name."""
        alone = [one.name for one in self.attacks].count(attack.name) == 1
        return attack.name if alone else short_label(attack)


def _sample(split: EncodedSplit, count: int, seed: int) -> list[int]:
    """Return test rows, the same in every round and for every attack; of prompts, answered ones."""
    usable = [row for row in range(len(split)) if _end_of_prompt(split, row)]
    if not usable:
        raise ValueError(
            f"none of the {len(split)} test texts has tokens before its answer: there is no prompt "
            "to attack"
        )
    order = stream(seed, "attacked texts").permutation(len(usable))[:count]
    return sorted(usable[place] for place in order)


def _texts(model: Any, rows: Sequence[int]) -> list[TargetText]:
    """Return the texts at some test rows, or what stands before the answers of prompts."""
    split: EncodedSplit = model.task.test
    starts = split.offsets
    found = [
        split.tokens[starts[row] : starts[row] + _end_of_prompt(split, row)].tolist()
        for row in rows
    ]
    tail = 0 if split.learned is None else _common_end(found)
    labels = [-1 if split.labels is None else int(split.labels[row]) for row in rows]
    vocabulary = vocabulary_of(model)
    return [
        TargetText.of(tokens, vocabulary, label, tail)
        for tokens, label in zip(found, labels, strict=True)
    ]


def _end_of_prompt(split: EncodedSplit, row: int) -> int:
    """Return how many tokens stand before a row's first answer, 0 without one; all of a text."""
    part = slice(int(split.offsets[row]), int(split.offsets[row + 1]))
    if split.learned is None:
        return part.stop - part.start
    return int(np.argmax(split.learned[part]))


def _common_end(prompts: Sequence[Sequence[int]]) -> int:
    """Return with how many equal tokens all prompts end: the template's, that open an answer."""
    if len(prompts) < 2:
        return 0
    shortest = min(map(len, prompts))
    ends = (len({tuple(prompt[-n:]) for prompt in prompts}) == 1 for n in range(1, shortest))
    return next((n for n, equal in enumerate(ends) if not equal), max(0, shortest - 1))


def _column(label: str) -> str:
    return re.sub(r"[^\w.]+", "_", label).strip("_")
