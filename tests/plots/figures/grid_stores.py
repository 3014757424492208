"""Synthetic stores of any size, with runs that fail, miss the target or are not there."""

import numpy as np
import pandas as pd

from fedbytes.plots import Tables

ALPHAS = (0.03, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 10.0)
NAMES = (
    "nf4", "topk density=0.05 bits=4 +EF", "ecsq bits=1.5 +EF", "sign +EF", "eden scale=biased +EF",
    "lora_klt bits=0.25 +EF", "lora_klt bits=0.15 +EF", "tcq bits=0.5 +EF", "stc density=0.02 +EF",
    "powersgd rank=2 (int bits=4) +EF", "chunked_topk chunk=256 density=0.0625 bits=2 +EF",
    "correlated bits=1 +EF",
)  # fmt: skip
CJK = "量子化された差分 の符号化 方式"
LONG = "a method whose label goes on and on about ranks, densities, seeds and warm starts, number "


def _names(count: int, labels: str) -> list[str]:
    others = list(NAMES[: count - 1]) + [f"int bits={i}" for i in range(2, count)]
    if labels == "cjk":
        others = [f"{CJK} {i}" for i in range(count - 1)]
    if labels == "long":
        others = [LONG + str(i) for i in range(count - 1)]
    return ["fp32", *others[: count - 1]]


def grid_store(
    methods: int,
    seeds: int,
    settings: int,
    labels: str = "plain",
    faults: bool = False,
    rounds=5,
    leaks: bool = False,
) -> Tables:
    """Return tables of so many methods, seeds and settings.

    Args:
        methods: the first is fp32; later ones send less and end lower, the last far below.
        seeds: of each method in each setting.
        settings: Dirichlet partitions of unlike alpha.
        labels: `plain`, `long` or `cjk`.
        faults: whether one run fails, one diverges, and one is missing.
        rounds: evaluated rounds.
        leaks: whether an audit found tokens in messages.
    """
    names, random = _names(methods, labels), np.random.default_rng(0)
    rows, runs = [], []
    for alpha in ALPHAS[:settings]:
        for seed in range(seeds):
            shared = random.normal(0, 0.004)
            for place, name in enumerate(names):
                run = f"{alpha}-{seed}-{place}"
                gone = faults and alpha == ALPHAS[0] and place == 1 and seed == 0
                runs.append(_run(run, alpha, seed, name, failed=gone))
                if gone or (faults and place == methods - 1 and seed == 1):
                    continue
                size = int(2_000_000 / (1 + 2.5 * place))
                end = 0.9 - 0.02 * (alpha < 0.5) - 0.15 * (place / methods) ** 4 + shared
                for number in range(1, rounds + 1):
                    value = end - 0.4 * np.exp(-1.3 * number) + random.normal(0, 0.003)
                    if faults and place == 2 and seed == 2 and number > 2:
                        value = np.nan
                    rows.append(_row(run, alpha, seed, name, size * number, number, rounds, value))
    ledger = pd.DataFrame(
        {"run": run["run"], "round": 1, "client": 0, "direction": way, "kind": kind,
         "payload_bytes": 1000, "message_bytes": 1040, "encode_seconds": 0.0, "decode_seconds": 0.0}
        for run in runs for way, kind in (("up", "delta"), ("down", "update"))
    )  # fmt: skip
    results = pd.DataFrame(rows)
    if leaks:
        bits = 32 * results["up_bytes"] / results["up_bytes"].max()
        heard = results["round"] == rounds
        results["payload_bits"] = bits.where(heard)
        results["leak_recall_span"] = (bits / 32).pow(0.2).where(heard)
        results["chance_recall_span"] = 0.08
    return Tables(results, ledger, _holdings(runs, labels), pd.DataFrame(runs))


def _row(run, alpha, seed, name, total, number, rounds, value):
    return {
        "run": run, "suite": "grid", "task": "reuters-r8", "model": "minilm", "adapter": "lora",
        "algorithm": "fedavg", "codec": name, "uplink": name, "downlink": name,
        "partition": "dirichlet", "alpha": alpha, "heterogeneity": 0.6 / (1 + alpha), "seed": seed,
        "round": number, "rounds": rounds, "up_bytes": total // 2,
        "down_bytes": total - total // 2, "total_bytes": total, "accuracy": value,
        "loss": 1 - value, "macro_f1": value - 0.1, "seconds": number,
    }  # fmt: skip


def _run(run, alpha, seed, name, failed):
    return {
        "run": run, "suite": "grid", "task": "reuters-r8", "model": "minilm",
        "partition": "dirichlet",
        "alpha": alpha, "seed": seed, "codec": name, "status": "failed" if failed else "done",
        "error": "RuntimeError: boom" if failed else "", "constant_accuracy": 0.495,
        "config": {"partition": {"name": "dirichlet", "num_clients": 10}, "clients_per_round": 5},
    }  # fmt: skip


def _holdings(runs, labels):
    names = [f"{CJK} {i}" if labels == "cjk" else f"category {i}" for i in range(8)]
    return pd.DataFrame(
        {"run": run["run"], "client": client, "category": name, "examples": 10 * (client + i) % 97}
        for run in runs if run["codec"] == "fp32"
        for client in range(10) for i, name in enumerate(names)
    )  # fmt: skip
