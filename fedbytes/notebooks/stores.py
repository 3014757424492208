"""`fedbytes.load`: the results of a folder of runs as a table."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def load(store: str | os.PathLike[str]) -> "pd.DataFrame":
    """Return a folder's results: a row per run and evaluated round.

    Columns are `run, suite, task, model, adapter, algorithm, codec, partition, alpha,
    heterogeneity, seed, round, up_bytes, down_bytes, total_bytes` (cumulative message bytes over
    all clients), the task's metrics, `seconds`, and more (see `fedbytes.experiments.load_results`).

    Raises:
        ValueError: if there is no such folder.
    """
    from fedbytes.experiments.store.results import load_results

    return load_results(os.fspath(store))
