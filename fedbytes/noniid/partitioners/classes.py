from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedbytes.noniid.allocation.class_assignment import Assignment, assign_classes
from fedbytes.noniid.allocation.deal_by_counts import deal_examples, share_among_holders
from fedbytes.noniid.allocation.min_size import OnSmall, enforce_min_size
from fedbytes.noniid.factor import Factor
from fedbytes.noniid.partition import Partition
from fedbytes.noniid.partitioner import PARTITIONERS, Partitioner
from fedbytes.plugin_fields import bounded


@PARTITIONERS.register("classes")
@dataclass(frozen=True)
class Classes(Partitioner):
    """A fixed number of classes per client; each class is shared equally among its clients.

    The label-count skew of NIID-Bench (Li et al. 2021, arXiv:2102.02079), also called
    pathological. Classes that no client holds are dropped, so 3 clients of 1 class out of 10 drop
    most of the data.

    Attributes:
        classes_per_client: distinct classes of a client; all of them where there are fewer.
        assignment: `balanced` gives every class the same number of clients, up to one; `random`
            draws each client's classes uniformly, and may leave classes to nobody.
        min_size: the fewest examples a client may have; 0 for no limit.
        on_small: what to do if a client has fewer: `raise`, `repair` or `allow`, as `dirichlet`.

    Example:
        >>> split = make_partitioner("classes", classes_per_client=1)
        >>> [part.tolist() for part in split(["a"] * 4 + ["b"] * 4, num_clients=2).indices]
        [[4, 5, 6, 7], [0, 1, 2, 3]]
    """

    classes_per_client: int = bounded(2, least=1)
    assignment: Assignment = "balanced"
    min_size: int = bounded(0, least=0)
    on_small: OnSmall = "raise"

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"classes_per_client": 2},
        {"classes_per_client": 1, "assignment": "random"},
    )

    def _assign(self, factor: Factor, num_clients: int, rng: np.random.Generator) -> Partition:
        holders = assign_classes(
            num_clients, factor.categories.size, self.classes_per_client, self.assignment, rng
        )
        table = share_among_holders(
            factor,
            holders,
            num_clients,
            lambda _, members: np.full(members.size, 1 / members.size),
            rng,
        )
        owners = deal_examples(factor, table, rng)
        return enforce_min_size(owners, num_clients, self.min_size, self.on_small, rng)
