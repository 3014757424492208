"""A client's part in an encrypted sum."""

from typing import Any

import numpy as np
import torch

from fedbytes.arrays import Floats, UInt64s
from fedbytes.compression.frame import Frame
from fedbytes.federated.aggregations.encrypted_sum import payloads
from fedbytes.federated.aggregations.encrypted_sum.contents import (
    FloatContents,
    IntegerContents,
)
from fedbytes.federated.aggregations.encrypted_sum.places import encrypted_places
from fedbytes.federated.algorithm import Trained
from fedbytes.federated.exchange.parties import Sender
from fedbytes.federated.exchange.sessions import ClientSession
from fedbytes.federated.hooks import Upload
from fedbytes.federated.protocol.messages import KIND_NAMES, frame_exchange
from fedbytes.privacy.homomorphic.lattice import SEED_BYTES
from fedbytes.privacy.homomorphic.settings import EncryptionFields
from fedbytes.privacy.secure_sum.keys import KeyPair, Occasion, open_envelope, seal_envelope


class EncryptingClient(ClientSession):
    """One round of a client: it gets the secret key, encrypts, decrypts the sum, and moves.

    Args:
        sender: the client.
        fields: of the encrypted sum.
    """

    def __init__(self, sender: Sender, fields: EncryptionFields) -> None:
        self.sender, self.fields, self.me = sender, fields, sender.number
        shared = sender.shared(exact=True)
        self.occasion = Occasion(shared.seed, shared.layout.digest, shared.round)
        self.rng = sender.private_rng("keys")
        self.pair = KeyPair.draw(self.rng)
        self.weighs = fields.weights == "examples"
        self.leader, self.largest, self.leader_key = -1, 0, b""
        self.others: dict[int, bytes] = {}
        self.seed = b""
        self.plain: UInt64s = np.zeros(0, np.uint64)
        self.opened: list[Upload] | None = None
        self.mean_loss: float | None = None
        self.answers = 0

    def begin(self, trained: Trained) -> list[bytes]:
        """Return the message of the public key."""
        if trained.announces is not None:
            raise ValueError("messages of clients that announce a layout of their own do not add")
        self.trained: Trained | None = trained
        exponent = (self.sender.examples - 1).bit_length() if self.weighs else 0
        return [self._frame("public-key", payloads.PUBLIC.pack(self.pair.public, exponent))]

    def receive(self, frame: Frame) -> None:
        """Take keys, the sealed seed of the secret key, or the sum in."""
        kind = KIND_NAMES.get(frame.kind, "")
        if kind == "keys":
            head = payloads.LEADER.size
            self.largest, self.leader, self.leader_key = payloads.LEADER.unpack(
                frame.payload[:head]
            )
            self.others = dict(payloads.PUBLIC_ROW.iter_unpack(frame.payload[head:]))
        elif kind == "key":
            binding = self.occasion.binding("secret key", self.leader, self.me)
            key = self.pair.agree(self.leader_key, binding)
            self.seed = open_envelope(key, frame.payload, binding)
        elif kind == "plain-part":
            self.plain = payloads.read_plain(frame, self.sender.sums.bits)
        elif kind == "ciphertext-sum":
            self._open(payloads.read_ciphertexts(frame))
        else:
            raise ValueError(f"client {self.me}: {kind!r} is no message of an encrypted sum")

    def answer(self) -> list[bytes]:
        """Return the sealed seeds, of the first client; then the ciphertexts; then nothing."""
        self.answers += 1
        if self.answers == 1:
            return self._seal_seeds() if self.leader == self.me else []
        return self._encrypt() if self.answers == 2 else []

    def _seal_seeds(self) -> list[bytes]:
        """Draw the secret key's seed, and return it sealed for each of the others."""
        self.seed, rows = self.rng.bytes(SEED_BYTES), []
        for other, public in self.others.items():
            if other != self.me:
                binding = self.occasion.binding("secret key", self.me, other)
                key = self.pair.agree(public, binding)
                rows.append(payloads.SEALED.pack(other, seal_envelope(key, self.seed, binding)))
        return [self._frame("key", b"".join(rows))]

    def _encrypt(self) -> list[bytes]:
        assert self.trained is not None
        trained, self.trained = self.trained, None  # sessions outlive the round
        examples = self.sender.examples
        weight = examples / (1 << self.largest) if self.weighs else 1.0
        frames = []
        if self.fields.scheme == "ckks":
            floats = FloatContents(self.largest, trained.delta.numel())
            vector = (weight * trained.delta).numpy()
            slots: Any = floats.fill(vector, examples, trained.loss)
            lattice = floats.lattice
        else:
            self.places = self._places()
            numbers = self.sender.integers(trained.delta, weight)
            if not self.places.all():
                rest = payloads.pack_plain(numbers[~self.places], self.sender.sums.own_bits)
                frames.append(self._frame("plain-part", rest))
            contents = self._integer_contents()
            slots = contents.fill(numbers[self.places], examples, trained.loss)
            lattice = contents.lattice
        self.key = lattice.secret_key(self.seed)
        ciphertexts = lattice.encrypt(slots, self.key, self.rng, self.sender.sums.clients)
        return [*frames, self._frame("ciphertext", payloads.pack_ciphertexts(ciphertexts))]

    def _places(self) -> np.ndarray:
        """Return which of the integers are encrypted."""
        shared = self.sender.shared()
        if self.fields.share == 1:
            return np.ones(self.sender.sums.coordinates(shared), bool)
        return encrypted_places(self.fields.share, self.sender.held.numpy(), shared)

    def _integer_contents(self) -> IntegerContents:
        return IntegerContents(self.sender.sums, int(self.places.sum()))

    def _open(self, ciphertexts: list[bytes]) -> None:
        """Decrypt the sum, and move the client's model by the mean."""
        sums, shared = self.sender.sums, self.sender.shared()
        mean: Floats
        if self.fields.scheme == "ckks":
            floats = FloatContents(self.largest, shared.layout.numel)
            slots: Any = floats.lattice.decrypt(ciphertexts, self.key)
            total, examples, self.mean_loss = floats.read(slots)
            scale = (1 << self.largest) / examples if self.weighs else 1 / sums.clients
            mean = (total * scale).astype(np.float32)
        else:
            contents = self._integer_contents()
            slots = contents.lattice.decrypt(ciphertexts, self.key)
            numbers = np.zeros(self.places.size, np.uint64)
            numbers[self.places], examples, self.mean_loss = contents.read(slots)
            numbers[~self.places] = self.plain
            image = sums.image(numbers, sums.clients, shared)
            if self.weighs:
                image *= sums.clients * (1 << self.largest) / examples
            mean = sums.recover(image, shared)
        update = torch.from_numpy(mean)
        self.opened = [Upload(-1, update, examples)]
        self.sender.move_by(update)

    def _frame(self, kind: str, payload: bytes) -> bytes:
        return frame_exchange(payload, self.sender.shared(exact=True), kind).pack()
