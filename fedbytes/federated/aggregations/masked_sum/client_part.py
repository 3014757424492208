"""A client's part in a masked sum."""

import numpy as np
from torch import Tensor

from fedbytes.arrays import UInt64s
from fedbytes.compression.frame import Frame
from fedbytes.compression.summable import as_summable
from fedbytes.federated.aggregations.masked_sum import payloads
from fedbytes.federated.algorithm import Trained
from fedbytes.federated.exchange.parties import Kept, Sender
from fedbytes.federated.exchange.sessions import ClientSession
from fedbytes.federated.protocol.integer_sums import IntegerSums, metrics_to_sum
from fedbytes.federated.protocol.messages import KIND_NAMES, frame_exchange
from fedbytes.privacy.secure_sum.keys import KeyPair, open_envelope, seal_envelope
from fedbytes.privacy.secure_sum.masks import ModularVector
from fedbytes.privacy.secure_sum.settings import SMALLEST_ROUND, SecureSumFields
from fedbytes.privacy.secure_sum.sharing import split_secret
from fedbytes.streams import stream


class MaskingClient(ClientSession):
    """One round of a client: it draws keys, shares them, masks its vector, and helps to unmask.

    Args:
        sender: the client.
        fields: of the masked sum.
    """

    def __init__(self, sender: Sender, fields: SecureSumFields) -> None:
        self.sender, self.fields = sender, fields
        self.me, context = sender.number, sender.context
        self.agrees = fields.span == "agreed"
        self.needed = fields.needed(len(context.clients))
        self.occasion = payloads.occasion_of(sender.shared(exact=True))
        draw = stream(context.seed, "vanishing clients", context.round, self.me)
        self.vanishes = fields.vanish if draw.random() < fields.dropout else "never"
        self.keys: dict[int, tuple[bytes, bytes]] = {}
        self.envelopes: dict[int, bytes] = {}
        self.held: dict[int, tuple[bytes, bytes]] = {}
        """Of each client that shared, the shares of its mask key and of its own mask's seed."""
        self.survivors: set[int] = set()
        self.largest, self.range, self.received = 0, 0, ""
        self.clip: float | None = None
        self.before: Kept | None = None
        self.sent: Kept | None = None

    def begin(self, trained: Trained) -> list[bytes]:
        """Return the message of the public keys."""
        if trained.announces is not None:
            raise ValueError("messages of clients that announce a layout of their own do not add")
        self.trained: Trained | None = trained
        self.range = self._range(trained)
        before = self.sender.kept()
        self.sender.keep_back(trained.delta)  # until the server says that it is in the sum
        alone = len(self.sender.context.clients) < SMALLEST_ROUND  # as coins may have it
        if self.vanishes == "before-keys" or alone:
            return []
        self.before = before
        rng = self.sender.private_rng("keys")
        self.rng, self.own_seed = rng, rng.bytes(payloads.KEY)
        self.sealing, self.masking = KeyPair.draw(rng), KeyPair.draw(rng)
        exponent = (self.sender.examples - 1).bit_length() if self._weighs() else 0
        public = payloads.PUBLIC_KEYS.pack(
            self.sealing.public, self.masking.public, exponent, self.range
        )
        return [self._frame("public-key", public)]

    def receive(self, frame: Frame) -> None:
        """Take keys, envelopes, or the list of survivors in."""
        self.received = KIND_NAMES.get(frame.kind, "")
        if self.received == "keys":
            self.largest, self.range = payloads.EXPONENT.unpack(frame.payload[: payloads.KEYS_HEAD])
            head = payloads.keys_head(self.sender.sums)
            if head > payloads.KEYS_HEAD:
                (self.clip,) = payloads.CLIP.unpack(frame.payload[payloads.KEYS_HEAD : head])
            rows = payloads.open_rows(payloads.KEYS, frame, head)
            self.keys = {client: (sealing, masking) for client, sealing, masking in rows}
        elif self.received == "shares":
            self.envelopes = dict(payloads.open_rows(payloads.ENVELOPES, frame))
        elif self.received == "survivors":
            self.survivors = {client for (client,) in payloads.open_rows(payloads.SURVIVORS, frame)}
            if self.sent is not None:
                self.sender.keep(self.sent)
                self.sent = None
        else:
            raise ValueError(f"client {self.me}: {self.received!r} is no message of a masked sum")

    def answer(self) -> list[bytes]:
        """Return the message that follows what was received."""
        received, self.received = self.received, ""
        if received == "keys":
            return self._share()
        return self._mask() if received == "shares" else self._unmask()

    def _share(self) -> list[bytes]:
        """Return an envelope for each neighbour; nothing if they are too few."""
        if len(self.keys) + 1 < self.needed:
            return []
        holders = [self.me, *self.keys]
        of_key = split_secret(self.masking.secret, holders, self.needed, self.rng)
        of_seed = split_secret(self.own_seed, holders, self.needed, self.rng)
        self.held[self.me] = of_key[self.me], of_seed[self.me]
        rows = []
        for other, (public, _) in self.keys.items():
            binding = self.occasion.binding("envelope", self.me, other)
            key = self.sealing.agree(public, binding)
            rows.append((other, seal_envelope(key, of_key[other] + of_seed[other], binding)))
        return [self._frame("shares", payloads.pack_rows(payloads.ENVELOPES, rows))]

    def _mask(self) -> list[bytes]:
        """Return the masked vector; nothing if too few neighbours have shared."""
        if self.vanishes == "after-shares" or len(self.envelopes) + 1 < self.needed:
            return []
        for other, sealed in self.envelopes.items():
            binding = self.occasion.binding("envelope", other, self.me)
            content = open_envelope(
                self.sealing.agree(self.keys[other][0], binding), sealed, binding
            )
            self.held[other] = content[: payloads.SHARE], content[payloads.SHARE :]
        trained, sums = self._take_trained(), self.sender.sums
        if self.agrees:
            sums = sums.with_range(self.range)
        if self.clip is not None:
            sums = sums.with_clip(self.clip)
        weight = self.sender.examples / (1 << self.largest) if self._weighs() else 1.0
        numbers = self._integers(trained.delta, weight, sums)
        vector = ModularVector(numbers, self._tail(trained.loss), sums.bits)
        masked = vector.plus(vector.mask(self.own_seed))
        for other in self.envelopes:
            key = self.masking.agree(self.keys[other][1], self.occasion.of_pair(self.me, other))
            mask = vector.mask(key)
            masked = masked.plus(mask) if self.me < other else masked.minus(mask)
        return [self._frame("masked", payloads.pack_masked(masked))]

    def _integers(self, delta: Tensor, weight: float, sums: IntegerSums) -> UInt64s:
        """Return the integers; what the client keeps of them it keeps once it hears of the sum."""
        assert self.before is not None
        kept_back = self.sender.kept()
        self.sender.keep(self.before)
        numbers = self.sender.integers(delta, weight, sums)
        self.before, self.sent = None, self.sender.kept()  # sessions outlive the round
        self.sender.keep(kept_back)
        return numbers

    def _tail(self, loss: float) -> UInt64s:
        """Return number of examples, and loss times that; nothing where noise would not cover."""
        if not payloads.has_tail(self.sender.sums):
            return np.zeros(0, np.uint64)
        return metrics_to_sum(self.sender.examples, loss)

    def _unmask(self) -> list[bytes]:
        """Return one share of each neighbour that shared, by whether it survived; once a round.

        Raises:
            ValueError: if the server asks for what would open a single vector.
        """
        if self.vanishes == "after-masked" or len(self.survivors) < self.needed:
            return []
        strangers = self.survivors - set(self.held)
        if strangers or self.me not in self.survivors:
            raise ValueError(
                f"client {self.me} is asked to unmask for {sorted(self.survivors)}, of whom "
                f"{sorted(strangers) or 'itself is not one'}"
            )
        held, self.held = self.held, {}
        rows = [(owner, shares[owner in self.survivors]) for owner, shares in held.items()]
        return [self._frame("unmask", payloads.pack_rows(payloads.SHARES, rows))]

    def _range(self, trained: Trained) -> int:
        """Return what the client tells of the range of what it encodes: nothing where it is known.

        A weight, which is 1 at most, makes that no larger.
        """
        if not self.agrees:
            return 0
        codec = as_summable(self.sender.sums.codec)
        outgoing = self.sender.outgoing(trained.delta)
        return codec.tell_range(outgoing.numpy(), self.sender.shared())

    def _weighs(self) -> bool:
        return self.fields.weights != "uniform" and self.sender.sums.noisy is None

    def _take_trained(self) -> Trained:
        assert self.trained is not None
        trained, self.trained = self.trained, None  # sessions outlive the round
        return trained

    def _frame(self, kind: str, payload: bytes) -> bytes:
        return frame_exchange(payload, self.sender.shared(exact=True), kind).pack()
