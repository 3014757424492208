"""The base class of attacks on texts at test time: a text is changed until the model errs."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from fedbytes.federated.adversarial.victim import TargetText, TextOutcome, Victim
from fedbytes.plugin_fields import Plugin, bounded
from fedbytes.registry import Registry


@dataclass(frozen=True)
class TextAttack(Plugin, ABC):
    """An attack on one text after another; its fields are its configuration.

    Attributes:
        queries: how many texts and gradients it may ask the model for, of one text.
    """

    attacks: ClassVar[Literal["classifier", "causal-lm"]] = "classifier"
    """What it works on: classes of texts, or what a language model writes."""

    queries: int = bounded(200, least=1)

    @abstractmethod
    def attack(self, victim: Victim, rng: np.random.Generator) -> TextOutcome:
        """Change the victim's text within the budget, and say whether that fooled the model.

        Args:
            victim: a model that holds against the text as it is.
            rng: the attack's own.
        """

    def holds(self, victim: Victim) -> bool:
        """Return whether the model withstands the text as it is: finds its class."""
        return victim.margins([victim.text.tokens])[0] > 0


@dataclass(frozen=True)
class WordAttack(TextAttack):
    """An attack that changes words of a text.

    Attributes:
        words: the share of a text's words that it may change, at least one word.
    """

    words: float = bounded(0.15, above=0, most=1)

    def most(self, text: TargetText) -> int:
        """Return how many of a text's words may change: of 18 words at 0.15 two."""
        return min(len(text.words), max(1, int(self.words * len(text.words) + 1e-9)))


TEXT_ATTACKS: Registry[TextAttack] = Registry(
    "text-attack",
    TextAttack,  # type: ignore[type-abstract]
    "fedbytes.federated.text_attacks",
    contract="fedbytes.federated.testing.text_attack_contract:check_text_attack",
)


def make_text_attack(spec: str | Mapping[str, Any] | TextAttack, **fields: Any) -> TextAttack:
    """Build an attack on texts from its name and fields.

    Raises:
        ValueError: for an unknown name or field, or a value out of range.
    """
    return TEXT_ATTACKS.make(spec, **fields)
