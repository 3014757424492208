"""Tables that tests are drawn from: runs that failed, and results by hand."""

import numpy as np
import pandas as pd

from fedbytes.plots import Tables


def without(tables: Tables, runs, status="failed", error="RuntimeError: boom") -> Tables:
    """Return the tables with some runs failed and their rows gone."""
    marked = tables.runs.copy()
    marked.loc[marked["run"].isin(runs), ["status", "error"]] = [status, error]
    keep = [
        frame[~frame["run"].isin(runs)]
        for frame in (tables.results, tables.ledger, tables.partitions, tables.clients)
    ]
    return Tables(*keep[:3], marked, clients=keep[3])


def by_hand(runs: dict[tuple[str, int], list[tuple[int, float]]], metric="accuracy") -> Tables:
    """Return tables of one setting from (codec, seed): [(total bytes, metric), …] a round."""
    rows = []
    for (codec, seed), points in runs.items():
        for number, (total, value) in enumerate(points, start=1):
            rows.append(
                {
                    "run": f"{codec}-{seed}",
                    "suite": "s",
                    "task": "t",
                    "model": "m",
                    "adapter": "lora",
                    "algorithm": "fedavg",
                    "codec": codec,
                    "uplink": codec,
                    "downlink": codec,
                    "partition": "iid",
                    "alpha": np.nan,
                    "heterogeneity": 0.0,
                    "seed": seed,
                    "round": number,
                    "rounds": len(points),
                    "up_bytes": total // 2,
                    "down_bytes": total - total // 2,
                    "total_bytes": total,
                    "loss": 1.0,
                    metric: value,
                    "seconds": 1.0,
                }
            )
    empty = pd.DataFrame({"run": []})
    names = sorted({row["run"] for row in rows})
    return Tables(pd.DataFrame(rows), empty, empty, pd.DataFrame({"run": names, "status": "done"}))
