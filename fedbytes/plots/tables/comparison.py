"""Results sorted for comparison: settings, and within each the codecs, paired by seed."""

from collections.abc import Hashable
from dataclasses import dataclass
from math import isnan
from typing import Any

import pandas as pd

from fedbytes.plots.number_words import format_value
from fedbytes.plots.tables.statistics import t_interval
from fedbytes.plots.tables.store_tables import (
    NothingToDrawError,
    Tables,
    flatten_keys,
    read_mapping,
)
from fedbytes.registry import hint_at_nearest, nearest

_ACTING = ["attack", "defense", "clean", "privacy", "audit"]
_SETTING = ["suite", "task", "model", "adapter", "algorithm", "partition", "alpha", *_ACTING]
_NOT_SETTING = ("seed", "uplink", "downlink", "suite", "name", "codec", "label")


@dataclass(frozen=True)
class Metric:
    """A column of the results as an axis.

    Attributes:
        name: the column.
        label: of an axis.
        scale: what values are multiplied by to be shown.
        rises: True if higher is better.
        decimals: of a value as it is printed.
    """

    name: str
    label: str
    scale: float
    rises: bool
    decimals: int = 3

    @property
    def range(self) -> tuple[float, float]:
        """The least and the largest value of a share, as values are stored; endless for others."""
        return (0.0, 1.0) if "%" in self.label else (float("-inf"), float("inf"))

    def show(self, value: float) -> str:
        """Return a value as it is printed, without its unit."""
        return format_value(value * self.scale, self.decimals)


METRICS = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "Test accuracy (%)", 100, True, 1),
        Metric("macro_f1", "Test macro-F1 (%)", 100, True, 1),
        Metric("exact_match", "Exact answers (%)", 100, True, 1),
        Metric("rouge_l", "ROUGE-L of answers (%)", 100, True, 1),
        Metric("perplexity", "Test perplexity", 1, False, 2),
        Metric("bits_per_byte", "Test bits per byte of text", 1, False),
        Metric("loss", "Test loss (nats)", 1, False),
        Metric("attack_success", "Attack success (%)", 100, False, 1),
        Metric("train_loss", "Training loss (nats)", 1, False),
        Metric("own_accuracy", "Accuracy on clients' own tests (%)", 100, True, 1),
        Metric("own_accuracy_worst_decile", "Own accuracy, worst tenth (%)", 100, True, 1),
        Metric("own_accuracy_spread", "Spread of own accuracy (points)", 100, False, 1),
        Metric("own_perplexity", "Perplexity on clients' own tests", 1, False, 2),
        Metric("own_perplexity_worst_decile", "Own perplexity, worst tenth", 1, False, 2),
        Metric("own_perplexity_spread", "Spread of own perplexity", 1, False, 2),
    )
}
_UNDER_ATTACK = "robust_accuracy_"
_HEADLINES = ("accuracy", "perplexity", "loss")


@dataclass(frozen=True, eq=False)
class Setting:
    """Runs that differ only in codec and seed.

    Attributes:
        title: how this setting differs from the others, such as `"dirichlet, α = 0.1, NMI 0.53"`.
        keys: the columns and configuration fields behind the title.
        rows: the results of its runs.
        heterogeneity: measured NMI, mean over its runs; NaN if not stored.
    """

    title: str
    keys: dict[str, Any]
    rows: pd.DataFrame
    heterogeneity: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """One metric, in each setting, for every codec.

    Attributes:
        codecs: the baseline first, then from most bytes to fewest, or as the tables order them.
        baseline: the codec that others are compared with; None if there is none.
        window: evaluations that a final value is the mean of, see `Tables.window`.
    """

    metric: Metric
    settings: tuple[Setting, ...]
    codecs: tuple[str, ...]
    baseline: str | None
    window: int = 1

    def final(self, setting: Setting) -> pd.DataFrame:
        """Return the last evaluated round of each run, with columns value and total_bytes.

        The value is the mean of the last `window` evaluations after the first round.
        """
        ordered = setting.rows.sort_values("round")
        rows = ordered.groupby("run", sort=False).tail(1)
        if self.window == 1:
            return rows.assign(value=rows[self.metric.name])
        trained = ordered[ordered["round"] > 0].groupby("run", sort=False).tail(self.window)
        means = trained.groupby("run")[self.metric.name].mean()
        return rows.assign(value=rows["run"].map(means).fillna(rows[self.metric.name]))

    def initial(self, setting: Setting) -> pd.DataFrame:
        """Return the state before the first round of each run that evaluated it, with value."""
        rows = setting.rows[setting.rows["round"] == 0]
        return rows.assign(value=rows[self.metric.name])

    def present(self, setting: Setting) -> list[str]:
        """Return the codecs that have runs in a setting, in order."""
        had = set(setting.rows["codec"])
        return [codec for codec in self.codecs if codec in had]

    def by_seed(self, frame: pd.DataFrame, codec: str, column: str) -> dict[int, float]:
        """Return a column of a frame with one row per run, by seed, for one codec."""
        rows = frame[frame["codec"] == codec]
        pairs = zip(rows["seed"], rows[column], strict=True)
        return {int(seed): float(value) for seed, value in pairs}

    def curve(self, setting: Setting, codec: str) -> pd.DataFrame:
        """Return one row per round: bytes, mean, low, high and n over the seeds.

        Bytes of one codec differ little between seeds, so both coordinates are means at equal
        rounds. Rounds that some run of the codec lacks are left out.
        """
        rows = setting.rows[setting.rows["codec"] == codec]
        runs = rows["run"].nunique()
        points = []
        for number, group in rows.groupby("round"):
            if len(group) == runs:
                found = t_interval(group[self.metric.name])
                spent = float(group["total_bytes"].mean())
                points.append((number, spent, found.mean, found.low, found.high, found.n))
        return pd.DataFrame(points, columns=["round", "bytes", "mean", "low", "high", "n"])


