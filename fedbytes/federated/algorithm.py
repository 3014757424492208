"""The base class of algorithms: pure functions over explicit state, for client and server."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from torch import Tensor

from fedbytes.compression.layout import Layout
from fedbytes.federated.context import RoundContext
from fedbytes.federated.hooks import Upload
from fedbytes.federated.optimizers.server_optimizers import ServerMemory
from fedbytes.federated.trainable import Trainable
from fedbytes.models.adapter import Adapter
from fedbytes.plugin_fields import Plugin
from fedbytes.registry import Registry

ClientMemory = dict[str, Tensor]
"""Tensors that a client keeps between its rounds, by name; checkpointed with the run."""


@dataclass(frozen=True)
class Compatibility:
    """The parts of a run that decide whether an algorithm can work with them.

    Attributes:
        up_name, down_name: the codecs' registered names.
        up_feedback, down_feedback: whether they are used with error feedback.
        up_momentum: whether the uplink has momentum.
        partial: whether a round has fewer clients than there are.
        up_differences: whether the uplink carries differences to an estimate (EF21).
        adapter: what is trained of the model, None if it is not known yet.
        classifies: whether there is a classifier with a linear head, and no language model.
        up_exact, down_exact: whether the codecs return every float32 as it was.
        aggregation: the registered name of how the server gets at what clients send.
        opens_each: whether it sees each client's delta.
        to_open_each: what a run does for a server that does.
        up_averages_all: whether the last estimates of clients that do not take part count as well.
        up_one_map: whether the uplink maps vectors linearly, and alike in every round.
        up_tells_senders: whether decoded messages show which coordinates were sent.
    """

    up_name: str = "fp32"
    down_name: str = "fp32"
    up_feedback: bool = False
    down_feedback: bool = False
    up_momentum: bool = False
    partial: bool = False
    up_differences: bool = False
    adapter: Adapter | None = None
    classifies: bool = True
    up_exact: bool = True
    down_exact: bool = True
    aggregation: str = "decode_each"
    opens_each: bool = True
    to_open_each: str = "set aggregation.name=decode_each"
    up_one_map: bool = False
    up_tells_senders: bool = False
    up_averages_all: bool = False


@dataclass(frozen=True)
class Trained:
    """The outcome of local training: the delta `[numel]`, the mean loss, and the client's memory.

    A client that `announces` a number, 0 to 2^64 - 1, sends it ahead of its delta, in a message
    of its own. From there on it is in `RoundContext.announced`, and the delta is in the layout
    `up(context)` that follows from it.
    """

    delta: Tensor
    loss: float
    memory: ClientMemory = field(default_factory=dict)
    announces: int | None = None
    hostile: bool = False
    """Whether an attack made it: then it is bound by no privacy mechanism."""
    bare: bool = False
    """Whether it is encoded by itself, past the client's error feedback and momentum."""

    def with_delta(self, delta: Tensor) -> "Trained":
        """Return the same with another delta."""
        return replace(self, delta=delta)

    def as_hostile(self, bare: bool = False) -> "Trained":
        """Return the same as the work of an attack."""
        return replace(self, hostile=True, bare=bare)


class ClientTurn(NamedTuple):
    """What a client trains from and on in a round: the arguments of `Algorithm.train`.

    Attributes:
        context: the client's.
        start: what it was sent [numel].
        indices: its examples.
        memory: what the algorithm keeps of it.
        rng: orders the batches.
    """

    context: RoundContext
    start: Tensor
    indices: np.ndarray
    memory: ClientMemory
    rng: np.random.Generator


