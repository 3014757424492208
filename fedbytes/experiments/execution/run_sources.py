"""The files that a run reads: its data, model, partition and plug-ins, each with its digest."""

import dataclasses
import hashlib
import inspect
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from fedbytes.data import asset_names
from fedbytes.data.assets.hub_cache import cached_commit
from fedbytes.experiments.config.plugin_files import load_plugins
from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.execution.run_setup import assets_of
from fedbytes.experiments.store.sources import Sources
from fedbytes.federated.hooks import Hooks
from fedbytes.process.file_digests import file_digests
from fedbytes.registry import Registry

_MODEL_SUFFIXES = (".json", ".txt", ".model", ".jinja", ".py", ".tiktoken", ".vocab", ".bpe")
_WEIGHTS = (".safetensors", ".bin")  # in the order in which transformers takes them
_OF_TRAINING = ("trainer_state.json", "training_args.bin", "optimizer.bin", "all_results.json")


def sources_of(config: RunConfig, hooks: Hooks | None = None) -> Sources:
    """Return the digests of everything that a run reads; nothing is fetched.

    A file is named as the configuration names it. Of the hub it is the commit in the cache; of a
    plug-in the Python files of its code, its imports among them, fedbytes' own left out.
    """
    objects = list(_nested(vars(config.components).values()))
    files = file_digests()
    found: Sources = {"assets": dict(assets_of(config)), "hub": _hub(config, objects)}
    for kind, paths in {
        "task": _read_by([config.components.task]),
        "model": [p for name in _models(config, objects) for p in model_files(name)],
        "partition": _read_by(_nested([config.components.partition])),
        "others": _read_by(o for o in objects if o is not config.components.task),
        "plugins": _code_files(config, objects, hooks or Hooks()),
    }.items():
        known = {name for names in found.values() for name in names}
        found[kind] = {
            str(path): files.digest(Path(path).expanduser())
            for path in sorted(set(map(str, paths)))
            if str(path) not in known
        }
    found["plugins"] |= _code_in_main(objects, hooks or Hooks())
    files.save()
    return {kind: names for kind, names in found.items() if names}


def confirmed(before: Sources, after: Sources) -> Sources:
    """Return what a run was made from, after it was read: with commits that were fetched meanwhile.

    Args:
        before: what was there when the run began.
        after: what is there now.

    Raises:
        ValueError: if a file was changed in between, so that nobody knows which one was read.
    """
    for kind, names in before.items():
        for name, digest in names.items():
            if kind != "hub" and after.get(kind, {}).get(name, digest) != digest:
                raise ValueError(f"{name} was changed while it was being read: run it again")
    return before | ({"hub": after["hub"]} if after.get("hub") else {})


def _nested(values: Iterable[Any]) -> Iterator[Any]:
    """Yield plug-ins and other dataclasses, and those among their fields, at any depth."""
    for value in values:
        if isinstance(value, Mapping):
            yield from _nested(value.values())
        elif isinstance(value, list | tuple):
            yield from _nested(value)
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            yield value
            yield from _nested([getattr(value, f.name, None) for f in dataclasses.fields(value)])


def _read_by(objects: Iterable[Any]) -> list[Path]:
    """Return the files that plug-ins say they read."""
    readers = (getattr(one, "read_paths", None) for one in objects)
    return [Path(path) for reader in readers if callable(reader) for path in reader()]


def _models(config: RunConfig, objects: list[Any]) -> list[str]:
    """Return the models that a run names which are no assets: folders, or ids of the hub."""
    names = [config.model["name"], config.model.get("tokenizer")]
    names += [getattr(one, "embedding_model", None) for one in objects]
    family = config.components.model.family is not None  # its name is no model's
    named = {str(name) for name in (names[1:] if family else names) if name}
    return sorted(named - set(asset_names()))


