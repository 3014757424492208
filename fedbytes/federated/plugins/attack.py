"""The base class of attacks: some clients are hostile, in data, training, updates or bytes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from torch import Tensor

from fedbytes.data import EncodedTask
from fedbytes.federated.algorithm import Trained
from fedbytes.federated.plugins.attack_probe import AttackProbe
from fedbytes.federated.plugins.defense import LossOf
from fedbytes.federated.plugins.stage_context import PluginState, StageContext
from fedbytes.plugin_fields import Plugin, bounded
from fedbytes.registry import Registry

Deltas = dict[int, Trained]
"""Outcomes of local training, by client."""
Constraint = Callable[[Tensor], Tensor]
"""Maps a change of the trained vector [numel] to the one that attackers allow themselves."""
_STAGES = ("poison", "loss", "constraint", "act", "tamper")


@dataclass(frozen=True, kw_only=True)
class Attack(Plugin):
    """An attack of a share of the clients; its fields are its configuration.

    A derived class overrides the stages that it acts in. All are pure: everything they need comes
    in, everything they change goes out. Attackers are drawn once a run from the stream "attack",
    so that attacks of one share have the same attackers, and fewer are among more.

    Attributes:
        share: how many of the clients that hold examples attack, in (0, 1).
        from_round: the first round that it acts in.
        until_round: the last one; None for to the end. Outside its rounds attackers train on their
            own rows, as they were.
        knowledge: whose deltas `act` is given: `own` for the attackers', `all` for everyone's.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({},)
    """Fields that the contract is checked with, a set for each way of working."""
    one_layout: ClassVar[bool] = True
    """Whether `act` needs the deltas of a round to be of one layout."""
    keeps_memory: ClassVar[bool] = True
    """Whether what `act` makes is encoded with the client's error feedback and momentum."""

    share: float = bounded(0.2, above=0, below=1)
    from_round: int = bounded(1, least=1)
    until_round: int | None = None
    knowledge: Literal["own", "all"] = "own"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.until_round is not None and self.until_round < self.from_round:
            raise ValueError(
                f"until_round must be at least from_round ({self.from_round}), got "
                f"{self.until_round}"
            )

    def poison(
        self,
        task: EncodedTask,
        parts: list[np.ndarray],
        attackers: tuple[int, ...],
        rng: np.random.Generator,
    ) -> tuple[EncodedTask, list[np.ndarray]]:
        """Return the task with other training rows, and who holds which; before the first round.

        What it makes is trained on in the attack's rounds, by attackers alone.

        Args:
            task: its training rows may be replaced or added to, its test rows may not.
            parts: the rows of each client; those of attackers may change.
            attackers: who attacks.
            rng: the attack's own.
        """
        return task, parts

    def check_task(self, task: EncodedTask) -> None:
        """Check that the attack can work on a task's texts.

        Raises:
            ValueError: if it cannot: one line with the numbers and the remedy.
        """

    def probe(self, task: EncodedTask) -> AttackProbe | None:
        """Return what shows on the model whether the attack works; None where nothing does."""
        return None

    def loss(self, loss: LossOf, context: StageContext) -> LossOf:
        """Return what an attacker minimises instead of `loss`.

        Args:
            loss: of the model, with what defences made of it.
            context: of the client; `held` is what it was sent, `moved` what that moved by.
        """
        return loss

    def constraint(self, context: StageContext) -> Constraint | None:
        """Return what an attacker's change of the trained vector is kept to, step by step.

        Args:
            context: as for `loss`.
        """
        return None

    def act(
        self,
        deltas: Deltas,
        attackers: tuple[int, ...],
        context: StageContext,
        state: PluginState,
    ) -> tuple[Deltas, PluginState]:
        """Return what attackers of the round send instead of what they trained.

        Args:
            deltas: what training gave, of the attackers or of all clients of the round (see
                `knowledge`).
            attackers: those who take part in the round.
            context: the round.
            state: what the attack keeps.

        Returns:
            the attackers' deltas (others are ignored), and the next state.
        """
        return deltas, state

    def tamper(self, client: int, frames: list[bytes], context: StageContext) -> list[bytes]:
        """Return the bytes that an attacker puts on the wire instead of its messages."""
        return frames

    @property
    def stages(self) -> frozenset[str]:
        """Which of `poison`, `loss`, `constraint`, `act` and `tamper` the attack has."""
        own = type(self)
        return frozenset(
            stage for stage in _STAGES if getattr(own, stage) is not getattr(Attack, stage)
        )

    def active(self, round_: int) -> bool:
        """Return whether it acts in a round."""
        return self.from_round <= round_ and (
            self.until_round is None or round_ <= self.until_round
        )

    def count(self, clients: int) -> int:
        """Return how many of so many clients attack: the nearest number to their share.

        Raises:
            ValueError: if that is none of them, or all.
        """
        count = int(self.share * clients + 0.5)
        if not 0 < count < clients:
            raise ValueError(
                f"attack {self.name!r}: share={self.share:g} of {clients} clients that hold "
                f"examples is {count}; give a share that some are attackers at, and not all"
            )
        return count


ATTACKS: Registry[Attack] = Registry(
    "attack",
    Attack,
    "fedbytes.attacks",
    contract="fedbytes.federated.testing.attack_contract:check_attack",
)


def make_attack(spec: str | Mapping[str, Any] | Attack, **fields: Any) -> Attack:
    """Build an attack from its name and fields.

    Raises:
        ValueError: for an unknown name or field, or a value out of range.
    """
    return ATTACKS.make(spec, **fields)
