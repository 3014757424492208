"""MOON: a client's features are drawn to the global model's, and away from its own last ones."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from fedbytes.compression.layout import Layout
from fedbytes.federated.algorithm import ALGORITHMS, ClientMemory, Compatibility, Trained
from fedbytes.federated.averaging import Averaging
from fedbytes.federated.trainable import Featured, Trainable
from fedbytes.plugin_fields import bounded

_NO_FEATURES = (
    "moon compares the pooled features below a classifier's head, and this model trains none: take "
    "a classification task and an adapter such as lora, or fedprox"
)


@ALGORITHMS.register("moon")
@dataclass(frozen=True)
class Moon(Averaging):
    """Model-contrastive federated learning (Li et al. 2021, arXiv 2103.16257), for classifiers.

    To the loss comes mu times the cross-entropy of telling the global model's features from those
    of the client's own last model, by their cosine with the current ones. Features are the pooled
    states below the head, without the paper's projection layers, which would be trained and sent
    as well. A client's first turn has no last model and is FedAvg's. The loss that is reported
    includes the term. A step costs two more forward passes.
    """

    trains_by_loss: ClassVar[bool] = False

    mu: float = bounded(1.0, least=0)
    """Weight of the contrastive term; 0 is FedAvg."""
    temperature: float = bounded(0.5, above=0)

    def synced_layout(self, model: Trainable) -> Layout:
        """Return the trained tensors.

        Raises:
            ValueError: if the model has no features, or none that training changes.
        """
        if not getattr(model, "trains_features", False):
            raise ValueError(_NO_FEATURES)
        return model.layout

    def refuses(self, compatibility: Compatibility) -> str | None:
        """Refuse what is known to have no features, or none that training changes."""
        adapter = compatibility.adapter
        if not compatibility.classifies or (
            adapter is not None and not adapter.trains_below_head()
        ):
            return _NO_FEATURES
        return super().refuses(compatibility)

    def client(
        self,
        model: Trainable,
        start: Tensor,
        indices: np.ndarray,
        memory: ClientMemory,
        rng: np.random.Generator,
    ) -> Trained:
        """Take local steps with the contrastive term; the memory is where they ended."""
        if self.mu == 0:
            return self.local(model, start, indices, {}, rng)
        assert isinstance(model, Featured)
        loss = None
        if "last" in memory:
            anchors = [t.to(model.flat.device) for t in (start, memory["last"])]
            loss = self._contrastive(model, anchors)
        trained = self.local(model, start, indices, {}, rng, loss=loss)
        return Trained(trained.delta, trained.loss, {"last": start.to("cpu") + trained.delta})

    def _contrastive(self, model: Featured, anchors: list[Tensor]) -> Any:
        def loss(batch: Any) -> Tensor:
            shared, last = frozen_features(model, anchors, batch)
            features = model.features(batch)
            term = contrast(features, shared, last, self.temperature)
            return model.loss_of(features, batch) + self.mu * term

        return loss


def contrast(features: Tensor, shared: Tensor, last: Tensor, temperature: float) -> Tensor:
    """Return the mean of -log softmax of the cosine with `shared` against that with `last`.

    Args:
        features: of the current model [batch, width].
        shared: of the global model [batch, width].
        last: of the client's last model [batch, width].
        temperature: divides the cosines.
    """
    cosines = torch.stack([F.cosine_similarity(features, to, dim=-1) for to in (shared, last)], 1)
    right = torch.zeros(len(features), dtype=torch.int64, device=features.device)
    return F.cross_entropy(cosines / temperature, right)


def frozen_features(model: Featured, states: list[Tensor], batch: Any) -> list[Tensor]:
    """Return the features that the model would have with each of `states`; it keeps its own."""
    current = model.flat.detach().clone()
    found = []
    with torch.no_grad():
        for state in states:
            model.set_state(state)
            found.append(model.features(batch))
    model.set_state(current)
    return found
