"""Label flip: attackers train on texts with labels that they exchanged."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from fedbytes.attacks.poisoned_rows import LabelAttack
from fedbytes.attacks.poisoned_rows.task_words import label_index
from fedbytes.data import EncodedTask
from fedbytes.federated import ATTACKS


@ATTACKS.register("label_flip")
@dataclass(frozen=True, kw_only=True)
class LabelFlip(LabelAttack):
    """Attackers exchange labels: all of them, those of two classes, or all for one.

    `all` turns the order of labels around, so that label l of L becomes L - 1 - l (Fang et al.
    2020, arXiv:1911.11815): of eight labels the first becomes the last, the second the seventh.
    `pairs` exchanges `source` and `target`. `to_one` makes every label `target`.
    `attack_success` is the share of test texts with a label to be changed that are classified as
    attackers want.

    Attributes:
        mode: which labels change.
        source: the other label of `pairs`.
        target: the label of `to_one` and `pairs`.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {},
        {"mode": "pairs", "source": "red", "target": "blue", "share": 0.3},
        {"mode": "to_one", "target": "green", "rate": 0.5},
    )

    mode: Literal["all", "pairs", "to_one"] = "all"
    source: str | None = None
    target: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        needed = {"all": (), "pairs": ("source", "target"), "to_one": ("target",)}[self.mode]
        for key in ("source", "target"):
            given = getattr(self, key)
            if (given is not None) != (key in needed):
                word = "needs" if key in needed else "does not take"
                raise ValueError(f"{self.name}: mode={self.mode} {word} {key}, got {given!r}")
        if self.mode == "pairs" and self.source == self.target:
            raise ValueError(f"{self.name}: source and target must differ, got {self.source!r}")

    def check_task(self, task: EncodedTask) -> None:
        """Check that the task has the labels that are named.

        Raises:
            ValueError: if it does not.
        """
        super().check_task(task)
        for label in (self.source, self.target):
            if label is not None:
                label_index(task, label, self.name)

    def wanted(self, label: int, task: EncodedTask) -> int:
        """Return the label that takes the place of another."""
        if self.mode == "all":
            return len(task.label_names) - 1 - label
        target = label_index(task, str(self.target), self.name)
        if self.mode == "to_one":
            return target
        source = label_index(task, str(self.source), self.name)
        return {source: target, target: source}.get(label, label)
