"""Plug-ins found by name: a frozen dataclass whose fields are its validated configuration."""

import dataclasses
import difflib
import importlib
import pkgutil
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

from fedbytes.plugin_fields import Plugin, check_bounds, stated_fields
from fedbytes.plugin_fields import added_field as added_field
from fedbytes.plugin_fields import bounded as bounded
from fedbytes.testing import Finding

_MEANT = {
    "lr": ("learning_rate",),
    "bs": ("batch_size",),
    "wd": ("weight_decay",),
    "epochs": ("local_epochs",),
    "steps": ("local_steps",),
    "clients": ("num_clients",),
    "k": ("density",),
    "eps": ("epsilon",),
    "ef": ("error_feedback",),
}
"""What short names of the field stand for, that no likeness of spelling leads to."""

T = TypeVar("T")
U = TypeVar("U")
C = TypeVar("C", bound=type)


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `"; did you mean 'x'? (known: a, b)"` for a word that is not among `known`."""
    names = sorted(known)
    return f"{hint_at_nearest(word, names)} (known: {', '.join(names) or 'none'})"


def hint_at_nearest(word: str, known: Iterable[str]) -> str:
    """Return `"; did you mean 'x'?"`, or nothing if no name is near."""
    names = sorted(known)
    close = [full for full in full_names(word) if full in names]
    close = close or difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


def full_names(word: str) -> tuple[str, ...]:
    """Return what a short name such as `lr` stands for: nothing for most words."""
    return _MEANT.get(word.lower(), ())


later = added_field
"""The name of `added_field` until the next release."""


class Registry(Generic[T]):
    """The plug-ins of one kind, by name.

    Modules of `package` are imported on the first look-up, so that a new plug-in is one new
    file there and no list to edit; installed packages join through the entry point group
    `fedbytes.<kind>s`.

    Args:
        kind: what errors call a plug-in, in the singular.
        base: the class that plug-ins derive from.
        package: the folder that holds them.
        contract: `module:function` of what checks a plug-in and returns its findings (see
            `fedbytes.testing`). Loaded on first use: it lies above the registry.
    """

    def __init__(self, kind: str, base: type[T], package: str, contract: str = "") -> None:
        _BY_BASE[base] = self
        self.kind = kind
        self.base = base
        self.package = package
        self.contract = contract
        self._classes: dict[str, type[T]] = {}
        self._discovered = False

    @property
    def plural(self) -> str:
        """The kind in the plural, as `fedbytes list` and entry point groups call it."""
        return self.kind[:-1] + "ies" if self.kind.endswith("y") else f"{self.kind}s"

    @staticmethod
    def of(cls: type) -> "Registry[Any] | None":
        """Return the registry whose plug-ins `cls` is one of, or None."""
        return next((_BY_BASE[base] for base in cls.__mro__ if base in _BY_BASE), None)

    def build(self, cls: type[U], given: Mapping[str, Any], what: str) -> U:
        """Build a frozen dataclass that is no plug-in, its fields checked as a plug-in's are.

        Args:
            cls: the dataclass.
            given: its fields as written in a configuration.
            what: names it in errors.

        Raises:
            ValueError: as `make`.
        """
        return self._build(cls, given, what)

    def register(self, name: str) -> Callable[[C], C]:
        """Return the decorator that files a frozen dataclass under `name`.

        Raises:
            ValueError: if the name is taken by another class, or the class is not a frozen
                dataclass derived from the kind's base.
        """

        def file(cls: C) -> C:
            params = getattr(cls, "__dataclass_params__", None)
            if params is None or not params.frozen or not issubclass(cls, self.base):
                raise ValueError(
                    f"{self.kind} {name!r}: {cls.__name__} must be a @dataclass(frozen=True) "
                    f"derived from {self.base.__name__}"
                )
            held: type | None = self._classes.get(name)
            if held is not None and held.__qualname__ != cls.__qualname__:
                raise ValueError(f"{self.kind} {name!r} is already registered by {held.__name__}")
            cls.name = name  # type: ignore[attr-defined]
            self._classes[name] = cls
            return cls  # type: ignore[return-value]

        return file

    def names(self) -> list[str]:
        """Return every registered name, sorted."""
        self._discover()
        return sorted(self._classes)

    def get(self, name: str) -> type[T]:
        """Return the class registered as `name`.

        Raises:
            ValueError: if there is none; the message names the nearest.
        """
        self._discover()
        if name not in self._classes:
            raise ValueError(
                f"unknown {self.kind} {name!r}{nearest(name, self._classes)}; one of your own "
                "needs its file: --plugin FILE, or plugins: [FILE] in a suite"
            )
        return self._classes[name]

    def make(self, spec: str | Mapping[str, Any] | T, **fields: Any) -> T:
        """Build a plug-in from a name and fields, from `{"name": …, **fields}`, or pass one on.

        A `revision` among the fields must be the plug-in's (see `Plugin.revision`).

        Raises:
            ValueError: for an unknown name or field, a field of the wrong type, a value that the
                plug-in refuses, or the revision of another release.
        """
        if isinstance(spec, self.base):
            return dataclasses.replace(spec, **fields) if fields else spec  # type: ignore[type-var]
        if isinstance(spec, str):
            spec = {"name": spec}
        if not isinstance(spec, Mapping) or not isinstance(spec.get("name"), str):
            hint = self._hint_at_name(spec) if isinstance(spec, Mapping) else ""
            raise ValueError(f"a {self.kind} is a name or {{name: …, fields}}, got {spec!r}{hint}")
        given = {**spec, **fields}
        name, what = given.pop("name"), f"{self.kind} {spec['name']!r}"
        revision = given.pop(REVISION, None)
        made = self._build(self.get(name), given, what)
        if revision not in (None, _revision(made)):
            raise ValueError(
                f"{what} is at revision {_revision(made)} in this release, and its numbers are not "
                f"those of revision {revision}: leave revision out"
            )
        return made

    def _hint_at_name(self, spec: Mapping[str, Any]) -> str:
        """Return what fields without a name may mean: it misspelt, or one that has such fields."""
        if "name" in spec:
            return ""
        close = difflib.get_close_matches("name", map(str, spec), n=1)
        if close:
            return f"; did you mean 'name' for {close[0]!r}?"
        owners = [name for name in self.names() if self._fields(name) >= spec.keys()]
        if not owners or not spec:
            return "; its name is missing"
        return f"; name the one that is to have {', '.join(spec)}: {', '.join(owners)}"

    def _fields(self, name: str) -> set[str]:
        return {f.name for f in dataclasses.fields(self.get(name)) if f.init}  # type: ignore[arg-type]

    def check_fields(self, spec: Mapping[str, Any], beside: Iterable[str]) -> None:
        """Check a specification's field names where others than the plug-in's own are allowed.

        Raises:
            ValueError: for a name that is neither a field of the plug-in nor one of `beside`; the
                message names the nearest of both.
        """
        name = spec.get("name")
        if name not in self.names():
            return  # which `make` refuses
        known = {"name", REVISION, *beside} | self._fields(name)
        for key in spec:
            if key not in known:
                hint = nearest(str(key), known - {"name", REVISION})
                raise ValueError(f"{self.kind} {name!r} has no field {key!r}{hint}")

    def _build(self, cls: type[U], given: Mapping[str, Any], what: str) -> U:
        """Return the dataclass `cls` with the fields that are given, each checked."""
        known = {f.name: f for f in dataclasses.fields(cls) if f.init}  # type: ignore[arg-type]
        hints = typing.get_type_hints(cls)
        for key in given:
            if key not in known:
                raise ValueError(f"{what} has no field {key!r}{nearest(key, known)}")
        missing = [
            key
            for key, f in known.items()
            if key not in given
            and f.default is dataclasses.MISSING
            and f.default_factory is dataclasses.MISSING
        ]
        if missing:
            raise ValueError(f"{what} needs {', '.join(missing)}")
        made = cls(**{k: self._convert(v, hints[k], f"{what}: {k}") for k, v in given.items()})
        check_bounds(made, None if isinstance(made, Plugin) else f"{what}.")
        return made

    def check(self, plugin: T) -> list[Finding]:
        """Run the contract of this kind over a plug-in, and return what was found.

        Raises:
            ValueError: if the registry names no contract.
        """
        module, _, function = self.contract.partition(":")
        if not function:
            raise ValueError(f"{self.plural} have no contract: give the registry one")
        found: list[Finding] = getattr(importlib.import_module(module), function)(plugin)
        return found

    @contextmanager
    def isolated(self) -> Iterator[None]:
        """Forget at the end of the block what is registered within it: for tests."""
        self._discover()
        before = dict(self._classes)
        try:
            yield
        finally:
            self._classes = before

    def spec(self, plugin: T) -> dict[str, Any]:
        """Return the canonical `{"name": …, **fields}` of a plug-in, defaults included.

        A `revision` above 1 is part of it.
        """
        revision = _revision(plugin)
        stated = {REVISION: revision} if revision > 1 else {}
        return {"name": plugin.name, **stated, **self._plain_fields(plugin)}  # type: ignore[attr-defined]

    def _plain_fields(self, plugin: Any) -> dict[str, Any]:
        return {key: self._plain(value) for key, value in stated_fields(plugin).items()}

    def _plain(self, value: Any) -> Any:
        owner = Registry.of(type(value))
        if owner is not None:
            return owner.spec(value)
        if dataclasses.is_dataclass(value):
            return self._plain_fields(value)
        if isinstance(value, Mapping):
            return {key: self._plain(v) for key, v in value.items()}
        return [self._plain(v) for v in value] if isinstance(value, tuple | list) else value

    def _convert(self, value: Any, hint: Any, where: str) -> Any:
        """Return `value` as the type `hint` names; YAML's and the shell's spellings are taken."""
        origin, args = typing.get_origin(hint), typing.get_args(hint)
        if origin in (typing.Union, types.UnionType):
            if value is None and type(None) in args:
                return None
            options = [arg for arg in args if arg is not type(None)]
            for option in options[:-1]:
                try:
                    return self._convert(value, option, where)
                except ValueError:
                    continue
            return self._convert(value, options[-1], where)
        if origin is typing.Literal:
            if value in args:
                return value
            raise ValueError(f"{where} must be one of {', '.join(map(str, args))}, got {value!r}")
        if origin is tuple and isinstance(value, list | tuple):
            return tuple(self._convert(v, args[0], where) for v in value)
        if origin is Mapping:
            return self._mapping(value, args[1], where)
        owner = Registry.of(hint) if isinstance(hint, type) and not origin else None
        if owner is not None:
            return owner.make(value)
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            return value if isinstance(value, hint) else self._nested(value, hint, where)
        return _scalar(value, hint, where)

    def _mapping(self, value: Any, hint: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise ValueError(f"{where} must be a mapping of names to values, got {value!r}")
        return {key: self._convert(v, hint, f"{where}.{key}") for key, v in value.items()}

    def _nested(self, value: Any, hint: type[U], where: str) -> U:
        if not isinstance(value, Mapping):
            names = ", ".join(f.name for f in dataclasses.fields(hint))  # type: ignore[arg-type]
            raise ValueError(f"{where} must be a mapping of {names}, got {value!r}")
        return self._build(hint, value, where)

    def _discover(self) -> None:
        if self._discovered:
            return
        self._discovered = True
        package = importlib.import_module(self.package)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{self.package}.{module.name}")
        for point in entry_points(group=f"fedbytes.{self.plural}"):
            point.load()


def _revision(plugin: Any) -> int:
    """Return which of its results a plug-in gives; 1 for a base that has no revisions."""
    return int(getattr(plugin, REVISION, 1))


REVISION = "revision"
"""The key of a specification for it."""

_BY_BASE: dict[type, Registry[Any]] = {}
"""Every registry by the base class of its plug-ins: a field so annotated takes a specification."""


def _scalar(value: Any, hint: Any, where: str) -> Any:
    """Return `value` as `hint`, one of bool, int, float and str, without losing anything."""
    if hint is Any or (isinstance(hint, type) and type(value) is hint):
        return value
    try:
        if hint is float and not isinstance(value, bool):
            return float(value)
        if hint is int and isinstance(value, str | float) and float(value) == int(float(value)):
            return int(float(value))
    except (TypeError, ValueError, OverflowError):
        pass
    wanted = getattr(hint, "__name__", str(hint))
    raise ValueError(f"{where} must be of type {wanted}, got {value!r}")
