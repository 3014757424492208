"""`fedbytes.partition`: who would hold what in a run."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fedbytes.notebooks.chosen_runs import Source, choose_runs

if TYPE_CHECKING:
    from fedbytes.noniid import Partition


def partition(
    suite: Source = None, settings: Mapping[str, Any] | None = None, **fields: Any
) -> "Partition":
    """Return who holds what in the runs of a suite that share one partition; nothing is trained.

    Such as `fedbytes.partition("quickstart", {"partition.alpha": 0.1}, seed=3)`. For a column of
    your own see `fedbytes.noniid.make_partitioner`.

    Args:
        suite: as for `sweep`.
        settings: settings by dotted key that replace the suite's.
        **fields: settings whose key has no dot.

    Raises:
        ValueError: for a mistake in suite or settings, a split that cannot be made, and if the runs
            have several partitions.
    """
    from fedbytes.cli.partition_tables import distinct_partitions
    from fedbytes.cli.sweep_runs import fetch_assets
    from fedbytes.experiments.execution.client_split import split_examples

    configs = distinct_partitions(choose_runs(suite, settings, fields)[1])
    if len(configs) > 1:
        raise ValueError(
            f"these runs have {len(configs)} partitions; narrow them to one, such as by seed=0 and "
            '{"partition.alpha": 0.1}'
        )
    fetch_assets(configs, models=False)
    task = configs[0].components.task
    columns = task.load().train.columns
    return split_examples(configs[0], columns, columns.get(task.holders)).partition
