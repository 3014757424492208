"""Suites: a YAML file that defines the runs of a sweep."""

import copy
import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeAlias

from fedbytes.experiments.config.declaration.protocol import Protocol, read_protocol
from fedbytes.experiments.config.declaration.protocol_check import declare
from fedbytes.experiments.config.declaration.tuned_settings import TunedSettings, read_tuned
from fedbytes.experiments.config.dotted_keys import set_dotted as set_dotted
from fedbytes.experiments.config.method_name import method_name
from fedbytes.experiments.config.plugin_files import load_plugins
from fedbytes.experiments.config.round_sections import SECTIONS
from fedbytes.experiments.config.run_config import RunConfig, make_config
from fedbytes.experiments.config.same_runs import refuse_merged
from fedbytes.experiments.config.strict_yaml import read_yaml
from fedbytes.experiments.config.suite_name import check_suite_name
from fedbytes.experiments.config.target import Target, parse_target
from fedbytes.html_view import html_table
from fedbytes.process.near_paths import hint_at_near_path
from fedbytes.registry import nearest

_KEYS = (
    "name",
    "title",
    "description",
    "plugins",
    "target",
    "baseline",
    "protocol",
    "tune",
    "tuned",
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
    with; by default the runs that send fp32 in both directions. `protocol` declares, before the
    runs, how they are compared; where there is one, it holds `target` and `baseline`. `tune` says
    what `fedbytes tune` chooses for each method, and `tuned` is what it chose.
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
    protocol: Protocol | None = None
    tune: Mapping[str, Any] = field(default_factory=dict)
    tuned: TunedSettings | None = None

    def expand(self, overrides: Iterable[str | tuple[str, Any]] = ()) -> list[RunConfig]:
        """Return the suite's runs, each once.

        `overrides` are `key=value` with YAML values, or pairs of a dotted key and a value.

        A point of the grid that repeats a run in every field, such as a seed that stands twice,
        is that run.

        An override of a grid axis replaces the axis; a list is its values. Any other override
        applies to every run.

        Every run takes the protocol along in `declared`, with the overrides that depart from it; a
        protocol without overrides is checked against the runs.

        Raises:
            ValueError: for a field or value that a run refuses, if there is no run, if two
                variants or labels would be one run, of which only one would be stored, or if the
                runs cannot answer what the protocol asks.
        """
        overrides = tuple(overrides)
        grid, fixed = dict(self.grid), {}
        given = {key for key, _ in map(parse_override, overrides)}
        for key, value in map(parse_override, overrides):
            if key in grid or _is_axis(key, value):
                grid[key] = value if _is_axis(key, value) else [value]
            else:
                fixed[key] = value
        self._load_plugins(fixed)
        axes = [[(key, value) for value in values] for key, values in grid.items()]
        runs: dict[str, tuple[int, RunConfig]] = {}
        for (number, variant), *point in itertools.product(enumerate(self.variants, 1), *axes):
            fields = copy.deepcopy(dict(self.base))
            for key, value in [*variant.items(), *point, *fixed.items()]:
                set_dotted(fields, key, value)
            config = make_config({"suite": self.name, "plugins": self.plugins, **fields})
            if self.tuned is not None:
                config = self._take_over(self.tuned, config, given)
            first = runs.setdefault(config.id, (number, config))
            refuse_merged(self.name, first, (number, config), fixed)
        if not runs:
            empty = [key for key, values in grid.items() if not values] or ["variants"]
            raise ValueError(
                f"suite {self.name!r} expands to no run: {', '.join(empty)} has no values"
            )
        configs = [config for _, config in runs.values()]
        words = [one if isinstance(one, str) else f"{one[0]}={one[1]}" for one in overrides]
        return declare(self.protocol, configs, words)

    def _take_over(self, tuned: TunedSettings, config: RunConfig, given: set[str]) -> RunConfig:
        """Return a run with the settings that were chosen for its method, overrides left alone."""
        name, fields = method_name(config), config.model_dump(mode="json")
        for key, value in tuned.of(name).items():
            if not _is_given(key, given):
                set_dotted(fields, key, value)
        return make_config(fields | {"declared": {"tuned": tuned.stated(name)}})

    def _repr_html_(self) -> str:
        """Show the suite in a notebook: what its runs share, and what varies."""
        rows = [(key, str(value)) for key, value in self.base.items()]
        rows += [(f"{key}, each of", str([*values])) for key, values in self.grid.items()]
        if len(self.variants) > 1:
            rows.append(("variants", str(len(self.variants))))
        title = f"suite {self.name}" + (f": {self.title}" if self.title else "")
        return html_table(title, rows)

    def _load_plugins(self, fixed: Mapping[str, Any]) -> None:
        """Load the files of plug-ins, whose fields decide which defaults a section keeps."""
        named = [self.plugins, self.base.get("plugins", ()), fixed.get("plugins", ())]
        for given in named:
            files = [given] if isinstance(given, str) else given
            if isinstance(files, list | tuple):
                load_plugins(file for file in files if isinstance(file, str))


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


def _is_given(key: str, given: set[str]) -> bool:
    """Return whether overrides set a key, a section that it stands in, or a part of it."""
    both = {"uplink", "downlink"} if "codec" in given else set()
    return any(f"{key}.".startswith(f"{one}.") or one.startswith(f"{key}.") for one in given | both)


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


SuiteLike: TypeAlias = str | os.PathLike[str] | Mapping[str, Any] | Suite
"""A suite, or what stands for one: a shipped suite's name, a file's path, a file's content."""


def load_suite(source: SuiteLike) -> Suite:
    """Return a suite: a shipped one by name, one from a file by path or from a file's content.

    A suite passes through as it is. Of a mapping, files of plug-ins are relative to the working
    folder, and its name is `sweep` if it gives none.

    Raises:
        ValueError: if there is none, or its content is not a suite.
    """
    if isinstance(source, Suite):
        return source
    if isinstance(source, Mapping):
        try:
            return _make_suite(copy.deepcopy(dict(source)), Path("sweep"))
        except ValueError as error:
            raise ValueError(f"suite: {error}") from None
    path, named = Path(source), os.fspath(source)
    if not path.is_file():
        shipped = shipped_suites()
        if named not in shipped:
            if path.suffix in (".yaml", ".yml") and (near := hint_at_near_path(path)):
                raise ValueError(f"there is no suite file {named!r}{near}")
            what = "suite file" if path.suffix in (".yaml", ".yml") else "suite"
            raise ValueError(f"there is no {what} {named!r}{nearest(named, shipped)}")
        path = shipped[named]
    try:
        return _make_suite(read_yaml(path.read_text(encoding="utf-8")), path)
    except ValueError as error:
        raise ValueError(f"suite {path}: {error}") from None


def _make_suite(content: Any, path: Path) -> Suite:
    if not isinstance(content, dict):
        raise ValueError(f"expected fields such as {', '.join(_KEYS)}")
    for key in content:
        if key not in _KEYS:
            raise ValueError(f"there is no field {key!r}{nearest(key, _KEYS)}")
    for key in (
        "title",
        "description",
        "plugins",
        "target",
        "baseline",
        "protocol",
        "tune",
        "tuned",
    ):
        if content.get(key, "") is None:  # written, and left empty
            del content[key]
    _check_kinds(content)
    fields: dict[str, Any] = {"name": path.stem, "variants": [{}]} | content
    check_suite_name(fields["name"])
    plugins = _list_files(fields.get("plugins", ()), path.parent)
    fields |= {"plugins": plugins, "target": parse_target(fields.get("target"))}
    if "tuned" in fields:
        fields["tuned"] = read_tuned(path.parent / _file_name(fields["tuned"]))
    return Suite(**fields | _read_protocol(fields))


def _file_name(given: Any) -> str:
    if not isinstance(given, str) or not given:
        raise ValueError(f"tuned must be the file that `fedbytes tune` wrote, got {given!r}")
    return given


def _read_protocol(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a suite that its protocol decides."""
    if "protocol" not in fields:
        return {}
    protocol = read_protocol(fields["protocol"])
    for key, declared in (("target", protocol.targets), ("baseline", protocol.baseline)):
        if fields.get(key) is not None and declared:
            raise ValueError(f"{key} stands in the protocol as well: leave it there alone")
    target = protocol.targets[0] if protocol.targets else fields["target"]
    baseline = protocol.baseline or fields.get("baseline")
    targets = () if target is None else protocol.targets or (target,)
    found = protocol.model_copy(update={"baseline": baseline, "targets": targets})
    return {"protocol": found, "target": target, "baseline": baseline}


def _check_kinds(content: dict[str, Any]) -> None:
    for key in ("title", "description", "baseline"):
        if not isinstance(content.get(key, ""), str):
            raise ValueError(f"{key} must be text, got {content[key]!r}: put it in quotes")
    for key, kind in (("base", dict), ("grid", dict), ("tune", dict), ("variants", list)):
        if not isinstance(content.get(key, kind()), kind):
            raise ValueError(f"{key} must be a {kind.__name__}, got {content[key]!r}")
    for key, values in content.get("grid", {}).items():
        if not isinstance(values, list):
            raise ValueError(f"grid.{key} must be a list of values, got {values!r}")
    for number, variant in enumerate(content.get("variants", []), 1):
        if not isinstance(variant, dict):
            raise ValueError(f"variant {number} must be a dict of settings, got {variant!r}")


def _list_files(plugins: Any, folder: Path) -> tuple[str, ...]:
    """Return the paths of the plug-in files, which are relative to the suite's folder."""
    names = [plugins] if isinstance(plugins, str) else plugins
    if not isinstance(names, list | tuple) or not all(isinstance(n, str) and n for n in names):
        raise ValueError(f"plugins must be a list of files, such as [my_codec.py], got {plugins!r}")
    return tuple(str(folder / name) for name in names)


def parse_override(text: str | tuple[str, Any]) -> tuple[str, Any]:
    """Split `key=value`; the value is read as a suite's YAML is, and `1e-3` is a number.

    A pair of a key and a value is one already.

    Raises:
        ValueError: if there is no `=`, or the value is refused by `read_yaml`.
    """
    if not isinstance(text, str):
        return text
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ValueError(f"expected key=value, got {text!r}")
    try:
        return key.strip(), read_yaml(value)
    except ValueError as error:
        raise ValueError(f"{key}: {str(error).removeprefix('line 1: ')}") from None
