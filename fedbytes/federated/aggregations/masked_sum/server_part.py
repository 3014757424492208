"""The server's part in a masked sum: it learns the sum, or nothing."""

from collections.abc import Mapping, Sequence

import torch

from fedbytes.compression.frame import Frame
from fedbytes.federated.aggregations.masked_sum import payloads
from fedbytes.federated.exchange.parties import Receiver
from fedbytes.federated.exchange.sessions import ServerSession
from fedbytes.federated.hooks import Upload
from fedbytes.federated.protocol.integer_sums import read_metrics
from fedbytes.federated.protocol.messages import check_frame_kind, check_layout, frame_exchange
from fedbytes.privacy.secure_sum.keys import KeyPair
from fedbytes.privacy.secure_sum.masks import ModularVector
from fedbytes.privacy.secure_sum.neighbours import draw_neighbours, hang_together
from fedbytes.privacy.secure_sum.settings import SecureSumFields
from fedbytes.privacy.secure_sum.sharing import join_shares

_UP = ("public-key", "shares", "masked", "unmask")
"""What clients send, exchange by exchange."""


class UnmaskingServer(ServerSession):
    """One round of the server: it hands keys and envelopes on, adds, and unmasks the sum.

    Args:
        receiver: the server.
        fields: of the masked sum.
    """

    def __init__(self, receiver: Receiver, fields: SecureSumFields) -> None:
        self.receiver, self.fields = receiver, fields
        context = receiver.context
        graph = context.stream("neighbours of the masked sum")
        degree = fields.degree(len(context.clients))
        self.neighbours = draw_neighbours(context.clients, degree, graph)
        self.needed = fields.needed(len(context.clients))
        self.exchange = 0
        self.keys: dict[int, tuple[bytes, bytes, int, int]] = {}
        self.envelopes: dict[int, dict[int, bytes]] = {}
        self.masked: dict[int, ModularVector] = {}
        self.shares: dict[int, dict[int, bytes]] = {}
        """Of each client that shared, by holder: of its own mask's seed if its vector is here,
        else of its mask key. Which one is settled before the first share arrives."""
        self.answered: set[int] = set()
        self.aborted = False
        self.examples = 0
        self.loss: float | None = None
        self.counted: float | None = None

    def receive(self, client: int, frame: Frame) -> None:
        """Take a client's message of the exchange in."""
        check_frame_kind(frame, _UP[self.exchange])
        check_layout(frame, self.receiver.shared_up(client))
        taken: Mapping[int, object] | set[int] = (
            *(self.keys, self.envelopes, self.masked),
            self.answered,
        )[self.exchange]
        if client in taken:
            raise ValueError(
                f"round {frame.round}: client {client} sent a second {_UP[self.exchange]}"
            )
        (self._keys, self._envelopes, self._masked, self._shares)[self.exchange](client, frame)

    def _keys(self, client: int, frame: Frame) -> None:
        if len(frame.payload) != payloads.PUBLIC_BYTES:
            raise payloads.cut_payload(frame)
        self.keys[client] = payloads.PUBLIC_KEYS.unpack(frame.payload)

    def _envelopes(self, client: int, frame: Frame) -> None:
        rows = dict(payloads.open_rows(payloads.ENVELOPES, frame))
        if set(rows) != set(self._near(client, self.keys)):
            raise ValueError(f"round {frame.round}: client {client} shared with {sorted(rows)}")
        self.envelopes[client] = rows

    def _masked(self, client: int, frame: Frame) -> None:
        shared = self.receiver.shared_up(client)
        self.masked[client] = payloads.read_masked(frame, self.receiver.sums, shared)

    def _shares(self, client: int, frame: Frame) -> None:
        rows = dict(payloads.open_rows(payloads.SHARES, frame))
        if set(rows) != {client, *self._near(client, self.envelopes)}:
            raise ValueError(f"round {frame.round}: client {client} unmasks {sorted(rows)}")
        self.answered.add(client)
        for owner, share in rows.items():
            self.shares.setdefault(owner, {})[client] = share

    def _near(self, client: int, among: Mapping[int, object]) -> list[int]:
        """Return a client's neighbours among some, ascending."""
        return [other for other in self.neighbours[client] if other in among]

    def forget(self, client: int) -> None:
        """Treat a client whose message was malformed as one that has vanished."""
        if self.exchange < 3:
            (self.keys, self.envelopes, self.masked)[self.exchange].pop(client, None)

    def next_exchange(self) -> Sequence[int]:
        """Return who is left; nobody once the round is given up.

        It is where those left are too few, or fall into parts whose sums would each be seen.
        """
        left: Mapping[int, object] = (self.keys, self.envelopes, self.masked)[self.exchange]
        self.exchange += 1
        whole = len(left) >= self.needed and hang_together(left, self.neighbours)
        self.aborted = self.aborted or not whole
        return [] if self.aborted else sorted(left)

    def messages(self, client: int) -> list[bytes]:
        """Return the keys, the envelopes or the survivors that are for a client."""
        if self.exchange == 1:
            near = self._near(client, self.keys)
            rows = [(other, *self.keys[other][:2]) for other in near]
            head = payloads.EXPONENT.pack(*self._largest())
            clip = self.receiver.sums.told_clip
            head += b"" if clip is None else payloads.CLIP.pack(clip)
            return [self._frame("keys", head + payloads.pack_rows(payloads.KEYS, rows))]
        if self.exchange == 2:
            senders = self._near(client, self.envelopes)
            envelopes = [(other, self.envelopes[other][client]) for other in senders]
            return [self._frame("shares", payloads.pack_rows(payloads.ENVELOPES, envelopes))]
        survivors = [(one,) for one in sorted({client, *self._near(client, self.masked)})]
        return [self._frame("survivors", payloads.pack_rows(payloads.SURVIVORS, survivors))]

    def uploads(self) -> list[Upload]:
        """Return the mean as one upload; nothing for a round that was given up."""
        total = None if self.aborted or not self.masked else self._unmasked()
        if total is None:
            self.aborted = True
            return []
        sums, senders = self.receiver.sums, len(self.masked)
        largest, exponent = self._largest()
        if self.fields.span == "agreed":
            sums = sums.with_range(exponent)
        shared = self.receiver.shared_up(min(self.masked))
        image = sums.image(total.numbers, senders, shared)
        self.counted = sums.count(image, shared)
        self._read_tail(total)
        if self.fields.weights != "uniform" and sums.noisy is None:
            image *= senders * (1 << largest) / self.examples
        mean = image if self.receiver.takes_image else sums.recover(image, shared)
        return [Upload(-1, torch.from_numpy(mean), self.examples or senders)]

    def _largest(self) -> tuple[int, int]:
        """Return the largest exponents that clients told: of examples, of their vectors."""
        told = [exponents for _, _, *exponents in self.keys.values()]
        return max(one for one, _ in told), max(other for _, other in told)

    def _unmasked(self) -> ModularVector | None:
        """Return the sum without masks; None where a secret has too few shares."""
        vectors = list(self.masked.values())
        total = vectors[0]
        for vector in vectors[1:]:
            total = total.plus(vector)
        occasion = payloads.occasion_of(self.receiver.shared_up(min(self.masked)))
        for owner in self.envelopes:
            shares = self.shares.get(owner, {})
            if len(shares) < self.needed:
                return None
            secret = join_shares(shares, self.needed)
            if owner in self.masked:
                total = total.minus(total.mask(secret))
                continue
            for other in self._near(owner, self.masked):
                key = KeyPair(secret).agree(self.keys[other][1], occasion.of_pair(owner, other))
                mask = total.mask(key)  # which the survivor added if it has the lower number
                total = total.minus(mask) if other < owner else total.plus(mask)
        return total

    def _read_tail(self, total: ModularVector) -> None:
        """Note the sum of examples, and the mean loss, where they were sent."""
        if total.tail.size:
            self.examples, self.loss = read_metrics(total.tail)

    @property
    def train_loss(self) -> float | None:
        """The mean training loss of those who are summed."""
        return self.loss

    @property
    def outcome(self) -> dict[str, int]:
        """How many clients are in the sum, how many vanished, and whether it was given up."""
        senders = 0 if self.aborted else len(self.masked)
        gone = len(self.receiver.context.clients) - len(self.masked)
        return {"summed_clients": senders, "vanished_clients": gone, "aborted": int(self.aborted)}

    def _frame(self, kind: str, payload: bytes) -> bytes:
        return frame_exchange(payload, self.receiver.shared, kind).pack()
