"""Final values under attack: a row a run, by rule, attack, codec and the rest of its setting."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from fedbytes.plots.tables.comparison import Metric, Setting, compare_codecs
from fedbytes.plots.tables.statistics import Interval, t_interval
from fedbytes.plots.tables.store_tables import NothingToDrawError, Tables, read_mapping

NOBODY = "none"
"""The `attack` of a run without one, and the `defense` of one without a rule."""


@dataclass(frozen=True, eq=False)
class AttackCells:
    """The runs of a store by who attacks, what defends, and the codec.

    Attributes:
        metric: whose final value is compared.
        rows: a run each: run, place, attack, defense, codec, seed, value, total_bytes.
        places: what the settings are called beside attack and rule, `α = 0.1` say; "" if all are
            one.
        defenses: none first, then the others by name; labels where each stands for one rule.
        attacks: none first, then the others by name.
        codecs: the baseline first, then from most bytes to fewest; "" where labels name rules.
        setting: the task, model, clients, rounds and seeds of the runs.
    """

    metric: Metric
    rows: pd.DataFrame
    places: tuple[str, ...]
    defenses: tuple[str, ...]
    attacks: tuple[str, ...]
    codecs: tuple[str, ...]
    setting: str

    def values(self, **where: str) -> list[float]:
        """Return the final values of the runs whose columns are as named, a seed each."""
        rows = self.rows
        for column, value in where.items():
            rows = rows[rows[column] == value]
        return [float(value) for value in rows["value"]]

    def cell(self, **where: str) -> Interval:
        """Return the mean of the same with its interval; n is 0 where there is no run."""
        return t_interval(self.values(**where))

    @property
    def axis_label(self) -> str:
        """What an axis of final values is called."""
        return f"Final {self.metric.label[:1].lower()}{self.metric.label[1:]}"

    @property
    def least_seeds(self) -> int:
        """The seeds of the cell that has fewest."""
        return _seeds(self.rows)[0]


def attack_cells(
    tables: Tables, metric: str | None = None, baseline: str | None = None
) -> AttackCells:
    """Sort the finished runs by attack, rule, codec and place.

    Raises:
        NothingToDrawError: if no finished run has an attack.
    """
    comparison = compare_codecs(tables, metric, baseline)
    if not comparison.settings:
        raise NothingToDrawError(f"no finished run's task is measured by {metric}")
    places = _places(comparison.settings)
    finals = [
        comparison.final(setting).assign(
            place=place,
            attack=str(setting.keys.get("attack", NOBODY)),
            defense=_written(setting.keys.get("defense", NOBODY)),
        )
        for setting, place in zip(comparison.settings, places, strict=True)
    ]
    rows = pd.concat(finals, ignore_index=True)
    if (rows["attack"] == NOBODY).all():
        raise NothingToDrawError("no finished run has an attack: set the section `attack`")
    defenses, codecs = _in_order(rows["defense"]), comparison.codecs
    if _labels_name_rules(rows):
        defenses, codecs = codecs, ("",)
        rows = rows.assign(defense=rows["codec"], codec="")
    return AttackCells(
        metric=comparison.metric,
        rows=rows,
        places=tuple(dict.fromkeys(places)),
        defenses=defenses,
        attacks=_in_order(rows["attack"]),
        codecs=codecs,
        setting=f"{describe_cells(rows, tables.runs)}, {seeds_of_cells(rows)}",
    )


def _written(value: Any) -> str:
    """Return a rule as a store has it; rows that were kept as CSV have NaN for an empty one."""
    return "" if value != value else str(value)


def _labels_name_rules(rows: pd.DataFrame) -> bool:
    """Return whether a suite's own labels stand for rule and codec together."""
    if "label" not in rows or rows["label"].isna().any():
        return False
    if (rows["defense"] == "").all():  # variants change it, so that settings leave it to labels
        return True
    if rows["defense"].nunique() < 2:
        return False
    return bool((rows.groupby("codec")["defense"].nunique() == 1).all())


def _in_order(names: "pd.Series[str]") -> tuple[str, ...]:
    """Return the names, that of nobody first."""
    return tuple(sorted(set(names), key=lambda name: (name != NOBODY, name)))


def _places(settings: Sequence[Setting]) -> list[str]:
    """Return what tells each setting from others, attack and rule left out."""
    kept = [
        {
            key: value
            for key, value in setting.keys.items()
            if key.removeprefix("config.").split(".")[0] not in ("attack", "defense")
        }
        for setting in settings
    ]
    differ = [key for key in kept[0] if len({repr(keys.get(key)) for keys in kept}) > 1]
    return [", ".join(_word(key, keys[key]) for key in differ) for keys in kept]


def _word(key: str, value: Any) -> str:
    if key == "alpha":
        return f"α = {value:g}"
    if key.startswith("config."):
        return f"{key.split('.')[-1]} = {value}"
    return str(value)


def name_or_no(kind: str, name: str) -> str:
    """Return the name of an attack or a rule, `no attack` of nobody's."""
    return f"no {kind}" if name == NOBODY else name


def seeds_of_cells(rows: pd.DataFrame) -> str:
    """Return how many seeds the cells of rows have, as `n = 3` or `n = 2 to 5`."""
    least, most = _seeds(rows)
    return f"n = {least}" if least == most else f"n = {least} to {most}"


def _seeds(rows: pd.DataFrame) -> tuple[int, int]:
    found = rows.groupby(["place", "codec", "defense", "attack"])["seed"].nunique()
    return int(found.min()), int(found.max())


def describe_cells(rows: pd.DataFrame, runs: pd.DataFrame) -> str:
    """Return the task, model, clients and rounds of the rows' runs in one line."""
    words = [_all_of(rows, "task"), _all_of(rows, "model")]
    configs = runs[runs["run"].isin(set(rows["run"]))]["config"] if "config" in runs else ()
    clients = {clients_of(config) for config in configs} - {None}
    if len(clients) == 1:
        words.append(f"{clients.pop()} clients")
    if "rounds" in rows:
        words.append(f"{_all_of(rows, 'rounds')} rounds")
    return ", ".join(word for word in words if word)


def _all_of(rows: pd.DataFrame, column: str) -> str:
    return " and ".join(sorted(map(str, rows[column].unique()))) if column in rows else ""


def clients_of(config: Any) -> int | None:
    """Return how many clients a round of a configuration has; None where only the data tell."""
    settings = read_mapping(config)
    asked = settings.get("clients_per_round") or read_mapping(settings.get("partition")).get(
        "num_clients"
    )
    return asked if isinstance(asked, int) else None


def true_attackers(config: Any) -> int | None:
    """Return how many clients of a round attack, by the largest share; None if that is not known.

    Under sampling it is the expected number.
    """
    clients = clients_of(config)
    attacks = read_mapping(config).get("attack") or ()
    shares = [float(read_mapping(one).get("share", 0)) for one in attacks]
    if not shares:
        return 0
    return None if clients is None else int(max(shares) * clients + 0.5)


def assumed_attackers(config: Any) -> int | None:
    """Return how many attackers the rules of a configuration are set for; None if for no number."""
    rules = read_mapping(config).get("defense") or ()
    numbers = [rule["f"] for rule in map(read_mapping, rules) if isinstance(rule.get("f"), int)]
    return max(numbers, default=None)


def rule_family(defense: str) -> str:
    """Return the label of rules without the number of attackers that they are set for."""
    return re.sub(r" f=\d+\b", "", defense)
