"""Secure aggregation as an aggregation: four exchanges, after which the server has the sum."""

from dataclasses import dataclass
from typing import Any, ClassVar

from fedbytes.compression.frame import HEADER_BYTES
from fedbytes.compression.layout import Shared
from fedbytes.compression.summable import as_summable
from fedbytes.federated.aggregation import AGGREGATIONS, Aggregation, refuse_unsummable
from fedbytes.federated.aggregations.masked_sum import payloads
from fedbytes.federated.exchange.parties import Receiver, Sender
from fedbytes.federated.exchange.sessions import ClientSession, ServerSession
from fedbytes.federated.protocol.integer_sums import WIDEST_SUM, IntegerSums
from fedbytes.federated.protocol.link import Link
from fedbytes.privacy.secure_sum.settings import SMALLEST_ROUND, SecureSumFields
from fedbytes.process.optional_imports import refuse_missing


@AGGREGATIONS.register("masked_sum")
@dataclass(frozen=True)
class MaskedSum(SecureSumFields, Aggregation):
    """The server learns the sum of the clients' integers, and nothing of one of them.

    `privacy: secagg` asks for it, and has the same fields (see `fedbytes.privacy`). The exchanges:

    1. up: two public keys, one for envelopes and one for masks; with weights by examples the power
       of two above the client's number of examples. Down: those of its neighbours, and the largest
       power of two of all, by which each weight is n_i / 2^e.
    2. up: for each neighbour a sealed envelope with its share of two secrets, the mask key and the
       seed of the client's own mask. Down: the envelopes that are for it.
    3. up: the integers plus all masks modulo 2^m, and behind them number of examples and loss
       alike masked. Down: who of the neighbours has sent that.
    4. up: of each neighbour one share: of its own mask's seed if it has, else of its mask key.

    The server then takes the masks out of the sum alone. Where fewer than three clients or shares
    of a secret are left, or those left no longer hang together as neighbours, the round is given
    up: nothing is opened, and the model stays.
    """

    opens_each: ClassVar[bool] = False
    to_open_each: ClassVar[str] = "leave privacy secagg out"
    sums_examples: ClassVar[bool] = True
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {},
        {"neighbours": 4, "threshold": 0.6, "weights": "uniform"},
    )
    example_uplink: ClassVar[dict[str, Any]] = {"name": "fixed", "clip": 4.0, "bits": 16}

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_neighbours(self.name)

    @property
    def exchanges(self) -> int:
        """Four."""
        return 4

    def own_bytes(self, sums: IntegerSums, shared: Shared) -> tuple[int, int]:
        """Return all message bytes of a client in a round, up and down."""
        degree = self.degree(sums.clients)
        up = (
            payloads.PUBLIC_BYTES
            + degree * payloads.ENVELOPE_ROW
            + payloads.masked_bytes(sums, shared)
            + (degree + 1) * payloads.SHARE_ROW
        )
        down = (
            payloads.keys_head(sums)
            + degree * (payloads.KEYS_ROW + payloads.ENVELOPE_ROW)
            + (degree + 1) * payloads.SURVIVOR_ROW
        )
        return up + 4 * HEADER_BYTES, down + 3 * HEADER_BYTES

    def refuses(self, uplink: Link) -> str | None:
        """Return why the uplink's messages cannot be masked, or None."""
        return refuse_unsummable("privacy 'secagg'", uplink)

    def refuses_sums(self, sums: IntegerSums) -> str | None:
        """Return why so few clients, or so many bits, cannot be summed in secret, or None."""
        missing = refuse_missing("cryptography", "secure", "privacy 'secagg'")
        if missing:
            return missing
        if sums.clients < SMALLEST_ROUND:
            return (
                f"privacy 'secagg' sums {sums.clients} clients a round, each of which would see "
                f"what the others sent: take at least {SMALLEST_ROUND} "
                "(partition.num_clients, clients_per_round)"
            )
        if self.span == "agreed" and sums.noisy is not None:
            return "privacy 'secagg': noise fixes the range in advance: leave out its span"
        if self.span == "agreed" and as_summable(sums.codec).with_range(1.0) is None:
            return (
                f"privacy 'secagg' agrees on a range, and codec {sums.codec.name!r} has none: "
                "leave out its span"
            )
        if sums.bits > WIDEST_SUM:
            return (
                f"privacy 'secagg' sums {sums.clients} clients in {sums.bits} bits a coordinate, "
                f"of at most {WIDEST_SUM}: take fewer bits in the uplink's codec"
            )
        return None

    def refuses_noise(self) -> str | None:
        """Return why weights would void the noise, or None."""
        if self.weights != "examples":
            return None
        return (
            "bounds what each client adds, and secagg weighs by examples: set its weights=uniform"
        )

    def client(self, sender: Sender) -> ClientSession:
        """Return a part that masks."""
        from fedbytes.federated.aggregations.masked_sum.client_part import MaskingClient

        return MaskingClient(sender, self)

    def server(self, receiver: Receiver) -> ServerSession:
        """Return a part that adds, and unmasks the sum."""
        from fedbytes.federated.aggregations.masked_sum.server_part import UnmaskingServer

        return UnmaskingServer(receiver, self)