def metric_named(name: str) -> Metric:
    """Return a column of the results as an axis, also one that is no metric of a task."""
    if name.startswith(_UNDER_ATTACK):
        attack = name.removeprefix(_UNDER_ATTACK).replace("_", " ")
        return Metric(name, f"Accuracy under {attack} (%)", 100, True, 1)
    return METRICS.get(name) or Metric(name, name.replace("_", " "), 1, True)


def attacked_metrics(tables: Tables) -> list[Metric]:
    """Return the accuracy under each attack on texts that finished runs have, by name."""
    rows = tables.finished()
    names = [str(name) for name in rows if str(name).startswith(_UNDER_ATTACK)]
    return [metric_named(name) for name in sorted(names) if rows[name].notna().any()]


def metrics_in(tables: Tables) -> list[Metric]:
    """Return the metric that the protocol declares, or else the headline of each kind of task."""
    rows = tables.finished()
    declared = None if tables.declared is None else tables.declared.protocol.metric
    if declared is not None and declared in rows and rows[declared].notna().any():
        return [metric_named(declared)]
    kinds = _kinds(rows)
    return [METRICS[name] for name in _HEADLINES if name in set(kinds)]


def check_baseline(tables: Tables, baseline: str | None) -> None:
    """Refuse a baseline that is the label of no run.

    Raises:
        ValueError: naming those that there are.
    """
    if baseline is None:
        return
    known = sorted(set(map(str, tables.finished()["codec"])))
    if baseline not in known:
        hint = hint_at_nearest(baseline, known)
        raise ValueError(f"no run is called {baseline!r}{hint} (known: {'; '.join(known)})")


def compare_codecs(
    tables: Tables, metric: str | None = None, baseline: str | None = None
) -> Comparison:
    """Sort the finished runs for comparison.

    Args:
        tables: the store's tables.
        metric: a column of the results; by default what the protocol declares, accuracy if any
            task has it, or else perplexity or loss. Only tasks that have the metric are kept.
        baseline: a codec's label; by default the one that sends fp32 both ways.

    Raises:
        NothingToDrawError: if no run has the metric.
        ValueError: if two runs have the same setting, codec and seed.
    """
    rows = tables.finished()
    chosen = metric_named(metric) if metric else next(iter(metrics_in(tables)), None)
    if chosen is None or chosen.name not in rows or rows[chosen.name].isna().all():
        known = [name for name in METRICS if name in rows and rows[name].notna().any()]
        wanted = metric or "accuracy"
        raise NothingToDrawError(
            f"no finished run has the metric {wanted!r}{nearest(wanted, known)}"
        )
    if chosen.name in _HEADLINES:
        rows = rows[_kinds(rows) == chosen.name]
    rows = rows[rows[chosen.name].notna()]
    spent = rows.groupby("codec")["total_bytes"].max().sort_values(ascending=False, kind="stable")
    found = baseline if baseline is not None else _baseline(rows, tables.baseline)
    codecs = [str(codec) for codec in spent.index if codec != found]
    if found in spent.index:
        codecs.insert(0, str(found))
    else:
        found = None
    asked = {label: place for place, label in enumerate(tables.order)}
    codecs.sort(key=lambda codec: asked.get(codec, len(asked)) if asked else 0)
    return Comparison(chosen, _settings(rows, tables.runs), tuple(codecs), found, tables.window)


def _kinds(rows: pd.DataFrame) -> pd.Series:
    """Return the headline metric of each row's task."""
    kinds = pd.Series("", index=rows.index)
    groups = [column for column in ("suite", "task", "model") if column in rows]
    for _, part in rows.groupby(groups, dropna=False):
        had = [name for name in _HEADLINES if name in part and part[name].notna().any()]
        kinds.loc[part.index] = had[0] if had else ""
    return kinds


