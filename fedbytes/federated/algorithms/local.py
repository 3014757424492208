"""Local training: each client alone, the least that a federation has to beat."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
from torch import Tensor

from fedbytes.federated.algorithm import ALGORITHMS, ClientMemory, Compatibility, Trained
from fedbytes.federated.averaging import Averaging
from fedbytes.federated.context import RoundContext
from fedbytes.federated.side_by_side.local_plan import LocalPlan


@ALGORITHMS.register("local")
@dataclass(frozen=True)
class Local(Averaging):
    """Each client trains a model of its own from the same start, and nothing is sent.

    A reference and no method: its bytes are zero. Metrics on the server's test examples are the
    mean over the clients' models, each counting alike; with `evaluate_clients` each is measured on
    its own test examples as well. A client takes the steps that it would take in FedAvg, in the
    same batches.
    """

    travels: ClassVar[Literal["vectors", "nothing", "texts"]] = "nothing"
    shares_model: ClassVar[bool] = False
    needs_each: ClassVar[bool] = True
    server_optimizer: Literal["sgd"] = "sgd"

    def plan(
        self, context: RoundContext, start: Tensor, indices: np.ndarray, memory: ClientMemory
    ) -> LocalPlan:
        """Return local steps from where the client's last ones ended."""
        begin = memory.get("own", start)

        def keep(trained: Trained) -> Trained:
            return replace(trained, memory={"own": begin.to("cpu") + trained.delta})

        return LocalPlan(begin, finish=keep)

    def own(
        self,
        context: RoundContext,
        held: Tensor,
        indices: np.ndarray,
        memory: ClientMemory,
        rng: np.random.Generator,
    ) -> Tensor:
        """Return where the client's last steps ended; the common start before its first."""
        return memory.get("own", held)

    def refuses(self, compatibility: Compatibility) -> str | None:
        """Refuse codecs that lose something, of which there would be nothing to see."""
        return super().refuses(compatibility) or refuse_lossy_links(self.name, compatibility)


def refuse_lossy_links(name: str, compatibility: Compatibility) -> str | None:
    """Return why links that lose something do not go with an algorithm that sends no vectors."""
    links = (("uplink", compatibility.up_exact), ("downlink", compatibility.down_exact))
    lossy = next((link for link, exact in links if not exact), None)
    if lossy is None:
        return None
    return f"algorithm {name!r} sends no vectors, so no codec has an effect: set {lossy}.name=fp32"
