"""Homomorphic encryption as an aggregation: the server adds, the clients open."""

from dataclasses import dataclass
from typing import Any, ClassVar

from fedbytes.compression.layout import Shared
from fedbytes.compression.summable import maps_vectors
from fedbytes.federated.aggregation import AGGREGATIONS, Aggregation, refuse_unsummable
from fedbytes.federated.exchange.parties import Receiver, Sender
from fedbytes.federated.exchange.sessions import ClientSession, ServerSession
from fedbytes.federated.protocol.integer_sums import WIDEST_SUM, IntegerSums
from fedbytes.federated.protocol.link import NO_MEMORY, Link
from fedbytes.privacy.homomorphic.settings import EncryptionFields
from fedbytes.process.optional_imports import refuse_missing


@AGGREGATIONS.register("encrypted_sum")
@dataclass(frozen=True)
class EncryptedSum(EncryptionFields, Aggregation):
    """The server adds ciphertexts, and the clients decrypt the sum and move their models.

    `privacy: he` asks for it, and has the same fields (see `fedbytes.privacy`). The exchanges:

    1. up: a public key, and with weights by examples the power of two above the client's number.
    2. down: the first client's public key, to that one everyone's, and the largest power of two.
       Up, from the first client alone: the seed of the secret key, sealed for each of the others.
    3. down: the sealed seed. Up: the ciphertexts, with examples and loss in them, and the plain
       part where less than all is encrypted.
    4. down: the sum of the ciphertexts, and of the plain parts, in the update's place.
    """

    opens_each: ClassVar[bool] = False
    to_open_each: ClassVar[str] = "leave privacy he out"
    sums_examples: ClassVar[bool] = True
    clients_open: ClassVar[bool] = True
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"weights": "uniform"})
    example_uplink: ClassVar[dict[str, Any]] = {"name": "fixed", "clip": 4.0, "bits": 16}

    @property
    def exchanges(self) -> int:
        """Four."""
        return 4

    def own_bytes(self, sums: IntegerSums, shared: Shared) -> tuple[int, int]:
        """Return all message bytes of a client in a round, up and down: those of a trial."""
        from fedbytes.federated.aggregations.encrypted_sum.trial import trial_bytes

        return trial_bytes(self, sums, shared)

    def refuses(self, uplink: Link) -> str | None:
        """Return why the uplink's messages cannot be encrypted, or None."""
        if self.scheme == "ckks":
            if self.share < 1:
                return f"privacy 'he': share={self.share:g} needs integers: set its scheme=bfv"
            if uplink.codec.name != "fp32" or uplink.memory != NO_MEMORY:
                return (
                    "privacy 'he' with scheme=ckks encrypts floats as they are: set uplink=fp32, "
                    "or its scheme=bfv"
                )
            return None
        reason = refuse_unsummable("privacy 'he'", uplink)
        if reason is None and self.share < 1 and maps_vectors(uplink.codec):
            return (
                f"privacy 'he' chooses coordinates by share={self.share:g}, and codec "
                f"{uplink.codec.name!r} mixes them: take uplink.name=fixed, or share=1"
            )
        return reason

    def refuses_sums(self, sums: IntegerSums) -> str | None:
        """Return why the sums of a round do not fit, or None."""
        missing = refuse_missing("tenseal", "secure", "privacy 'he'") or refuse_missing(
            "cryptography", "secure", "privacy 'he'"
        )
        if missing:
            return missing
        if sums.clients < 2:
            return "privacy 'he' adds what several clients send: take at least 2 clients a round"
        if self.scheme == "bfv" and sums.bits > WIDEST_SUM:
            return (
                f"privacy 'he' sums {sums.clients} clients in {sums.bits} bits a coordinate, of "
                f"at most {WIDEST_SUM}: take fewer bits in the uplink's codec"
            )
        return None

    def client(self, sender: Sender) -> ClientSession:
        """Return a part that encrypts, and opens the sum."""
        from fedbytes.federated.aggregations.encrypted_sum.client_part import EncryptingClient

        return EncryptingClient(sender, self)

    def server(self, receiver: Receiver) -> ServerSession:
        """Return a part that adds."""
        from fedbytes.federated.aggregations.encrypted_sum.server_part import AddingServer

        return AddingServer(receiver, self)
