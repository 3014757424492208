from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedbytes.noniid.allocation.class_assignment import Assignment, assign_classes
from fedbytes.noniid.allocation.deal_by_counts import deal_examples, share_among_holders
from fedbytes.noniid.allocation.min_size import OnSmall, enforce_min_size
from fedbytes.noniid.allocation.random_shares import draw_dirichlet
from fedbytes.noniid.factor import Factor
from fedbytes.noniid.partition import Partition
from fedbytes.noniid.partitioner import PARTITIONERS, Partitioner
from fedbytes.noniid.target_heterogeneity import HeterogeneityTarget, Strength, set_default_strength
from fedbytes.plugin_fields import bounded


@PARTITIONERS.register("extended_dirichlet")
@dataclass(frozen=True)
class ExtendedDirichlet(Partitioner):
    """A fixed number of classes per client; each class is shared among its clients by Dir(alpha).

    Li and Lyu 2023 (arXiv:2311.03154): first which classes, then how much of each. With all
    classes it is `dirichlet`, and with a large alpha `classes`. Classes that no client holds are
    dropped.

    Attributes:
        classes_per_client: distinct classes of a client; all of them where there are fewer.
        alpha: concentration of the shares of a class among its clients. 0.5 if neither it nor a
            target is given.
        assignment: `balanced` gives every class the same number of clients, up to one; `random`
            draws each client's classes uniformly, and may leave classes to nobody.
        min_size: the fewest examples a client may have; 0 for no limit.
        on_small: what to do if a client has fewer: `raise`, `repair` or `allow`, as `dirichlet`.
        target: the heterogeneity to reach, `{"nmi": 0.3}`, instead of an alpha. The number of
            classes a client bounds it from below.

    Example:
        >>> split = make_partitioner("extended_dirichlet", classes_per_client=1, alpha=1.0)
        >>> [part.tolist() for part in split(["a"] * 4 + ["b"] * 4, num_clients=2).indices]
        [[4, 5, 6, 7], [0, 1, 2, 3]]
    """

    classes_per_client: int = bounded(2, least=1)
    alpha: float | None = bounded(None, above=0)
    assignment: Assignment = "balanced"
    min_size: int = bounded(0, least=0)
    on_small: OnSmall = "raise"
    target: HeterogeneityTarget | None = None

    strength: ClassVar[Strength | None] = Strength("alpha", even=1e4, skewed=1e-4, log=True)
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"classes_per_client": 2, "alpha": 0.1},
        {"classes_per_client": 3, "alpha": 1e-5, "assignment": "random"},
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        set_default_strength(self, default=0.5)

    def _assign(self, factor: Factor, num_clients: int, rng: np.random.Generator) -> Partition:
        holders = assign_classes(
            num_clients, factor.categories.size, self.classes_per_client, self.assignment, rng
        )
        alpha = float(self.alpha or 0.0)
        table = share_among_holders(
            factor,
            holders,
            num_clients,
            lambda _, members: draw_dirichlet(np.full(members.size, alpha), rng),
            rng,
        )
        owners = deal_examples(factor, table, rng)
        return enforce_min_size(owners, num_clients, self.min_size, self.on_small, rng)
