"""What a run records of itself before its first round: what it is made of, and where."""

from collections.abc import Mapping
from typing import Any

import torch

from fedbytes.experiments.config.method_name import AGAIN, link_labels
from fedbytes.experiments.config.round_sections import SECTIONS
from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.execution.client_split import measures
from fedbytes.experiments.execution.run_setup import Problem, assets_of, attackers_of
from fedbytes.experiments.store.sources import Sources
from fedbytes.federated.plugins.round_plugins import RoundPlugins
from fedbytes.federated.stages.privacy_account import privacy_label
from fedbytes.labels import short_label
from fedbytes.noniid import unigram_measures


def describe_run(config: RunConfig, problem: Problem, sources: Sources) -> dict[str, Any]:
    """Return the part of a run's provenance that its data, model and plug-ins determine."""
    fed, train = problem.federation, problem.task.train
    return {
        "device": str(problem.model.device),
        "threads": torch.get_num_threads(),
        **({"workers_per_run": config.workers_per_run} if config.workers_per_run > 1 else {}),
        "precision": str(problem.model.dtype).removeprefix("torch."),
        "assets": assets_of(config),
        "sources": sources,
        "parameters": {
            "base": problem.model.info.parameters,
            "trained": fed.model.layout.numel,
        },
        **problem.setup_bytes(),
        **problem.baselines(),
        "test_examples": problem.test_examples(),
        "partition": problem.split.partition.fingerprint,
        "moved": problem.split.partition.moved,
        "found": problem.split.partition.solved,
        "heterogeneity": measures(problem.split, train.columns)
        | unigram_measures(problem.split.partition, train.tokens, train.offsets),
        "labels": _labels(config, fed.uplink.label, fed.downlink.label)
        | plugin_labels(fed.plugins)
        | privacy_label(fed),
        **config.declared,
        **({"attackers": attackers_of(problem)} if fed.plugins.attack else {}),
        **({"planted": fed.planted.counts} if fed.planted else {}),
        "data_digest": problem.task.data_digest,
        **({"data_notes": list(problem.task.notes)} if problem.task.notes else {}),
        **({"hooks": fed.hooks.names} if fed.hooks.names else {}),
    }


def has_other_examples(problem: Problem, began: Mapping[str, Any]) -> bool:
    """Return whether a run was begun with another split or other examples than a problem's.

    Its files may be read otherwise by this version, or have changed in a run from before
    digests. A change that was accepted is none.

    Args:
        problem: as it is made today.
        began: the run's provenance.
    """
    today = {"partition": problem.split.partition.fingerprint}
    if "sources" in began:  # the digests of before are of what was read then
        today["data_digest"] = problem.task.data_digest
    same = all(began.get(key) in (None, value) for key, value in today.items())
    return not same and not began.get("accepted")


def _labels(config: RunConfig, uplink: str, downlink: str) -> dict[str, str]:
    found = link_labels(uplink, downlink)
    return found | {"codec": found["codec"] + AGAIN * bool(config.batch_stream)}


def plugin_labels(plugins: RoundPlugins) -> dict[str, str]:
    """Return the names of what acts in the rounds, by section; of those that are not empty."""
    sections = ((key, getattr(plugins, key)) for key in SECTIONS)
    return {key: " + ".join(map(short_label, found)) for key, found in sections if found}
