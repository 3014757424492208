"""Ditto: beside the global model, each client trains one of its own that stays near it."""

from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from fedbytes.federated.algorithm import ALGORITHMS, ClientMemory, Trained
from fedbytes.federated.averaging import Averaging
from fedbytes.federated.context import RoundContext
from fedbytes.federated.trainable import Trainable
from fedbytes.plugin_fields import bounded


@ALGORITHMS.register("ditto")
@dataclass(frozen=True)
class Ditto(Averaging):
    """Fair and robust personalisation (Li et al. 2021, arXiv 2012.04221).

    The global model is FedAvg's, to the bit. A client also minimises its loss at v plus
    lambda/2 ||v - x||², where x is the model that it was sent, from where its v ended last; v never
    travels, and the client predicts with it. A round costs a client twice FedAvg's steps.
    """

    pull: float = bounded(0.1, least=0)
    """The paper's lambda: 0 is training alone, and a large one leaves the global model."""
    own_steps: int | None = bounded(None, least=1)
    """Steps of the client's own model in a round; as many as of the global one by default."""

    def client(
        self,
        model: Trainable,
        start: Tensor,
        indices: np.ndarray,
        memory: ClientMemory,
        rng: np.random.Generator,
    ) -> Trained:
        """Take FedAvg's steps, and then those of the client's own model."""
        trained = self.local(model, start, indices, {}, rng)
        begin, anchor = memory.get("own", start), start.to(model.flat.device)

        def draw_near(flat: Tensor, gradient: Tensor) -> None:
            gradient.add_(flat - anchor, alpha=self.pull)

        steps = self.own_steps
        personal = self if steps is None else replace(self, local_steps=steps, local_epochs=None)
        ended = personal.local(model, begin, indices, {}, rng, correct=draw_near)
        return Trained(trained.delta, trained.loss, {"own": begin.to("cpu") + ended.delta})

    def own(
        self,
        context: RoundContext,
        held: Tensor,
        indices: np.ndarray,
        memory: ClientMemory,
        rng: np.random.Generator,
    ) -> Tensor:
        """Return the client's own model; the global one before its first turn."""
        return memory.get("own", held)
