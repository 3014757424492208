"""SparseLoCo: DiLoCo with few coordinates sent, and error feedback as the outer momentum."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from fedbytes.federated.algorithm import ALGORITHMS, Compatibility
from fedbytes.federated.algorithms.diloco import DiLoCo

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

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.server_momentum:
            raise ValueError(
                f"sparseloco: momentum is the uplink's decay, not the server's: set "
                f"server_momentum=0, got {self.server_momentum}"
            )

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
        return super().refuses(compatibility)
