"""Secure aggregation: the server sees the sum of what clients send, and nothing of one of them."""

from dataclasses import dataclass
from typing import Any, ClassVar

from fedbytes.plugin_fields import stated_fields
from fedbytes.privacy.privacy import PRIVACY, Privacy
from fedbytes.privacy.secure_sum.settings import SecureSumFields


@PRIVACY.register("secagg")
@dataclass(frozen=True)
class SecAgg(SecureSumFields, Privacy):
    """Masks that cancel in the sum (Bonawitz et al. 2017; k neighbours of Bell et al. 2020).

    Each pair of neighbours agrees on a mask that one adds and the other subtracts, modulo 2^m, to
    the integers of a codec that adds (`fixed`, `thc` with a unit, …). A second mask of its own
    protects a client whose vector arrives late. Both are secret-shared, so that the server can
    take out what is left of those who vanish: the pair masks of a client that sent nothing, the own
    mask of one that did, never both of one client.

    m is ceil(log2(clients * (levels - 1) + 1)): with 10 clients and 16 levels 8 bits a coordinate,
    with 100 clients 11. Masked numbers are uniform, so no entropy coder shortens them.

    It hides one client among those who are summed: with three clients the sum still tells nearly
    all. The server is taken to follow the protocol, and to know the sum, who takes part, and the
    power of two above each client's number of examples. Keys are drawn from the run's seed, so
    that a run can be repeated and resumed: simulation randomness, not secrets.

    Attributes:
        neighbours: with how many others a client masks, an even number from 4, or `all`.
        threshold: share of a client and its neighbours that must answer, above 1/2 up to 1, and
            three at least.
        weights: `examples`, `uniform`, or `fit`: uniform where noise is added.
        span: of the integers' grid: `known` in advance from the uplink's codec, or `agreed` in each
            round, by a byte that travels anyway; the server then learns the power of two above
            each client's largest number.
        dropout: share of the clients, drawn in each round, that vanish.
        vanish: when they do: `before-keys`, `after-shares` or `after-masked`.

    Example:
        >>> mechanism = make_privacy("secagg", neighbours=4, threshold=0.6)
        >>> mechanism.degree(10), mechanism.needed(10)
        (4, 3)
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {},
        {"neighbours": 4, "dropout": 0.1, "span": "agreed"},
    )
    example_uplink: ClassVar[dict[str, Any]] = {"name": "fixed", "clip": 4.0, "bits": 16}

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_neighbours(self.name)

    @property
    def bounds_what_is_sent(self) -> bool:
        """False: what is summed may be of any length, and error feedback may be in it."""
        return False

    @property
    def carrier(self) -> dict[str, Any]:
        """The masked sum, with the same fields."""
        return {"name": "masked_sum", **stated_fields(self)}
