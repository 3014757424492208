from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from fedbytes.noniid.allocation.deal_by_counts import cut_into_runs
from fedbytes.noniid.allocation.largest_remainder import largest_remainder
from fedbytes.noniid.allocation.min_size import OnSmall, enforce_min_size
from fedbytes.noniid.allocation.random_shares import (
    check_alpha,
    check_sizes,
    draw_client_sizes,
    draw_dirichlet,
    draw_log_normal,
    normalise_shares,
)
from fedbytes.noniid.arrays import Floats
from fedbytes.noniid.factor import Factor
from fedbytes.noniid.partition import Partition
from fedbytes.noniid.partitioner import PARTITIONERS, Partitioner
from fedbytes.plugin_fields import bounded

Scheme = Literal["dirichlet", "log-normal", "linear", "square", "exponential", "explicit"]


@PARTITIONERS.register("quantity")
@dataclass(frozen=True)
class Quantity(Partitioner):
    """Unequal sizes of the same mix: the examples are shuffled and cut by the scheme's sizes.

    The quantity skew of NIID-Bench (Li et al. 2021, arXiv:2102.02079) is `dirichlet`. The factor
    is used only to be measured.

    Attributes:
        scheme: the sizes are one draw of Dir(alpha) (`dirichlet`), of independent log-normals
            (`log-normal`), or for client i in proportion to i + 1 (`linear`), (i + 1)²
            (`square`) or e^i (`exponential`), or `explicit`.
        alpha: concentration for `dirichlet`; small is unequal. One number, or one for each client.
        sigma: the standard deviation of the logarithm for `log-normal`.
        sizes: for `explicit`: the number of examples of each client. What they leave is dropped.
        min_size: the fewest examples a client may have; 0 for no limit.
        on_small: what to do if a client has fewer: `raise`, `repair` or `allow`, as `dirichlet`.

    Example:
        >>> split = make_partitioner("quantity", scheme="linear")
        >>> [part.tolist() for part in split(["a"] * 4 + ["b"] * 4, num_clients=2).indices]
        [[2, 3, 6], [0, 1, 4, 5, 7]]
    """

    scheme: Scheme = "dirichlet"
    alpha: tuple[float, ...] | float = 0.5
    sigma: float = bounded(1.0, least=0)
    sizes: tuple[int, ...] | None = None
    min_size: int = bounded(0, least=0)
    on_small: OnSmall = "raise"

    only_measured: ClassVar[bool] = True
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"scheme": "dirichlet", "alpha": 0.1, "min_size": 1, "on_small": "repair"},
        {"scheme": "log-normal"},
        {"scheme": "linear"},
        {"scheme": "square"},
        {"scheme": "exponential"},
        {"scheme": "explicit", "sizes": [40, 20, 10, 0]},
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "alpha", check_alpha(self.alpha))
        if (self.scheme == "explicit") != (self.sizes is not None):
            raise ValueError(
                f"sizes go with scheme explicit and with it alone, got scheme {self.scheme!r} "
                f"and sizes {self.sizes}"
            )
        check_sizes(self.sizes if self.sizes is not None else "equal")

    @property
    def required_clients(self) -> int | None:
        """How many sizes, or alphas where they are used, are given; None if none are."""
        if self.sizes is not None:
            return len(self.sizes)
        vector = self.scheme == "dirichlet" and isinstance(self.alpha, tuple)
        return len(self.alpha) if vector and isinstance(self.alpha, tuple) else None

    def _assign(self, factor: Factor, num_clients: int, rng: np.random.Generator) -> Partition:
        total = len(factor)
        if self.sizes is not None:
            sizes = draw_client_sizes(self.sizes, self.sigma, total, num_clients, rng)
        else:
            sizes = largest_remainder(self._shares(num_clients, rng), total, rng)
        owners = cut_into_runs(rng.permutation(total), sizes)
        return enforce_min_size(owners, num_clients, self.min_size, self.on_small, rng)

    def _shares(self, count: int, rng: np.random.Generator) -> Floats:
        rank = np.arange(1.0, count + 1.0)
        if self.scheme == "dirichlet":
            return draw_dirichlet(
                np.broadcast_to(np.asarray(self.alpha, np.float64), (count,)), rng
            )
        if self.scheme == "log-normal":
            return draw_log_normal(count, self.sigma, rng)
        if self.scheme == "exponential":
            # Counted down from the largest, so that nothing overflows; a product rounds the same
            # everywhere, exp does not.
            return normalise_shares(
                np.cumprod(np.append(1.0, np.full(count - 1, 0.36787944117144233)))[::-1]
            )
        return normalise_shares(rank if self.scheme == "linear" else rank * rank)
