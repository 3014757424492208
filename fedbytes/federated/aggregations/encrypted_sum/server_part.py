"""The server's part in an encrypted sum: it adds, and has no key."""

from collections.abc import Sequence

from fedbytes.arrays import UInt64s
from fedbytes.compression.frame import Frame
from fedbytes.federated.aggregations.encrypted_sum import payloads
from fedbytes.federated.aggregations.encrypted_sum.contents import FloatContents, IntegerContents
from fedbytes.federated.exchange.parties import Receiver
from fedbytes.federated.exchange.sessions import ServerSession
from fedbytes.federated.hooks import Upload
from fedbytes.federated.protocol.messages import KIND_NAMES, check_layout, frame_exchange
from fedbytes.privacy.homomorphic.lattice import CiphertextSum
from fedbytes.privacy.homomorphic.settings import EncryptionFields

_UP = ({"public-key"}, {"key"}, {"ciphertext", "plain-part"}, set[str]())
"""What clients send, exchange by exchange."""


class AddingServer(ServerSession):
    """One round of the server: it hands keys on, adds ciphertexts, and sends the sum to all.

    Args:
        receiver: the server.
        fields: of the encrypted sum.
    """

    def __init__(self, receiver: Receiver, fields: EncryptionFields) -> None:
        self.receiver, self.exchange = receiver, 0
        sums = receiver.sums
        self.wide, self.bits = sums.bits if fields.scheme == "bfv" else 0, 0
        if fields.scheme == "bfv":
            self.bits = sums.own_bits
            lattice = IntegerContents(sums, 0).lattice
        else:
            lattice = FloatContents.lattice
        self.total = CiphertextSum(lattice)
        self.public: dict[int, tuple[bytes, int]] = {}
        self.sealed: dict[int, bytes] = {}
        self.plain: UInt64s | None = None
        self.senders: dict[str, set[int]] = {"ciphertext": set(), "plain-part": set()}
        self._sum: list[bytes] | None = None

    def receive(self, client: int, frame: Frame) -> None:
        """Take a client's message of the exchange in."""
        kind = KIND_NAMES.get(frame.kind, "unknown")
        if kind not in _UP[self.exchange]:
            raise ValueError(f"round {frame.round}, client {client}: {kind!r} is not due")
        check_layout(frame, self.receiver.shared_up(client))
        if kind == "public-key":
            if len(frame.payload) != payloads.PUBLIC.size:
                raise payloads.cut_ciphertexts(frame)
            self.public[client] = payloads.PUBLIC.unpack(frame.payload)
        elif kind == "key":
            if len(frame.payload) != payloads.SEALED.size * (len(self.public) - 1):
                raise payloads.cut_ciphertexts(frame)
            self.sealed = dict(payloads.SEALED.iter_unpack(frame.payload))
        else:
            self._add(client, kind, frame)

    def _add(self, client: int, kind: str, frame: Frame) -> None:
        if client in self.senders[kind]:
            raise ValueError(f"round {frame.round}: client {client} sent a second {kind}")
        self.senders[kind].add(client)
        if kind == "ciphertext":
            self.total.add(payloads.read_ciphertexts(frame))
            return
        numbers = payloads.read_plain(frame, self.bits)
        if self.plain is not None and self.plain.size != numbers.size:
            raise ValueError(f"round {frame.round}: client {client} sent {numbers.size} numbers")
        self.plain = numbers if self.plain is None else self.plain + numbers

    def next_exchange(self) -> Sequence[int]:
        """Return all clients of the round."""
        self.exchange += 1
        return sorted(self.public)

    def messages(self, client: int) -> list[bytes]:
        """Return the keys, the sealed seed, or the sum."""
        leader = min(self.public)
        if self.exchange == 1:
            largest = max(exponent for _, exponent in self.public.values())
            head = payloads.LEADER.pack(largest, leader, self.public[leader][0])
            others = self.public if client == leader else {}
            rows = [payloads.PUBLIC_ROW.pack(c, key) for c, (key, _) in others.items()]
            return [self._frame("keys", head + b"".join(rows))]
        if self.exchange == 2:
            return [] if client == leader else [self._frame("key", self.sealed[client])]
        if self._sum is None:
            self._sum = [
                self._frame("ciphertext-sum", payloads.pack_ciphertexts(self.total.to_bytes()))
            ]
            if self.plain is not None:
                plain = payloads.pack_plain(self.plain, self.wide)
                self._sum.insert(0, self._frame("plain-part", plain))
        return self._sum

    def uploads(self) -> list[Upload]:
        """Refuse: clients alone can open the sum.

        Raises:
            ValueError: always.
        """
        raise ValueError("the server has no key to the sum of ciphertexts: clients open it")

    def _frame(self, kind: str, payload: bytes) -> bytes:
        return frame_exchange(payload, self.receiver.shared, kind).pack()
