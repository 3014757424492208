"""The runs of the record: tiny, and each with something that the others lack."""

from pathlib import Path
from typing import Any

FILE = {"name": "file", "path": "texts.csv", "max_length": 24}
BERT = {"name": "tiny-bert", "device": "cpu", "precision": "float32"}
LLAMA = BERT | {"name": "tiny-llama"}
LORA = {"name": "lora", "rank": 4, "layers": 2}
STEPS = {"local_steps": 2, "batch_size": 8, "learning_rate": 0.003}
TOPK = {"name": "topk", "density": 0.1, "bits": 8}
BOOKS = {"name": "text", "path": "book-*.txt", "documents": "paragraph", "pack": True}
CAUSAL = {
    "task": BOOKS | {"max_length": 32},
    "model": LLAMA,
    "adapter": "full",
    "partition": {"name": "natural", "factor": "file", "num_clients": 3},
    "initial": "seed",
}
PARTIAL = {"clients_per_round": 2, "rounds": 4}
BASE = {
    "task": FILE,
    "model": BERT,
    "adapter": LORA,
    "partition": {"name": "dirichlet", "alpha": 1.0, "num_clients": 4},
    "algorithm": {"name": "fedavg", **STEPS},
    "rounds": 3,
}


def _algorithm(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, **STEPS, **fields}


_CHANGES: dict[str, dict[str, Any]] = {
    "fedavg": {"evaluate_start": True},
    "fedavg-ef14-catch-up": PARTIAL | {"codec": TOPK | {"error_feedback": True}},
    "fedavg-ef21-momentum": {
        "uplink": TOPK | {"error_feedback": "ef21", "momentum": 0.9},
        "downlink": {"name": "ecsq", "bits": 2.0, "error_feedback": True},
    },
    "fedavg-multicast": PARTIAL
    | {
        "codec": {"name": "sign", "error_feedback": True},
        "broadcast": "multicast",
        "initial": "seed",
    },
    "fedavg-lora_klt-reference": PARTIAL
    | {"codec": {"name": "lora_klt", "bits": 1.0, "basis": "reference", "error_feedback": True}},
    "fedadam-dora-quantile": {
        "adapter": {"name": "dora", "rank": 2, "layers": 1},
        "partition": {
            "name": "quantile",
            "factor": "length",
            "quantiles": 4,
            "then": {"name": "shards", "shards_per_client": 2},
            "num_clients": 4,
        },
        "algorithm": _algorithm("fedadam", server_learning_rate=0.01),
    },
    "fedavg-prompt-powersgd": PARTIAL
    | {
        "adapter": {"name": "prompt_tuning", "length": 8},
        "partition": {"name": "natural", "factor": "author", "num_clients": 4},
        "codec": {"name": "powersgd", "rank": 2, "error_feedback": True},
    },
    "fedavg-clusters": {
        "adapter": "head",
        "partition": {"name": "clusters", "num_clusters": 3, "num_clients": 4},
    },
    "scaffold": {"algorithm": _algorithm("scaffold", learning_rate=0.001)} | PARTIAL,
    "moon": {"algorithm": _algorithm("moon"), "adapter": "bitfit"},
    "fedex_lora": {"algorithm": _algorithm("fedex_lora")},
    "flora": {"algorithm": _algorithm("flora")} | PARTIAL,
    "fed_sb": {"algorithm": _algorithm("fed_sb"), "initial": "seed"},
    "hetlora-pruned": {
        "algorithm": _algorithm("hetlora", ranks=[2, 4], gamma=0.5, penalty=0.5),
        "rounds": 4,
    },
    "ecolora": PARTIAL
    | {
        "algorithm": _algorithm("ecolora", segments=2),
        "uplink": {"name": "topk", "density": 1.0, "bits": 16},
        "downlink": TOPK | {"error_feedback": True},
    },
    "flasc": PARTIAL | {"algorithm": _algorithm("flasc"), "codec": TOPK | {"density": 0.25}},
    "fedkseed": {"algorithm": _algorithm("fedkseed", seeds=16, learning_rate=1e-5)},
    "prompt_search": CAUSAL
    | {
        "adapter": {"name": "discrete_prompt", "length": 3},
        "algorithm": {"name": "prompt_search", "candidates": 4, "batch_size": 8},
    },
    "streaming_diloco": CAUSAL
    | {
        "algorithm": _algorithm("streaming_diloco", fragments=2, overlap=1, mixing=0.5),
        "uplink": {"name": "int", "bits": 4, "error_feedback": True},
        "rounds": 4,
    },
    "demo": CAUSAL
    | {
        "algorithm": {"name": "demo", "batch_size": 8, "learning_rate": 0.01},
        "uplink": {
            "name": "chain",
            "transforms": [{"name": "dct", "chunk": 64}],
            "codec": {"name": "chunked_topk", "chunk": 64, "k": 4, "bits": 4},
            "error_feedback": True,
            "decay": 0.95,
        },
        "downlink": "sign",
    },
    "fedavg-sum_then_decode": PARTIAL
    | {
        "uplink": {"name": "thc", "unit": 0.0001, "error_feedback": True},
        "aggregation": "sum_then_decode",
    },
    "fetchsgd": PARTIAL
    | {
        "algorithm": {"name": "fetchsgd", **STEPS},
        "uplink": {
            "name": "sketch",
            "density": 0.5,
            "hashes": "run",
            "values": {"name": "fixed", "clip": 0.5, "bits": 12},
        },
        "downlink": TOPK | {"density": 0.01, "bits": 32},
        "aggregation": "sum_then_decode",
    },
    "stored": {
        "adapter": "head",
        "algorithm": _algorithm("diloco"),
        "uplink": TOPK | {"error_feedback": "ef21", "momentum": 0.5},
        "downlink": TOPK | {"density": 0.5, "error_feedback": True},
        "partition": {"name": "classes", "classes_per_client": 2, "num_clients": 3},
        "clients_per_round": 2,
        "rounds": 5,
    },
    "stored-pruned": {
        "adapter": {"name": "lora", "rank": 4, "layers": 1},
        "algorithm": _algorithm("hetlora", ranks=[2, 4], gamma=0.5, penalty=0.5),
        "rounds": 4,
    },
}
CONFIGURATIONS = {name: BASE | change for name, change in _CHANGES.items()}
RESUMED = " resumed"
"""What follows a run's name where it was taken up at the checkpoint of before."""
STORES = Path(__file__).parent / "stores"
CUTS = {"stored": 2, "stored-pruned": 3}
"""The runs that are in the store `interrupted`, and the round after which they were cut."""


def lossless(run: str) -> bool:
    """Return whether no codec's message of a run depends on what is in it."""
    fields = CONFIGURATIONS[run.removesuffix(RESUMED)]
    return not {"codec", "uplink", "downlink"} & fields.keys()
