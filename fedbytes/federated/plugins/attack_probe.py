"""How far an attack gets what it is for, measured on the model."""

from dataclasses import dataclass

from fedbytes.data import EncodedSplit


@dataclass(frozen=True)
class AttackProbe:
    """Examples that the model gets right where it does what attackers want.

    Attributes:
        wanted: test examples as attackers change them, with the label or the tokens that they
            want of the model.
        unchanged: the same without what triggers it: how often the model does so anyway.
        chance: the same of a guesser, where there is nothing to leave out.
    """

    wanted: EncodedSplit
    unchanged: EncodedSplit | None = None
    chance: float | None = None
