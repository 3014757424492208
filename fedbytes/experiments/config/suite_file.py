"""Suites: a YAML file that defines the runs of a sweep."""

import copy
import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from fedbytes.experiments.config.round_sections import SECTIONS
from fedbytes.experiments.config.run_config import RunConfig, make_config
from fedbytes.experiments.config.target import Target, parse_target
from fedbytes.registry import Registry, nearest

_KEYS = (
    "name",
    "title",
    "description",
    "plugins",
    "target",
    "baseline",
    "base",
    "grid",
    "variants",
)


@dataclass(frozen=True)
class Suite:
    """A sweep: the runs are the product of `variants` and the axes of `grid`, over `base`.

    `grid` maps a dotted key to its values. `variants` is one more axis, whose values set several
    keys at once. `target` is the metric value that figures count bytes up to, or `baseline-0.005`
    for that much below the baseline's final mean. `baseline` is the label that others are compared
    with; by default the runs that send fp32 in both directions.
    """

    name: str
    title: str = ""
    description: str = ""
    plugins: tuple[str, ...] = ()
    target: Target = None
    baseline: str | None = None
    base: Mapping[str, Any] = field(default_factory=dict)
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    variants: Sequence[Mapping[str, Any]] = ({},)

    def expand(self, overrides: Iterable[str] = ()) -> list[RunConfig]:
        """Return the suite's runs, each once; `overrides` are `key=value` with YAML values.

        An override of a grid axis replaces the axis; a list is its values. Any other override
        applies to every run.

        Raises:
            ValueError: for a field or value that a run refuses, or if there is no run.
        """
        grid, fixed = dict(self.grid), {}
        for key, value in map(parse_override, overrides):
            if key in grid or _is_axis(key, value):
                grid[key] = value if _is_axis(key, value) else [value]
            else:
                fixed[key] = value
        axes = [[(key, value) for value in values] for key, values in grid.items()]
        runs: dict[str, RunConfig] = {}
        for variant, *point in itertools.product(self.variants, *axes):
            fields = copy.deepcopy(dict(self.base))
            for key, value in [*variant.items(), *point, *fixed.items()]:
                set_dotted(fields, key, value)
            config = make_config({"suite": self.name, "plugins": self.plugins, **fields})
            runs.setdefault(config.id, config)
        if not runs:
            empty = [key for key, values in grid.items() if not values] or ["variants"]
            raise ValueError(
                f"suite {self.name!r} expands to no run: {', '.join(empty)} has no values"
            )
        return list(runs.values())


_LIST_FIELDS = {
    "plugins",
    "partition.alpha",
    "partition.matrix",
    "partition.sizes",
    "adapter.layers",
    "adapter.targets",
    "algorithm.ranks",
}
"""Fields whose value is a list, so that a list is one value and not an axis."""


def _is_axis(key: str, value: Any) -> bool:
    """Return whether an override's value is a list of values, and not one that is a list.

    Of a section, whose values are lists of plug-ins, it is if a list or null is among them.
    """
    if not isinstance(value, list) or key in _LIST_FIELDS:
        return False
    return key not in SECTIONS or any(one is None or isinstance(one, list) for one in value)


def shipped_suites() -> dict[str, Path]:
    """Return the suites shipped with fedbytes, name -> file."""
    folder = Path(str(files("fedbytes.experiments") / "suites"))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load_suite(name_or_path: str) -> Suite:
    """Read a shipped suite by name, or a suite file by path.

    Raises:
        ValueError: if there is none, or its content is not a suite.
    """
    path = Path(name_or_path)
    if not path.is_file():
        shipped = shipped_suites()
        if name_or_path not in shipped:
            what = "suite file" if path.suffix in (".yaml", ".yml") else "suite"
            raise ValueError(f"there is no {what} {name_or_path!r}{nearest(name_or_path, shipped)}")
        path = shipped[name_or_path]
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"suite {path}: {' '.join(str(error).split())}") from None
    return _make_suite(content, path)


def _make_suite(content: Any, path: Path) -> Suite:
    if not isinstance(content, dict):
        raise ValueError(f"suite {path}: expected fields such as {', '.join(_KEYS)}")
    for key in content:
        if key not in _KEYS:
            raise ValueError(f"suite {path}: there is no field {key!r}{nearest(str(key), _KEYS)}")
    for key, kind in (("base", dict), ("grid", dict), ("variants", list)):
        if not isinstance(content.get(key, kind()), kind):
            raise ValueError(f"suite {path}: {key} must be a {kind.__name__}")
    grid = content.get("grid", {})
    for key, values in grid.items():
        if not isinstance(values, list):
            raise ValueError(f"suite {path}: grid.{key} must be a list of values, got {values!r}")
    plugins = tuple(str(path.parent / plugin) for plugin in content.get("plugins", ()))
    fields: dict[str, Any] = {"name": path.stem, "variants": [{}]} | content
    try:
        target = parse_target(content.get("target"))
    except ValueError as error:
        raise ValueError(f"suite {path}: {error}") from None
    return Suite(**fields | {"plugins": plugins, "target": target})


def parse_override(text: str) -> tuple[str, Any]:
    """Split `key=value`; the value is read as YAML, and `1e-3` is a number.

    Raises:
        ValueError: if there is no `=`, or the value is not YAML.
    """
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ValueError(f"expected key=value, got {text!r}")
    try:
        return key.strip(), yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ValueError(f"{key}: {' '.join(str(error).split())}") from None


def set_dotted(fields: dict[str, Any], key: str, value: Any) -> None:
    """Set `a.b.c` in nested dictionaries, creating them as needed.

    A component given by name alone becomes a dictionary; a whole component replaces the old one.

    Raises:
        ValueError: if a part of the key leads through a value that has no fields.
    """
    *parents, last = key.split(".")
    if last == "name" and len(parents) == 1 and parents[0] not in fields:
        fields[parents[0]] = _fitting_defaults(parents[0], str(value))
    place = fields
    for depth, parent in enumerate(parents):
        default = _default_component(parent) if depth == 0 else {}
        child = place.get(parent, default)
        if isinstance(child, str):
            child = {"name": child}
        if isinstance(child, list) and len(child) == 1:  # the only plug-in of a section
            child = {"name": child[0]} if isinstance(child[0], str) else child[0]
        if not isinstance(child, dict):
            raise ValueError(f"{key}: {parent!r} is {child!r}, which has no fields")
        place[parent] = dict(child)
        place = place[parent]
    place[last] = value


def _default_component(key: str) -> dict[str, Any]:
    info = RunConfig.model_fields.get(key)
    return dict(info.default) if info is not None and isinstance(info.default, dict) else {}


def _fitting_defaults(key: str, name: str) -> dict[str, Any]:
    """Return the default component without the fields that the plug-in `name` does not have."""
    from fedbytes.data import TASKS
    from fedbytes.federated.algorithm import ALGORITHMS
    from fedbytes.models import ADAPTERS
    from fedbytes.noniid import PARTITIONERS

    default = _default_component(key)
    registries: dict[str, Registry[Any]] = {
        "task": TASKS, "adapter": ADAPTERS, "partition": PARTITIONERS, "algorithm": ALGORITHMS
    }  # fmt: skip
    if key not in registries or name not in registries[key].names():
        return default  # a plug-in that is not loaded yet, or a mistake that is reported later
    known = {field.name for field in dataclasses.fields(registries[key].get(name))}
    return {k: v for k, v in default.items() if k in known | {"num_clients"}}
