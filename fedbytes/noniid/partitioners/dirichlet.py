import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fedbytes.noniid.core import PARTITIONERS, Partitioner
from fedbytes.noniid.factor import Factor
from fedbytes.noniid.partition import Partition
from fedbytes.noniid.repair import OnSmall, settle
from fedbytes.noniid.rounding import largest_remainder


@PARTITIONERS.register("dirichlet")
@dataclass(frozen=True)
class Dirichlet(Partitioner):
    """For each class, draw the clients' shares of it from Dir(alpha): label and size skew.

    Per class over clients, Yurochkin et al. 2019 (arXiv:1905.12022). Each class is shuffled, then
    cut by largest remainder. For a vector alpha, a client's expected share of every class is its
    alpha over the sum; a client of alpha 0 gets nothing.

    Attributes:
        alpha: concentration; small is skewed, large is even. One number, or one for each client.
        min_size: the fewest examples a client may have; 0 asks for nothing.
        on_small: what to do if a client has fewer: refuse (`raise`), move the fewest examples
            that are needed from larger clients (`repair`), or keep the draw (`allow`).
    """

    alpha: tuple[float, ...] | float = 0.5
    min_size: int = 0
    on_small: OnSmall = "raise"

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"alpha": 0.1},
        {"alpha": 1e-5},
        {"alpha": 1e6},
        {"alpha": 0.1, "min_size": 1, "on_small": "repair"},
        {"alpha": 0.1, "min_size": 5, "on_small": "allow"},
        {"alpha": [0.0, 0.1, 1.0, 10.0]},
    )

    def __post_init__(self) -> None:
        if isinstance(self.alpha, tuple | list):
            vector = tuple(float(a) for a in self.alpha)
            if (
                not vector
                or not all(math.isfinite(a) and a >= 0 for a in vector)
                or not any(vector)
            ):
                raise ValueError(
                    f"a vector alpha is finite, at least 0 and not 0 everywhere, got {vector}"
                )
            object.__setattr__(self, "alpha", vector)
        else:
            object.__setattr__(self, "alpha", float(self.alpha))
            if not (math.isfinite(self.alpha) and self.alpha > 0):
                raise ValueError(f"alpha must be finite and greater than 0, got {self.alpha}")
        if self.min_size < 0:
            raise ValueError(f"min_size must be at least 0, got {self.min_size}")
        if self.on_small not in ("raise", "repair", "allow"):
            raise ValueError(f"on_small must be raise, repair or allow, got {self.on_small!r}")

    @property
    def required_clients(self) -> int | None:
        """The length of a vector alpha; None for one number."""
        return len(self.alpha) if isinstance(self.alpha, tuple) else None

    def _assign(self, factor: Factor, num_clients: int, rng: np.random.Generator) -> Partition:
        alpha = np.broadcast_to(np.asarray(self.alpha, dtype=np.float64), (num_clients,))
        clients = np.arange(num_clients, dtype=np.int64)
        by_class = np.argsort(factor.codes, kind="stable")
        ends = np.cumsum(np.bincount(factor.codes, minlength=factor.categories.size))
        owners = np.empty(len(factor), dtype=np.int64)
        for members in np.split(by_class, ends[:-1]):
            counts = largest_remainder(_shares(alpha, rng), members.size, rng)
            owners[rng.permutation(members)] = np.repeat(clients, counts)
        return settle(owners, num_clients, self.min_size, self.on_small, rng)


def _shares(alpha: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return one draw of Dir(alpha), [clients]; clients of alpha 0 have no share."""
    shares = np.zeros(alpha.size)
    positive = alpha > 0
    draw = rng.dirichlet(alpha[positive])
    if not np.all(np.isfinite(draw)):  # alpha beyond what floats carry: draw from the limit
        mean = alpha[positive] / alpha.max()
        mean /= mean.sum()
        draw = mean if alpha.max() > 1.0 else rng.multinomial(1, mean).astype(np.float64)
    shares[positive] = draw
    return shares
