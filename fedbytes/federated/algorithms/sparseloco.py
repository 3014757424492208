"""SparseLoCo: DiLoCo with few coordinates sent, and error feedback as the outer momentum."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor

from fedbytes.federated.algorithm import ALGORITHMS, Compatibility
from fedbytes.federated.algorithms.diloco import DiLoCo
from fedbytes.federated.context import RoundContext
from fedbytes.federated.hooks import Upload
from fedbytes.federated.optimizers.sender_mean import MeanOver, mean_over_senders
from fedbytes.federated.optimizers.server_optimizers import ServerMemory
from fedbytes.plugin_fields import added_field

_SPARSE = ("chunked_topk", "topk")


@ALGORITHMS.register("sparseloco")
@dataclass(frozen=True)
class SparseLoCo(DiLoCo):
    """Sparse low-communication training (Sarfi et al. 2025, arXiv 2508.15706).

    Workers train as in DiLoCo. What they send is the uplink's: with
    `{name: chunked_topk, bits: 2, error_feedback: true, decay: 0.95}` that is the paper's
    e = decay e + delta; send Q(top-k(e)); e -= what was sent. The residual is a momentum that each
    worker keeps, so the server's step has none: SGD at `server_learning_rate`.
    """

    example_uplink: ClassVar[Mapping[str, Any]] = {
        "name": "chunked_topk",
        "chunk": 256,
        "error_feedback": True,
        "decay": 0.95,
    }

    server_optimizer: Literal["sgd"] = "sgd"
    server_learning_rate: float = 1.0
    server_momentum: float = 0.0
    mean_over: MeanOver = added_field("all")
    """Whose mean of a coordinate it is: of `all`, as in the paper's formula, or of its `senders`,
    as in the published code."""

    @property
    def needs_each(self) -> bool:
        """Whether the mean is over those who sent a coordinate."""
        return self.mean_over == "senders"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.server_momentum:
            raise ValueError(
                f"sparseloco: momentum is the uplink's decay, not the server's: set "
                f"server_momentum=0, got {self.server_momentum}"
            )

    def combine(
        self, context: RoundContext, held: Tensor, uploads: list[Upload], state: ServerMemory
    ) -> tuple[Tensor, ServerMemory]:
        """Return the outer step along the mean, over all or over who sent a coordinate."""
        if self.mean_over == "all":
            return super().combine(context, held, uploads, state)
        mean = mean_over_senders(uploads, context.uplink, self.up(context))
        return self.step(mean, state)

    def refuses(self, compatibility: Compatibility) -> str | None:
        """Refuse an uplink that is not top-k with error feedback, or has a second momentum."""
        if compatibility.up_name not in _SPARSE or not compatibility.up_feedback:
            return (
                "algorithm 'sparseloco' keeps its outer momentum in the uplink's error feedback: "
                "set uplink={name: chunked_topk, error_feedback: true, decay: 0.95}"
            )
        if compatibility.up_differences:
            return (
                "algorithm 'sparseloco' sends its momentum itself, not differences to an "
                "estimate: set uplink.error_feedback=true"
            )
        if compatibility.up_momentum:
            return (
                "algorithm 'sparseloco' has its momentum in the uplink's error feedback: set "
                "uplink.momentum=0 and uplink.decay"
            )
        if self.mean_over == "senders" and not compatibility.up_tells_senders:
            return (
                "algorithm 'sparseloco' with mean_over=senders needs messages that show what was "
                "sent: set uplink.name=chunked_topk, or mean_over=all"
            )
        return super().refuses(compatibility)
