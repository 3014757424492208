"""The fields of plug-ins: which values they take, and which were added after a release."""

import dataclasses
import functools
import math
import typing
from collections.abc import Container
from numbers import Real
from typing import Any, ClassVar, Literal, Protocol

ADDED = "added after a release"
"""In the metadata of such a field, of a dataclass or (by `Annotated`) of a pydantic model."""
_BOUNDS = "bounds"
_MISSING: Any = dataclasses.MISSING


class _Field(Protocol):
    """A field of a dataclass or of a pydantic model."""

    default: Any

    @property
    def metadata(self) -> Container[Any]: ...


def added_field(default: Any = _MISSING, *, default_factory: Any = _MISSING) -> Any:
    """Return a dataclass field that was added later: at its default it is left out of the spec.

    Runs and checkpoints from before the field then keep their ids and can be read.

    Args:
        default: the value, or a field that `bounded` made.
        default_factory: as for `dataclasses.field`.
    """
    metadata: dict[str, Any] = {ADDED: True}
    if isinstance(default, dataclasses.Field):
        metadata |= default.metadata
        default, default_factory = default.default, default.default_factory
    if default_factory is _MISSING:
        return dataclasses.field(default=default, metadata=metadata)
    return dataclasses.field(default_factory=default_factory, metadata=metadata)


def is_default(field: _Field, value: Any) -> bool:
    """Return whether `field` was added later and has its default."""
    if ADDED not in field.metadata:
        return False
    factory = getattr(field, "default_factory", _MISSING)
    return bool(value == (factory() if callable(factory) else field.default))


def stated_fields(owner: Any) -> dict[str, Any]:
    """Return a dataclass's init fields by name, without added ones at their default."""
    values = {f: getattr(owner, f.name) for f in dataclasses.fields(owner) if f.init}
    return {f.name: value for f, value in values.items() if not is_default(f, value)}


@dataclasses.dataclass(frozen=True)
class Bounds:
    """The values that a field takes; see `bounded`."""

    above: float | None = None
    least: float | None = None
    below: float | None = None
    most: float | None = None
    multiple: int | None = None
    choices: tuple[Any, ...] = ()
    optional: bool = False

    def accept(self, value: Any) -> bool:
        """Return whether `value` is within the bounds; NaN never is, infinity only as `most`."""
        if value is None:
            return self.optional
        if self.choices:
            return value in self.choices
        if not isinstance(value, Real) or not (math.isfinite(value) or value == self.most):
            return False
        number: Any = value
        return (
            (self.above is None or number > self.above)
            and (self.least is None or number >= self.least)
            and (self.below is None or number < self.below)
            and (self.most is None or number <= self.most)
            and (self.multiple is None or number % self.multiple == 0)
        )

    def __str__(self) -> str:
        if self.choices:
            return f"one of {', '.join(map(str, self.choices))}"
        low = self.least if self.above is None else self.above
        high = self.most if self.below is None else self.below
        if low is not None and high is not None and high < math.inf:
            left, right = "(["[self.above is None], ")]"[self.below is None]
            text = f"in {left}{_digits(low)}, {_digits(high)}{right}"
        elif low is not None:
            text = f"{'at least' if self.above is None else 'above'} {_digits(low)}"
        elif high is not None:
            text = f"{'at most' if self.below is None else 'below'} {_digits(high)}"
        else:
            text = "finite"
        return text if self.multiple is None else f"{text} and a multiple of {self.multiple}"

    def refusal(self, value: Any) -> str:
        """Return what to say of a value that is not accepted."""
        endless = isinstance(value, Real) and not math.isfinite(value)
        half_open = str(self).startswith(("at least", "above", "at most", "below"))
        return f"must be {self}{' and finite' if endless and half_open else ''}, got {value!r}"


def bounded(
    default: Any = _MISSING,
    *,
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
    most: float | None = None,
    multiple: int | None = None,
    choices: tuple[Any, ...] = (),
) -> Any:
    """Return a dataclass field with bounds, checked wherever its plug-in is made.

    Numbers must be finite (`most=math.inf` admits infinity); the elements of a tuple are checked
    one by one; None is for optional fields only. `added_field` takes the result as its default.

    Args:
        default: the value; none for a field that must be given.
        above: an exclusive lower bound.
        least: an inclusive lower bound.
        below: an exclusive upper bound.
        most: an inclusive upper bound.
        multiple: what divides the value.
        choices: the only values there are, in place of bounds.
    """
    bounds = Bounds(above, least, below, most, multiple, choices)
    return dataclasses.field(default=default, metadata={_BOUNDS: bounds})


@functools.cache
def bounds_of(cls: Any) -> dict[str, Bounds]:
    """Return the bounds of a dataclass's fields by name: those of `bounded`, and each Literal's.

    A subclass that gives a field another default keeps its bounds.
    """
    hints = typing.get_type_hints(cls)
    found = {}
    for field in dataclasses.fields(cls):
        hint = hints[field.name]
        declared = _declared(cls, field.name)
        if typing.get_origin(hint) is Literal:
            found[field.name] = Bounds(choices=typing.get_args(hint))
        elif declared is not None:
            optional = type(None) in typing.get_args(hint)
            found[field.name] = dataclasses.replace(declared, optional=optional)
    return found


def _declared(cls: type, name: str) -> Bounds | None:
    owners = (vars(base).get("__dataclass_fields__", {}) for base in cls.__mro__)
    fields = (owner[name] for owner in owners if name in owner)
    return next((field.metadata[_BOUNDS] for field in fields if _BOUNDS in field.metadata), None)


def check_bounds(plugin: Any, where: str | None = None) -> None:
    """Check the fields of a dataclass against their bounds.

    Args:
        plugin: an instance of it.
        where: stands before the field in the message; the plug-in's name by default.

    Raises:
        ValueError: for the first value out of bounds: one line with plug-in, field and value.
    """
    cls: Any = type(plugin)
    for name, bounds in bounds_of(cls).items():
        value = getattr(plugin, name)
        for one in value if isinstance(value, tuple | list) else (value,):
            if not bounds.accept(one):
                prefix = f"{getattr(cls, 'name', cls.__name__)}: " if where is None else where
                raise ValueError(f"{prefix}{name} {bounds.refusal(one)}")


class Plugin:
    """Base of every kind of plug-in: a frozen dataclass whose bounds are checked when it is made.

    A subclass that checks more than its fields one by one extends `__post_init__`.
    """

    name: ClassVar[str]
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({},)
    """Fields of the instances that the contract of the kind runs over, one dict each."""

    @property
    def revision(self) -> int:
        """Which of its results these are: raised by a mend that changes numbers.

        A plug-in may raise it for those of its fields alone whose numbers change. It is part of
        the specification and of a run's id, 1 left out, so runs from before keep theirs.
        """
        return 1

    def __post_init__(self) -> None:
        check_bounds(self)


def _digits(number: float) -> str:
    """Return a bound as one would write it: 0.05, 64, 1/4096."""
    plain = f"{number:.12g}"
    share = f"1/{round(1 / number)}" if 0 < number < 1 and 1 / number % 1 == 0 else plain
    return share if len(share) < len(plain) else plain
