"""The configuration of one run: validated, made canonical, and hashed into the run's id."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from fedbytes.experiments.config.keep import KeptChoice
from fedbytes.experiments.config.plugin_files import load_plugins
from fedbytes.experiments.config.round_sections import SECTIONS, as_list
from fedbytes.experiments.config.suite_name import check_suite_name
from fedbytes.noniid import ONE_PER_VALUE, ClientCount
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


_OF_THE_SPLIT = ("num_clients", "factor", "groups", "seed")
"""Fields of a partition that are not its partitioner's."""


def _count_or_all(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    if value == ONE_PER_VALUE:
        return value
    if isinstance(value, str) and not value.strip().isdecimal():
        raise ValueError("must be a whole number, or all")
    return check(value)


def _count_or_auto(value: Any) -> Any:
    number = int(value) if isinstance(value, str) and value.strip().isdecimal() else value
    whole = isinstance(number, int) and not isinstance(number, bool) and number >= 1
    if not whole and value != "auto":
        raise ValueError("must be a whole number of at least 1, or auto")
    return number


class PartitionConfig(BaseModel):
    """How the training examples are split: these fields, together with a partitioner's own."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str = "dirichlet"
    num_clients: Annotated[int, Field(ge=1), WrapValidator(_count_or_all)] = 10
    """Clients; `all` is one per value of the factor, where the partitioner has that."""
    factor: str | None = None
    """Column that the split follows; by default the label, or the task's natural column."""
    groups: str | None = None
    """Column, such as an author, whose examples of one value stay together."""

    seed: Annotated[int | None, Field(ge=0, lt=2**64)] = None
    """Seed of the split alone; by default the run's. For designs that cross both."""

    @property
    def known_clients(self) -> int | None:
        """How many clients there are; None where only the data tell, as with `all`."""
        count: Any = self.num_clients
        return None if count == ONE_PER_VALUE else int(count)

    @property
    def client_count(self) -> ClientCount:
        """What the partitioner is called with."""
        return self.known_clients or "all"


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
    clients_at_once: Annotated[int | Literal["auto"], BeforeValidator(_count_or_auto), ADDED] = 1
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
        return {key: value for key, value in self.partition.items() if key not in _OF_THE_SPLIT}

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
            check_partition_fields(self.partition, _OF_THE_SPLIT)
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


def plain(message: str) -> str:
    """Return one of pydantic's messages in the words of our own."""
    told = message.replace("Input should be", "must be").replace(
        "greater than or equal to", "at least"
    )
    return _VALID.sub(lambda found: _PLAIN.get(found[1], found[0]), told)


_VALID = re.compile(r"a valid (\w+)(?:, .*)?$")
_PLAIN = {
    "integer": "a whole number", "number": "a number", "boolean": "true or false",
    "string": "text", "dictionary": "a mapping", "list": "a list", "tuple": "a list",
}  # fmt: skip


def one_line(error: ValidationError) -> str:
    """Return pydantic's first complaint as one line: field, message, value.

    Of a field that may be one of several types it names them all.
    """
    found = error.errors(include_url=False)
    first, place = found[0], found[0]["loc"]
    alike = [one for one in found if len(place) > 1 and one["loc"][:-1] == place[:-1]]
    either = len(alike) > 1 and all(one["input"] is first["input"] for one in alike)
    where = ".".join(map(str, place[:-1] if either else place))
    asked = [one["msg"].removeprefix("Value error, ") for one in (alike if either else [first])]
    told, *others = map(plain, asked)
    message = ", or ".join([told, *(other.removeprefix("must be ") for other in others)])
    return f"{where}: {message}, got {first['input']!r}" if where else message
