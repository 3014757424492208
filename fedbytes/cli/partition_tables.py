"""Partitions of a suite's runs, computed before any training, and as tables."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.cells import cell_len
from rich.console import Console
from rich.progress import track
from rich.table import Table

from fedbytes.cli.run_labels import partition_label
from fedbytes.cli.sweep_runs import expand
from fedbytes.cli.terminal.screen import warn
from fedbytes.data import Split
from fedbytes.experiments.config.run_config import RunConfig
from fedbytes.experiments.config.suite_file import Suite, load_suite
from fedbytes.experiments.execution.client_split import measures, notes_on, split_examples
from fedbytes.labels import single_line
from fedbytes.noniid import Partition, hashed_words, pairwise_distances, unigram_measures
from fedbytes.plots.output.fitted_table import FittedTable

_CATEGORIES, _CLIENTS = 20, 100  # rows and columns of the printed table
_SUMMARY = {  # column: measure, and whether its spread over seeds is shown
    "NMI": ("nmi", True),
    "label NMI": ("label_nmi", False),
    "classes": ("effective_classes", False),
    "TV": ("total_variation", False),
    "Gini": ("size_gini", False),
}


@dataclass(frozen=True, eq=False)
class PartitionView:
    """One partition as plain data, for tables and figures.

    Attributes:
        title: what distinguishes it from the others, such as `dirichlet α=0.1`.
        spec: its partitioner's `{"name": …, **fields}`.
        seed: of the run.
        partition: who holds what.
        counts: examples, one row per client, by its name if it has one, and one column per
            category.
        measures: by name.
        notes: what a user may not expect of it.
        clients, distances: of pairs, see `pairwise_distances`.
    """

    title: str
    spec: dict[str, Any]
    seed: int
    partition: Partition
    counts: pd.DataFrame
    measures: dict[str, float]
    notes: list[str]
    clients: NDArray[np.int64]
    distances: NDArray[np.float64]


def configurations(
    words: Sequence[str], suite: str | None, plugins: Sequence[Path]
) -> list[RunConfig]:
    """Return one run for each partition that a suite and `key=value` words ask for.

    Raises:
        ValueError: for a mistake in the words.
    """
    named = [word for word in words if "=" not in word]
    if suite is not None:
        named.insert(0, suite)
    if len(named) > 1:
        raise ValueError(f"expected one suite and key=value words, got {' and '.join(named)}")
    chosen = load_suite(named[0]) if named else Suite("run")
    return distinct_partitions(expand(chosen, [word for word in words if "=" in word], plugins))


def distinct_partitions(configs: Sequence[RunConfig]) -> list[RunConfig]:
    """Return one run per partition: the others differ from it in codec or training only."""
    found = {
        json.dumps([config.task, config.partition, config.split_seed], sort_keys=True): config
        for config in reversed(configs)
    }
    return list(reversed(found.values()))


def compute_partitions(configs: Sequence[RunConfig], console: Console) -> list[PartitionView]:
    """Return the partition of each run; a task's texts are loaded once.

    Raises:
        ValueError: for a split that cannot be made.
    """
    texts: dict[str, tuple[Split, tuple[NDArray[np.int64], NDArray[np.int64]]]] = {}
    views = []
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
        views.append(_view(config, *texts[task]))
    warn(dict.fromkeys(note for view in views for note in view.notes))
    return views


def _view(
    config: RunConfig, train: Split, words: tuple[NDArray[np.int64], NDArray[np.int64]]
) -> PartitionView:
    holders = train.columns.get(config.components.task.holders)
    split = split_examples(config, train.columns, holders)
    partition = split.partition
    categories, counts = partition.counts(split.factor)
    measured = measures(split, train.columns)
    for name, value in unigram_measures(partition, *words).items():
        measured[name.replace("unigram", "word")] = value
    clients, distances = pairwise_distances(partition.contingency(split.factor))
    return PartitionView(
        title=partition_label(config.partition),
        spec=config.partitioner_spec,
        seed=config.split_seed,
        partition=partition,
        counts=pd.DataFrame(
            counts,
            index=list(partition.names) if partition.names else None,
            columns=[str(category) for category in categories],
        ),
        notes=notes_on(split, config),
        measures=measured,
        clients=clients,
        distances=distances,
    )


def show(views: list[PartitionView], console: Console) -> None:
    """Print one partition whole, several as one line per configuration."""
    if len(views) == 1:
        _print_whole(views[0], console)
    else:
        _print_summary(views, console)


def _print_whole(view: PartitionView, console: Console) -> None:
    title = f"{view.title}, seed {view.seed}"
    table = Table(title=single_line(title), title_justify="left", box=None)
    table.add_column("client", justify="right")
    called = view.partition.names
    longest = min(max((cell_len(single_line(name)) for name in called), default=0), 16)
    if called:
        table.add_column("name", overflow="fold", width=longest)
    table.add_column("examples", justify="right")
    totals = view.counts.sum().sort_values(ascending=False, kind="stable")
    kept = view.counts[totals[totals > 0].index]
    if kept.shape[1] <= _CATEGORIES:  # few categories keep their own order
        kept = view.counts.loc[:, view.counts.any()]
    room = console.width - len("  client  examples  ") - (longest + 2 if called else 0)
    names, rows = kept.columns[: _that_fit(kept, room)], kept.to_numpy()
    for name in names:
        table.add_column(single_line(name), justify="right")
    sizes = view.partition.sizes
    for client, row in enumerate(rows[:_CLIENTS]):
        cells = [str(count) if count else "·" for count in row[: len(names)]]
        own = [single_line(called[client])] if called else []
        table.add_row(str(client), *own, str(sizes[client]), *cells)
    console.print(table)
    left = [
        f"{len(rows) - _CLIENTS} more clients" if len(rows) > _CLIENTS else "",
        f"{rows.shape[1] - len(names)} more categories" if rows.shape[1] > len(names) else "",
    ]
    if any(left):
        console.print("not shown: " + ", ".join(filter(None, left)))
    for key, value in view.measures.items():
        console.print(f"{key}: {value:.4g}")
    partition = view.partition
    for key, value in partition.solved.items():
        console.print(f"found {key}: {value:.4g}")
    console.print(f"dropped: {partition.dropped.size}\nmoved: {partition.moved}")
    console.print(f"fingerprint: {partition.fingerprint}", soft_wrap=True)


def _that_fit(counts: pd.DataFrame, room: int) -> int:
    """Return how many categories, at most twenty, have columns that fit in `room`, at least one."""
    taken, count = 0, 0
    for name in counts.columns[:_CATEGORIES]:
        taken += max(cell_len(single_line(name)), len(str(counts[name].max()))) + 2
        if taken > room:
            break
        count += 1
    return max(count, 1)


def _print_summary(views: list[PartitionView], console: Console) -> None:
    """Print one line per configuration: means of the measures over seeds, ± standard deviation."""
    had = {name for item in views for name in item.measures}
    columns = {key: value for key, value in _SUMMARY.items() if value[0] in had}
    table = FittedTable("partition", "seeds", *columns, "moved", left=("partition",))
    for title in dict.fromkeys(item.title for item in views):
        items = [item for item in views if item.title == title]
        cells = [
            _mean([item.measures.get(name) for item in items], spread)
            for name, spread in columns.values()
        ]
        moved = f"{np.mean([item.partition.moved for item in items]):.0f}"
        table.add_row(single_line(title), str(len(items)), *cells, moved)
    console.print(table)


def _mean(values: list[float | None], spread: bool) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    words = f"{np.mean(known):.3f}"
    return f"{words} ± {np.std(known, ddof=1):.3f}" if spread and len(known) > 1 else words
