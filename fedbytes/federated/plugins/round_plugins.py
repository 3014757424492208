"""The plug-ins of a run's rounds, and what they cannot be joined with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fedbytes.federated.algorithm import Algorithm
from fedbytes.federated.plugins.attack import ATTACKS, Attack
from fedbytes.federated.plugins.audit import AUDITS, Audit
from fedbytes.federated.plugins.cleaner import CLEANERS, Cleaner
from fedbytes.federated.plugins.defense import DEFENSES, Defense
from fedbytes.federated.protocol.link import NO_MEMORY, Link
from fedbytes.plugin_fields import Plugin
from fedbytes.privacy import PRIVACY, Privacy
from fedbytes.registry import Registry

ROUND_REGISTRIES: dict[str, Registry[Any]] = {
    "attack": ATTACKS,
    "defense": DEFENSES,
    "clean": CLEANERS,
    "privacy": PRIVACY,
    "audit": AUDITS,
}
"""The registry of each section of a run's configuration that says what acts in its rounds."""


@dataclass(frozen=True)
class RoundPlugins:
    """Plug-ins that act in the rounds of a run, in order; named as the configuration's sections."""

    attack: tuple[Attack, ...] = ()
    defense: tuple[Defense, ...] = ()
    clean: tuple[Cleaner, ...] = ()
    privacy: tuple[Privacy, ...] = ()
    audit: tuple[Audit, ...] = ()

    @property
    def specs(self) -> dict[str, tuple[dict[str, Any], ...]]:
        """The canonical specifications of each section's plug-ins, defaults included."""
        return {
            key: tuple(registry.spec(plugin) for plugin in getattr(self, key))
            for key, registry in ROUND_REGISTRIES.items()
        }

    def refuses(
        self, algorithm: Algorithm, uplink: Link, clients_per_round: int, opens_each: bool = True
    ) -> str | None:
        """Return why they cannot work with the rest of a run, or None.

        Args:
            algorithm: of the run.
            uplink: from clients to the server.
            clients_per_round: how many take part in a round.
            opens_each: whether the server sees each client's delta.
        """
        return (
            self._refuses_silence(algorithm)
            or self._refuses_rules(algorithm, clients_per_round, opens_each)
            or self._refuses_algorithm(algorithm)
            or self._refuses_memory(uplink)
            or self._refuses_tampering()
        )

    @property
    def _rules(self) -> list[Defense]:
        return [defense for defense in self.defense if "uploads" in defense.stages]

    def _refuses_rules(
        self, algorithm: Algorithm, clients_per_round: int, opens_each: bool
    ) -> str | None:
        clients = clients_per_round
        for defense in self._rules:
            if defense.needs_each and self.releases_sum:
                return (
                    f"defense {defense.name!r} needs each client's delta, in the place of which "
                    f"privacy {self.privacy[0].name!r} gives it one noisy mean: leave out one of "
                    "the two"
                )
            if defense.needs_each and not opens_each:
                return (
                    f"defense {defense.name!r} needs each client's delta, and this aggregation "
                    "shows the server their sum alone: leave out one of the two"
                )
            refusal = None if self.releases_sum else defense.refuses(clients)
            if refusal:
                whole = "" if clients == clients_per_round else f" ({clients_per_round} a round)"
                return f"defense {defense.name!r} {refusal}{whole}"
            if algorithm.needs_votes and not defense.weighs_alike(clients):
                return (
                    f"defense {defense.name!r} makes groups of unequal size of {clients} clients, "
                    f"and algorithm {algorithm.name!r} adds up over rounds what each sends, with "
                    f"equal weights: take groups of a size that divides {clients}"
                )
            clients = defense.leaves(clients)
        return None

    @property
    def releases_sum(self) -> bool:
        """Whether the algorithm is given one private mean in the place of clients' deltas."""
        return any(mechanism.releases_sum for mechanism in self.privacy)

    @property
    def hides_examples(self) -> bool:
        """Whether clients count alike, and send no metrics."""
        return any(mechanism.hides_examples for mechanism in self.privacy)

    @property
    def noise_on_gradients(self) -> str:
        """The first mechanism with noise on clients' gradients; empty without one."""
        return next((one.name for one in self.privacy if one.gradient_noise is not None), "")

    def tolerates(self, clients: int) -> int | None:
        """Return up to how many attackers among the clients of a round the defences are made for.

        None where there is no defence that is made for a number of them.
        """
        numbers = []
        for defense in self._rules:
            number = defense.tolerates(clients)
            numbers += [] if number is None else [number]
            clients = defense.leaves(clients)
        return min(numbers, default=None)

    @property
    def scored_by_batches(self) -> str:
        """The first audit that is scored by the batches that clients read; empty without one."""
        return next((audit.name for audit in self.audit if audit.scores_by_batches), "")

    @property
    def root_examples(self) -> int:
        """How many trusted examples the server sends to each client."""
        return max((cleaner.trusts for cleaner in self.clean), default=0)

    def cautions(self, uplink: Link) -> list[str]:
        """Return what is allowed and seldom meant: a line each, with the remedy."""
        if not uplink.codec.sparse or uplink.estimates:
            return []
        return [
            f"defense {defense.name!r} judges each number by itself, and uplink codec "
            f"{uplink.codec.name!r} leaves most of them out: where most clients leave a number "
            "out it stays 0, so the model hardly moves; take error_feedback=ef21, a defense of "
            "whole deltas such as multi_krum, or a dense codec"
            for defense in self._rules
            if defense.by_coordinate
        ]

    def _refuses_silence(self, algorithm: Algorithm) -> str | None:
        """Return why what acts on updates has no place where none are sent, or None."""
        acting: list[Plugin] = [*self.attack, *self.defense, *self.privacy, *self.audit]
        acting += self.clean if algorithm.travels == "texts" else ()
        if algorithm.travels == "vectors" or not acting:
            return None
        return (
            f"algorithm {algorithm.name!r} sends no updates, so {acting[0].name!r} has nothing to "
            "act on: leave it out, or take another algorithm"
        )

    def _refuses_algorithm(self, algorithm: Algorithm) -> str | None:
        for attack in self.attack:
            if attack.stages & {"loss", "constraint"} and not algorithm.trains_by_loss:
                return (
                    f"attack {attack.name!r} changes how attackers minimise the loss, and "
                    f"algorithm {algorithm.name!r} has one of its own: take another algorithm"
                )
        for defense in self.defense:
            if defense.remembers and not algorithm.alike_each_round:
                return (
                    f"defense {defense.name!r} compares deltas with those of earlier rounds, and "
                    f"what algorithm {algorithm.name!r} sends means something else in each: take "
                    "another defense or algorithm"
                )
            if "uploads" in defense.stages and algorithm.needs_weights:
                return (
                    f"defense {defense.name!r} has clients count alike or caps what they say, and "
                    f"algorithm {algorithm.name!r} adds up over rounds what it weighs by examples: "
                    "set algorithm.weights=clients"
                )
            if "loss" in defense.stages and not algorithm.trains_by_loss:
                return (
                    f"defense {defense.name!r} changes the loss that clients minimise, and "
                    f"algorithm {algorithm.name!r} has one of its own: take another algorithm"
                )
            if defense.perturbs_inputs and not algorithm.takes_gradients:
                return (
                    f"defense {defense.name!r} climbs the gradient of clients' loss, and "
                    f"algorithm {algorithm.name!r} takes none: take another algorithm"
                )
        perturbing = [defense.name for defense in self.defense if defense.perturbs_inputs]
        if len(perturbing) > 1:
            return (
                f"defenses {' and '.join(map(repr, perturbing))} perturb the same inputs, to "
                f"{len(perturbing)} times the radius: leave in one"
            )
        asking: list[Plugin] = [one for one in self.clean if one.uses_model]
        asking += [one for one in self.audit if one.needs_texts]
        if asking and not algorithm.shares_model:
            return (
                f"{asking[0].name!r} asks the model that all share, and algorithm "
                f"{algorithm.name!r} has none that is whole: leave it out, or take another "
                "algorithm, such as ditto"
            )
        for audit in self.audit if self.clean else ():
            if audit.scores_by_batches:
                return (
                    f"audit {audit.name!r} is scored by the batches that clients train on, and "
                    f"cleaner {self.clean[0].name!r} reads batches of its own: leave out one of "
                    "the two"
                )
        for cleaner in self.clean:
            if cleaner.uses_model and algorithm.downloads == "state":
                return (
                    f"cleaner {cleaner.name!r} asks the model that clients hold, and algorithm "
                    f"{algorithm.name!r} leaves them none: take one that sends updates"
                )
        return None

    def _refuses_memory(self, uplink: Link) -> str | None:
        if uplink.memory == NO_MEMORY:
            return None
        for mechanism in self.privacy:
            if mechanism.bounds_what_is_sent:
                return (
                    f"privacy {mechanism.name!r} bounds what is sent, and the uplink's error "
                    "feedback or momentum adds to it afterwards: set uplink.error_feedback=false "
                    "and leave out its momentum"
                )
        return None

    def _refuses_tampering(self) -> str | None:
        """Return why attacks on messages have none that they can read, or None."""
        carried = [mechanism.name for mechanism in self.privacy if mechanism.carrier is not None]
        for attack in self.attack if carried else ():
            if "tamper" in attack.stages:
                return (
                    f"attack {attack.name!r} changes deltas or metrics on the wire, of which "
                    f"privacy {carried[0]!r} leaves none to read: leave out one of the two"
                )
        return None


SectionSpec = str | Mapping[str, Any] | Sequence[Any] | None
"""One plug-in by name or specification, several in a list, or none."""


def make_plugins(**sections: SectionSpec) -> RoundPlugins:
    """Build the plug-ins of a run: `make_plugins(attack="sign_flip", defense=[{…}, {…}])`.

    Raises:
        ValueError: for an unknown name or field, or a value that a plug-in refuses.
    """
    return RoundPlugins(**{key: make_section(key, given) for key, given in sections.items()})


def make_section(key: str, given: SectionSpec) -> tuple[Any, ...]:
    """Build the plug-ins of one section.

    Raises:
        ValueError: for an unknown name or field, or a value that a plug-in refuses.
    """
    if given is None:
        return ()
    several = given if isinstance(given, list | tuple) else (given,)
    return tuple(ROUND_REGISTRIES[key].make(spec) for spec in several)
