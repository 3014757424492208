"""The bytes of an encrypted sum, of which a trial is made: SEAL compresses what it saves."""

import functools

import numpy as np

from fedbytes.compression.coding.bit_packing import packed_bytes
from fedbytes.compression.frame import HEADER_BYTES
from fedbytes.compression.layout import Shared
from fedbytes.federated.aggregations.encrypted_sum import payloads
from fedbytes.federated.aggregations.encrypted_sum.contents import FloatContents, IntegerContents
from fedbytes.federated.protocol.integer_sums import IntegerSums
from fedbytes.privacy.homomorphic.lattice import SEED_BYTES, CiphertextSum, Lattice
from fedbytes.privacy.homomorphic.settings import EncryptionFields


def trial_bytes(fields: EncryptionFields, sums: IntegerSums, shared: Shared) -> tuple[int, int]:
    """Return the message bytes up and down of a client in a round, of all clients on average."""
    clients, plain_up, plain_down = sums.clients, 0, 0
    if fields.scheme == "ckks":
        lattice, slots = FloatContents.lattice, shared.layout.numel + 2
    else:
        count = sums.coordinates(shared)
        encrypted = count if shared.round <= 1 else round(fields.share * count)
        if encrypted < count:
            head = 4 + HEADER_BYTES
            plain_up = head + packed_bytes(count - encrypted, sums.own_bits)
            plain_down = head + packed_bytes(count - encrypted, sums.bits)
        contents = IntegerContents(sums, encrypted)
        lattice, slots = contents.lattice, -(-encrypted // contents.packing.in_slot) + 8
    ciphertexts = -(-slots // lattice.slots)
    fresh, added = _ciphertext_bytes(lattice)
    sealed, others = SEED_BYTES + 16, (clients - 1) / clients
    up = payloads.PUBLIC.size + HEADER_BYTES + (fresh + 4) * ciphertexts + HEADER_BYTES + plain_up
    up += round(payloads.SEALED.size * others + HEADER_BYTES / clients)
    down = payloads.LEADER.size + payloads.PUBLIC_ROW.size + HEADER_BYTES + plain_down
    down += round((sealed + HEADER_BYTES) * others) + (added + 4) * ciphertexts + HEADER_BYTES
    return up, down


@functools.cache
def _ciphertext_bytes(lattice: Lattice) -> tuple[int, int]:
    """Return the bytes of a fresh ciphertext, and of a sum."""
    rng = np.random.default_rng(0)
    key = lattice.secret_key(rng.bytes(SEED_BYTES))
    fresh = lattice.encrypt(np.zeros(lattice.slots, np.uint64), key, rng)
    total = CiphertextSum(lattice)
    total.add(fresh)
    return len(fresh[0]), len(total.to_bytes()[0])
