"""Some of the trained tensors stay with each client and never travel."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import Tensor

from fedbytes.compression.layout import Layout
from fedbytes.federated.algorithm import ClientMemory
from fedbytes.federated.averaging import Averaging
from fedbytes.federated.context import RoundContext
from fedbytes.federated.lora.named_tensors import pack_tensors, select, unpack_tensors
from fedbytes.federated.trainable import Trainable

_HEAD, _ADAPTER, _OF_HEAD = "head", "adapter", "head."


@dataclass(frozen=True)
class PrivatePart(Averaging):
    """FedAvg of some of the trained tensors, while each client keeps the others to itself.

    What a client keeps begins as the run's seed draws it, which is the same for all. The server has
    no model that is whole: metrics on its test examples are means over the clients' models.
    """

    shares_model: ClassVar[bool] = False

    private: str = _HEAD
    """What stays: `head`, the task's head; `adapter`, all but the head; or parts of the names of
    tensors, separated by commas."""

    def private_layout(self, model: Trainable) -> Layout:
        """Return the layout of the tensors that stay with a client.

        Raises:
            ValueError: if there are none, or no others.
        """
        names = model.layout.names
        if self.private == _HEAD:
            chosen = {name for name in names if name.startswith(_OF_HEAD)}
        elif self.private == _ADAPTER:
            chosen = {name for name in names if not name.startswith(_OF_HEAD)}
        else:
            parts = [part.strip() for part in self.private.split(",") if part.strip()]
            chosen = {name for name in names if any(part in name for part in parts)}
        if not chosen or len(chosen) == len(names):
            which = "none" if not chosen else "all"
            shown = ", ".join(list(names)[:4])
            raise ValueError(
                f"algorithm {self.name!r}: private={self.private!r} is {which} of the trained "
                f"tensors ({shown}, …): let some stay and some travel, such as the head of a "
                "classifier with adapter lora"
            )
        return select(model.layout, chosen)

    def synced_layout(self, model: Trainable) -> Layout:
        """Return the layout of the tensors that travel."""
        private = set(self.private_layout(model).names)
        return select(model.layout, set(model.layout.names) - private)

    def initial(self, model: Trainable, seed: int) -> Tensor:
        """Return what travels, as drawn."""
        drawn = unpack_tensors(model.layout, model.draw_initial(seed))
        return pack_tensors(self.synced_layout(model), drawn)

    def whole(self, context: RoundContext, held: Tensor, memory: ClientMemory) -> Tensor:
        """Return a client's whole vector `[layout.numel]`, of what all hold and what it keeps."""
        model = context.model
        tensors = unpack_tensors(model.layout, model.draw_initial(context.seed))
        tensors |= unpack_tensors(self.synced_layout(model), held.to("cpu"))
        if "private" in memory:
            tensors |= unpack_tensors(self.private_layout(model), memory["private"])
        return pack_tensors(model.layout, tensors)

    def part(self, model: Trainable, whole: Tensor, private: bool) -> Tensor:
        """Return what travels of a whole vector, or what stays."""
        layout = self.private_layout(model) if private else self.synced_layout(model)
        return pack_tensors(layout, unpack_tensors(model.layout, whole))

    def load(self, model: Trainable, held: Tensor) -> None:
        """Load what travels, beside zeros for what stays."""
        layout = self.private_layout(model)
        still = unpack_tensors(layout, held.new_zeros(layout.numel))
        shared = unpack_tensors(self.synced_layout(model), held)
        model.set_state(pack_tensors(model.layout, still | shared))

    def own(
        self,
        context: RoundContext,
        held: Tensor,
        indices: np.ndarray,
        memory: ClientMemory,
        rng: np.random.Generator,
    ) -> Tensor:
        """Return what all hold together with what the client keeps."""
        return self.whole(context, held, memory)
