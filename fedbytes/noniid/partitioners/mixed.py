from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fedbytes.noniid.allocation.class_assignment import assign_classes
from fedbytes.noniid.allocation.deal_by_counts import deal_examples, share_among_holders
from fedbytes.noniid.allocation.min_size import OnSmall, enforce_min_size
from fedbytes.noniid.allocation.random_shares import draw_dirichlet
from fedbytes.noniid.factor import Factor
from fedbytes.noniid.partition import Partition
from fedbytes.noniid.partitioner import PARTITIONERS, Partitioner
from fedbytes.plugin_fields import bounded


@PARTITIONERS.register("mixed")
@dataclass(frozen=True)
class Mixed(Partitioner):
    """Two classes per client, the first by its number; each class is shared by Dir(alpha).

    The mixed skew of NIID-Bench (Li et al. 2021, arXiv:2102.02079): client i holds class i modulo
    the number of classes, and more classes drawn among those that the fewest clients hold so far.
    So it works, and no class is left out, for any number of clients from that of the classes on;
    with fewer, classes that no client holds are dropped.

    Attributes:
        alpha: concentration of the shares of a class among its clients.
        classes_per_client: distinct classes of a client; all of them where there are fewer.
        min_size: the fewest examples a client may have; 0 for no limit.
        on_small: what to do if a client has fewer: `raise`, `repair` or `allow`, as `dirichlet`.

    Example:
        >>> split = make_partitioner("mixed", classes_per_client=1)
        >>> [part.tolist() for part in split(["a"] * 4 + ["b"] * 4, num_clients=2).indices]
        [[0, 1, 2, 3], [4, 5, 6, 7]]
    """

    alpha: float = bounded(0.5, above=0)
    classes_per_client: int = bounded(2, least=1)
    min_size: int = bounded(0, least=0)
    on_small: OnSmall = "raise"

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({"alpha": 0.5},)

    def _assign(self, factor: Factor, num_clients: int, rng: np.random.Generator) -> Partition:
        num_classes = factor.categories.size
        holders = assign_classes(
            num_clients,
            num_classes,
            self.classes_per_client,
            "balanced",
            rng,
            first=np.arange(num_clients) % num_classes,
        )
        table = share_among_holders(
            factor,
            holders,
            num_clients,
            lambda _, members: draw_dirichlet(np.full(members.size, self.alpha), rng),
            rng,
        )
        owners = deal_examples(factor, table, rng)
        return enforce_min_size(owners, num_clients, self.min_size, self.on_small, rng)
