"""FetchSGD: clients send count sketches, and the server's memory is a sketch as well."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from fedbytes.compression.layout import Shared
from fedbytes.compression.summable import as_summable
from fedbytes.federated.algorithm import ALGORITHMS, Compatibility
from fedbytes.federated.averaging import Averaging, weighted_mean
from fedbytes.federated.context import RoundContext
from fedbytes.federated.hooks import Upload
from fedbytes.federated.optimizers.server_optimizers import ServerMemory
from fedbytes.plugin_fields import bounded


@ALGORITHMS.register("fetchsgd")
@dataclass(frozen=True)
class FetchSGD(Averaging):
    """Momentum and error feedback in the table of a sketch (Rothchild et al. 2020, 2007.07682).

    Clients keep nothing: each sends the sketch of its delta, and the tables add up. The server's
    momentum and error are tables of the same hashes. From the error's table it takes the largest
    coordinates (`extract` of the uplink, the paper's k), which are the round's update, and takes
    them out of it. A client may so take part once and never again, and momentum and
    error feedback work all the same.

    With `local_steps: 1` and SGD the delta is the paper's gradient, times the learning rate. The
    update is sparse: a sparse downlink sends it in fewer bytes, as topk with the density of the
    uplink's `extract`.
    """

    takes_image: ClassVar[bool] = True
    example_uplink: ClassVar[Mapping[str, Any]] = {
        "name": "sketch",
        "rows": 3,
        "density": 0.5,
        "extract": 0.1,
        "hashes": "run",
        "values": {"name": "fixed", "clip": 8.0, "bits": 16},
    }
    example_aggregation: ClassVar[str] = "sum_then_decode"

    server_optimizer: Literal["sgd"] = "sgd"
    """The table's: nothing that is not linear can be done to it."""
    server_momentum: float = bounded(0.9, least=0, below=1)
    """Momentum in the table."""
    taken: Literal["zero", "subtract"] = "zero"
    """What becomes of the cells of an update: they are emptied, with their momentum, as the
    authors' code does, or the update's sketch is subtracted from the error, as in the paper's
    Algorithm 1. The latter loses nothing, and diverges unless columns are many times k."""

    def combine(
        self, context: RoundContext, held: Tensor, uploads: list[Upload], state: ServerMemory
    ) -> tuple[Tensor, ServerMemory]:
        """Return the largest coordinates of the error's table, and the tables without them."""
        assert context.uplink is not None
        codec, layout = as_summable(context.uplink), self.down(context)
        shared = Shared(layout, seed=context.seed, round=context.round)
        table = weighted_mean(uploads)
        before = {name: state.get(name, torch.zeros_like(table)) for name in ("momentum", "error")}
        momentum = self.server_momentum * before["momentum"] + table
        error = before["error"] + self.server_learning_rate * momentum
        update = codec.recover(error.numpy(), shared)
        taken = torch.from_numpy(codec.project(update, shared))
        if self.taken == "subtract":
            error = error - taken
        else:
            error, momentum = (torch.where(taken == 0, kept, 0.0) for kept in (error, momentum))
        return torch.from_numpy(update), {"momentum": momentum, "error": error}

    def refuses(self, compatibility: Compatibility) -> str | None:
        """Return why the uplink's messages have no table that a server can keep, or None."""
        sketches = compatibility.up_name == "sketch" and compatibility.up_one_map
        if compatibility.opens_each or not sketches:
            return (
                f"algorithm {self.name!r} keeps its momentum and error in the table of one sketch: "
                "set uplink={name: sketch, hashes: run, values: {name: fixed}} and "
                "aggregation.name=sum_then_decode"
            )
        return super().refuses(compatibility)