def model_files(name: str) -> list[Path]:
    """Return the files of a model folder that its configuration, weights and tokenizer come from.

    Empty for what is no folder. Of weights in two formats, those that are loaded.
    """
    folder = Path(name).expanduser()
    if folder.is_file():
        return [Path(name)]
    if not folder.is_dir():
        return []
    inside = [p for p in folder.rglob("*") if p.is_file() and p.name not in _OF_TRAINING]
    shown = [p for p in inside if not any(q.startswith(".") for q in p.relative_to(folder).parts)]
    files = [p for p in shown if p.suffix in _MODEL_SUFFIXES]
    weights: list[Path] = []
    for suffix in _WEIGHTS:
        weights = weights or [p for p in shown if p.suffix == suffix and p.parent == folder]
    return [Path(name) / p.relative_to(folder) for p in (*files, *weights)]


def _hub(config: RunConfig, objects: list[Any]) -> dict[str, str | None]:
    """Return the commits of what comes from the hub, as far as the cache has them."""
    models = [n for n in _models(config, objects) if not Path(n).expanduser().exists()]
    task = str(config.task.get("hub_id") or "")
    found = {f"models/{name}": cached_commit(name, "models") for name in models}
    if task and not Path(task).expanduser().exists():
        found[f"datasets/{task}"] = cached_commit(task, "datasets")
    return {name: commit for name, commit in found.items() if commit}


def _code_files(config: RunConfig, objects: list[Any], hooks: Hooks) -> list[Path]:
    """Return the Python files of a run's plug-ins and hooks that are not fedbytes' own."""
    plugins = [type(one) for one in objects if Registry.of(type(one)) is not None]
    names = [kind.__module__ for plugin in plugins for kind in plugin.__mro__]
    names += [hook.__module__ for hook in (*hooks.after_client, *hooks.before_aggregate)]
    names += [m.__name__ for m in load_plugins(config.plugins) if not _registers(m)]
    waiting = [name for name in names if name != "__main__"]
    installed = {name.partition(".")[0] for name in waiting}
    seen: dict[str, Path] = {}
    while waiting:
        module = sys.modules.get(waiting.pop())
        path = _own_file(module, installed) if module is not None else None
        if module is None or path is None or module.__name__ in seen:
            continue
        seen[module.__name__] = path
        waiting += _imported(module)
    return sorted(set(seen.values()))


def _registers(module: types.ModuleType) -> bool:
    """Return whether a file of plug-ins defines any: then it counts where one of them is used."""
    kinds = (value for value in vars(module).values() if isinstance(value, type))
    return any(k.__module__ == module.__name__ and Registry.of(k) is not None for k in kinds)


def _imported(module: types.ModuleType) -> list[str]:
    """Return the names of the modules that a module has something from."""
    values = list(vars(module).values())
    return [
        value.__name__
        if isinstance(value, types.ModuleType)
        else str(getattr(value, "__module__", "") or "")
        for value in values
    ]


def _own_file(module: types.ModuleType, installed: set[str]) -> Path | None:
    """Return the file of a module; None for fedbytes, Python's library and other packages.

    Args:
        module: any.
        installed: packages that count although they are installed: those of plug-ins.
    """
    name, file = module.__name__.partition(".")[0], getattr(module, "__file__", None)
    if name in ("fedbytes", *sys.stdlib_module_names) or not str(file).endswith(".py"):
        return None
    path = Path(str(file))
    is_installed = {"site-packages", "dist-packages"} & set(path.parts)
    return None if is_installed and name not in installed else path


def _code_in_main(objects: list[Any], hooks: Hooks) -> dict[str, str | None]:
    """Return the digests of plug-ins and hooks that a script or notebook defines itself.

    The rest of it may change without them.
    """
    code: list[Any] = [*hooks.after_client, *hooks.before_aggregate, *map(type, objects)]
    found: dict[str, str | None] = {}
    for one in code:
        if one.__module__ == "__main__":
            with suppress(OSError, TypeError):
                source = inspect.getsource(one).encode()
                found[f"__main__:{one.__qualname__}"] = hashlib.sha256(source).hexdigest()
    return found
