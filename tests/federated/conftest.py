"""A model small enough to follow by hand: softmax regression on Gaussian features."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fedbytes.compression.core import Layout
from fedbytes.federated.algorithm import make_algorithm
from fedbytes.federated.channel import Channel
from fedbytes.federated.clock import Clock
from fedbytes.federated.ledger import Ledger
from fedbytes.federated.link import make_link
from fedbytes.federated.round import Federation, run_round, start
from fedbytes.federated.state import State
from fedbytes.streams import stream

CLASSES, FEATURES, EXAMPLES = 3, 300, 240


class Regression:
    """Softmax regression, `Trainable` to the round."""

    def __init__(self, seed: int = 0) -> None:
        rng = stream(seed, "test data")
        truth = rng.normal(size=(FEATURES, CLASSES))
        x = rng.normal(size=(EXAMPLES, FEATURES))
        self.x = torch.tensor(x, dtype=torch.float32)
        self.y = torch.tensor((x @ truth).argmax(1))
        self.layout = Layout({"weight": (CLASSES, FEATURES), "bias": (CLASSES,)})
        self.flat = nn.Parameter(torch.zeros(self.layout.numel))
        self.flat.grad = torch.zeros_like(self.flat)

    def draw_initial(self, seed: int) -> Tensor:
        rng = stream(seed, "initial adapter")
        return torch.from_numpy(rng.normal(size=self.layout.numel).astype(np.float32))

    def set_state(self, state: Tensor) -> None:
        with torch.no_grad():
            self.flat.copy_(state)

    def logits(self, indices: Tensor) -> Tensor:
        weight, bias = self.flat.split([CLASSES * FEATURES, CLASSES])
        return self.x[indices] @ weight.view(CLASSES, FEATURES).T + bias

    def loss(self, batch: Tensor) -> Tensor:
        return nn.functional.cross_entropy(self.logits(batch), self.y[batch])

    def batches(
        self, indices: np.ndarray, batch_size: int, rng: np.random.Generator
    ) -> Iterator[Tensor]:
        while True:
            order = rng.permutation(indices)
            for i in range(0, len(order), batch_size):
                yield torch.from_numpy(order[i : i + batch_size])

    def accuracy(self) -> float:
        with torch.no_grad():
            return float((self.logits(torch.arange(EXAMPLES)).argmax(1) == self.y).float().mean())


@dataclass
class Run:
    """A federation with its state, ledger and clock, and every byte string that crossed."""

    fed: Federation
    state: State
    ledger: Ledger = field(default_factory=Ledger)
    crossed: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.channel = Channel(self.ledger, self.deliver)

    def deliver(self, data: bytes) -> bytes:
        self.crossed.append(bytes(data))
        return data

    def go(self, rounds: int) -> "Run":
        for _ in range(rounds):
            run_round(self.state, self.fed, self.channel, Clock())
        return self


def federation(clients: int = 4, **fields: object) -> Federation:
    parts = [np.arange(c, EXAMPLES, clients) for c in range(clients)]
    settings: dict[str, object] = {
        "model": Regression(),
        "parts": parts,
        "algorithm": make_algorithm("fedavg", local_steps=3, learning_rate=0.05),
        "uplink": make_link("fp32"),
        "downlink": make_link("fp32"),
        "clients_per_round": clients,
    }
    return Federation(**settings | fields)  # type: ignore[arg-type]


@pytest.fixture
def make_run():
    def make(clients: int = 4, **fields: object) -> Run:
        fed = federation(clients, **fields)
        return Run(fed, start(fed))

    return make
