"""The configuration of one run: validated, made canonical, and hashed into the run's id."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from fedbytes.experiments.config.fields.counts import count_or_auto
from fedbytes.experiments.config.fields.error_words import one_line
from fedbytes.experiments.config.fields.partition_config import OF_THE_SPLIT, PartitionConfig
from fedbytes.experiments.config.keep import KeptChoice
from fedbytes.experiments.config.plugin_files import load_plugins
from fedbytes.experiments.config.round_sections import SECTIONS, as_list
from fedbytes.experiments.config.suite_name import check_suite_name
from fedbytes.plugin_fields import ADDED, is_default
from fedbytes.privacy.participation import Participation
from fedbytes.registry import nearest

if TYPE_CHECKING:
    from fedbytes.experiments.config.components import Components

M = TypeVar("M", bound=BaseModel)
Spec = dict[str, Any]
"""`{"name": …, **fields}`: which plug-in, and its configuration."""

_NOT_IDENTITY: Any = {
    "suite": True,
    "checkpoint_every": True,
    "label": True,
    "plugins": True,
    "declared": True,
    "keep": True,
    "workers_per_run": True,
    "model": {"device"},
}
"""Fields that change where or how often something is computed or written, but not the result."""


_NUMBERS = (
    "rounds",
    "clients_per_round",
    "evaluate_every",
    "seed",
    "batch_stream",
    "checkpoint_every",
    "workers_per_run",
)


class RunConfig(BaseModel):
    """Everything that determines a run's result. The defaults are a small run of the quickstart.

    `codec` is shorthand for giving `uplink` and `downlink` the same value; a `momentum` in it
    applies to the uplink only.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    __slots__ = ("_components",)  # beside the fields: not in equality, copies, pickles or the id
    if TYPE_CHECKING:
        _components: Components

    suite: str = "run"
    """Suite that the run belongs to; not part of its identity."""
    label: str | None = None
    """Name of the method in figures, if runs differ in more than their codec; not identity."""
    task: Spec = {"name": "reuters-r8", "max_length": 24}
    model: Spec = {"name": "minilm"}
    adapter: Spec = {"name": "lora", "rank": 8, "layers": 1}
    partition: Spec = {"name": "dirichlet", "alpha": 1.0, "num_clients": 10}
    algorithm: Spec = {"name": "fedavg", "local_steps": 4}
    uplink: Spec = {"name": "fp32"}
    downlink: Spec = {"name": "fp32"}
    aggregation: Annotated[Spec, ADDED] = {"name": "decode_each"}
    """How the server gets from clients' messages to what its algorithm combines."""
    attack: Annotated[tuple[Spec, ...], ADDED] = ()
    """Attacks of a share of the clients; this and the next four: one plug-in, or a list."""
    defense: Annotated[tuple[Spec, ...], ADDED] = ()
    """Defences, in the order in which they are applied."""
    clean: Annotated[tuple[Spec, ...], ADDED] = ()
    """What clients drop of their own examples before they train."""
    privacy: Annotated[tuple[Spec, ...], ADDED] = ()
    """What protects clients: what they do to their whole message before it is encoded, or the
    server to what it decoded."""
    audit: Annotated[tuple[Spec, ...], ADDED] = ()
    """What is found out from the bytes and the model; it changes neither."""
    rounds: int = Field(12, ge=1)
    """Federated rounds."""
    clients_per_round: int | None = Field(None, ge=1)
    """Clients sampled per round; all by default."""
    sampling: Annotated[Literal["fixed", "poisson"], ADDED] = "fixed"
    """Whether a round has so many clients, or each by a coin of its own and so many on average."""
    evaluate_every: int = Field(1, ge=1)
    """Rounds between evaluations; the last round is always evaluated."""
    evaluate_start: Annotated[bool, ADDED] = False
    """Also evaluate before the first round: a row for round 0, before anything is sent."""
    evaluate_clients: Annotated[bool | Literal["sent"], ADDED] = False
    """Also evaluate each client, on test examples of its own and with the model that it has: on the
    server, which is free, or `sent` by the clients, which is priced."""
    initial: Literal["full", "seed"] = "full"
    """How clients get the initial state: sent in full, or drawn from a seed that is sent."""
    broadcast: Literal["unicast", "multicast"] = "unicast"
    """Whether a broadcast's bytes count once per receiver or once in total."""
    seed: int = Field(0, ge=0, lt=2**64)
    """Seed of every random stream of the run; of the split unless `partition.seed` is given."""
    batch_stream: Annotated[int, ADDED] = Field(0, ge=0)
    """Another number is another order of batches, and all else alike: a control of chance."""
    clients_at_once: Annotated[int | Literal["auto"], BeforeValidator(count_or_auto), ADDED] = 1
    """Clients of a round that train side by side, in one pass of the model; `auto` becomes as many
    as are of use when the run is planned. The order of sums differs, so it is identity."""
    set_aside: Annotated[float | None, ADDED] = Field(None, gt=0, lt=1)
    """Share of each client's examples that nobody trains on, for audits to compare with."""
    checkpoint_every: int = Field(1, ge=1)
    """Rounds between checkpoints: the most that a kill can lose."""
    workers_per_run: int = Field(1, ge=1)
    """Processes that a round's clients train in, side by side; the bits are those of one."""
    keep: KeptChoice = "none"
    """What is written of the trained model at the end: `adapter`, a `merged` model, or `none`."""
    plugins: tuple[str, ...] = ()
    """Python files with plug-ins that the run may name."""
    declared: Mapping[str, Any] = {}
    """What the suite declared before the run, for its provenance; no part of its identity."""

    @model_validator(mode="before")
    @classmethod
    def _share_codec(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        fields = dict(given)
        for key in fields:
            if key not in cls.model_fields and key != "codec":
                raise ValueError(_no_field(str(key), [*cls.model_fields, "codec"]))
        if "codec" in fields:
            both = fields.pop("codec")
            for link in ("uplink", "downlink"):
                if link in fields:
                    raise ValueError(f"give either codec or {link}, not both")
                fields[link] = both
            if isinstance(both, Mapping) and "momentum" in both:  # works on the uplink only
                fields["downlink"] = {k: v for k, v in both.items() if k != "momentum"}
        for key, value in fields.items():
            if cls.model_fields[key].annotation == Spec and isinstance(value, str):
                fields[key] = {"name": value}
            elif key in SECTIONS:
                fields[key] = as_list(value)
            if isinstance(value, bool) and key in _NUMBERS:
                raise ValueError(f"{key} must be a whole number, got {str(value).lower()}")
        if isinstance(fields.get("plugins"), str):
            fields["plugins"] = (fields["plugins"],)
        return fields

    @property
    def clients(self) -> PartitionConfig:
        """The split's number of clients and factor, and its partitioner's fields."""
        return PartitionConfig(**self.partition)

    @property
    def split_seed(self) -> int:
        """The seed that the examples are split by."""
        own = self.clients.seed
        return self.seed if own is None else own

    @property
    def partitioner_spec(self) -> Spec:
        """The specification that `make_partitioner` takes."""
        return {key: value for key, value in self.partition.items() if key not in OF_THE_SPLIT}

    @property
    def components(self) -> "Components":
        """The plug-ins that the fields name, built once, after loading the plug-in files.

        Raises:
            ValueError: for a component that cannot be built, or a plug-in file that is missing.
        """
        from fedbytes.experiments.config.components import (
            build_components,
            check_partition_fields,
        )

        try:
            built: Components = self._components
        except AttributeError:
            load_plugins(self.plugins)
            check_partition_fields(self.partition, OF_THE_SPLIT)
            specs = {"partition": self.partitioner_spec}
            built = build_components({**self.__dict__, **specs})
            object.__setattr__(self, "_components", built)
        return built

    @property
    def id(self) -> str:
        """The digest of the canonical configuration; runs with equal ids are the same run."""
        known = type(self).model_fields
        identity = {
            key: value
            for key, value in self.model_dump(mode="json", exclude=_NOT_IDENTITY).items()
            if not is_default(known[key], getattr(self, key))
        }
        text = json.dumps(identity, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def make_config(fields: Mapping[str, Any]) -> RunConfig:
    """Validate a run's configuration and make it canonical: every default is filled in.

    Raises:
        ValueError: one line that names the field, the value and what is allowed.
    """
    config = _validate(RunConfig, fields)
    try:
        check_suite_name(config.suite)
    except ValueError as error:
        raise ValueError(f"suite: {error}") from None
    split = _validate(PartitionConfig, config.partition)
    components = config.components
    components.check_audits(config.rounds, config.evaluate_every, config.set_aside)
    canonical = components.specs
    canonical["partition"] |= {"num_clients": split.num_clients, "factor": split.factor}
    if split.groups is not None:
        canonical["partition"]["groups"] = split.groups
    if split.seed is not None:
        canonical["partition"]["seed"] = split.seed
    if split.known_clients is not None:
        check_client_count(config, split.known_clients)
    sampled = config.clients_per_round or split.known_clients
    canonical["clients_at_once"] = components.settle_clients_at_once(
        config.clients_at_once,
        sampled if config.sampling == "fixed" else None,
        split.known_clients,
    )
    components.check_keep(config.keep)
    components.check_workers(config.workers_per_run)
    components.check_evaluation(config.evaluate_clients)
    made = config.model_copy(update=canonical)
    object.__setattr__(made, "_components", components)
    return made


def _no_field(key: str, known: Sequence[str]) -> str:
    """Return what is said of a setting that does not exist, or that belongs into a section."""
    from fedbytes.experiments.config.field_hints import whole_key

    whole = whole_key(key)
    hint = f"; did you mean {whole!r}?" if whole else nearest(key, known)
    return f"there is no field {key!r}{hint}"


def check_client_count(config: RunConfig, clients: int) -> None:
    """Refuse more clients a round than there are, and components that cannot work with so many.

    Of a run with as many clients as values it is known after its data are read.

    Raises:
        ValueError: in one line.
    """
    wanted = config.clients_per_round
    if wanted is not None and wanted > clients:
        raise ValueError(
            f"clients_per_round is {wanted}, but there are only {clients} clients "
            "(partition.num_clients)"
        )
    participation = Participation(config.sampling, clients, wanted or clients, config.rounds)
    config.components.check_compatibility(participation)


def _validate(model: type[M], fields: Mapping[str, Any]) -> M:
    try:
        return model(**fields)
    except ValidationError as error:
        raise ValueError(one_line(error)) from None
