"""Writes the model that a run trained into its folder, with a card that says where it is from."""

import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fedbytes.data.chat_task import ChatTask
from fedbytes.data.tokens.chat_template import pick_template
from fedbytes.experiments.config.keep import KeptChoice
from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.kept.model_card import model_card
from fedbytes.experiments.store.run_folder import RunFolder
from fedbytes.experiments.store.sealed_json import ROOM
from fedbytes.models import TrainableModel, write_model
from fedbytes.models.kept.facts import CARD, FACTS, read_facts, write_facts
from fedbytes.noniid import Partition
from fedbytes.process.disk_errors import explained_disk_errors

CLIENT_MODELS = "clients"
"""Folder of the models that clients have to themselves, each called by its client's name."""


def keep_models(
    folder: RunFolder,
    config: RunConfig,
    summary: dict[str, Any],
    models: Iterable[tuple[str, TrainableModel]],
) -> None:
    """Write the models of a run; they are there whole or not at all.

    Args:
        folder: the run's.
        config: with what is kept.
        summary: what the run measured, for the card.
        models: the client that each is of, "" for that of all, with its vector loaded.

    Raises:
        ValueError: if one cannot be written in the form that is asked for.
        DiskError: if the disk is full.
    """
    part = folder.path / "model-part"
    with explained_disk_errors(part, ROOM):
        shutil.rmtree(part, ignore_errors=True)
        for client, model in models:
            _write_one(
                part / CLIENT_MODELS / client if client else part, folder, config, summary, model
            )
        shutil.rmtree(folder.model, ignore_errors=True)
        part.rename(folder.model)


def _write_one(
    target: Path,
    folder: RunFolder,
    config: RunConfig,
    summary: dict[str, Any],
    model: TrainableModel,
) -> None:
    target.mkdir(parents=True)
    parts = config.components
    template = None
    if isinstance(parts.task, ChatTask):
        template = pick_template(parts.task.template, model.task.tokenizer)
    merge = config.keep == "merged"
    facts = write_model(model, parts.model, parts.adapter, target, merge, template)
    client = target.name if target.parent.name == CLIENT_MODELS else ""
    card = model_card(config, facts, summary, folder.provenance(), client)
    (target / CARD).write_text(card, encoding="utf-8")
    about = {"run": config.id, "client": client, "task": config.task, "seed": config.seed}
    write_facts(target, facts, about)


def kept_models(folder: RunFolder) -> list[Path]:
    """Return the folders of a run's kept models: that of all first, then those of its clients."""
    inside = [folder.model, *sorted((folder.model / CLIENT_MODELS).glob("*"))]
    return [path for path in inside if (path / FACTS).is_file()]


def folder_names(partition: Partition) -> list[str]:
    """Return what each client's folder is called: its name where that is plain, or its number."""
    numbers = [f"{client:03d}" for client in range(partition.num_clients)]
    names = list(partition.names)
    plain = all(re.fullmatch(r"[\w-][\w.-]*", name) for name in names)
    return names if plain and names and len(set(names)) == len(names) else numbers


def lacks_model(folder: RunFolder, keep: KeptChoice) -> str:
    """Return what a finished run lacks of what is to be kept of it, in a few words, or nothing."""
    if keep == "none" or folder.status != "done":
        return ""
    found = kept_models(folder)
    if not found:
        return "kept no model"
    merged = read_facts(found[0], verify=False)[0].form == "merged"
    if merged == (keep == "merged"):
        return ""
    return "kept a merged model and no adapter" if merged else "kept an adapter and no merged model"
