"""Where the processor time of a client-step goes, by kind of operation.

    python benchmarks/step_profile.py [--threads N] [--batch N] [--steps N]

MiniLM with LoRA of rank 8 on all layers, texts of Reuters R8 in 24 tokens, AdamW, float32: the work
of `benchmarks/simulators`. Steps are recorded by torch's profiler, whose own cost is in what it
reports of small operations, and timed without it. `products at full speed` is what the step's
matrix products would take at the speed of one large product on this machine.
"""

import argparse
from collections import defaultdict
from itertools import islice
from time import process_time

import torch
from clients_at_once import problem_of
from torch.profiler import ProfilerActivity, profile

from fedbytes.streams import stream

KINDS = {
    "matrix products": ("addmm", "::mm", "bmm", "matmul", "linear"),
    "attention": ("attention", "softmax"),
    "layer norms": ("layer_norm",),
    "activations": ("gelu", "tanh", "relu"),
    "optimiser": ("adam",),
    "copies, sums and other elementwise work": ("copy", "add", "mul", "sum", "zero", "fill", "div"),
}
LARGE = 1024


def kind_of(operation: str) -> str:
    """Return which of `KINDS` an operation is of, by its name."""
    for kind, parts in KINDS.items():
        if any(part in operation for part in parts):
            return kind
    return "the rest"


def full_speed() -> float:
    """Return floating-point operations a processor second of a large matrix product."""
    one = torch.rand(LARGE, LARGE)
    one @ one
    start = process_time()
    for _ in range(5):
        one @ one
    return 5 * 2 * LARGE**3 / (process_time() - start)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=8)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    problem = problem_of(6, asked.batch, asked.steps)
    model = problem.model
    optimizer = torch.optim.AdamW([model.flat], lr=2e-3, weight_decay=0.0, fused=True)
    part = max(problem.federation.parts, key=len)
    batches = list(islice(model.batches(part, asked.batch, stream(0, "bench")), asked.steps))

    def steps() -> float:
        start = process_time()
        for batch in batches:
            model.loss(batch).backward()
            optimizer.step()
            model.flat.grad.zero_()
        return 1e3 * (process_time() - start) / len(batches)

    steps()
    plain = min(steps() for _ in range(3))
    speed = full_speed()
    with profile(activities=[ProfilerActivity.CPU], with_flops=True) as recorded:
        seen = steps()
    spent: dict[str, float] = defaultdict(float)
    operations = 0.0
    for event in recorded.key_averages():
        if event.key.startswith(("aten::", "autograd", "Optimizer")) or "Backward" in event.key:
            spent[kind_of(event.key)] += event.self_cpu_time_total / 1e3 / len(batches)
        operations += (event.flops or 0) / len(batches)
    print(f"a step of {asked.batch} texts: {plain:.0f} ms of the processor, {seen:.0f} recorded")
    print(
        f"its products at full speed ({speed / 1e9:.0f} GFLOP/s): {1e3 * operations / speed:.0f} ms"
    )
    for kind, ms in sorted(spent.items(), key=lambda item: -item[1]):
        print(f"{kind:42} {ms:7.1f} ms")


if __name__ == "__main__":
    main()