def _baseline(rows: pd.DataFrame, stored: str | None) -> str | None:
    """Return the one that the suite names, or the codec that is fp32 in both directions."""
    if stored is not None and stored in set(rows["codec"]):
        return stored
    for codec, part in rows.groupby("codec"):
        ways = {
            str(way)
            for column in ("uplink", "downlink")
            if column in part
            for way in part[column].unique()
        }
        if codec == "fp32" or ways == {"fp32"}:
            return str(codec)
    return None


def _settings(rows: pd.DataFrame, runs: pd.DataFrame) -> tuple[Setting, ...]:
    columns = [column for column in _SETTING if column in rows]
    rows, extra = _told_apart(_without_solved(rows, runs), runs, columns)
    shown = [column for column in columns if rows[column].nunique(dropna=False) > 1]
    one = rows.drop_duplicates("run")
    twins = bool(one.duplicated([*columns, *extra, "codec", "seed"]).any())
    found = []
    for values, part in rows.groupby([*columns, *extra], dropna=False, sort=True):
        keys = dict(zip([*columns, *extra], values, strict=True))
        if twins:  # looked for once, as settings are many
            _refuse_twins(part)
        nmi = part["heterogeneity"].mean() if "heterogeneity" in part else float("nan")
        title = _title(
            {
                k: v
                for k, v in keys.items()
                if k in shown or k in extra or k in ("partition", "alpha")
            },
            float(nmi),
        )
        found.append(Setting(title, keys, part, float(nmi)))
    return tuple(sorted(found, key=lambda setting: list(map(_rank, setting.keys.values()))))


def _rank(value: Any) -> tuple[int, float, str]:
    """Return what sorts 2 before 10, also where fields of configurations are texts."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return 1, 0.0, str(value)
    return (2, 0.0, "") if isnan(number) else (0, number, "")


def _without_solved(rows: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Forget the alpha of runs that solved for it: each seed has its own, and they are one setting.

    What they asked for is in the configuration, and tells them from others.
    """
    if "config" not in runs or "alpha" not in rows:
        return rows
    splits = runs.set_index("run")["config"].map(
        lambda config: read_mapping(config).get("partition")
    )
    asked = splits[splits.map(lambda split: bool(read_mapping(split).get("target")))].index
    return rows.assign(alpha=rows["alpha"].mask(rows["run"].isin(asked)))


def _told_apart(
    rows: pd.DataFrame, runs: pd.DataFrame, columns: list[str]
) -> tuple[pd.DataFrame, list[str]]:
    """Add the configuration fields that differ between runs which the columns confuse."""
    one = rows.drop_duplicates("run")
    twins = one[one.duplicated([*columns, "codec", "seed"], keep=False)]
    if twins.empty or "config" not in runs:
        return rows, []
    configs = runs.set_index("run")["config"]
    flat = pd.DataFrame({run: flatten_keys(read_mapping(configs.get(run))) for run in one["run"]}).T
    ours = [str(key) for key in flat if str(key).split(".")[0] not in _NOT_SETTING]
    differ = set()
    for _, group in twins.groupby([*columns, "codec", "seed"], dropna=False):
        # Only what differs among twins: a field that one scheme has and another lacks does not.
        confused = flat.loc[group["run"], ours]
        differ |= {key for key in ours if confused[key].nunique(dropna=False) > 1}
    chosen = [key for key in ours if key in differ]
    told = flat[chosen].astype(str).add_prefix("config.")  # a field may be named like a column
    return rows.join(told, on="run"), list(told.columns)


def _refuse_twins(part: pd.DataFrame) -> None:
    runs = part.drop_duplicates("run")
    twins = runs[runs.duplicated(["codec", "seed"], keep=False)]
    if not twins.empty:
        names = ", ".join(map(str, twins["run"].head(2)))
        raise ValueError(
            f"runs {names} have the same setting, codec ({twins['codec'].iloc[0]}) and seed "
            f"({twins['seed'].iloc[0]}); move one of them to another store"
        )


def _title(keys: dict[str, Hashable], heterogeneity: float) -> str:
    words = []
    for key, value in keys.items():
        if value in ("nan", "") or (isinstance(value, float) and isnan(value)):
            continue  # the scheme has no such field
        if key in _ACTING and value == "none":
            words.append(f"no {key}")
        elif key == "alpha":
            words.append(f"α = {value:g}")
        elif key in _SETTING:
            words.append(str(value))
        else:
            words.append(f"{key.split('.')[-1]} = {value}")
    if keys.get("partition") != "natural" and not isnan(heterogeneity):
        # Whose texts are whose is the label there, so that it would be 1 by construction.
        words.append(f"NMI {heterogeneity:.2f}")
    return ", ".join(words)
