"""`fedbytes partition`: who holds what under the partitions of a suite, before any training."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from fedbytes.cli.run_labels import partition_label
from fedbytes.data import Split
from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.config.suite_file import Suite, load_suite
from fedbytes.experiments.execution.client_split import measures, split_examples
from fedbytes.noniid import Partition, hashed_words, pairwise_distances, unigram_measures

_CATEGORIES, _CLIENTS = 20, 100  # rows and columns of the printed table
_SUMMARY = {  # column: measure, and whether its spread over seeds is told
    "NMI": ("nmi", True),
    "label NMI": ("label_nmi", False),
    "classes": ("effective_classes", False),
    "TV": ("total_variation", False),
    "Gini": ("size_gini", False),
}


@dataclass(frozen=True, eq=False)
class Shown:
    """One partition as plain data, for tables and figures.

    Attributes:
        title: what tells it from the others, such as `dirichlet α=0.1`.
        spec: its partitioner's `{"name": …, **fields}`.
        seed: of the run.
        partition: who holds what.
        counts: examples, a row a client and a column a category.
        measures: by name.
        clients, distances: of pairs, see `pairwise_distances`.
    """

    title: str
    spec: dict[str, Any]
    seed: int
    partition: Partition
    counts: pd.DataFrame
    measures: dict[str, float]
    clients: NDArray[np.int64]
    distances: NDArray[np.float64]


Draw = Callable[[list[Shown]], list[Path]]


def show_partitions(
    words: Sequence[str],
    *,
    suite: str | None,
    save: Path | None,
    draw: Draw | None,
    fetch_assets: Callable[[Sequence[RunConfig]], None],
    console: Console,
) -> None:
    """Print the partitions that a suite or `key=value` words ask for, and draw them.

    The first word may be a suite. One partition is printed whole; several are summed up in one
    line a configuration, over its seeds.

    Raises:
        ValueError: for a mistake in the words, a split that cannot be made, or `save` where
            there are several partitions.
    """
    configs = _distinct(_configs(words, suite))
    if save is not None and len(configs) > 1:
        raise ValueError(f"--save keeps one partition, and these are {len(configs)}; narrow them")
    fetch_assets(configs)
    shown = _look(configs, console)
    if len(shown) == 1:
        _print_whole(shown[0], console)
    else:
        _print_summary(shown, console)
    if save is not None:
        shown[0].partition.save(save)
        console.print(f"saved: {save}", highlight=False, soft_wrap=True)
    for path in draw(shown) if draw is not None else []:
        console.print(str(path), highlight=False, soft_wrap=True)


def _configs(words: Sequence[str], suite: str | None) -> list[RunConfig]:
    named = [word for word in words if "=" not in word]
    if suite is not None:
        named.insert(0, suite)
    if len(named) > 1:
        raise ValueError(f"expected one suite and key=value words, got {' and '.join(named)}")
    chosen = load_suite(named[0]) if named else Suite("run")
    return chosen.expand([word for word in words if "=" in word])


def _distinct(configs: Sequence[RunConfig]) -> list[RunConfig]:
    """Return one run of each partition: others differ in codec or training alone."""
    found = {
        json.dumps([config.task, config.partition, config.seed], sort_keys=True): config
        for config in reversed(configs)
    }
    return list(reversed(found.values()))


def _look(configs: Sequence[RunConfig], console: Console) -> list[Shown]:
    texts: dict[str, tuple[Split, tuple[NDArray[np.int64], NDArray[np.int64]]]] = {}
    shown = []
    bar = track(
        configs,
        "splitting",
        console=console,
        transient=True,
        disable=len(configs) == 1 or not console.is_terminal,
    )
    for config in bar:
        task = json.dumps(config.task, sort_keys=True)
        if task not in texts:
            train = config.components.task.load().train
            texts[task] = train, hashed_words(train.texts)
        shown.append(_shown(config, *texts[task]))
    return shown


def _shown(
    config: RunConfig, train: Split, words: tuple[NDArray[np.int64], NDArray[np.int64]]
) -> Shown:
    holding = split_examples(config, train.columns)
    partition = holding.partition
    categories, counts = partition.counts(holding.factor)
    measured = measures(holding, train.columns)
    for name, value in unigram_measures(partition, *words).items():
        measured[name.replace("unigram", "word")] = value
    clients, distances = pairwise_distances(partition.contingency(holding.factor))
    return Shown(
        title=partition_label(config.partition),
        spec=config.partitioner_spec,
        seed=config.seed,
        partition=partition,
        counts=pd.DataFrame(counts, columns=[str(category) for category in categories]),
        measures=measured,
        clients=clients,
        distances=distances,
    )


def _print_whole(shown: Shown, console: Console) -> None:
    title = f"{shown.title}, seed {shown.seed}"
    table = Table(title=escape(title), title_justify="left", box=None)
    table.add_column("client", justify="right")
    table.add_column("examples", justify="right")
    totals = shown.counts.sum().sort_values(ascending=False, kind="stable")
    kept = shown.counts[totals[totals > 0].index]
    if kept.shape[1] <= _CATEGORIES:  # few categories stand in their own order
        kept = shown.counts.loc[:, shown.counts.any()]
    names, rows = kept.columns[:_CATEGORIES], kept.to_numpy()
    for name in names:
        table.add_column(escape(name), justify="right")
    sizes = shown.partition.sizes
    for client, row in enumerate(rows[:_CLIENTS]):
        cells = [str(count) if count else "·" for count in row[: len(names)]]
        table.add_row(str(client), str(sizes[client]), *cells)
    console.print(table)
    left = [
        f"{len(rows) - _CLIENTS} more clients" if len(rows) > _CLIENTS else "",
        f"{rows.shape[1] - _CATEGORIES} more categories" if rows.shape[1] > _CATEGORIES else "",
    ]
    if any(left):
        console.print("not shown: " + ", ".join(filter(None, left)), highlight=False)
    for key, value in shown.measures.items():
        console.print(f"{key}: {value:.4g}", highlight=False)
    partition = shown.partition
    for key, value in partition.found.items():
        console.print(f"found {key}: {value:.4g}", highlight=False)
    console.print(f"dropped: {partition.dropped.size}\nmoved: {partition.moved}", highlight=False)
    console.print(f"fingerprint: {partition.fingerprint}", highlight=False, soft_wrap=True)


def _print_summary(shown: list[Shown], console: Console) -> None:
    """Print a line a configuration: means of the measures over seeds, ± standard deviation."""
    table = Table(box=None)
    table.add_column("partition", overflow="fold", min_width=20)
    had = {name for item in shown for name in item.measures}
    columns = {key: value for key, value in _SUMMARY.items() if value[0] in had}
    for name in ("seeds", *columns, "moved"):
        table.add_column(name, justify="right", no_wrap=True)
    for title in dict.fromkeys(item.title for item in shown):
        items = [item for item in shown if item.title == title]
        cells = [
            _mean([item.measures.get(name) for item in items], spread)
            for name, spread in columns.values()
        ]
        moved = f"{np.mean([item.partition.moved for item in items]):.0f}"
        table.add_row(escape(title), str(len(items)), *cells, moved)
    console.print(table)


def _mean(values: list[float | None], spread: bool) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    words = f"{np.mean(known):.3f}"
    return f"{words} ± {np.std(known, ddof=1):.3f}" if spread and len(known) > 1 else words
