"""The card of a kept model: what it was trained on, what that cost, and how it is loaded."""

from collections.abc import Mapping
from typing import Any

import yaml

from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.kept.loading_code import (
    harness_command,
    loading_code,
    loads_without_fedbytes,
)
from fedbytes.labels import markdown_line
from fedbytes.models.base.base_places import base_place, is_on_hub
from fedbytes.models.kept.facts import KeptFacts

_METRICS = (
    "accuracy", "macro_f1", "exact_match", "rouge_l", "perplexity", "bits_per_byte", "loss",
)  # fmt: skip


def model_card(
    config: RunConfig,
    facts: KeptFacts,
    summary: Mapping[str, Any],
    provenance: Mapping[str, Any],
    client: str = "",
) -> str:
    """Return the card in Markdown, with the hub's header.

    Args:
        config: the run's.
        facts: of the kept model.
        summary: what the run measured and sent.
        provenance: what it was made from.
        client: whose model it is, where clients have models to themselves.
    """
    base = "" if facts.form == "merged" else base_place(str(config.model["name"]), facts.kind)
    whose = f", the model of client {client}" if client else ""
    title = f"{config.model['name']} on {config.task['name']}{whose}"
    kept = "merged into the model" if facts.form == "merged" else "kept beside its base"
    measured = {name: summary[name] for name in _METRICS if name in summary}
    own = {name: value for name, value in summary.items() if name.startswith("own_")}
    parts = [
        f"---\n{_header(config, facts)}---",
        f"# {markdown_line(title)}",
        f"Trained federated by fedbytes, and {kept}.",
        _table("What", _facts(config, summary, provenance)),
        "## Metrics",
        _measures(measured | own, client),
        "## Load it",
        f"```python\n{loading_code(facts, base)}```",
    ]
    if not loads_without_fedbytes(facts):
        parts.append("No class of peft or transformers loads it: `pip install fedbytes`.")
    if command := harness_command(facts, base):
        parts += ["## Evaluate it further", f"```sh\npip install lm_eval\n{command}\n```"]
    return "\n\n".join(parts) + "\n"


def _header(config: RunConfig, facts: KeptFacts) -> str:
    name = str(config.model["name"])
    task = "text-classification" if facts.labels else "text-generation"
    fields: dict[str, Any] = {
        "library_name": "peft" if facts.form == "peft" else "transformers",
        "pipeline_tag": task,
        "tags": ["fedbytes", "federated-learning"],
    }
    if config.components.model.family is None and is_on_hub(name):
        fields = {"base_model": name, **fields}
    return str(yaml.safe_dump(fields, sort_keys=False))


def _facts(
    config: RunConfig, summary: Mapping[str, Any], provenance: Mapping[str, Any]
) -> dict[str, str]:
    labels = provenance.get("labels", {})
    commit = provenance.get("commit") or "not from a checkout"
    dirty = " with changes that are not committed" if provenance.get("dirty") else ""
    sampled = config.clients_per_round
    by_coins = " on average" if config.sampling == "poisson" else ""
    return {
        "Task": _spec(config.task),
        "Base model": _spec(config.model),
        "Adapter": _spec(config.adapter),
        "Partition": _spec(config.partition),
        "Algorithm": _spec(config.algorithm),
        "Codec": str(labels.get("codec", config.uplink["name"])),
        **({"Privacy": str(labels["privacy"])} if labels.get("privacy") else {}),
        "Rounds": f"{config.rounds}"
        + (f", {sampled} clients in each{by_coins}" if sampled else ""),
        "Bytes up": f"{summary['up_bytes']:,}",
        "Bytes down": f"{summary['down_bytes']:,}",
        "Set-up bytes": f"{summary.get('setup_bytes', 0):,} per client",
        "Seed": str(config.seed),
        "Run": config.id,
        "fedbytes": f"{provenance.get('fedbytes', '')}, commit {commit}{dirty}",
        "Begun": str(provenance.get("started", "")),
    }


def _measures(metrics: Mapping[str, Any], client: str) -> str:
    note = "On the server's test examples"
    if client:
        note = "Means over the clients' models, this one among them, on the common test examples"
    found = {name: f"{value:.4g}" for name, value in metrics.items()}
    own = any(name.startswith("own_") for name in found)
    note += "; `own_` stands for clients' own tests" if own else ""
    return f"{note}.\n\n{_table('Metric', found)}"


def _spec(spec: Mapping[str, Any]) -> str:
    fields = (
        f"{key}={value}" for key, value in spec.items() if key != "name" and value is not None
    )
    return " ".join([str(spec["name"]), *fields])


def _table(first: str, rows: Mapping[str, str]) -> str:
    lines = [f"| {first} | |", "|---|---|"]
    for key, value in rows.items():
        lines.append(f"| {key} | {markdown_line(value)} |")
    return "\n".join(lines)
