"""A run's kept model as a folder elsewhere, or on the hub."""

import json
import shutil
from pathlib import Path
from typing import Any

from fedbytes.experiments.kept.keep_model import CLIENT_MODELS, kept_models
from fedbytes.experiments.store.damage import REMEDY, find_damage
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.models.kept.facts import FACTS, read_facts
from fedbytes.process.disk_errors import explained_disk_errors

HUB = "hub:"
_ROOM = "free some space or export to another folder"


def find_kept(place: str | Path, client: str | None = None) -> Path:
    """Return the folder of a kept model: of a run, of one of its clients, or an exported one.

    Args:
        place: a run's folder, or a folder that `fedbytes export` wrote.
        client: whose model, where clients have models to themselves.

    Raises:
        ValueError: if there is none, in one line with the remedy.
    """
    path = Path(place).expanduser()
    run = RunFolder(path.parent, path.name, path)
    if not (path / FACTS).is_file() and not (path / CLIENT_MODELS).is_dir():
        _require_kept(run)
        path = run.model
    own = {one.name: one for one in sorted((path / CLIENT_MODELS).glob("*"))}
    if client is not None:
        if client not in own:
            known = ", ".join(own) or "none: all clients share one model"
            raise ValueError(f"{place} has no model of client {client!r} (known: {known})")
        return own[client]
    if not (path / FACTS).is_file():
        raise ValueError(f"{place} has a model for each client: add --client {next(iter(own))}")
    return path


def _require_kept(run: RunFolder) -> None:
    """Refuse what is no finished run that kept a model.

    Raises:
        ValueError: in one line with the remedy.
    """
    if not (run.path / "config.yaml").is_file():
        raise ValueError(
            f"{run.path} is neither a run's folder, such as runs/quickstart/0123456789abcdef, nor "
            "an exported model"
        )
    if damage := find_damage(run):
        raise ValueError(f"run {run.run} is damaged: {damage}; {REMEDY}")
    if run.status != "done":
        raise ValueError(
            f"run {run.run} has not finished (it is {run.status}): run the same command again, "
            "with keep=adapter or keep=merged"
        )
    if not kept_models(run):
        raise ValueError(
            f"run {run.run} kept no model: make it anew with keep=adapter (or keep=merged) and "
            "--remake"
        )


def export_model(place: str | Path, to: str, client: str | None = None) -> str:
    """Copy a kept model to a folder, or upload it; return where it is now.

    Args:
        place: as for `find_kept`.
        to: a folder that does not exist or is empty, or `hub:OWNER/NAME`.
        client: as for `find_kept`.

    Raises:
        ValueError: if there is no such model, or it cannot be written there.
    """
    source = find_kept(place, client)
    read_facts(source)
    if to.startswith(HUB):
        return _upload(source, to.removeprefix(HUB))
    target = Path(to).expanduser()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ValueError(f"{target} exists and is not empty: export to another folder")
    with explained_disk_errors(target, _ROOM):
        shutil.copytree(
            source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns(CLIENT_MODELS)
        )
    return str(target)


def _upload(source: Path, name: str) -> str:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    if name.count("/") != 1 or not all(name.split("/")):
        raise ValueError(f"{HUB}{name} is no name on the hub: give {HUB}OWNER/NAME")
    _require_base_on_hub(source)
    api: Any = HfApi()
    try:
        api.create_repo(name, exist_ok=True, private=True)
        api.upload_folder(
            repo_id=name,
            folder_path=source,
            commit_message=f"Model of {source.parent.name}",
            ignore_patterns=[f"{CLIENT_MODELS}/*"],
        )
    except (HfHubHTTPError, LocalTokenNotFoundError, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"{HUB}{name} cannot be written ({reason}): log in with `hf auth login`, or export to "
            "a folder"
        ) from error
    return f"{api.endpoint}/{name}"


def _require_base_on_hub(source: Path) -> None:
    """Refuse an adapter whose base nobody else could load.

    Raises:
        ValueError: in one line with the remedy.
    """
    config = source / "adapter_config.json"
    if not config.is_file():
        return
    base = str(json.loads(config.read_text(encoding="utf-8"))["base_model_name_or_path"])
    if Path(base).is_dir():
        raise ValueError(
            f"the adapter's base is a folder of this machine ({base}), which nobody else can load: "
            "make the run anew with keep=merged and --remake, or export to a folder"
        )
