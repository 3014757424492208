"""Differential privacy of clients: clipped messages, and noise that hides whether one was there."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np

from fedbytes.plugin_fields import bounded
from fedbytes.privacy.dp.adaptive_clip import CountNoise, next_clip
from fedbytes.privacy.dp.calibration import least_noise
from fedbytes.privacy.dp.gaussian_account import PrivacyCost, Sampled, gaussian_cost
from fedbytes.privacy.dp.gaussian_noise import clip_to_norm, gaussian_noise
from fedbytes.privacy.participation import Participation
from fedbytes.privacy.privacy import PRIVACY, MechanismState, Privacy, PrivacySpent, Vector
from fedbytes.process.optional_imports import import_dp_accounting


@PRIVACY.register("dp")
@dataclass(frozen=True)
class DifferentialPrivacy(Privacy):
    """(epsilon, delta)-differential privacy of a whole client (McMahan et al. 2018).

    `where: central` trusts the server: it clips each message as it decoded it to an L2 norm of C,
    adds them, adds noise N(0, (noise C)²) to each number, and divides by the clients that a round
    has on average. Compression and error feedback come before that, and cost nothing. `where:
    local` trusts nobody: each client clips and adds noise N(0, (noise C)²) to its own message
    before it is encoded. In both, all clients count alike and send no metrics, as their number of
    examples and their loss are private as well.

    The noise is told as a multiplier of C, or as the epsilon that all rounds together may cost;
    then it is the least multiplier of four decimals that keeps to it. At `noise: 2` and all of the
    clients in each of 20 rounds, epsilon is 8.79 at delta 1e-3 where one client more or less must
    not be told, and 23.06 where one in the place of another must not.

    Which of the two follows from the sampling. `poisson`: one client more or less, by a privacy
    loss distribution (PLD). `fixed`: one in the place of another, as their number is known; by PLD
    with all clients in each round, else by Rényi divergences (RDP). `local`: one in the place of
    another, for each round that a client takes part in, by PLD.

    Attributes:
        where: who adds the noise.
        unit: whose data are hidden: all of a client's.
        clip: the L2 norm C that a message is shortened to; `adaptive` leads it to the median norm
            of the clients, at the cost of a little more noise (Andrew et al. 2021).
        noise: the noise's standard deviation over C; give this or `epsilon`.
        epsilon: what the run may cost.
        delta: the probability that it costs more; below 1 / clients.
        first_clip: what `adaptive` begins with; 0.1 if it is not given.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"clip": 0.5, "noise": 1.0, "delta": 0.01},
        {"where": "local", "clip": 0.5, "noise": 1.0, "delta": 0.01},
        {"clip": "adaptive", "noise": 0.3, "delta": 0.01},
    )

    where: Literal["central", "local"] = "central"
    unit: Literal["client"] = "client"
    clip: float | Literal["adaptive"] | None = None
    noise: float | None = bounded(None, above=0)
    epsilon: float | None = bounded(None, above=0)
    delta: float | None = bounded(None, above=0, below=1)
    first_clip: float | None = bounded(None, above=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.clip is None:
            raise ValueError(
                "dp: clip is not given, and without it one message can change a sum by any "
                "amount: set clip to an L2 norm such as 0.1, or to adaptive"
            )
        if self.clip != "adaptive" and not 0 < self.clip < math.inf:
            raise ValueError(f"dp: clip must be above 0 and finite, or adaptive, got {self.clip!r}")
        if self.delta is None:
            raise ValueError(
                "dp: delta is not given: set it below 1 / clients, such as delta=1e-3 for 500"
            )
        if (self.noise is None) == (self.epsilon is None):
            raise ValueError(
                f"dp: give either noise or epsilon, got noise={self.noise} and "
                f"epsilon={self.epsilon}"
            )
        if self.clip == "adaptive" and self.where == "local":
            raise ValueError(
                "dp: clip=adaptive has the server count who is within it, which where=local "
                "shows it of nobody: set clip to a number"
            )
        if self.clip != "adaptive" and self.first_clip is not None:
            raise ValueError(
                f"dp: first_clip={self.first_clip:g} is for clip=adaptive, and clip is "
                f"{self.clip:g}: leave it out"
            )

    @property
    def kind(self) -> str:
        """Where the noise is added, and the clip."""
        return f"{self.where} clip={self.clip}"

    @property
    def bounds_what_is_sent(self) -> bool:
        """Whether clients add the noise: the server clips and adds its own after decoding."""
        return self.where == "local"

    @property
    def releases_sum(self) -> bool:
        """Whether the server makes one noisy mean."""
        return self.where == "central"

    @property
    def hides_examples(self) -> bool:
        """True: numbers of examples and losses are as private as deltas."""
        return True

    def refuses(self, participation: Participation) -> str | None:
        """Return why the promise says nothing, or cannot be accounted for."""
        import_dp_accounting("privacy 'dp'")
        assert self.delta is not None
        if self.delta * participation.clients >= 1:
            return (
                f"privacy 'dp': delta={self.delta:g} is at least 1 / {participation.clients} "
                "clients, which publishing one client's data whole would keep to: set delta below "
                f"{1 / participation.clients:.2g}"
            )
        if self.epsilon is not None and participation.rounds is None:
            return (
                f"privacy 'dp': epsilon={self.epsilon:g} is of all rounds, and nobody has said "
                "how many: give Federation(rounds=…), or noise in its place"
            )
        return None

    def calibrated(self, participation: Participation) -> "DifferentialPrivacy":
        """Return the mechanism with the noise that its epsilon asks for."""
        if self.epsilon is None:
            return self
        rounds = participation.rounds or 0

        def epsilon_of(noise: float) -> float:
            return self._cost(noise, participation, rounds).epsilon

        return replace(self, noise=least_noise(epsilon_of, self.epsilon), epsilon=None)

    def spent(self, participation: Participation, rounds: int) -> PrivacySpent:
        """Return epsilon after so many rounds, and what it is of."""
        assert self.noise is not None
        assert self.delta is not None
        cost = self._cost(self.noise, participation, rounds)
        return PrivacySpent(
            epsilon=cost.epsilon,
            delta=self.delta,
            relation=self._sampled(participation).relation,
            unit=self.unit,
            accountant=cost.accountant,
            noise=self.noise,
        )

    def noise_ratio(self, numel: int, expected: int) -> float:
        """Return noise sqrt(numel) / n; local noise is added n times, and leaves sqrt(n)."""
        assert self.noise is not None
        clients = expected if self.where == "central" else math.sqrt(expected)
        return self.noise * math.sqrt(numel) / clients

    def protect(
        self, message: Vector, rng: np.random.Generator, state: MechanismState
    ) -> tuple[Vector, MechanismState]:
        """Clip the message and add the client's noise, where it is the client's to add."""
        if self.where != "local":
            return message, state
        assert self.noise is not None, "calibrated first"
        clip = self._clip(state)
        noise = gaussian_noise(len(message), self.noise * clip, rng)
        return (clip_to_norm(message, clip) + noise).astype(np.float32), state

    def release(
        self,
        decoded: Iterable[Vector],
        numel: int,
        expected: int,
        rng: np.random.Generator,
        state: MechanismState,
    ) -> tuple[Vector, MechanismState]:
        """Return the noisy mean; the state holds the next round's clip, where it is led."""
        clip = self._clip(state)
        total, within, clients = np.zeros(numel), 0, 0
        for message in decoded:
            clipped = clip_to_norm(message, clip)
            total += clipped
            within += clipped is message
            clients += 1
        total += gaussian_noise(numel, self._noise_of_deltas(expected) * clip, rng)
        if self.clip == "adaptive":
            count = CountNoise.among(expected, self.noise or 0.0)
            state = {"clip": next_clip(clip, within, clients, expected, count, rng)}
        return (total / expected).astype(np.float32), state

    def _clip(self, state: MechanismState) -> float:
        """Return the L2 norm that messages of the round are shortened to."""
        given: Any = self.clip
        return float(state.get("clip", self.first_clip or 0.1) if given == "adaptive" else given)

    def _noise_of_deltas(self, expected: int) -> float:
        assert self.noise is not None, "calibrated first"
        if self.clip != "adaptive":
            return self.noise
        return CountNoise.among(expected, self.noise).of_deltas(self.noise)

    def _sampled(self, participation: Participation) -> Sampled:
        if self.where == "local":
            return Sampled("replace-one")
        relation = "add/remove" if participation.sampling == "poisson" else "replace-one"
        return Sampled(relation, participation.clients, participation.expected)  # type: ignore[arg-type]

    def _cost(self, noise: float, participation: Participation, rounds: int) -> PrivacyCost:
        assert self.delta is not None
        turns = participation.most_turns(rounds) if self.where == "local" else rounds
        return gaussian_cost(noise, turns, self.delta, self._sampled(participation))
