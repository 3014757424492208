"""Tables as the store gives them, made up but deterministic and plausible."""

from typing import Any

import numpy as np
import pandas as pd

from fedbytes.plots.tables.store_tables import Tables

CODECS = {  # label: (uplink, downlink, bytes a round, final loss of accuracy, speed)
    "fp32": ("fp32", "fp32", 2_200_000, 0.0, 1.0),
    "nf4": ("nf4", "nf4", 330_000, 0.004, 0.95),
    "topk 1 % 4 bit + EF": ("topk", "topk", 60_000, 0.02, 0.6),
    "ecsq 1.1 bit + EF": ("ecsq", "ecsq", 77_000, 0.002, 0.9),
}
CLASSES = ("earn", "acq", "crude", "trade", "money-fx", "interest", "ship", "grain")


def provenance() -> dict[str, Any]:
    return {
        "commit": "0123abc",
        "dirty": False,
        "versions": {"python": "3.12.1", "torch": "2.13.0", "transformers": "5.23.0"},
        "assets": {"minilm": "sha256:aa", "reuters-r8": "sha256:bb"},
        "device": "cpu",
        "threads": 1,
    }


def build(
    alphas=(0.1, 1.0),
    seeds=(0, 1, 2),
    rounds=12,
    codecs=None,
    task="reuters-r8",
    clients=10,
    classes=CLASSES,
    lm=False,
) -> Tables:
    codecs = CODECS if codecs is None else {name: CODECS[name] for name in codecs}
    results, ledger, partitions, runs = [], [], [], []
    for alpha in alphas:
        for name, (uplink, downlink, size, penalty, speed) in codecs.items():
            for seed in seeds:
                run = f"{task}-{alpha}-{name}-{seed}".replace(" ", "")
                noise = np.random.default_rng([seed, int(alpha * 10)])
                own = np.random.default_rng([seed, int(alpha * 10), len(name)])
                top = 0.955 - 0.06 * (alpha < 0.5) - penalty + noise.normal(0, 0.004)
                rate = (0.45 if alpha > 0.5 else 0.28) * speed
                up = down = 0
                for number in range(1, rounds + 1):
                    up += int(size * 0.5 * own.uniform(0.98, 1.02))
                    down += int(size * 0.5)
                    accuracy = top - 0.6 * np.exp(-rate * number) + own.normal(0, 0.003)
                    loss = 2.2 * np.exp(-rate * number) + 0.15 + penalty * 3
                    results.append(
                        {
                            "run": run,
                            "suite": "quickstart",
                            "task": task,
                            "model": "minilm",
                            "adapter": "lora",
                            "algorithm": "fedavg",
                            "codec": name,
                            "uplink": uplink,
                            "downlink": downlink,
                            "partition": "dirichlet",
                            "alpha": alpha,
                            "heterogeneity": 0.5 / (1 + 2 * alpha) + 0.01 * seed,
                            "seed": seed,
                            "round": number,
                            "rounds": rounds,
                            "up_bytes": up,
                            "down_bytes": down,
                            "total_bytes": up + down,
                            "train_loss": loss * 1.1,
                            "loss": loss,
                            "accuracy": np.nan if lm else accuracy,
                            "macro_f1": np.nan if lm else accuracy - 0.05,
                            "perplexity": np.exp(loss + 2) if lm else np.nan,
                            "seconds": 3.0 * number,
                        }
                    )
                for direction, kind, part in (
                    ("up", "delta", 0.49),
                    ("up", "metrics", 0.002),
                    ("down", "update", 0.36),
                    ("down", "catch-up", 0.09),
                    ("down", "state", 0.05),
                ):
                    message = int((up + down) * part)
                    ledger.append(
                        {
                            "run": run,
                            "round": rounds,
                            "client": 0,
                            "direction": direction,
                            "kind": kind,
                            "payload_bytes": message - 40 * rounds,
                            "message_bytes": message,
                            "encode_seconds": 0.1,
                            "decode_seconds": 0.05,
                        }
                    )
                shares = noise.dirichlet(np.full(clients, alpha), len(classes))
                weights = 2000 / (1 + np.arange(len(classes)))
                for c, category in enumerate(classes):
                    for client in range(clients):
                        partitions.append(
                            {
                                "run": run,
                                "client": client,
                                "category": category,
                                "examples": int(shares[c, client] * weights[c]),
                            }
                        )
                runs.append(
                    {
                        "run": run,
                        "suite": "quickstart",
                        "status": "done",
                        "error": None,
                        "config": {
                            "task": {"name": task},
                            "seed": seed,
                            "uplink": {"name": uplink},
                            "partition": {"name": "dirichlet", "alpha": alpha},
                        },
                        "seconds_setup": 4.0,
                        "seconds_train": 30.0,
                        "seconds_evaluate": 10.0,
                        "seconds_encode": 0.5,
                        "seconds_decode": 0.2,
                        "seconds_aggregate": 0.1,
                        "seconds_other": 0.4,
                        "peak_memory_bytes": 1_500_000_000,
                        "setup_bytes": 90_000_000,
                        "provenance": provenance(),
                    }
                )
    return Tables(*(pd.DataFrame(rows) for rows in (results, ledger, partitions, runs)))


def without(tables: Tables, runs, status="failed", error="RuntimeError: boom") -> Tables:
    """Return the tables with some runs failed and their rows gone."""
    marked = tables.runs.copy()
    marked.loc[marked["run"].isin(runs), ["status", "error"]] = [status, error]
    keep = [
        frame[~frame["run"].isin(runs)]
        for frame in (tables.results, tables.ledger, tables.partitions)
    ]
    return Tables(*keep, marked)


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
