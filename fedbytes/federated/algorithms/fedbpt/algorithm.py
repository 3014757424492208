"""FedBPT: clients search for a prompt without gradients, and send where their search went."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from fedbytes.compression.layout import Layout
from fedbytes.federated.algorithm import ALGORITHMS, Algorithm, ClientMemory, Compatibility, Trained
from fedbytes.federated.algorithms.fedbpt.evolution import (
    Covariance,
    Paths,
    Rates,
    evolve,
    shape_of,
    size_of,
)
from fedbytes.federated.averaging import weighted_mean
from fedbytes.federated.context import RoundContext
from fedbytes.federated.hooks import Upload
from fedbytes.federated.optimizers.server_optimizers import ServerMemory
from fedbytes.federated.trainable import Trainable
from fedbytes.plugin_fields import added_field, bounded
from fedbytes.streams import stream

LARGEST = 4096
LARGEST_FULL = 1024
SMALLEST = 1e-12


@ALGORITHMS.register("fedbpt")
@dataclass(frozen=True)
class FedBPT(Algorithm):
    """Black-box tuning in the manner of FedBPT (Sun et al. 2023, arXiv 2310.01467).

    What is held is a normal distribution over the trained vector: its mean, the logarithm of its
    step size, and that of its covariance if it has one. A client samples it, keeps the better half
    and moves it (CMA-ES, Hansen 2016, arXiv 1604.00772; without a covariance, cumulative step-size
    adaptation alone). Then it sends how far everything went, of which the server takes the mean;
    or, as in the paper, where its mean went and the loss there, and the server makes a generation
    of a CMA-ES of its own from the clients' means. Only forward passes are needed. Meant for
    adapter `projected_prompt`.
    """

    takes_gradients: ClassVar[bool] = False
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"generations": 2, "population": 4, "batch_size": 8},
        {"generations": 2, "population": 4, "batch_size": 8, "covariance": "diagonal"},
        {"generations": 2, "population": 4, "batch_size": 8, "covariance": "full"}
        | {"aggregate": "search"},
    )
    example_model: ClassVar[Mapping[str, Any]] = {
        "model": "tiny-llama",
        "adapter": {"name": "projected_prompt", "length": 4},
        "kind": "causal-lm",
    }

    generations: int = bounded(4, least=1)
    """Generations that a client searches for in a round, each on a batch of its own."""
    population: int = bounded(10, least=2)
    """Vectors that are scored in a generation."""
    batch_size: int = bounded(16, least=1)
    step_size: float = bounded(0.1, above=0)
    """Standard deviation of the first samples."""
    covariance: Covariance = added_field("none")
    """Of the samples: `none` (the same in all directions), `diagonal` or `full`; it is sent too."""
    aggregate: Literal["mean", "search"] = added_field("mean")
    """`mean` of what the clients send, or a `search` of the server's own."""

    @property
    def needs_each(self) -> bool:
        """True where clients are ranked by what each sends."""
        return self.aggregate == "search"

    def synced_layout(self, model: Trainable) -> Layout:
        """Return the layout of mean, step size and covariance.

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
        if self.covariance == "full" and count > LARGEST_FULL:
            raise ValueError(
                f"covariance=full is of at most {LARGEST_FULL} numbers, and {count} are trained "
                f"({size_of('full', count):,} would be sent): set covariance=diagonal"
            )
        shapes = {"mean": (count,), "log_step": (1,)}
        if self.covariance != "none":
            shapes["log_covariance"] = (size_of(self.covariance, count),)
        return Layout(shapes)

    def up(self, context: RoundContext) -> Layout:
        """Return the layout of what is held, or of the mean, its loss and its spread."""
        if self.aggregate == "mean":
            return self.synced_layout(context.model)
        return Layout({"mean": (context.model.layout.numel,), "loss": (1,), "spread": (1,)})

    def initial(self, model: Trainable, seed: int) -> Tensor:
        """Return the initial vector, the logarithm of the step size, and that of the identity."""
        mean, step = model.draw_initial(seed), torch.tensor([math.log(self.step_size)])
        return torch.cat([mean, step, torch.zeros(size_of(self.covariance, len(mean)))])

    def train(
        self,
        context: RoundContext,
        start: Tensor,
        indices: np.ndarray,
        memory: ClientMemory,
        rng: np.random.Generator,
    ) -> Trained:
        """Search from the distribution that is held; the delta is how far it went."""
        model, count = context.model, context.model.layout.numel
        mean, step = start[:count].clone(), math.exp(float(start[count]))
        shape = shape_of(self.covariance, start[count + 1 :])
        own = stream(context.seed, "algorithm fedbpt", context.round, context.client)
        search = Rates(self.population, count, self.covariance)
        paths, losses, variance = Paths(torch.zeros(count), torch.zeros(count)), [], 0.0
        batches = model.batches(indices, self.batch_size, rng)
        for batch in islice(batches, self.generations):
            drawn = own.standard_normal((self.population, count), dtype=np.float32)
            samples = torch.from_numpy(drawn)
            spread = shape.spread(samples)
            scores = torch.tensor([_score(model, mean + step * y, batch) for y in spread])
            best = scores.argsort(stable=True)[: len(search.weights)]
            variance += step**2 / search.effective
            found = evolve(search, shape, paths, samples[best], spread[best])
            mean += step * found.moved
            step *= found.factor
            shape, paths = found.shape, found.paths
            losses.append(float(scores.mean()))
        loss = sum(losses) / len(losses)
        if self.aggregate == "search":
            tail = torch.tensor([_score(model, mean, next(batches)), math.sqrt(variance)])
            return Trained(torch.cat([mean - start[:count], tail]), loss, memory)
        after = torch.cat([mean, torch.tensor([math.log(step)]), shape.numbers])
        return Trained(after - start, loss, memory)

    def server(self, uploads: list[Upload], state: ServerMemory) -> tuple[Tensor, ServerMemory]:
        """Return how far the clients went in the mean, weighted by examples."""
        return weighted_mean(uploads), state

    def combine(
        self, context: RoundContext, held: Tensor, uploads: list[Upload], state: ServerMemory
    ) -> tuple[Tensor, ServerMemory]:
        """Return how far the distribution goes: as the clients in the mean, or as they rank.

        In a search the clients' means are the population, all of them parents. What they would
        spread by without selection is the step size that they are seen with; the factor that
        comes of it is the local step size's.
        """
        if self.aggregate == "mean":
            return self.server(uploads, state)
        count = context.model.layout.numel
        ranked = sorted(uploads, key=lambda upload: float(upload.delta[-2]))
        moves = torch.stack([upload.delta[:count] for upload in ranked])
        spreads = torch.stack([upload.delta[-1] for upload in ranked])
        size = max(float(spreads.square().mean().sqrt()), SMALLEST)
        shape = shape_of(self.covariance, held[count + 1 :])
        zero = torch.zeros(count)
        paths = Paths(
            state.get("step_path", zero),
            state.get("shape_path", zero),
            int(state.get("generation", torch.zeros(1))),
        )
        rates = Rates(2 * len(ranked), count, self.covariance)
        found = evolve(rates, shape, paths, shape.whiten(moves / size), moves / size)
        factor = torch.tensor([math.log(found.factor)])
        learned = found.shape.numbers - held[count + 1 :]
        kept = {"step_path": found.paths.step, "shape_path": found.paths.shape}
        kept["generation"] = torch.tensor([float(found.paths.generation)])
        return torch.cat([size * found.moved, factor, learned]), kept

    def load(self, model: Trainable, held: Tensor) -> None:
        """Put the mean into the model."""
        model.set_state(held[: model.layout.numel])

    def refuses(self, compatibility: Compatibility) -> str | None:
        """Refuse, for a search of the server's own, an uplink that would change a loss."""
        if self.aggregate == "search" and (not compatibility.up_exact or compatibility.up_momentum):
            remedy = "uplink.momentum=0" if compatibility.up_exact else "uplink.name=fp32"
            return (
                "algorithm 'fedbpt' with aggregate=search ranks clients by losses that they send: "
                f"set {remedy}, or aggregate=mean"
            )
        return super().refuses(compatibility)


def _score(model: Trainable, vector: Tensor, batch: Any) -> float:
    model.set_state(vector)
    with torch.no_grad():
        return float(model.loss(batch))
