"""Quadratic losses, whose optima are known: 1/2 a ||x - b||² for each example."""

import numpy as np
import torch
from torch import nn

from fedbytes.compression.layout import Layout
from fedbytes.federated.federation import Federation
from fedbytes.federated.protocol.link import make_link
from fedbytes.federated.testing.strict_client import Rehearsal

WIDTH = 4


class Quadratic:
    """Example j has the curvature `a[j]` and the optimum `b[j]`."""

    def __init__(self, a, b):
        self.a = torch.tensor(a, dtype=torch.float32)
        self.b = torch.tensor(b, dtype=torch.float32)
        self.layout = Layout({"x": (WIDTH,)})
        self.flat = nn.Parameter(torch.zeros(WIDTH))
        self.flat.grad = torch.zeros(WIDTH)

    def draw_initial(self, seed):
        return torch.zeros(WIDTH)

    def set_state(self, state):
        with torch.no_grad():
            self.flat.copy_(state)

    def loss(self, batch):
        return 0.5 * (self.a[batch] * (self.flat - self.b[batch]).square().sum(1)).mean()

    def batches(self, indices, batch_size, rng):
        while True:
            order = rng.permutation(indices)
            for i in range(0, len(order), batch_size):
                yield torch.from_numpy(order[i : i + batch_size])

    def optimum(self, weights):
        """Return where the weighted sum of the examples' losses is least."""
        w = torch.tensor(weights, dtype=torch.float32) * self.a
        return (w[:, None] * self.b).sum(0) / w.sum()


def quadratic_run(algorithm, sizes, curvatures, *, clients_per_round=None, rounds=0, **fields):
    """Return a run in which client c has `sizes[c]` examples, all of one quadratic of its own."""
    owner = np.repeat(np.arange(len(sizes)), sizes)
    b = np.random.default_rng(0).normal(size=(len(sizes), WIDTH))
    fed = Federation(
        model=Quadratic(np.asarray(curvatures)[owner], b[owner]),
        parts=[np.flatnonzero(owner == c) for c in range(len(sizes))],
        algorithm=algorithm,
        uplink=make_link("fp32"),
        downlink=make_link("fp32"),
        clients_per_round=clients_per_round or len(sizes),
        **{"seed": 0, **fields},
    )
    return Rehearsal(fed).go(rounds)
