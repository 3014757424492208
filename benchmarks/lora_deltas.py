"""Real LoRA deltas: federated rounds with fp32 messages, and what clients would have sent.

    python benchmarks/lora_deltas.py FOLDER [NAME …]

Every setting of `SETTINGS` (or those whose names contain a NAME) becomes FOLDER/<setting>.npz:
deltas of some clients, and the global update before theirs, in some rounds. A setting that is
there already is left alone. `study_lora.py` reads the folder.
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gpt2_small import ensure_gpt2

from fedbytes.experiments.config.run_config import make_config
from fedbytes.experiments.execution.run_setup import make_problem
from fedbytes.federated.hooks import Context, Hooks
from fedbytes.federated.simulation import Simulation

RANKS = (16, 8, 32, 64)
ALPHAS = (0.1, 1.0, None)  # None is iid
CLIENTS = 20
CLIENTS_PER_ROUND = 5
KEPT = 3  # clients a round whose deltas are written

# Short texts and few layers: what is studied is the shape of deltas, not accuracy.
FAMILIES: dict[str, dict[str, Any]] = {
    "minilm": {
        "task": {"name": "reuters-r8", "max_length": 24},
        "model": {"name": "minilm"},
        "adapter": {"name": "lora", "layers": 3},
        "algorithm": {"local_steps": 12, "batch_size": 8, "learning_rate": 2e-3},
        "kept_rounds": (2, 5, 10),
    },
    "gpt2": {
        "task": {"name": "20newsgroups", "max_length": 32, "max_train_examples": 4000},
        "adapter": {"name": "lora", "layers": 4},
        "algorithm": {"local_steps": 12, "batch_size": 8, "learning_rate": 2e-3},
        "kept_rounds": (2, 5, 10),
    },
    "smollm2": {
        "task": {"name": "20newsgroups", "max_length": 24, "max_train_examples": 400},
        "model": {"name": "smollm2-135m", "pooling": "mean"},
        "adapter": {"name": "lora", "layers": 4},
        "algorithm": {"local_steps": 12, "batch_size": 4, "learning_rate": 1e-3},
        "kept_rounds": (2, 4),
    },
}


def settings() -> Iterator[tuple[str, dict[str, Any], tuple[int, ...]]]:
    """Yield the name, the configuration and the kept rounds of every setting, quick ones first."""
    for family, fields in FAMILIES.items():
        for alpha in ALPHAS:
            for rank in RANKS:
                named = "iid" if alpha is None else f"a{alpha:g}"
                split = {"name": "iid"} if alpha is None else {"name": "dirichlet", "alpha": alpha}
                kept = fields["kept_rounds"]
                config = {key: value for key, value in fields.items() if key != "kept_rounds"} | {
                    "adapter": fields["adapter"] | {"rank": rank},
                    "algorithm": {"name": "fedavg"} | fields["algorithm"],
                    "partition": split | {"num_clients": CLIENTS},
                    "clients_per_round": CLIENTS_PER_ROUND,
                    "rounds": kept[-1],
                    "initial": "seed",
                }
                yield f"{family}-r{rank}-{named}", config, kept


def capture(config: dict[str, Any], kept: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Run the rounds; return what was kept as arrays by name."""
    deltas: list[tuple[int, int, torch.Tensor]] = []

    def keep(delta: torch.Tensor, context: Context) -> torch.Tensor:
        deltas.append((context.round, context.client, delta.clone()))
        return delta

    federation = make_problem(make_config(config), Hooks(after_client=(keep,))).federation
    run, found = Simulation(federation), {}
    for round_ in range(1, kept[-1] + 1):
        reference = run.state.server.reference
        run.run_round()
        if round_ in kept:
            assert reference is not None
            found[f"round{round_}/reference"] = reference.numpy()
            found[f"round{round_}/update"] = run.state.server.reference.numpy()
            for _, client, delta in deltas[:KEPT]:
                found[f"round{round_}/client{client}"] = delta.numpy()
        deltas.clear()
    shapes = json.dumps(federation.layout.shapes)
    return found | {"layout": np.array(shapes), "config": np.array(json.dumps(config))}


def main(folder: Path, wanted: list[str]) -> None:
    """Capture every wanted setting that is not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, config, kept in settings():
        path = folder / f"{name}.npz"
        if path.exists() or (wanted and not any(part in name for part in wanted)):
            continue
        if name.startswith("gpt2"):
            config["model"] = {"name": str(ensure_gpt2(folder / "gpt2-small")), "pooling": "mean"}
        began = time.perf_counter()
        found = capture(config, kept)
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, **found)
        partial.rename(path)
        print(f"{name}: {time.perf_counter() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
