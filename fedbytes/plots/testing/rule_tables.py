"""Tables of a sweep over attacks and rules: made up from those of one without."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from fedbytes.plots.tables.store_tables import Tables
from fedbytes.plots.testing.sample_tables import sample_tables

_FALL = {"none": 0.0, "sign_flip scale=5": 0.45, "alie z=1.5": 0.2}
_STANDS = {"none": 0.0, "nnm f=2 + trimmed_mean f=2": 0.9, "nnm f=0 + trimmed_mean f=0": 0.1}
"""What share of an attack's fall a rule takes back."""


def rule_tables(
    attacks: Sequence[str] = tuple(_FALL),
    defenses: Sequence[str] = tuple(_STANDS),
    codecs: Sequence[str] = ("fp32", "nf4"),
    alphas: Sequence[float] = (1.0,),
    seeds: Sequence[int] = (0, 1),
) -> Tables:
    """Return the tables of a sweep of two in ten attackers over attacks and rules.

    Args:
        attacks: labels of attacks, `none` for nobody; unknown ones take 0.3 of accuracy.
        defenses: labels of rules; unknown ones take half of that back.
        codecs: names of `SAMPLE_CODECS`.
        alphas: of the Dirichlet partition.
        seeds: runs of each cell.
    """
    plain = sample_tables(alphas, seeds, rounds=2, codecs=codecs)
    results, runs = [], []
    for attack in attacks:
        for defense in defenses:
            lost = _FALL.get(attack, 0.3) * (1 - _STANDS.get(defense, 0.5))
            mark = f"-{attack}-{defense}".replace(" ", "")
            results.append(
                plain.results.assign(
                    run=plain.results["run"] + mark,
                    attack=attack,
                    defense=defense,
                    accuracy=plain.results["accuracy"] - lost,
                )
            )
            acting = {"attack": _acting(attack, share=0.2), "defense": _acting(defense)}
            runs.append(
                plain.runs.assign(
                    run=plain.runs["run"] + mark,
                    config=plain.runs["config"].map(
                        lambda config, acting=acting: _config(config, acting)
                    ),
                )
            )
    return replace(
        plain,
        results=pd.concat(results, ignore_index=True),
        runs=pd.concat(runs, ignore_index=True),
    )


def _config(config: dict[str, Any], acting: dict[str, Any]) -> dict[str, Any]:
    return config | acting | {"partition": config["partition"] | {"num_clients": 10}}


def _acting(label: str, **fields: float) -> list[dict[str, Any]]:
    """Return the specifications behind a label: `nnm f=2 + krum` for two."""
    if label == "none":
        return []
    found = []
    for part in label.split(" + "):
        name, *given = part.split(" ")
        numbers = {key: _number(value) for key, value in (one.split("=") for one in given)}
        found.append({"name": name, **numbers, **fields})
    return found


def _number(text: str) -> float:
    return int(text) if text.isdigit() else float(text)
