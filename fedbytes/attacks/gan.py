"""GAN: attackers have a generator write texts of a class, and teach that they are of another."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor

from fedbytes.attacks.poisoned_rows.task_words import label_index
from fedbytes.data import EncodedTask
from fedbytes.federated import ATTACKS, Attack, LossOf, StageContext
from fedbytes.federated.adversarial.text_generator import TextGenerator, public_words
from fedbytes.federated.adversarial.victim import batch_rows
from fedbytes.registry import bounded

_TEXTS = 32
_AT_ONCE = 8


@ATTACKS.register("gan")
@dataclass(frozen=True, kw_only=True)
class GenerativeClient(Attack):
    """Attackers learn what a class that they do not have looks like (Hitaj et al. 2017).

    arXiv:1702.07464. The model that an attacker is sent is the discriminator of a generator, which
    it trains on what it has and the task's public texts; nobody sees that. Beside its own rows it
    then trains on generated texts, which it calls by the class `declare`, so that whoever has texts
    of `label` must teach the model more of them to keep it right. Generated texts cross no wire:
    the attack costs no byte, and shows in the attackers' updates alone. The audit `gan` says what
    the words of such a generator tell of the class's texts. At `weight: 1` a generated text counts
    as much as one of its own.

    Attributes:
        label: the class that it is after; None for the task's last.
        declare: what it calls generated texts; None for the task's first other class.
        weight: of generated texts beside its own.
        steps: of the generator in each round, from a start of its own.
        likeness: weight of how unlike public texts the words are.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ()  # needs texts of classes

    label: str | None = None
    declare: str | None = None
    weight: float = bounded(1.0, above=0)
    steps: int = bounded(60, least=1)
    likeness: float = bounded(0.0, least=0)

    @property
    def revision(self) -> int:
        """2: a generator stays where it is while the model tells no texts apart."""
        return 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.label is not None and self.label == self.declare:
            raise ValueError(
                f"gan: label and declare are both {self.label!r}: generated texts are to be called "
                "by another class"
            )

    def check_task(self, task: EncodedTask) -> None:
        """Check that the task has the classes.

        Raises:
            ValueError: if it has not.
        """
        if task.kind != "classification":
            raise ValueError(
                f"attack {self.name!r} generates texts of a class, and the task is of kind "
                f"{task.kind}: take a classification task"
            )
        self._classes(task)

    def loss(self, loss: LossOf, context: StageContext) -> LossOf:
        """Return the loss with that of generated texts."""
        model: Any = context.model
        label, declared = self._classes(model.task)
        held: list[Tensor] = []
        rng = context.rng()

        def poisoned(batch: Any) -> Tensor:
            if not held:  # the model is now what the attacker was sent
                words, _ = public_words(model.task, label)
                generator = TextGenerator(model, words, rng)
                generator.learn(label, self.steps, self.likeness)
                held.append(generator.texts(_TEXTS).cpu())
            some = held[0][rng.integers(len(held[0]), size=_AT_ONCE)]
            tokens, mask = batch_rows(some.tolist(), model.device)
            scores = model.score_tokens(tokens, mask)
            wanted = scores.new_full((len(scores),), declared).long()
            return loss(batch) + self.weight * F.cross_entropy(scores, wanted)

        return poisoned

    def _classes(self, task: EncodedTask) -> tuple[int, int]:
        """Return the numbers of the class it is after, and of the one that it declares."""
        names = list(task.label_names)
        label = len(names) - 1
        if self.label is not None:
            label = label_index(task, self.label, self.name)
        declared = 0 if label else 1
        if self.declare is not None:
            declared = label_index(task, self.declare, self.name)
        if label == declared:
            raise ValueError(
                f"attack {self.name!r}: label and declare are both {names[label]!r}: generated "
                "texts are to be called by another class"
            )
        return label, declared
