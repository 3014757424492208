"""GCG: a suffix after which a language model writes what the attacker wants."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from fedbytes.federated.adversarial.suffix_search import find_suffix
from fedbytes.federated.adversarial.victim import TextOutcome, Victim
from fedbytes.federated.plugins.text_attack import TEXT_ATTACKS, TextAttack
from fedbytes.registry import bounded


@TEXT_ATTACKS.register("gcg")
@dataclass(frozen=True)
class GCG(TextAttack):
    """Search a suffix of the prompt that has the model answer with `target` (Zou et al. 2023).

    arXiv:2307.15043. The suffix stands after the user's text, before what the template puts there
    to open the answer. The model is fooled if its greedy answer begins with all of the target's
    tokens. With 2 steps of 8 candidates it asks at most 1 + 2 · 9 = 19 queries, and one more to
    see whether the model writes the target anyway.

    Attributes:
        target: what the answer is to begin with.
        length: tokens of the suffix.
        candidates: exchanges of a token that are tried in a step.
        steps: how many steps at most.
        top: how many tokens of a place candidates are drawn from.
    """

    attacks: ClassVar[Literal["classifier", "causal-lm"]] = "causal-lm"
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"length": 4, "candidates": 8, "steps": 2, "top": 16},
    )

    queries: int = bounded(3300, least=1)
    target: str = "Sure, here is"
    length: int = bounded(20, least=1)
    candidates: int = bounded(64, least=1)
    steps: int = bounded(50, least=1)
    top: int = bounded(64, least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.target.strip():
            raise ValueError(f"gcg: target must say how the answer begins, got {self.target!r}")

    def attack(self, victim: Victim, rng: np.random.Generator) -> TextOutcome:
        """Search the suffix of the victim's prompt."""
        tokens, tail = victim.text.tokens, victim.text.tail
        user, after = tokens[: len(tokens) - tail], tokens[len(tokens) - tail :]
        found = find_suffix(
            *(victim.model, user, self._wanted(victim), rng),
            after=after,
            length=self.length,
            candidates=self.candidates,
            steps=self.steps,
            top=self.top,
            queries=victim.left,
        )
        victim.queries += found.queries
        row = (*user, *found.tokens, *after)
        return TextOutcome(found.reached, row, 0, victim.queries)

    def holds(self, victim: Victim) -> bool:
        """Return whether the model answers the prompt itself otherwise."""
        none = np.random.default_rng(0)  # nothing is drawn without a step
        tokens, wanted = victim.text.tokens, self._wanted(victim)
        found = find_suffix(victim.model, tokens[:-1], wanted, none, start=tokens[-1:], steps=0)
        return not found.reached

    def _wanted(self, victim: Victim) -> list[int]:
        tokenizer: Any = victim.model.task.tokenizer
        ids: list[int] = tokenizer(self.target, add_special_tokens=False)["input_ids"]
        return ids
