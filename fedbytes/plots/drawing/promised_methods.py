"""Runs of one codec told apart by what they promise, and panels of promises that compare."""

import json
import re
from collections.abc import Iterable
from dataclasses import replace

import pandas as pd

from fedbytes.plots.tables.comparison import Comparison, Setting
from fedbytes.plots.tables.store_tables import Tables, read_mapping

_RELATION = re.compile(r" per (?P<unit>[^,]+), (?P<relation>[^,]+), ")


def methods_of_promises(rows: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Return results in which each promise of a codec is a method of its own.

    Runs that differ in seed alone make one promise, the largest of theirs: drawing clients by
    another seed may cost more. Codecs whose runs all promise the same keep their names, as runs
    without epsilon do. `relation` is what the promise is of, such as `add/remove` of clients, or
    `zero-out of one example`; else empty.

    Args:
        rows: with the codec, epsilon and the label of the privacy of each run.
        runs: with their configurations, where there are some.
    """
    last = (
        rows.sort_values("epsilon", na_position="first")
        .drop_duplicates("run", keep="last")
        .set_index("run")
    )
    last = last.assign(privacy=last.get("privacy", pd.Series("", last.index)).astype(str))
    private = last[last["epsilon"] > 0]
    asked = private["codec"] + _without_seed(private, runs)
    said = private.groupby(asked.rename("asked"))["privacy"].transform("last")
    names = last["codec"].copy()
    for codec, labels in said.groupby(private["codec"]):
        if labels.nunique() > 1 or (last["codec"] == codec).sum() > len(labels):
            names.loc[labels.index] = [f"{codec} · {one}" for one in labels.map(_differing(labels))]
    said_of = last["privacy"].str.extract(_RELATION)
    of_texts = (" of one " + said_of["unit"]).where(said_of["unit"] != "client", "")
    found = (said_of["relation"] + of_texts).where(last["epsilon"] > 0)
    return rows.assign(
        codec=rows["run"].map(names),
        relation=rows["run"].map(found.fillna("")),
        promise=rows["run"].map(last["privacy"]),
    )


def promises_as_methods(tables: Tables) -> Tables:
    """Return the finished runs' tables, in which a promise makes a method and no setting.

    Privacy without a promise, such as masks alone, stays a setting of its own.
    """
    finished = tables.finished()
    if "epsilon" not in finished or not (finished["epsilon"] > 0).any():
        return replace(tables, results=finished)
    named = methods_of_promises(finished, tables.runs)
    if "privacy" in named:
        promised = named["run"].isin(named.loc[named["epsilon"] > 0, "run"])
        named = named.assign(privacy=named["privacy"].astype(object).mask(promised, "none"))
    return replace(tables, results=named)


def panels_of_relations(comparison: Comparison) -> tuple[Setting, ...]:
    """Return the settings, those with promises of several relations once for each of them.

    An epsilon of one relation is none of another. Runs without a promise are in all panels.
    """
    known = {one for s in comparison.settings for one in s.rows["relation"]} - {""}
    if len(known) < 2:
        return comparison.settings
    panels = []
    for setting in comparison.settings:
        relations = setting.rows["relation"]
        for relation in sorted(set(relations) - {""}) or [""]:
            rows = setting.rows[relations.isin(["", relation])]
            title = ", ".join(filter(None, (setting.title, relation)))
            panels.append(replace(setting, title=title, rows=rows))
    return tuple(panels)


def _without_seed(private: pd.DataFrame, runs: pd.DataFrame) -> pd.Series:
    """Return what each run was asked, but for its seed; its label, where that is not known."""
    if "config" not in runs:
        return private["privacy"]
    configs = runs.set_index("run")["config"].map(read_mapping)
    known = configs[configs.map(bool)]
    texts = known.map(lambda one: json.dumps(one | {"seed": 0}, sort_keys=True, default=str))
    return private.index.to_series().map(texts).fillna(private["privacy"])


def _differing(labels: Iterable[str]) -> dict[str, str]:
    """Return the words of each label that not all have, and its epsilon."""
    words = {label: [word.strip(",") for word in label.split()] for label in labels}
    common = set.intersection(*map(set, words.values()))
    kept = {
        label: [word for word in said if word not in common or word.startswith("ε=")]
        for label, said in words.items()
    }
    return {label: " ".join(said) or label for label, said in kept.items()}
