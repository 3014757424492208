"""Differential privacy of clients or of their texts: clipping, and noise that hides each."""

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Literal

import numpy as np

from fedbytes.plugin_fields import bounded
from fedbytes.privacy.dp.adaptive_clip import CountNoise, moved_clip, next_clip
from fedbytes.privacy.dp.calibration import least_noise
from fedbytes.privacy.dp.dp_account import DpAccount, Where, too_few_come
from fedbytes.privacy.dp.example_account import (
    ExampleAccount,
    misplaced_for_examples,
    refused_for_examples,
)
from fedbytes.privacy.dp.gaussian_noise import clip_to_norm, gaussian_noise
from fedbytes.privacy.dp.skellam_integers import MOST_BITS
from fedbytes.privacy.dp.skellam_sum import SkellamSum
from fedbytes.privacy.gradient_noise import GradientNoise
from fedbytes.privacy.participation import Participation
from fedbytes.privacy.privacy import PRIVACY, MechanismState, Privacy, PrivacySpent, Vector
from fedbytes.process.optional_imports import import_dp_accounting

_FIRST_CLIP, _BITS = 0.1, 16
_ALONE = Participation("fixed", 1, 1)


@PRIVACY.register("dp")
@dataclass(frozen=True)
class DifferentialPrivacy(Privacy):
    """(epsilon, delta)-differential privacy of a whole client, or of each text.

    By default it is of all texts of a client at once (McMahan et al. 2018).

    `where: central` trusts the server: it clips each message as it decoded it to an L2 norm of C,
    adds them, adds noise N(0, (noise C)²) to each number, and divides by the clients that a round
    has on average. Compression and error feedback come before that, and cost nothing. `where:
    local` trusts nobody: each client clips and adds noise N(0, (noise C)²) to its own message
    before it is encoded. `where: distributed` has all clients add the noise together: each rounds
    its clipped message to integers and adds a share of Skellam noise, and secure aggregation (give
    `secagg` beside it) shows the server the sum alone, modulo 2^bits (Agarwal et al. 2021). In all
    of them clients count alike and send no metrics, as their number of examples and their loss are
    private as well.

    The noise is told as a multiplier of C, or as the epsilon that all rounds together may cost;
    then it is the least multiplier of four decimals that keeps to it. At `noise: 2` and all of the
    clients in each of 20 rounds, epsilon is 8.79 at delta 1e-3 where one client more or less must
    not be told, and 23.06 where one in the place of another must not.

    Which of the two follows from the sampling. `poisson`: one client more or less, by a privacy
    loss distribution (PLD). `fixed`: one in the place of another, as their number is known; by PLD
    with all clients in each round, else by Rényi divergences (RDP) if they say less. `local`: one
    in the place of another, for each round that a client takes part in, by PLD. `distributed`: as
    the sampling has it, by RDP.

    `unit: example` hides one text in place of one client (Abadi et al. 2016). In each local step a
    client draws each of its texts by a coin, `batch_size` of them on average, shortens the gradient
    of each to C, adds noise N(0, (noise C)²) to each number of their sum, and divides by
    `batch_size`. All that follows is free: the local optimiser, error feedback,
    momentum, any codec. It is accounted for as one text or a blank in its place, by PLD, over all
    local steps.
    At `noise: 1`, 1,000 steps of 16 of 1,600 texts, epsilon is 1.83 at delta 1e-5.

    Attributes:
        where: who adds the noise: `central` if it is not given, and with `unit: example` `local`,
            which is the only one.
        unit: whose data are hidden: all of a `client`'s, or each `example`.
        mechanism: the noise: `gaussian`, or `skellam` of integers, which `distributed` has.
        clip: the L2 norm C that a message (or a text's gradient) is shortened to; `adaptive` leads
            it to the median norm of the clients, at the cost of a little more noise (Andrew et al.
            2021). Where the server must not see who is within it, clients put that into the sum as
            one number more, and are told the clip of each round.
        noise: the noise's standard deviation over C; give this or `epsilon`. Less than 0.01 is
            no promise.
        epsilon: what the run may cost.
        delta: the probability that it costs more; below 1 / clients, or 1 / the texts of the client
            that has fewest.
        first_clip: what `adaptive` begins with; 0.1 if it is not given.
        bits: of an integer that `distributed` sends; 16 if it is not given.
        dropout: the share of a round's clients that may vanish without taking away noise that
            `distributed` needs; where more do, epsilon rises.

    Example:
        >>> asked = make_privacy("dp", clip=0.5, epsilon=8.0, delta=1e-4)
        >>> settled = asked.calibrated(Participation("poisson", 1000, 100, rounds=20))
        >>> settled.noise, round(settled.spent(20, {}).epsilon, 2)
        (0.6193, 8.0)
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"clip": 0.5, "noise": 1.0, "delta": 0.01},
        {"where": "local", "clip": 0.5, "noise": 1.0, "delta": 0.01},
        {"clip": "adaptive", "epsilon": 8.0, "delta": 0.01},
        {"where": "distributed", "clip": 0.5, "noise": 1.0, "delta": 0.01},
        {"where": "distributed", "clip": "adaptive", "noise": 1.0, "delta": 0.01},
        {"unit": "example", "clip": 0.5, "noise": 1.0, "delta": 0.01},
    )

    where: Where = bounded(None)
    unit: Literal["client", "example"] = "client"
    mechanism: Literal["gaussian", "skellam"] | None = None
    clip: float | Literal["adaptive"] | None = None
    noise: float | None = bounded(None, least=0.01)
    epsilon: float | None = bounded(None, above=0)
    delta: float | None = bounded(None, above=0, below=1)
    first_clip: float | None = bounded(None, above=0)
    bits: int | None = bounded(None, least=4, most=MOST_BITS)
    dropout: float = bounded(0.0, least=0, below=1)

    def __post_init__(self) -> None:
        given: Any = self.where
        if given is None:
            object.__setattr__(self, "where", "local" if self._of_examples else "central")
        super().__post_init__()
        usual = "skellam" if self.where == "distributed" else "gaussian"
        if self.mechanism is None:
            object.__setattr__(self, "mechanism", usual)
        refusal = self._unsaid() or self._misplaced(usual)
        if refusal:
            raise ValueError(f"dp: {refusal}")

    def _unsaid(self) -> str | None:
        """Return what a promise lacks, or None."""
        if self.clip is None:
            return (
                "clip is not given, and without it one message can change a sum by any amount: set "
                "clip to an L2 norm such as 0.1, or to adaptive"
            )
        if self.clip != "adaptive" and not 0 < self.clip < math.inf:
            return f"clip must be above 0 and finite, or adaptive, got {self.clip!r}"
        if self.delta is None:
            unit = "texts of a client" if self._of_examples else "clients"
            return f"delta is not given: set it below 1 / {unit}, such as delta=1e-3 for 500"
        if (self.noise is None) == (self.epsilon is None):
            return (
                f"give either noise or epsilon, got noise={self.noise} and epsilon={self.epsilon}"
            )
        return None

    def _misplaced(self, mechanism: str) -> str | None:
        """Return which field says something that `where` has no use for, or None."""
        refusal = misplaced_for_examples(self.where, self.clip) if self._of_examples else None
        if refusal:
            return refusal
        if self.mechanism != mechanism:
            return (
                f"mechanism={self.mechanism} is not the noise of where={self.where}: set "
                f"mechanism={mechanism}, or leave it out"
            )
        if self.clip == "adaptive" and self.where == "local":
            return (
                "clip=adaptive has clients within it counted, and where=local counts nobody: set "
                "clip to a number, or where=distributed"
            )
        if self.clip != "adaptive" and self.first_clip is not None:
            return (
                f"first_clip={self.first_clip:g} is for clip=adaptive, and clip is {self.clip:g}: "
                "leave it out"
            )
        for key, usual in (("bits", None), ("dropout", 0)):
            if self.where != "distributed" and getattr(self, key) != usual:
                return (
                    f"{key}={getattr(self, key)} is of where=distributed, and where is "
                    f"{self.where}: leave it out"
                )
        return None

    @property
    def _of_examples(self) -> bool:
        return self.unit == "example"

    @property
    def gradient_noise(self) -> GradientNoise | None:
        """How texts' gradients are clipped and made noisy, where each has a promise."""
        return GradientNoise(self._clip({}), self.noise or 0.0) if self._of_examples else None

    @property
    def kind(self) -> str:
        """Where the noise is added, the clip, and the bits of integers."""
        if self._of_examples:
            return f"steps clip={self.clip}"
        bits = f" bits={self.bits or _BITS}" if self.where == "distributed" else ""
        return f"{self.where} clip={self.clip}{bits}"

    @property
    def bounds_what_is_sent(self) -> bool:
        """Whether clients add the noise to messages.

        The server clips and adds its own after decoding, and what follows noisy gradients is free.
        """
        return self.where != "central" and not self._of_examples

    @property
    def releases_sum(self) -> bool:
        """Whether the server makes one noisy mean of what it decoded."""
        return self.where == "central"

    @property
    def hides_examples(self) -> bool:
        """True: numbers of examples and losses are as private as deltas."""
        return True

    @property
    def examined_with(self) -> tuple[str, ...]:
        """Secure aggregation, where the server must not see a single message."""
        return ("secagg",) if self.where == "distributed" else ()

    def refuses(self, participation: Participation) -> str | None:
        """Return why the promise says nothing, or cannot be accounted for."""
        import_dp_accounting("privacy 'dp'")
        assert self.delta is not None
        refusal = refused_for_examples(participation, self.delta) if self._of_examples else None
        if refusal:
            return refusal
        if not self._of_examples and self.delta * participation.clients >= 1:
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
        if self.where == "distributed":
            return too_few_come(participation, self.delta)
        return None

    def refuses_layouts(self, numels: Collection[int]) -> str | None:
        """Return why the grid of integers cannot be one for all rounds, or None."""
        if self.where != "distributed" or len(set(numels)) < 2:
            return None
        return (
            f"privacy 'dp' with where=distributed has one grid for all rounds, and messages have "
            f"{' and '.join(map(str, sorted(set(numels))))} numbers in turns: take an algorithm "
            "that sends the same in each round, or where=central"
        )

    def account(self, participation: Participation) -> DpAccount | ExampleAccount:
        """Return what the noise is accounted by in a run."""
        assert self.delta is not None
        if self._of_examples:
            return ExampleAccount(self.delta, participation)
        clip = self._clip({})
        bits = self.bits or _BITS
        if self._counts_in_sum and participation.numel:
            participation = replace(participation, numel=participation.numel + 1)
        return DpAccount(self.where, clip, self.delta, bits, participation, self.dropout)

    def calibrated(self, participation: Participation) -> "CalibratedDp":
        """Return the mechanism with the noise that its epsilon asks for."""
        noise, account = self.noise, self.account(participation)
        if noise is None:
            assert self.epsilon is not None
            rounds = participation.rounds or 0
            noise = least_noise(lambda one: account.cost(one, rounds).epsilon, self.epsilon)
        if isinstance(account, DpAccount) and self.where == "distributed":
            account.scale(noise)  # refused now rather than in a round
        own = {one.name: getattr(self, one.name) for one in fields(self)}
        return CalibratedDp(**own | {"noise": noise, "epsilon": None}, participation=participation)

    def noisy_sum(self, clients: int) -> SkellamSum | None:
        """Return how clients make integers with noise, where they add it together."""
        if self.where != "distributed":
            return None
        noise = self.noise or 1.0
        known = self.bits or _BITS, self._clip({}), noise
        counted = CountNoise.among(clients, noise) if self._counts_in_sum else None
        return SkellamSum(*known, clients, clients, clients, self.dropout, counted=counted)

    @property
    def _counts_in_sum(self) -> bool:
        return self.where == "distributed" and self.clip == "adaptive"

    def _clip(self, state: MechanismState) -> float:
        """Return the L2 norm that messages of the round are shortened to."""
        given: Any = self.clip
        if given != "adaptive":
            return float(given)
        return float(state.get("clip", self.first_clip or _FIRST_CLIP))


