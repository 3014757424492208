"""What a step of adversarial training costs, in processor time of a plain one."""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from fedbytes.federated import (
    Federation,
    StageContext,
    make_algorithm,
    make_defense,
    make_link,
)
from fedbytes.models import build_model, encode_task
from fedbytes.streams import stream

TASK = {"name": "reuters-r8", "max_length": 16}
BATCH = 8
METHODS: dict[str, dict[str, Any]] = {
    "freelb, K = 3": {"name": "freelb", "steps": 3},
    "pgd, K = 2": {"name": "pgd", "steps": 2},
    "smart, K = 1": {"name": "smart", "steps": 1},
}
SETTINGS: dict[str, tuple[dict[str, Any], str]] = {
    "LoRA on all layers, embeddings": ({"name": "lora", "rank": 8}, "embeddings"),
    "LoRA on the top layer, states": ({"name": "lora", "rank": 8, "layers": 1}, "states"),
    "LoRA on the top layer, embeddings": ({"name": "lora", "rank": 8, "layers": 1}, "embeddings"),
}


def seconds_of(model: Any, loss: Callable[[Any], torch.Tensor], steps: int) -> float:
    """Return the median processor seconds of a batch's loss and gradient."""
    batches = model.batches(np.arange(200), BATCH, stream(0, "batches"))
    found = []
    for _ in range(steps + 1):
        batch = next(batches)
        began = time.process_time()
        loss(batch).backward()  # type: ignore[no-untyped-call]
        found.append(time.process_time() - began)
        model.flat.grad.zero_()
    return median(found[1:])  # the first warms up


def main() -> None:
    """Print and write the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--steps", type=int, default=20, help="timed steps of each method")
    options.add_argument("--out", type=Path, help="folder of steps.md")
    given = options.parse_args()
    torch.set_num_threads(1)
    task = encode_task(TASK, "minilm")
    lines = [f"| | plain, ms | {' | '.join(METHODS)} |", f"|---|{'---|' * (len(METHODS) + 1)}"]
    for label, (adapter, at) in SETTINGS.items():
        model = build_model("minilm", adapter, task)
        model.prepare()
        fed = Federation(
            model=model,
            parts=[np.arange(200)],
            algorithm=make_algorithm("fedavg", local_steps=1),
            uplink=make_link("fp32"),
            downlink=make_link("fp32"),
            clients_per_round=1,
        )
        context = StageContext.of(fed.context(1).for_client(0), model.get_state(), "defense 0 x")
        plain = seconds_of(model, model.loss, given.steps)
        cells = [
            seconds_of(
                model, make_defense({**spec, "at": at}).loss(model.loss, context), given.steps
            )
            for spec in METHODS.values()
        ]
        ratios = " | ".join(f"{cell / plain:.1f}" for cell in cells)
        lines.append(f"| {label} | {1000 * plain:.0f} | {ratios} |")
    text = "\n".join(lines) + "\n"
    print(text)
    if given.out is not None:
        given.out.mkdir(parents=True, exist_ok=True)
        (given.out / "steps.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
