"""The base class of privacy mechanisms: on a client's whole message, or on the server's sum."""

from abc import ABC
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fedbytes.plugin_fields import Plugin
from fedbytes.privacy.gradient_noise import GradientNoise
from fedbytes.privacy.noisy_sum import NoisySum
from fedbytes.privacy.participation import Participation
from fedbytes.registry import Registry

Vector = npt.NDArray[np.float32]
MechanismState = dict[str, Any]
"""State of a mechanism on one client: arrays and plain values, checkpointed with the run."""


@dataclass(frozen=True)
class PrivacySpent:
    """What a run's outputs promise so far: (epsilon, delta), of what unit, by which accountant.

    Attributes:
        epsilon: of the rounds so far.
        delta: the probability that the promise is not kept.
        relation: between two federations that cannot be told apart by more than that.
        unit: whose data they differ in.
        accountant: who says so.
        noise: the noise multiplier.
        epsilon_to_server: epsilon towards a server that knows who took part, where clients were
            drawn and hide from it as well.
        steps: how often noise was added to gradients of one client, where it is.
        sampling_rate: the largest probability that a text is in a step, where noise is on those;
            else the share of clients in a round, which the run knows.
    """

    epsilon: float
    delta: float
    relation: str
    unit: str
    accountant: str
    noise: float
    epsilon_to_server: float | None = None
    steps: int | None = None
    sampling_rate: float | None = None


@dataclass(frozen=True)
class Privacy(Plugin, ABC):
    """A mechanism that protects clients; its fields are its configuration.

    A derived class overrides `protect`, which every honest client applies to what it sends, or
    `release`, which the server applies to what it decoded.

    One that decides what the server can open says so by `carrier`, and one whose noise is that of a
    sum by `noisy_sum`.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({},)
    """Fields that the contract is checked with, a set for each way of working."""

    example_uplink: ClassVar[str | Mapping[str, Any]] = "fp32"
    """The uplink that the contract is checked with."""

    @property
    def examined_with(self) -> tuple[str, ...]:
        """The names of mechanisms that it needs beside it, for the contract."""
        return ()

    @property
    def carrier(self) -> dict[str, Any] | None:
        """The aggregation that carries it out, name and fields; None where clients alone do."""
        return None

    def noisy_sum(self, clients: int) -> NoisySum | None:
        """Return how the `clients` of a round make integers with noise of their messages.

        None, the default, for a mechanism whose noise is no part of a sum. One that returns some
        takes the place of the uplink's codec, and needs a mechanism with a `carrier` beside it.
        """
        return None

    @property
    def gradient_noise(self) -> GradientNoise | None:
        """How clients clip texts' gradients and add noise to their sum in each local step.

        None, the default, where steps are as ever. A mechanism that returns some promises of each
        text, whatever a client makes of its steps afterwards.
        """
        return None

    @property
    def kind(self) -> str:
        """What of it a label says beside its name and its promise."""
        return ""

    @property
    def bounds_what_is_sent(self) -> bool:
        """Whether its promise is of what is sent.

        What error feedback or momentum adds to a later message would break it (and takes noise
        back, so that it vanishes over rounds): both are then refused on the uplink.
        """
        return True

    @property
    def releases_sum(self) -> bool:
        """Whether the algorithm is given what `release` makes, in the place of clients' deltas."""
        return False

    @property
    def hides_examples(self) -> bool:
        """Whether clients count alike and say neither their number of examples nor their loss."""
        return False

    def protect(
        self, message: Vector, rng: np.random.Generator, state: MechanismState
    ) -> tuple[Vector, MechanismState]:
        """Return what the client encodes instead of its delta, and the next state.

        By default the message as it is.

        Args:
            message: all that the codec would encode, float32 [numel]: for an algorithm that sends
                more than changes of weights, such as control variates, these too.
            rng: the client's own of this round. The server cannot draw from it.
            state: what the mechanism keeps on this client.
        """
        return message, state

    def release(
        self,
        decoded: Iterable[Vector],
        numel: int,
        rng: np.random.Generator,
        state: MechanismState,
    ) -> tuple[Vector, MechanismState]:
        """Return the mean that the server goes on with, float32 [numel], and the next state.

        Args:
            decoded: what each client of the round sent, float32 [numel]; perhaps none.
            numel: numbers in a message of this round.
            rng: the server's own of this round; no message carries what it is drawn from.
            state: what the mechanism keeps on the server.
        """
        raise NotImplementedError(f"privacy {self.name!r} makes no sum")

    def after_sum(self, senders: int, clients: int, state: MechanismState) -> MechanismState:
        """Return what the mechanism keeps on the server after a round of a masked sum.

        Args:
            senders: how many are in the sum; 0 of a round that was given up.
            clients: how many took part.
            state: what it kept.
        """
        return state

    def after_count(self, count: float, state: MechanismState) -> MechanismState:
        """Return what the mechanism keeps on the server once it knows what a sum has counted.

        Args:
            count: as `NoisySum.count` says it.
            state: what it kept, after `after_sum`.
        """
        return state

    def with_state(self, state: MechanismState) -> "Privacy":
        """Return the mechanism as it makes the sums of the next round, by what it has kept.

        Args:
            state: on the server.
        """
        return self

    def refuses_layouts(self, numels: Collection[int]) -> str | None:
        """Return why messages of such lengths, in turns, do not suit it, or None."""
        return None

    def refuses(self, participation: Participation) -> str | None:
        """Return why it cannot keep its promise in such a run, or None: one line."""
        return None

    def calibrated(self, participation: Participation) -> "Privacy":
        """Return the mechanism as it acts in a run, with its noise settled.

        Raises:
            ValueError: if the promise cannot be kept.
        """
        return self

    def spent(self, rounds: int, state: MechanismState) -> PrivacySpent | None:
        """Return what the mechanism, calibrated, has promised after so many rounds.

        Args:
            rounds: how many.
            state: what it keeps on the server.
        """
        return None

    @property
    def noise_ratio(self) -> float | None:
        """The noise in the mean of a round over the longest that one message can be, if there is.

        With `gradient_noise` it is that of a step, over the longest that one gradient can be. Both
        are L2 norms: well above 1, a model learns little.
        """
        return None


PRIVACY: Registry[Privacy] = Registry(
    "privacy",
    Privacy,
    "fedbytes.privacy.mechanisms",
    contract="fedbytes.federated.testing.privacy_contract:check_privacy",
)


def make_privacy(spec: str | Mapping[str, Any] | Privacy, **fields: Any) -> Privacy:
    """Build a privacy mechanism from its name and fields.

    Raises:
        ValueError: for an unknown name or field, or a value out of range.
    """
    return PRIVACY.make(spec, **fields)
