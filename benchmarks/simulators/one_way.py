"""Makes rounds in one way, in a process of its own: `run.py` starts it and asks for each round.

    python one_way.py WAY LAYERS THREADS

It reads a batch size a line from standard input, makes a round with it, and answers by a line of
JSON: its seconds, and the norm of the model.
"""

import importlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import torch
from torch import Tensor

sys.path.append(str(Path(__file__).parent))
MakeRound = Callable[[int, int], Tensor]
"""Makes a round, by its number and batch size, and returns the model after it."""


def serve(make_round: MakeRound) -> None:
    """Make the rounds that are asked for."""
    answers = os.fdopen(_ANSWERS, "w")
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for round_, line in enumerate(sys.stdin, start=1):
        start = perf_counter()
        model = make_round(round_, int(line))
        seconds = perf_counter() - start
        norm = float(model.double().square().sum())
        print(json.dumps({"seconds": seconds, "norm": norm}), file=answers, flush=True)


_ANSWERS = os.dup(1)

if __name__ == "__main__":
    os.dup2(2, 1)  # what libraries print is no answer
    way, layers, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(threads)
    module, _, variant = way.partition(":")
    sys.modules["one_way"] = sys.modules["__main__"]
    importlib.import_module(f"ways.{module}").run(layers, variant, serve)
