"""Memory of one training step: base weights whole or packed, activations kept or computed again.

`python benchmarks/memory.py [MODEL] [TOKENS] [BATCH]`; each line is a process of its own.
"""

import json
import os
import subprocess
import sys
import time

ROWS: list[dict[str, object]] = [
    {},
    {"gradient_checkpointing": True},
    {"quantise": "int8"},
    {"quantise": "nf4"},
    {"quantise": "nf4", "double_quant": True},
    {"quantise": "nf4", "double_quant": True, "gradient_checkpointing": True},
]


def main() -> None:
    given = [*sys.argv[1:4], *["smollm2-135m", "256", "4"][len(sys.argv) - 1 :]]
    if len(sys.argv) > 4:
        print(json.dumps(measure(given[0], int(given[1]), int(given[2]), json.loads(sys.argv[4]))))
        return
    print(f"{given[0]}, LoRA on all linear layers, {given[2]} texts of {given[1]} tokens; MB")
    print(f"{'model':74} {'base':>6} {'held':>6} {'a step adds':>11} {'seconds':>8}")
    for fields in ROWS:
        command = [sys.executable, __file__, *given, json.dumps(fields)]
        # The C library gives large blocks back at once, so that what is held is what is in use.
        given_back = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=given_back)
        row = json.loads(done.stdout.splitlines()[-1])
        print(
            f"{json.dumps(fields):74} {row['base'] / 1e6:6.0f} {row['held'] / 1e6:6.0f} "
            f"{row['step'] / 1e6:11.0f} {row['seconds']:8.1f}",
            flush=True,
        )


def measure(name: str, tokens: int, batch: int, fields: dict[str, object]) -> dict[str, float]:
    """Return bytes of the base as said, of the process at rest, and what a step adds; seconds."""
    import numpy as np
    import torch

    from fedbytes.data import encode, make_split, make_text_data
    from fedbytes.experiments.store.provenance import forget_peak_memory, peak_memory_bytes
    from fedbytes.models import build_model, load_tokenizer

    texts = make_split(["of the people by the people " * tokens] * batch, {})
    tokenizer, digest = load_tokenizer(name)
    data = make_text_data("repeated", texts, texts)
    task = encode(data, tokenizer, digest, "causal-lm", tokens)
    model = build_model({"name": name, **fields}, {"name": "lora", "targets": "all-linear"}, task)
    examples = next(model.batches(np.arange(batch), batch, np.random.default_rng(0)))
    with torch.no_grad():  # weights are mapped from their file until they are read
        model.network(examples.tokens[:1, :8], examples.mask[:1, :8])
    forget_peak_memory()
    held = peak_memory_bytes()
    began = time.perf_counter()
    model.loss(examples).backward()
    return {
        "base": model.info.setup_bytes,
        "held": held,
        "step": peak_memory_bytes() - held,
        "seconds": time.perf_counter() - began,
    }


if __name__ == "__main__":
    main()