class Algorithm(Plugin, ABC):
    """A federated algorithm; its fields are its configuration.

    All methods are pure: everything they need comes in, everything they change goes out.

    `client` and `server` are enough where clients hold the trained vector and what travels is
    changes of it. An algorithm that holds or sends something else says so below: `synced_layout` is
    the layout that every client is kept in step with, `up` and `down` are the layouts of a round's
    messages, and `apply` is what a decoded update does to what is held. Both ends call them, so
    they must follow from the context alone. Where clients are sent updates, `down` and `apply`
    must not follow from what is announced, which the other clients did not hear.
    """

    downloads: ClassVar[Literal["updates", "state"]] = "updates"
    """`updates`: clients are kept in step, and are sent what changed. `state`: each client of a
    round is sent, through the downlink codec, what `download` makes for it, and keeps nothing."""
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({},)
    """Fields that the contract is checked with, a set for each way of working."""
    example_model: ClassVar[Mapping[str, Any] | None] = None
    """The tiny model of the check: `{"model": "tiny-llama", "adapter": {…}, "kind": "causal-lm"}`.
    None for the first that `synced_layout` does not refuse (see `testing.tiny_models`)."""
    example_uplink: ClassVar[str | Mapping[str, Any]] = "fp32"
    """The uplink of the check, for an algorithm that refuses a lossless one."""
    example_aggregation: ClassVar[str | Mapping[str, Any]] = "decode_each"
    """The aggregation of the check, for an algorithm that refuses the usual one."""
    travels: ClassVar[Literal["vectors", "nothing", "texts"]] = "vectors"
    """What clients send: vectors, in the messages of a round; nothing, each training alone; or
    their texts, once, on which the server then trains. The latter two are no federation: they are
    what one is compared with."""
    shares_model: ClassVar[bool] = True
    """Whether what is held is a whole model. If not, clients predict with `own` alone."""
    takes_image: ClassVar[bool] = False
    """Whether `combine` is given the mean as the uplink's codec maps it (`Summable.project`),
    and not the vector that is recovered from that."""
    takes_signs: ClassVar[bool] = False
    """Whether of a sum's mean it takes the signs alone, so that it may have any length."""
    searches_words: ClassVar[bool] = False
    """Whether it can find tokens of the vocabulary, which have neither gradient nor mean."""
    takes_local_steps: ClassVar[bool] = False
    """Whether it has the fields `local_steps`, `local_epochs` and `learning_rate`, and a client's
    delta is where so many steps end, so that the server can train by it too."""
    trains_by_loss: ClassVar[bool] = True
    """Whether clients minimise `model.loss`, so that a defence can put another in its place."""

    moves_base: ClassVar[bool] = False
    """Whether what is held moves weights of the base, which an adapter kept by itself lacks."""
    takes_gradients: ClassVar[bool] = True
    """Whether clients take the gradient of their loss, and not its values alone."""
    alike_each_round: ClassVar[bool] = True
    """Whether a number of a delta means the same in all rounds whose deltas have its layout."""

    @property
    def needs_weights(self) -> bool:
        """Whether a client has to weigh the same by its examples in all rounds.

        Defences have clients count alike, or cap what they say that they have.
        """
        return False

    @property
    def needs_votes(self) -> bool:
        """Whether a client has to count as much as any other in all rounds."""
        return False

    @property
    def moves_by_mean(self) -> bool:
        """Whether the update is the mean of the deltas, so that clients can make it themselves."""
        return False

    @property
    def needs_each(self) -> bool:
        """Whether `combine` must see each client's upload.

        If not, their mean weighted by examples, as one upload with all examples, must give the
        same to 1e-6, and the algorithm works where the server sees sums alone.
        """
        return True

    def __init_subclass__(cls) -> None:
        """Refuse a class that says nowhere what a client does.

        Raises:
            TypeError: if it has neither a `client` nor a `train` of its own.
        """
        super().__init_subclass__()
        if "held" in vars(cls):  # the former name, until the next release
            cls.synced_layout = vars(cls)["held"]  # type: ignore[method-assign]
        if cls.client is Algorithm.client and cls.train is Algorithm.train:
            raise TypeError(f"algorithm {cls.__name__} defines neither client nor train")

    def client(
        self,
        model: Trainable,
        start: Tensor,
        indices: np.ndarray,
        memory: ClientMemory,
        rng: np.random.Generator,
    ) -> Trained:
        """Train from the vector `start` on the examples at `indices`; `rng` orders the batches.

        Not asked of an algorithm that defines `train`, which has the context as well.
        """
        raise NotImplementedError

    @abstractmethod
    def server(self, uploads: list[Upload], state: ServerMemory) -> tuple[Tensor, ServerMemory]:
        """Turn what the clients sent into the global update `[numel]` and the next state."""

    def train(
        self,
        context: RoundContext,
        start: Tensor,
        indices: np.ndarray,
        memory: ClientMemory,
        rng: np.random.Generator,
    ) -> Trained:
        """Return the delta `[up(context).numel]` of a client in a round; by default `client`'s."""
        return self.client(context.model, start, indices, memory, rng)

    @property
    def takes_plain_steps(self) -> bool:
        """Whether what a client sends follows from its texts through its steps' gradients alone.

        Noise on those then covers all of it: `train` asks the model for `local_steps` batches and
        the gradient of the loss of each, and looks at texts in no other way.
        """
        return False

    @property
    def decides_by_loss(self) -> bool:
        """Whether what a client sends follows from its training loss as well."""
        return False

    @property
    def one_at_a_time(self) -> str:
        """Why `train_many` cannot train clients side by side; empty where it does."""
        return f"algorithm {self.name!r} trains one client after another"

    def train_many(self, turns: Sequence[ClientTurn]) -> list[Trained]:
        """Return what `train` does for each of several clients of a round, by default in turn."""
        return [self.train(*turn) for turn in turns]

    def combine(
        self, context: RoundContext, held: Tensor, uploads: list[Upload], state: ServerMemory
    ) -> tuple[Tensor, ServerMemory]:
        """Return the update `[down(context).numel]` and the server's next state.

        Args:
            context: the server's.
            held: what clients hold `[synced_layout(model).numel]`.
            uploads: what each client sent, in the layout of its context.
            state: the server's.
        """
        return self.server(uploads, state)

    def check(self, model: Trainable) -> None:
        """Check, before anything is computed, that the algorithm can train the model.

        Raises:
            ValueError: if it cannot.
        """
        self.synced_layout(model)

    def synced_layout(self, model: Trainable) -> Layout:
        """Return the layout of what clients are kept in step with; the trained tensors.

        Raises:
            ValueError: if the algorithm cannot work with what is trained of the model.
        """
        return model.layout

    def initial(self, model: Trainable, seed: int) -> Tensor:
        """Return what is held before the first round, which `seed` stands for."""
        return model.draw_initial(seed)

    def up(self, context: RoundContext) -> Layout:
        """Return the layout of the client's message in this round."""
        return self.synced_layout(context.model)

    def down(self, context: RoundContext) -> Layout:
        """Return the layout of the update that the round ends with.

        With `downloads = "state"` it is that of the message to the client that the context is of.
        """
        return self.synced_layout(context.model)

    def apply(self, context: RoundContext, held: Tensor, update: Tensor) -> Tensor:
        """Return what is held after the update of the round was decoded."""
        return held + update

    def download(self, context: RoundContext, held: Tensor) -> Tensor:
        """Return what the client is sent `[down(context).numel]`, with `downloads = "state"`."""
        return held

    def load(self, model: Trainable, held: Tensor) -> None:
        """Put what is held into the model, to be evaluated."""
        model.set_state(held)

    def own(
        self,
        context: RoundContext,
        held: Tensor,
        indices: np.ndarray,
        memory: ClientMemory,
        rng: np.random.Generator,
    ) -> Tensor | None:
        """Return the trained vector `[model.layout.numel]` that a client predicts with.

        None, the default, is the model that all share.

        Args:
            context: of the client, in the round that has ended.
            held: what is held by all that took part in it.
            indices: the client's training examples.
            memory: what it keeps.
            rng: orders batches, if it trains for it.
        """
        return None

    @property
    def has_own_models(self) -> bool:
        """Whether clients predict with models of their own."""
        return type(self).own is not Algorithm.own

    def refuses(self, compatibility: Compatibility) -> str | None:
        """Return why the algorithm cannot work with what it is joined with, or None.

        A derived class asks this one first. The reason is one line that names the remedy.
        """
        if self.downloads == "state" and compatibility.down_feedback:
            return (
                f"algorithm {self.name!r} sends clients a fresh state each round, so what the "
                "downlink codec lost cannot be made up for: set downlink.error_feedback=false"
            )
        if self.needs_each and not compatibility.opens_each:
            return (
                f"algorithm {self.name!r} needs each client's upload, of which aggregation "
                f"{compatibility.aggregation!r} shows the sum alone: {compatibility.to_open_each}"
            )
        if self.needs_each and compatibility.up_averages_all:
            return (
                f"algorithm {self.name!r} needs the uploads of the round, and ef21-pp averages "
                "what is known of all clients: set uplink.error_feedback=ef21"
            )
        adapter = compatibility.adapter
        if adapter is not None and adapter.trains_words() and not self.searches_words:
            return (
                f"algorithm {self.name!r} trains numbers, and adapter {adapter.name!r} "
                "holds words, which have no gradient: set algorithm.name=prompt_search, or "
                "adapter.name=prompt_tuning"
            )
        return None


ALGORITHMS: Registry[Algorithm] = Registry(
    "algorithm",
    Algorithm,  # type: ignore[type-abstract]
    "fedbytes.federated.algorithms",
    "fedbytes.federated.testing.algorithm_contract:check_algorithm",
)


def make_algorithm(spec: str | Mapping[str, Any] | Algorithm, **fields: Any) -> Algorithm:
    """Build an algorithm from its name and fields.

    Raises:
        ValueError: for an unknown name or field, or a value out of range.
    """
    return ALGORITHMS.make(spec, **fields)
