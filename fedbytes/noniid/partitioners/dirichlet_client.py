from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from fedbytes.noniid.allocation.deal_by_counts import count_categories, deal_examples
from fedbytes.noniid.allocation.fill_by_mix import apportion_at_random, fill_clients
from fedbytes.noniid.allocation.random_shares import (
    SizeScheme,
    check_alpha,
    check_sizes,
    draw_client_sizes,
    draw_dirichlet,
)
from fedbytes.noniid.factor import Factor
from fedbytes.noniid.partition import Partition
from fedbytes.noniid.partitioner import PARTITIONERS, Partitioner
from fedbytes.noniid.target_heterogeneity import HeterogeneityTarget, Strength, set_default_strength
from fedbytes.plugin_fields import bounded


@PARTITIONERS.register("dirichlet_client")
@dataclass(frozen=True)
class DirichletClient(Partitioner):
    """For each client, draw its class mix from Dir(alpha * prior): label skew at chosen sizes.

    Per client over classes, Hsu et al. 2019 (arXiv:1909.06335): a client's examples are drawn
    from its mix without replacement, and a class that runs out is left out of the mix. Clients
    draw in random order; the last ones take what is left, so their mixes follow their draw less.
    The prior is scaled to mean 1, so that over equally frequent classes this is Dir(alpha, ...,
    alpha), as implementations have it; the alpha of the paper's formula is the sum, that is, the
    number of classes times as much.

    Attributes:
        alpha: concentration; small is skewed, large is like the prior. One number, or one for
            each class in sorted order, which replaces the prior. 0.5 if neither it nor a target
            is given.
        prior: the classes' frequencies in the `data`, or `uniform`.
        sizes: `equal`, `log-normal`, or the number of examples of each client.
        sigma: the standard deviation of the logarithm of log-normal sizes.
        target: the heterogeneity to reach, `{"nmi": 0.3}`, instead of an alpha.

    Example:
        >>> split = make_partitioner("dirichlet_client", alpha=0.1)
        >>> [part.tolist() for part in split(["a"] * 4 + ["b"] * 4, num_clients=2).indices]
        [[4, 5, 6, 7], [0, 1, 2, 3]]
    """

    alpha: tuple[float, ...] | float | None = None
    prior: Literal["data", "uniform"] = "data"
    sizes: tuple[int, ...] | SizeScheme = "equal"
    sigma: float = bounded(1.0, least=0)
    target: HeterogeneityTarget | None = None

    strength: ClassVar[Strength | None] = Strength("alpha", even=1e4, skewed=1e-4, log=True)
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"alpha": 0.1},
        {"alpha": 1e-5, "sizes": "log-normal"},
        {"alpha": 1e6, "prior": "uniform"},
        {"alpha": 1.0, "sizes": [0, 10, 20, 30]},
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        set_default_strength(self, default=0.5)
        if self.alpha is not None:
            object.__setattr__(self, "alpha", check_alpha(self.alpha))
        check_sizes(self.sizes)

    @property
    def required_clients(self) -> int | None:
        """How many sizes are given; None if none are."""
        return len(self.sizes) if isinstance(self.sizes, tuple) else None

    @property
    def required_categories(self) -> int | None:
        """The length of a vector alpha; None for one number."""
        return len(self.alpha) if isinstance(self.alpha, tuple) else None

    def _assign(self, factor: Factor, num_clients: int, rng: np.random.Generator) -> Partition:
        available = count_categories(factor)
        weight = available / max(available.mean(), 1e-300) if available.size else available
        if self.prior == "uniform":
            weight = np.ones(available.size)
        alpha = np.asarray(self.alpha, dtype=np.float64)
        if alpha.ndim == 0:
            # A class that occurs keeps some weight however small alpha is.
            alpha = np.maximum(alpha * weight, 1e-300)
        sizes = draw_client_sizes(self.sizes, self.sigma, len(factor), num_clients, rng)
        table = fill_clients(
            lambda _: draw_dirichlet(alpha, rng), sizes, available, apportion_at_random(rng), rng
        )
        return Partition.from_owners(deal_examples(factor, table, rng), num_clients)
