"""The section of a configuration that says how training examples are split."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WrapValidator

from fedbytes.experiments.config.fields.counts import count_or_all
from fedbytes.noniid import ONE_PER_VALUE, ClientCount

OF_THE_SPLIT = ("num_clients", "factor", "groups", "seed")
"""Fields of a partition that are not its partitioner's."""


class PartitionConfig(BaseModel):
    """How the training examples are split: these fields, together with a partitioner's own."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str = "dirichlet"
    num_clients: Annotated[int, Field(ge=1), WrapValidator(count_or_all)] = 10
    """Clients; `all` is one per value of the factor, where the partitioner has that."""
    factor: str | None = None
    """Column that the split follows; by default the label, or the task's natural column."""
    groups: str | None = None
    """Column, such as an author, whose examples of one value stay together."""

    seed: Annotated[int | None, Field(ge=0, lt=2**64)] = None
    """Seed of the split alone; by default the run's. For designs that cross both."""

    @property
    def known_clients(self) -> int | None:
        """How many clients there are; None where only the data tell, as with `all`."""
        count: Any = self.num_clients
        return None if count == ONE_PER_VALUE else int(count)

    @property
    def client_count(self) -> ClientCount:
        """What the partitioner is called with."""
        return self.known_clients or "all"
