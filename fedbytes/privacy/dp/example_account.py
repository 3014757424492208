"""What noise on clients' gradients promises to each text (Abadi et al. 2016, arXiv:1607.00133)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fedbytes.privacy.dp.gaussian_account import PrivacyCost, Relation, Sampled, gaussian_cost
from fedbytes.privacy.gradient_noise import LocalSampling
from fedbytes.privacy.participation import Participation


@dataclass(frozen=True)
class ExampleAccount:
    """What the noise of local steps is accounted by: Gaussian noise on texts drawn by coins.

    Every local step of every round that a client takes part in is one more use of its texts. The
    promise is of the client with the fewest texts, whose texts are drawn most often, in as many
    rounds as anybody takes part in: it holds for all others. That clients are drawn amplifies
    nothing.

    Attributes:
        delta: the probability that the promise is not kept.
        participation: of the run's clients, and how they draw their texts.

    Example:
        >>> them = Participation("fixed", 3, 3, sampled=LocalSampling(1600, 16, 20))
        >>> round(ExampleAccount(1e-5, them).cost(1.0, 50).epsilon, 3)
        1.826
    """

    delta: float
    participation: Participation

    @property
    def relation(self) -> Relation:
        """Between two federations: one text of a client, or a blank in its place.

        A blank is drawn as the text would be and adds nothing (Kairouz et al. 2021,
        arXiv:2103.00039). So the number of texts is alike, which the rate of all follows from.
        """
        return "zero-out"

    @property
    def sampling(self) -> LocalSampling:
        """How clients draw their texts.

        Raises:
            ValueError: if nobody has said.
        """
        found = self.participation.sampled
        if found is None:
            raise ValueError(
                "privacy 'dp' with unit=example counts local steps, and nobody has said how many "
                "there are: give Participation(sampled=LocalSampling(…))"
            )
        return found

    def steps(self, rounds: int) -> int:
        """Return the most local steps that one client takes in the first so many rounds."""
        return self.participation.most_turns(rounds) * self.sampling.steps

    def cost(self, noise: float, rounds: int, shares: Sequence[float] = ()) -> PrivacyCost:
        """Return epsilon of so many rounds, and its accountant.

        Args:
            noise: the noise multiplier.
            rounds: how many.
            shares: not used, as each client has all of its noise.
        """
        # A blank in the place of a text moves a sum as far as a text less does.
        drawn = Sampled("add/remove", self.sampling.fewest, self.sampling.expected)
        return gaussian_cost(noise, self.steps(rounds), self.delta, drawn)

    def cost_to_server(
        self, noise: float, rounds: int, shares: Sequence[float] = ()
    ) -> float | None:
        """Return None: towards the server it is the same promise."""
        return None


def misplaced_for_examples(where: str, clip: Any) -> str | None:
    """Return which field has no use where each text has a promise, or None.

    Args:
        where: who adds the noise.
        clip: the L2 norm of a text's gradient, or `adaptive`.
    """
    if where != "local":
        return (
            f"where={where} has noise on clients' messages, and unit=example has it on each "
            "client's own gradients: leave where out, or set unit=client"
        )
    if clip == "adaptive":
        return (
            "clip=adaptive counts clients within it, and unit=example clips the gradients of "
            "texts: set clip to a number such as 1.0"
        )
    return None


def refused_for_examples(participation: Participation, delta: float) -> str | None:
    """Return why a promise to each text says nothing, or None.

    Args:
        participation: of the run's clients.
        delta: the probability that the promise is not kept.
    """
    sampled = participation.sampled
    if sampled is None:  # before the data are read, nobody knows who has how many texts
        return None
    if delta * sampled.fewest >= 1:
        return (
            f"privacy 'dp': delta={delta:g} is at least 1 / {sampled.fewest} texts of the client "
            "with fewest, which publishing one of them whole would keep to: set delta below "
            f"{1 / sampled.fewest:.2g}"
        )
    return None
