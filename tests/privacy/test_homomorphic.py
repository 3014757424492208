"""Ciphertexts that add: exact packed integers, floats, noise that fits, seeds that differ."""

import numpy as np
import pytest

from fedbytes.privacy.homomorphic.lattice import CiphertextSum, Lattice
from fedbytes.privacy.homomorphic.slots import SlotPacking

RNG = np.random.default_rng(5)


@pytest.mark.parametrize(("clients", "levels"), [(10, 255), (10, 16), (10, 4), (100, 16), (3, 2)])
def test_packed_sums_are_exact_at_the_ends_of_the_range(clients, levels):
    packing = SlotPacking((clients * (levels - 1)).bit_length(), clients)
    lattice = Lattice("bfv", packing.plain_bits)
    key, total = lattice.secret_key(RNG.bytes(64)), CiphertextSum(lattice)
    expected = np.zeros(900, np.uint64)
    for _ in range(clients):
        numbers = RNG.integers(0, levels, 900).astype(np.uint64)
        numbers[:300] = levels - 1
        expected += numbers
        total.add(lattice.encrypt(packing.pack(numbers), key, RNG))
    found = packing.unpack(lattice.decrypt(total.to_bytes(), key), 900)
    assert np.array_equal(found, expected)


@pytest.mark.parametrize(("levels", "most"), [(255, 1.35), (16, 1.0), (4, 0.7)])
def test_bytes_up_against_fp32(levels, most):
    """10 clients, full ciphertexts: the demands are 1.35, 1.0 and 0.7 times fp32."""
    packing = SlotPacking((10 * (levels - 1)).bit_length(), 10)
    lattice = Lattice("bfv", packing.plain_bits)
    count = 4096 * packing.in_slot
    numbers = RNG.integers(0, levels, count).astype(np.uint64)
    sent = lattice.encrypt(packing.pack(numbers), lattice.secret_key(RNG.bytes(64)), RNG)
    assert len(sent) == 1
    assert len(sent[0]) / (4 * count) < most / 2


def test_floats_add_to_a_millionth_and_too_large_ones_are_refused():
    lattice, total = Lattice("ckks"), CiphertextSum(Lattice("ckks"))
    key = lattice.secret_key(RNG.bytes(64))
    vectors = RNG.normal(0, 1e-3, (10, 3000))
    vectors[:, :2048] = 102.4  # a whole ciphertext at the end of the range
    for vector in vectors:
        total.add(lattice.encrypt(vector, key, RNG, 10))
    found = lattice.decrypt(total.to_bytes(), key)[:3000]
    assert np.abs(found - vectors.sum(0)).max() < 1e-8
    with pytest.raises(ValueError, match=r"ckks encrypts numbers up to 102\.4 of 10 clients"):
        lattice.encrypt(np.array([103.0]), key, RNG, 10)


def test_the_same_seed_is_the_same_key_and_another_opens_nothing():
    lattice, seed = Lattice("bfv"), RNG.bytes(64)
    sent = lattice.encrypt(np.arange(50, dtype=np.uint64), lattice.secret_key(seed), RNG)
    again = lattice.decrypt(sent, lattice.secret_key(seed))
    assert np.array_equal(again[:50], np.arange(50))
    with pytest.raises(ValueError, match="no room left for its noise"):
        lattice.decrypt(sent, lattice.secret_key(RNG.bytes(64)))


def test_damaged_ciphertexts_are_refused():
    lattice = Lattice("bfv")
    sent = lattice.encrypt(np.zeros(3, np.uint64), lattice.secret_key(RNG.bytes(64)), RNG)
    with pytest.raises(ValueError, match="does not load"):
        CiphertextSum(lattice).add([sent[0][:100]])
    total = CiphertextSum(lattice)
    total.add(sent)
    with pytest.raises(ValueError, match="2 ciphertexts, others sent 1"):
        total.add(sent * 2)


@pytest.mark.parametrize("scheme", ["bfv", "ckks"])
def test_equal_contents_have_unlike_ciphertexts(scheme):
    """Two under one polynomial would give the difference of their contents away."""
    lattice = Lattice(scheme)
    zeros = np.zeros(2 * lattice.slots, np.uint64 if scheme == "bfv" else np.float64)
    key = lattice.secret_key(RNG.bytes(64))
    sent = [*lattice.encrypt(zeros, key, RNG), *lattice.encrypt(zeros, key, RNG)]
    assert len(set(sent)) == len(sent) == 4