@dataclass(frozen=True)
class CalibratedDp(DifferentialPrivacy):
    """The mechanism in a run: its noise is settled, and it knows who takes part.

    Attributes:
        participation: of the run's clients.
        held_clip: of the round, where clients are told it; None for the first.
    """

    participation: Participation = _ALONE
    held_clip: float | None = None

    def protect(
        self, message: Vector, rng: np.random.Generator, state: MechanismState
    ) -> tuple[Vector, MechanismState]:
        """Clip the message and add the client's noise, where all of it is the client's to add."""
        if self.where != "local" or self._of_examples:
            return message, state
        clip = self._clip(state)
        noise = gaussian_noise(len(message), self._noise * clip, rng)
        return (clip_to_norm(message, clip) + noise).astype(np.float32), state

    def release(
        self,
        decoded: Iterable[Vector],
        numel: int,
        rng: np.random.Generator,
        state: MechanismState,
    ) -> tuple[Vector, MechanismState]:
        """Return the noisy mean; the state holds the next round's clip, where it is led."""
        clip, expected = self._clip(state), self.participation.expected
        total, within, clients = np.zeros(numel), 0, 0
        for message in decoded:
            clipped = clip_to_norm(message, clip)
            total += clipped
            within += clipped is message
            clients += 1
        noise = self._noise
        if self.clip == "adaptive":
            count = CountNoise.among(expected, noise)
            state = {"clip": next_clip(clip, within, clients, expected, count, rng)}
            noise = count.of_deltas(noise)
        total += gaussian_noise(numel, noise * clip, rng)
        return (total / expected).astype(np.float32), state

    def noisy_sum(self, clients: int) -> SkellamSum | None:
        """Return how the clients of a round make integers with noise."""
        made, them = super().noisy_sum(clients), self.participation
        if made is None:
            return None
        numel = them.numel and them.numel + made.beside
        known = replace(made, planned=them.most_likely, expected=them.expected, numel=numel)
        if made.counted is None:
            return known
        counted = CountNoise.among(them.expected, self._noise)
        clip = float(np.float32(self.held_clip or made.clip))  # as clients are told it
        return replace(known, counted=counted, clip=clip)

    def with_state(self, state: MechanismState) -> "CalibratedDp":
        """Return the mechanism with the clip that the count of the last rounds has led to."""
        return replace(self, held_clip=state.get("clip")) if self._counts_in_sum else self

    def after_count(self, count: float, state: MechanismState) -> MechanismState:
        """Lead the clip to where half of the clients are within it."""
        clip = moved_clip(self._clip(state), count, self.participation.expected)
        return {**state, "clip": clip}

    def after_sum(self, senders: int, clients: int, state: MechanismState) -> MechanismState:
        """Note the share of the noise that was in a round's sum, which shows if clients vanish."""
        if self.where != "distributed":
            return state
        share = senders / (clients * (1 - self.dropout)) if senders else 1.0
        return {**state, "shares": [*state.get("shares", []), share]}

    def spent(self, rounds: int, state: MechanismState) -> PrivacySpent:
        """Return epsilon after so many rounds, and what it is of."""
        account, shares = self.account(self.participation), state.get("shares", ())
        cost = account.cost(self._noise, rounds, shares)
        return PrivacySpent(
            epsilon=cost.epsilon,
            delta=account.delta,
            relation=account.relation,
            unit=self.unit,
            accountant=cost.accountant,
            noise=self._noise,
            epsilon_to_server=account.cost_to_server(self._noise, rounds, shares),
            steps=account.steps(rounds) if isinstance(account, ExampleAccount) else None,
            sampling_rate=account.sampling.rate if isinstance(account, ExampleAccount) else None,
        )

    @property
    def noise_ratio(self) -> float:
        """Return noise sqrt(numel) / n; local noise is added n times, and leaves sqrt(n).

        Of steps, n is their `batch_size`.
        """
        them, noise = self.participation, self._noise
        if self._of_examples:
            size = them.sampled.batch_size if them.sampled else 1
            return noise * math.sqrt(them.numel) / size
        clients = math.sqrt(them.expected) if self.where == "local" else them.expected
        if self.clip == "adaptive":
            noise = CountNoise.among(them.expected, noise).of_deltas(noise)
        return noise * math.sqrt(them.numel) / clients

    @property
    def _noise(self) -> float:
        assert self.noise is not None
        return self.noise
