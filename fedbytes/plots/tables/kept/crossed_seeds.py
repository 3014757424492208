"""One number for a run's two seeds, so that runs of a crossed design are told apart and paired."""

import pandas as pd


def join_seeds(results: pd.DataFrame, runs: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return both tables with one seed for each pair of a partition's and a run's own.

    Where every run has a `partition_seed`, the seed becomes that followed by the run's own in
    decimal digits, such as 31 for seed 1 on partition 3; `training_seed` keeps the run's own.
    Other tables are returned as they are.
    """
    if "partition_seed" not in results or results["partition_seed"].isna().any():
        return results, runs
    digits = max(len(str(int(seed))) for seed in results["seed"])
    numbers = {
        partition: index if partition > _MOST else partition
        for index, partition in enumerate(sorted({int(p) for p in results["partition_seed"]}))
    }

    def join(table: pd.DataFrame) -> pd.DataFrame:
        if "partition_seed" not in table or table["partition_seed"].isna().any():
            return table
        first = table["partition_seed"].map(lambda seed: numbers.get(int(seed), 0))
        joined = first.astype(int) * 10**digits + table["seed"].astype(int)
        return table.assign(training_seed=table["seed"], seed=joined)

    return join(results), join(runs)


_MOST = 10**6  # larger ones are numbered in their order
