from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedbytes.noniid.allocation.deal_by_counts import count_categories
from fedbytes.noniid.allocation.largest_remainder import largest_remainder
from fedbytes.noniid.allocation.min_size import OnSmall, enforce_min_size
from fedbytes.noniid.allocation.random_shares import check_alpha, draw_dirichlet
from fedbytes.noniid.arrays import Floats
from fedbytes.noniid.factor import Factor
from fedbytes.noniid.partition import Partition
from fedbytes.noniid.partitioner import PARTITIONERS, Partitioner
from fedbytes.noniid.target_heterogeneity import HeterogeneityTarget, Strength, set_default_strength
from fedbytes.plugin_fields import bounded


@PARTITIONERS.register("dirichlet")
@dataclass(frozen=True)
class Dirichlet(Partitioner):
    """For each class, draw the clients' shares of it from Dir(alpha): label and size skew.

    Per class over clients, Yurochkin et al. 2019 (arXiv:1905.12022). Each class is shuffled, then
    cut by largest remainder. For a vector alpha, a client's expected share of every class is its
    alpha over the sum; a client of alpha 0 gets nothing.

    Attributes:
        alpha: concentration; small is skewed, large is even. One number, or one for each client.
            0.5 if neither it nor a target is given.
        min_size: the fewest examples a client may have; 0 for no limit.
        on_small: what to do if a client has fewer: refuse (`raise`), move the fewest examples
            that are needed from larger clients (`repair`), or keep the draw (`allow`).
        balance: leave a client out of the classes that follow once it holds an equal share of all
            examples, so that sizes come close to each other and mixes differ more.
        target: the heterogeneity to reach, `{"nmi": 0.3}`, instead of an alpha.

    Example:
        >>> split = make_partitioner("dirichlet", alpha=0.1)
        >>> [part.tolist() for part in split(["a"] * 4 + ["b"] * 4, num_clients=2).indices]
        [[0, 1, 3, 4, 5, 6, 7], [2]]
    """

    alpha: tuple[float, ...] | float | None = None
    min_size: int = bounded(0, least=0)
    on_small: OnSmall = "raise"
    balance: bool = False
    target: HeterogeneityTarget | None = None

    strength: ClassVar[Strength | None] = Strength("alpha", even=1e4, skewed=1e-4, log=True)
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"alpha": 0.1},
        {"alpha": 1e-5},
        {"alpha": 1e6},
        {"alpha": 0.1, "min_size": 1, "on_small": "repair"},
        {"alpha": 0.1, "min_size": 5, "on_small": "allow"},
        {"alpha": [0.0, 0.1, 1.0, 10.0]},
        {"alpha": 0.1, "balance": True},
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        set_default_strength(self, default=0.5)
        if self.alpha is not None:
            object.__setattr__(self, "alpha", check_alpha(self.alpha))

    @property
    def required_clients(self) -> int | None:
        """The length of a vector alpha; None for one number."""
        return len(self.alpha) if isinstance(self.alpha, tuple) else None

    def _assign(self, factor: Factor, num_clients: int, rng: np.random.Generator) -> Partition:
        alpha = np.broadcast_to(np.asarray(self.alpha, dtype=np.float64), (num_clients,))
        clients = np.arange(num_clients, dtype=np.int64)
        by_class = np.argsort(factor.codes, kind="stable")
        members = np.split(by_class, np.cumsum(count_categories(factor))[:-1])
        sizes, owners = np.zeros(num_clients), np.empty(len(factor), dtype=np.int64)
        # Balanced, the last class goes to whoever has room, so the order of classes is drawn.
        for k in rng.permutation(len(members)) if self.balance else range(len(members)):
            open_alpha = _with_room(alpha, sizes, len(factor)) if self.balance else alpha
            counts = largest_remainder(draw_dirichlet(open_alpha, rng), members[k].size, rng)
            owners[rng.permutation(members[k])] = np.repeat(clients, counts)
            sizes += counts
        return enforce_min_size(owners, num_clients, self.min_size, self.on_small, rng)


def _with_room(alpha: Floats, sizes: Floats, total: int) -> Floats:
    """Return alpha with 0 for clients that hold an equal share already, as Dir's parameter.

    Some shares of a Dirichlet draw, scaled to sum to one, are a draw for their own alphas.
    """
    room = (sizes * alpha.size < total) & (alpha > 0)
    return np.where(room, alpha, 0.0) if room.any() else alpha
