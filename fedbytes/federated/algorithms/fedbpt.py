"""FedBPT: clients search for a prompt without gradients, and send where their search went."""

import math
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from fedbytes.compression.core import Layout
from fedbytes.federated.algorithm import ALGORITHMS, Algorithm, ClientMemory, Trained
from fedbytes.federated.algorithms.fedavg import weighted_mean
from fedbytes.federated.hooks import Upload
from fedbytes.federated.model import Trainable
from fedbytes.federated.server_optimizers import ServerState
from fedbytes.federated.turn import Turn
from fedbytes.federated.zeroth_order import check_positive
from fedbytes.streams import stream

LARGEST = 4096


@ALGORITHMS.register("fedbpt")
@dataclass(frozen=True)
class FedBPT(Algorithm):
    """Black-box tuning in the manner of FedBPT (Sun et al. 2023, arXiv 2310.01467).

    What is held is a normal distribution over the trained vector: its mean and the logarithm of
    its step size. A client samples it, keeps the better half, moves mean and step size (an
    evolution strategy with cumulative step-size adaptation, Hansen 2016, arXiv 1604.00772, without
    the covariance matrix of CMA-ES) and sends how far both went; the server takes the mean. Only
    forward passes are needed. Meant for adapter `projected_prompt`.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"generations": 2, "population": 4, "batch_size": 8},
    )

    generations: int = 4
    """Generations that a client searches for in a round, each on a batch of its own."""
    population: int = 10
    """Vectors that are scored in a generation."""
    batch_size: int = 16
    step_size: float = 0.1
    """Standard deviation of the first samples."""

    def __post_init__(self) -> None:
        for key, least in (("generations", 1), ("population", 2), ("batch_size", 1)):
            if getattr(self, key) < least:
                raise ValueError(f"{key} must be at least {least}, got {getattr(self, key)}")
        check_positive(step_size=self.step_size)

    def held(self, model: Trainable) -> Layout:
        """Return the layout of mean and step size.

        Raises:
            ValueError: if the trained vector is too long to search in, or holds words.
        """
        count = model.layout.numel
        if count > LARGEST or "prompt_ids" in model.layout.names:
            raise ValueError(
                f"algorithm 'fedbpt' searches among at most {LARGEST} real numbers, and {count} "
                f"of {model.layout.names[0]} are trained: set adapter.name=projected_prompt, and "
                "for classification model.head=words"
            )
        return Layout({"mean": (count,), "log_step": (1,)})

    def initial(self, model: Trainable, seed: int) -> Tensor:
        """Return the initial vector and the logarithm of the step size."""
        return torch.cat([model.draw_initial(seed), torch.tensor([math.log(self.step_size)])])

    def train(
        self,
        turn: Turn,
        start: Tensor,
        indices: np.ndarray,
        memory: ClientMemory,
        rng: np.random.Generator,
    ) -> Trained:
        """Search from the distribution that is held; the delta is how far it went."""
        model, mean, step = turn.model, start[:-1].clone(), math.exp(float(start[-1]))
        own = stream(turn.seed, "algorithm fedbpt", turn.round, turn.client)
        search = _Weights(self.population, len(mean))
        path, losses = torch.zeros_like(mean), []
        batches = islice(model.batches(indices, self.batch_size, rng), self.generations)
        for batch in batches:
            drawn = own.standard_normal((self.population, len(mean)), dtype=np.float32)
            samples = torch.from_numpy(drawn)
            scores = torch.tensor([_score(model, mean + step * z, batch) for z in samples])
            best = samples[scores.argsort(stable=True)[: len(search.weights)]]
            moved = torch.tensor(search.weights, dtype=torch.float32) @ best
            mean += step * moved
            path = (1 - search.rate) * path + search.push * moved
            step *= math.exp(search.rate / search.damping * (float(path.norm()) / search.usual - 1))
            losses.append(float(scores.mean()))
        after = torch.cat([mean, torch.tensor([math.log(step)])])
        return Trained(after - start, sum(losses) / len(losses), memory)

    def server(self, uploads: list[Upload], state: ServerState) -> tuple[Tensor, ServerState]:
        """Return how far the clients went in the mean, weighted by examples."""
        return weighted_mean(uploads), state

    def load(self, model: Trainable, held: Tensor) -> None:
        """Put the mean into the model."""
        model.set_state(held[:-1])

    def client(
        self,
        model: Trainable,
        start: Tensor,
        indices: np.ndarray,
        memory: ClientMemory,
        rng: np.random.Generator,
    ) -> Trained:
        """Not asked: the samples follow from the turn, which `train` has."""
        raise NotImplementedError


class _Weights:
    """The constants of the evolution strategy for a population in so many dimensions."""

    def __init__(self, population: int, count: int) -> None:
        kept = population // 2
        raw = [math.log((population + 1) / 2) - math.log(i + 1) for i in range(kept)]
        self.weights = [w / sum(raw) for w in raw]
        effective = 1 / sum(w * w for w in self.weights)
        self.rate = (effective + 2) / (count + effective + 5)
        self.push = math.sqrt(self.rate * (2 - self.rate) * effective)
        extra = max(0.0, math.sqrt((effective - 1) / (count + 1)) - 1)
        self.damping = 1 + 2 * extra + self.rate
        self.usual = math.sqrt(count) * (1 - 1 / (4 * count) + 1 / (21 * count * count))


def _score(model: Trainable, vector: Tensor, batch: Any) -> float:
    model.set_state(vector)
    with torch.no_grad():
        return float(model.loss(batch))
